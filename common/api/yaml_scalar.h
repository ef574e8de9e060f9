#pragma once

#include <string>

#include "absl/strings/string_view.h"
#include "nlohmann/json.hpp"

namespace xpu::api {

// What a plain (unquoted) YAML scalar means: null, a boolean, a number or a string, by the rules of YAML 1.1
// as kubectl's parser has them: "yes", "on" and "y" are booleans, "0755" is octal, "1_000" a number, and
// nothing is sexagesimal, so that a MAC address stays a string.
nlohmann::json ResolvePlainScalar(absl::string_view text);

}  // namespace xpu::api
