#pragma once

#include <string>

#include "nlohmann/json_fwd.hpp"

namespace xpu {

// The value as JSON in one line, octet for octet as the library's dump() writes it; octets that are no UTF-8
// are replaced (U+FFFD). Made for objects that are written often: most of what they hold are short texts with
// nothing to escape, which are copied as they are.
std::string JsonText(const nlohmann::json& value);

}  // namespace xpu
