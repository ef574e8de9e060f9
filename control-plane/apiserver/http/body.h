#pragma once

#include <string>

#include "absl/status/statusor.h"
#include "nlohmann/json.hpp"

namespace xpu::apiserver {

// The body of a request as JSON. RequestTooLarge for more than 3 MiB; BadRequest, with the place, for what is
// not JSON, is nested too deeply to be an object of ours, or has a name twice in one object.
absl::StatusOr<nlohmann::json> ParseBody(const std::string& body);

}  // namespace xpu::apiserver
