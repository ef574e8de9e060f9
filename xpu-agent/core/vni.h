#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "xpu-agent/core/field_errors.h"
#include "xpu-agent/model/model.h"

namespace xpu {

// VXLAN network identifiers (RFC 7348): a frame from another card has nothing else to say whose it is, so
// logical bridges and VRFs share one set of numbers.

// Whether it is one, 1 to 2^24-1.
void ValidateVni(const std::optional<uint32_t>& vni, FieldErrors* errors);
// AlreadyExists, beginning with `field`, if it is that of another object than the one named `owner`.
absl::Status CheckVniIsFree(const Model& model, const std::optional<uint32_t>& vni, absl::string_view owner,
                            absl::string_view field);

}  // namespace xpu
