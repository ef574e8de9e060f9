#include "host-agent/inventory/card.h"

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace xpu {
namespace {

using ::testing::HasSubstr;

TEST(Card, ReadsNamePhysicalFunctionAndEndpoint) {
  const auto card = ParseCard("card0=0000:03:00.1=unix:/run/a=b.sock");
  ASSERT_TRUE(card.ok()) << card.status();
  EXPECT_EQ(*card, (CardConfig{"card0", PciAddress{0, 3, 0, 1}, "unix:/run/a=b.sock"}));
  const auto nic = ParseCard("nic0=0000:03:00.0");
  ASSERT_TRUE(nic.ok()) << nic.status();
  EXPECT_EQ(*nic, (CardConfig{"nic0", PciAddress{0, 3, 0, 0}, ""}));
}

TEST(Card, SaysWhatIsWrong) {
  for (const char* text : {"", "card0", "card0=", "card0=0000:03:00.0=", "card0=p0=unix:/x",
                           "=0000:03:00.0=unix:/x", "Card=0000:03:00.0=unix:/x", "-c=0000:03:00.0=unix:/x"}) {
    const auto card = ParseCard(text);
    EXPECT_EQ(card.status().code(), absl::StatusCode::kInvalidArgument) << text;
    EXPECT_THAT(std::string(card.status().message()), HasSubstr(text));
  }
}

TEST(Card, ACardMayHaveSeveralPhysicalFunctionsAtOneEndpoint) {
  EXPECT_TRUE(
      CheckCards({{"c", PciAddress{0, 3, 0, 0}, "unix:/x"}, {"c", PciAddress{0, 3, 0, 1}, "unix:/x"}}).ok());
  EXPECT_FALSE(
      CheckCards({{"c", PciAddress{0, 3, 0, 0}, "unix:/x"}, {"c", PciAddress{0, 3, 0, 1}, "unix:/y"}}).ok());
  EXPECT_THAT(
      std::string(
          CheckCards({{"c", PciAddress{0, 3, 0, 0}, "unix:/x"}, {"c", PciAddress{0, 3, 0, 1}}}).message()),
      HasSubstr("unix:/x and none"));
  EXPECT_FALSE(
      CheckCards({{"c", PciAddress{0, 3, 0, 0}, "unix:/x"}, {"d", PciAddress{0, 3, 0, 0}, "unix:/x"}}).ok());
}

}  // namespace
}  // namespace xpu
