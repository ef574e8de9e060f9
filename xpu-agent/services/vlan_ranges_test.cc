#include "xpu-agent/services/vlan_ranges.h"

#include "gtest/gtest.h"

namespace xpu {
namespace {

TEST(VlanRanges, HoldWhatTheySay) {
  const VlanRanges ranges = VlanRanges::Parse("0, 100-199,300").value();
  for (const uint16_t vlan : {0, 100, 150, 199, 300}) EXPECT_TRUE(ranges.Contains(vlan)) << vlan;
  for (const uint16_t vlan : {1, 99, 200, 299, 301, 4094}) EXPECT_FALSE(ranges.Contains(vlan)) << vlan;
  EXPECT_EQ(ranges.ToString(), "0,100-199,300");
  EXPECT_FALSE(VlanRanges::Parse("")->Contains(0));
  EXPECT_FALSE(VlanRanges().Contains(0));
}

TEST(VlanRanges, RefuseOtherText) {
  for (const char* text : {"x", "1-", "-1", "4095", "5-4", "1-2-3", "1;2", "+1"}) {
    const absl::Status status = VlanRanges::Parse(text).status();
    EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument) << text;
  }
}

}  // namespace
}  // namespace xpu
