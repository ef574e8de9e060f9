#include "common/base/mac_address.h"

#include "gtest/gtest.h"

namespace xpu {
namespace {

TEST(MacAddressTest, TextAndBytesRoundTrip) {
  const auto mac = MacAddress::Parse("0A:1b:2c:3d:4e:fF");
  ASSERT_TRUE(mac.ok()) << mac.status();
  EXPECT_EQ(mac->ToString(), "0a:1b:2c:3d:4e:ff");
  EXPECT_EQ(*MacAddress::FromBytes(mac->ToBytes()), *mac);
}

TEST(MacAddressTest, RefusesWhatIsNoMac) {
  for (const char* text : {"", "02:00:00:00:00", "02:00:00:00:00:0g", "02-00-00-00-00-01",
                           "02:00:00:00:00:01 ", "2:0:0:0:0:1", "0200.0000.0001"}) {
    EXPECT_EQ(MacAddress::Parse(text).status().code(), absl::StatusCode::kInvalidArgument) << text;
  }
  EXPECT_FALSE(MacAddress::FromBytes("12345").ok());
}

TEST(MacAddressTest, KnowsWhatAPortMayOwn) {
  EXPECT_TRUE(MacAddress::Parse("02:00:00:00:00:01")->IsUnicast());
  EXPECT_FALSE(MacAddress().IsUnicast());
  EXPECT_FALSE(MacAddress::Parse("ff:ff:ff:ff:ff:ff")->IsUnicast());
  EXPECT_TRUE(MacAddress::Parse("33:33:00:00:00:01")->IsMulticast());
}

}  // namespace
}  // namespace xpu
