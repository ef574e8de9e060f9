#pragma once

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace xpu {

// VLAN ids from 0 (untagged) to 4094.
class VlanRanges {
 public:
  // None.
  VlanRanges() = default;
  // "0,100-199,300"; nothing for none. InvalidArgument, with the part that is wrong, for anything else.
  static absl::StatusOr<VlanRanges> Parse(absl::string_view text);

  bool Contains(uint16_t vlan) const;
  // As Parse() takes it.
  std::string ToString() const;

 private:
  std::vector<std::pair<uint16_t, uint16_t>> ranges_;
};

}  // namespace xpu
