#include "xpu-agent/core/block_changes.h"

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "xpu-agent/core/port_changes.h"

namespace xpu {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

class BlockChangesTest : public ::testing::Test {
 protected:
  BlockChangesTest() {
    state_.model.bridges["red"] = {.id = "red", .network_key = 1, .prefixes = {Prefix("10.0.0.0/24")}};
  }
  static IpPrefix Prefix(const std::string& text) { return IpPrefix::Parse(text).value(); }
  absl::Status Set(const std::vector<std::string>& blocks) {
    std::vector<IpPrefix> parsed;
    for (const std::string& block : blocks) parsed.push_back(Prefix(block));
    return SetAddressBlocks(state_, "red", parsed);
  }
  absl::Status Bind(int number, const std::string& address = "") {
    BindSpec spec{.port = "host0-" + std::to_string(number),
                  .bridge = "red",
                  .mac = MacAddress({2, 0, 0, 0, 0, static_cast<uint8_t>(number)}),
                  .claim = 1};
    if (!address.empty()) spec.addresses = {IpAddress::Parse(address).value()};
    return BindPort(state_, spec, [](const std::string&) { return absl::OkStatus(); });
  }
  std::string AddressOf(int number) const {
    return state_.model.ports.at("host0-" + std::to_string(number)).addresses.at(0).ToString();
  }
  static std::string NeedOf(const absl::Status& status) {
    const auto need = status.GetPayload(kNeedsAddressBlock);
    return need.has_value() ? std::string(*need) : "";
  }

  AgentState state_;
};

TEST_F(BlockChangesTest, AddressesComeOutOfTheBlocksOnly) {
  ASSERT_EQ(Set({"10.0.0.8/31", "10.0.0.4/31", "10.0.0.4/31"}), absl::OkStatus());
  EXPECT_THAT(*state_.model.bridges["red"].blocks, ElementsAre(Prefix("10.0.0.4/31"), Prefix("10.0.0.8/31")));
  for (int i = 1; i <= 4; ++i) ASSERT_EQ(Bind(i), absl::OkStatus());
  EXPECT_EQ(AddressOf(1), "10.0.0.4/24");
  EXPECT_EQ(AddressOf(4), "10.0.0.9/24");
  const absl::Status full = Bind(5);
  EXPECT_TRUE(absl::IsResourceExhausted(full)) << full;
  EXPECT_EQ(NeedOf(full), "IPv4");
}

TEST_F(BlockChangesTest, TheNetworksOwnAddressIsInNoBlock) {
  ASSERT_EQ(Set({"10.0.0.0/32", "10.0.0.254/31"}), absl::OkStatus());
  ASSERT_EQ(Bind(1), absl::OkStatus());
  EXPECT_EQ(AddressOf(1), "10.0.0.254/24");
  EXPECT_EQ(NeedOf(Bind(2)), "IPv4");
}

TEST_F(BlockChangesTest, AnAddressThatIsAskedForMustBeInABlock) {
  ASSERT_EQ(Set({"10.0.0.4/30"}), absl::OkStatus());
  EXPECT_EQ(Bind(1, "10.0.0.6"), absl::OkStatus());
  const absl::Status outside = Bind(2, "10.0.0.9");
  EXPECT_TRUE(absl::IsFailedPrecondition(outside)) << outside;
  EXPECT_EQ(NeedOf(outside), "10.0.0.9");
}

TEST_F(BlockChangesTest, ABridgeOfWhichNothingWasSaidHasAllOfItsPrefixes) {
  EXPECT_EQ(Bind(1), absl::OkStatus());
  EXPECT_EQ(AddressOf(1), "10.0.0.1/24");
  // What was given before stays, and no more comes.
  EXPECT_EQ(Set({}), absl::OkStatus());
  EXPECT_EQ(AddressOf(1), "10.0.0.1/24");
  EXPECT_EQ(NeedOf(Bind(2)), "IPv4");
}

TEST_F(BlockChangesTest, ABlockInUseStays) {
  ASSERT_EQ(Set({"10.0.0.4/30", "10.0.0.8/30"}), absl::OkStatus());
  ASSERT_EQ(Bind(1), absl::OkStatus());
  const absl::Status refused = Set({"10.0.0.8/30"});
  EXPECT_TRUE(absl::IsFailedPrecondition(refused));
  EXPECT_THAT(std::string(refused.message()), HasSubstr("host0-1"));
  EXPECT_EQ(Set({"10.0.0.4/30"}), absl::OkStatus());
  EXPECT_TRUE(absl::IsNotFound(SetAddressBlocks(state_, "blue", {})));
}

}  // namespace
}  // namespace xpu
