#include "xpu-agent/services/vlan_ranges.h"

#include <algorithm>

#include "absl/strings/ascii.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"

namespace xpu {
namespace {

constexpr uint32_t kMaxVlanId = 4094;

bool ParseVlan(absl::string_view text, uint32_t* vlan) {
  return !text.empty() && absl::ascii_isdigit(text[0]) && absl::SimpleAtoi(text, vlan) && *vlan <= kMaxVlanId;
}

}  // namespace

absl::StatusOr<VlanRanges> VlanRanges::Parse(absl::string_view text) {
  VlanRanges parsed;
  for (absl::string_view part : absl::StrSplit(text, ',', absl::SkipWhitespace())) {
    const std::vector<absl::string_view> ends = absl::StrSplit(absl::StripAsciiWhitespace(part), '-');
    uint32_t first = 0, last = 0;
    if (ends.size() > 2 || !ParseVlan(ends.front(), &first) || !ParseVlan(ends.back(), &last) ||
        first > last) {
      return absl::InvalidArgumentError(absl::StrCat(
          "\"", part, "\" is no VLAN id from 0 to 4094 and no range of them; write for example 100-199,300"));
    }
    parsed.ranges_.emplace_back(static_cast<uint16_t>(first), static_cast<uint16_t>(last));
  }
  return parsed;
}

bool VlanRanges::Contains(uint16_t vlan) const {
  return std::any_of(ranges_.begin(), ranges_.end(),
                     [vlan](const auto& range) { return range.first <= vlan && vlan <= range.second; });
}

std::string VlanRanges::ToString() const {
  return absl::StrJoin(ranges_, ",", [](std::string* out, const auto& range) {
    absl::StrAppend(out, range.first);
    if (range.second != range.first) absl::StrAppend(out, "-", range.second);
  });
}

}  // namespace xpu
