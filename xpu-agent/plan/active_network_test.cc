#include "xpu-agent/plan/active_network.h"

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "xpu-agent/plan/plan_testing.h"

namespace xpu::pipeline {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

constexpr char kMac1[] = "02:00:00:00:00:01";
constexpr char kMac2[] = "02:00:00:00:00:02";

// "key: ofport ofport" for each network.
std::vector<std::string> Networks(const Model& model) {
  std::vector<std::string> lines;
  for (const auto& [key, resolved] : ResolveNetworks(model, AllOfports(model))) {
    EXPECT_EQ(resolved.network.key, key);
    std::string line = std::to_string(key) + ":";
    for (const auto& [id, member] : resolved.members) line += " " + std::to_string(member.ofport);
    lines.push_back(line);
  }
  return lines;
}

class ActiveNetworkTest : public ::testing::Test {
 protected:
  ActiveNetworkTest() {
    AddBridge(&model_, "red", 1, {"10.0.0.0/24"});
    AddBridge(&model_, "blue", 2, {"10.0.0.0/24"});
    AddBoundPort(&model_, "p1", 1, kMac1, "red", {"10.0.0.1/24"});
  }
  Model model_;
};

TEST_F(ActiveNetworkTest, KnowsAPortByItsNumberAndAddresses) {
  const auto networks = ResolveNetworks(model_, {{"p1", 9}});
  ASSERT_EQ(networks.size(), 1u);
  ASSERT_EQ(networks.begin()->second.members.size(), 1u);
  const Member& member = networks.begin()->second.members.at("p1");
  EXPECT_EQ(member.ofport, 9u);
  ASSERT_EQ(member.v4.size(), 1u);
  EXPECT_EQ(member.v4[0].text, "10.0.0.1");
  ASSERT_EQ(member.v6.size(), 1u);
  EXPECT_EQ(member.v6[0].text, "fe80::ff:fe00:1");
  EXPECT_FALSE(networks.begin()->second.network.has_unbound);
}

TEST_F(ActiveNetworkTest, LeavesOutAPortThatTheSwitchHasNoNumberFor) {
  EXPECT_THAT(ResolveNetworks(model_, {}), IsEmpty());
  EXPECT_THAT(ResolveNetworks(model_, {{"p1", 0}}), IsEmpty());
}

TEST_F(ActiveNetworkTest, LeavesOutAnIsolatedPortAndOneOfAnUnknownBridge) {
  AddBoundPort(&model_, "p2", 2, kMac2, "", {"10.0.0.2/24"});
  AddBoundPort(&model_, "p3", 3, "02:00:00:00:00:03", "green", {"10.0.0.3/24"});
  EXPECT_THAT(Networks(model_), ElementsAre("1: 1"));
}

TEST_F(ActiveNetworkTest, LeavesOutAnAccessPortOfTwoBridges) {
  model_.ports["p1"].logical_bridges = {"red", "blue"};
  EXPECT_THAT(Networks(model_), IsEmpty());
}

TEST_F(ActiveNetworkTest, LeavesOutAMacThatNoInterfaceHas) {
  for (const char* mac : {"00:00:00:00:00:00", "ff:ff:ff:ff:ff:ff", "01:00:5e:00:00:01"}) {
    model_.ports["p1"].mac = MacAddress::Parse(mac).value();
    EXPECT_THAT(Networks(model_), IsEmpty()) << mac;
  }
}

TEST_F(ActiveNetworkTest, GivesOneOfTwoPortsWithTheSameMacTheNetwork) {
  AddBoundPort(&model_, "p2", 2, kMac1, "red", {"10.0.0.2/24"});
  EXPECT_THAT(Networks(model_), ElementsAre("1: 1"));
}

TEST_F(ActiveNetworkTest, LetsTheSameMacAndAddressLiveInAnotherNetwork) {
  AddBoundPort(&model_, "p2", 2, kMac1, "blue", {"10.0.0.1/24"});
  EXPECT_THAT(Networks(model_), ElementsAre("1: 1", "2: 2"));
}

TEST_F(ActiveNetworkTest, GivesOneOfTwoPortsWithTheSameAddressTheNetwork) {
  AddBoundPort(&model_, "p2", 2, kMac2, "red", {"10.0.0.1/24"});
  EXPECT_THAT(Networks(model_), ElementsAre("1: 1"));
}

TEST_F(ActiveNetworkTest, GivesOneOfTwoPortsWithTheSameRepresentorTheNetwork) {
  AddBoundPort(&model_, "p2", 2, kMac2, "blue", {"10.0.0.2/24"});
  model_.representors["p2"].interface = "p1";
  EXPECT_THAT(Networks(model_), ElementsAre("1: 1"));
}

TEST_F(ActiveNetworkTest, NeverJoinsTwoBridgesThatShareAKey) {
  model_.bridges["blue"].network_key = 1;
  AddBoundPort(&model_, "p2", 2, kMac2, "blue", {"10.0.0.2/24"});
  // "blue" comes first, so "red" is out.
  EXPECT_THAT(Networks(model_), ElementsAre("1: 2"));
}

TEST_F(ActiveNetworkTest, LeavesOutABridgeWithoutAUsableKey) {
  for (const uint32_t key : {0u, 1u << 24}) {
    model_.bridges["red"].network_key = key;
    EXPECT_THAT(Networks(model_), IsEmpty()) << key;
  }
}

TEST_F(ActiveNetworkTest, PutsATrunkIntoEachOfItsBridges) {
  model_.bridges["red"].vlan_id = 10;
  model_.bridges["blue"].vlan_id = 20;
  BridgePort& trunk = AddUnboundPort(&model_, "p2", 2, kMac2, "red");
  trunk.type = BridgePortType::kTrunk;
  trunk.logical_bridges = {"red", "blue"};
  EXPECT_THAT(Networks(model_), ElementsAre("1: 1 2", "2: 2"));
}

TEST_F(ActiveNetworkTest, KeepsATrunkOutOfBridgesThatShareAVlanOrHaveNone) {
  AddBridge(&model_, "green", 3, {}).vlan_id = 10;
  AddBridge(&model_, "grey", 4, {}).vlan_id = 4095;
  AddBridge(&model_, "pink", 5, {}).vlan_id = 30;
  model_.bridges["red"].vlan_id = 10;
  BridgePort& trunk = AddUnboundPort(&model_, "p2", 2, kMac2, "red");
  trunk.type = BridgePortType::kTrunk;
  trunk.logical_bridges = {"red", "blue", "green", "grey", "pink"};
  EXPECT_THAT(Networks(model_), ElementsAre("1: 1", "5: 2"));
}

TEST_F(ActiveNetworkTest, IgnoresAddressesThatNoInterfaceHas) {
  model_.ports["p1"].addresses.push_back(InterfaceAddress::Parse("224.0.0.1/24").value());
  const auto networks = ResolveNetworks(model_, AllOfports(model_));
  ASSERT_EQ(networks.size(), 1u);
  EXPECT_EQ(networks.begin()->second.members.at("p1").v4.size(), 1u);
}

}  // namespace
}  // namespace xpu::pipeline
