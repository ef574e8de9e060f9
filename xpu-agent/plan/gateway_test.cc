#include "xpu-agent/plan/gateway.h"

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "xpu-agent/plan/plan_testing.h"

namespace xpu::pipeline {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

class GatewayTest : public ::testing::Test {
 protected:
  GatewayTest() {
    AddBridge(&model_, "red", 1, {"10.0.0.0/24", "2001:db8::/64"});
    AddBridge(&model_, "green", 2, {"10.1.0.0/24"});
    AddVrf(&model_, "vrf", 7);
    AddSvi(&model_, "svi-a", "vrf", "red", {"10.0.0.254/24", "2001:db8::ff/64"});
    AddSvi(&model_, "svi-b", "vrf", "green", {"10.1.0.254/24"});
  }
  std::vector<std::string> Routed() {
    std::vector<std::string> bridges;
    for (const auto& [bridge, gateway] : ResolveGateways(model_)) bridges.push_back(bridge);
    return bridges;
  }
  Model model_;
};

TEST_F(GatewayTest, KnowsWhatTheFlowsNeed) {
  const auto gateways = ResolveGateways(model_);
  ASSERT_EQ(gateways.size(), 2u);
  const Gateway& red = gateways.at("red");
  EXPECT_EQ(red.vrf_key, 7u);
  EXPECT_EQ(red.mac_text.text, "02:58:50:00:00:01");
  EXPECT_EQ(red.link_local_text.text, "fe80::58:50ff:fe00:1");
  ASSERT_EQ(red.subnets.size(), 2u);
  EXPECT_EQ(red.subnets[0].address_text.text, "10.0.0.254");
  EXPECT_EQ(red.subnets[0].prefix_text.text, "10.0.0.0/24");
  EXPECT_TRUE(red.Routes(IpAddress::Parse("10.0.0.7").value()));
  EXPECT_TRUE(red.Routes(IpAddress::Parse("2001:db8::7").value()));
  EXPECT_FALSE(red.Routes(IpAddress::Parse("10.1.0.7").value()));
  EXPECT_FALSE(red.check_size);
}

TEST_F(GatewayTest, TakesTheMacThatItWasGiven) {
  model_.svis["svi-a"].mac = MacAddress::Parse("02:00:00:00:00:99").value();
  EXPECT_EQ(ResolveGateways(model_).at("red").mac_text.text, "02:00:00:00:00:99");
}

TEST_F(GatewayTest, LeavesOutAMacThatNoInterfaceHas) {
  model_.svis["svi-a"].mac = MacAddress::Parse("01:00:5e:00:00:01").value();
  EXPECT_THAT(Routed(), ElementsAre("green"));
}

TEST_F(GatewayTest, NeedsItsVrfAndItsBridge) {
  model_.svis["svi-a"].vrf = "elsewhere";
  model_.svis["svi-b"].logical_bridge = "grey";
  EXPECT_THAT(Routed(), IsEmpty());
}

TEST_F(GatewayTest, LeavesOutAVrfWithoutAKeyOrWithAnothersKey) {
  AddVrf(&model_, "a-vrf", 7);
  EXPECT_THAT(Routed(), IsEmpty()) << "'a-vrf' comes first, so 'vrf' is out";
  model_.vrfs.erase("a-vrf");
  model_.vrfs["vrf"].vrf_key = 0;
  EXPECT_THAT(Routed(), IsEmpty());
}

TEST_F(GatewayTest, GivesOneOfTwoSvisTheBridge) {
  AddSvi(&model_, "svi-0", "vrf", "red", {"10.9.0.254/24"});
  EXPECT_EQ(ResolveGateways(model_).at("red").subnets[0].address_text.text, "10.9.0.254");
}

TEST_F(GatewayTest, GivesOneOfTwoSvisWhoseSubnetsOverlapTheVrf) {
  AddBridge(&model_, "blue", 3, {});
  AddSvi(&model_, "svi-c", "vrf", "blue", {"10.0.0.130/25"});
  EXPECT_THAT(Routed(), ElementsAre("green", "red"));
  AddVrf(&model_, "other", 8);
  model_.svis["svi-c"].vrf = "other";
  EXPECT_THAT(Routed(), ElementsAre("blue", "green", "red")) << "another domain may use the same prefixes";
}

TEST_F(GatewayTest, MayHaveTwoAddressesInASubnet) {
  model_.svis["svi-a"].gateways.push_back(InterfaceAddress::Parse("10.0.0.253/24").value());
  EXPECT_THAT(Routed(), ElementsAre("green", "red"));
  model_.svis["svi-a"].gateways.push_back(InterfaceAddress::Parse("10.0.0.252/25").value());
  EXPECT_THAT(Routed(), ElementsAre("green"));
}

TEST_F(GatewayTest, LeavesOutAddressesThatNoRouterHas) {
  for (const char* address : {"10.0.0.254/0", "224.0.0.1/24", "169.254.0.1/16", "fe80::1/64", "::1/64",
                              "127.0.0.1/8", "255.255.255.255/32", "128.0.0.1/1"}) {
    model_.svis["svi-a"].gateways = {InterfaceAddress::Parse(address).value()};
    EXPECT_THAT(Routed(), ElementsAre("green")) << address;
  }
  model_.svis["svi-a"].gateways = {InterfaceAddress::Parse("10.0.0.254/24").value(),
                                   InterfaceAddress::Parse("10.0.0.254/24").value()};
  EXPECT_THAT(Routed(), ElementsAre("green"));
}

TEST_F(GatewayTest, ChecksSizesWhereLargerPacketsMayComeFrom) {
  model_.bridges["green"].mtu = 9000;
  EXPECT_TRUE(ResolveGateways(model_).at("red").check_size);
  EXPECT_FALSE(ResolveGateways(model_).at("green").check_size);
}

}  // namespace
}  // namespace xpu::pipeline
