#pragma once

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "nlohmann/json_fwd.hpp"

namespace xpu {

// One JSON text (RFC 8259) from somebody who is not trusted to be sparing: InvalidArgument, which says where,
// for what is not JSON, is nested more than 64 levels deep (what reads it may recurse), or has a name twice
// in one object (readers would differ in which of them counts). Takes time and memory in proportion to the
// text, whose size is the caller's to bound.
absl::StatusOr<nlohmann::json> ParseStrictJson(absl::string_view text);

}  // namespace xpu
