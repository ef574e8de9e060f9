#include "common/base/pci_address.h"

#include "gtest/gtest.h"

namespace xpu {
namespace {

TEST(PciAddressTest, TextRoundTrips) {
  EXPECT_EQ(PciAddress::Parse("0000:03:1F.7")->ToString(), "0000:03:1f.7");
  EXPECT_EQ(PciAddress::Parse("10000:01:00.0")->ToString(), "10000:01:00.0");
  EXPECT_LT(*PciAddress::Parse("0000:03:00.7"), *PciAddress::Parse("0000:03:01.0"));
}

TEST(PciAddressTest, RefusesWhatIsNoAddress) {
  for (const char* text :
       {"", "03:00.2", "0000:03:00", "0000:03:00.8", "0000:03:20.0", "0000:03:00.2 ", "000:03:00.2",
        "0000:3:00.2", "0000:03:00:2", "0000:0g:00.2", "123456789:03:00.2", "../../etc/passwd"}) {
    EXPECT_EQ(PciAddress::Parse(text).status().code(), absl::StatusCode::kInvalidArgument) << text;
  }
}

}  // namespace
}  // namespace xpu
