#include "xpu-agent/controllers/controllers_testing.h"

namespace xpu {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

class NetdevControllerTest : public ControllersTest {
 protected:
  void StartWithNetwork() {
    Start();
    CreateNetwork("blue", 100);
    WaitForReady(Networks(), "blue");
  }
  Resource WaitForPorts(const std::string& network, int ports) {
    return WaitFor(Networks(), network, [ports](const Resource& object) { return PortsIn(object) == ports; });
  }
};

TEST_F(NetdevControllerTest, WithoutANetworkThePortIsIsolated) {
  Start();
  CreateNetdev("a", 1, "");
  const Resource netdev = WaitForState("a", "Isolated");
  EXPECT_TRUE(HasFinalizer(netdev, "xpu.opiproject.org/port"));
  EXPECT_EQ(At(netdev, "/status/claim"), 1);
  EXPECT_EQ(At(netdev, "/status/mac"), MacOf(1));
  const auto port = opi_.GetBridgePort("bridgePorts/host0-1");
  ASSERT_TRUE(port.ok()) << port.status();
  EXPECT_EQ(port->spec().logical_bridges_size(), 0);
}

TEST_F(NetdevControllerTest, WithANetworkThePortIsBoundAndTheStatusSaysHow) {
  StartWithNetwork();
  PatchSpec(Networks(), "blue",
            {{"prefixes", Resource::array({"10.0.0.0/24", "fd00::/64"})},
             {"gateways", Resource::array({"10.0.0.1"})}});
  WaitForReady(Networks(), "blue");
  CreateNetdev("a", 1, "blue");
  const Resource netdev = WaitForState("a", "Attached");
  EXPECT_EQ(At(netdev, "/status/addresses"), Resource::array({"10.0.0.2/24", "fd00::1/64"}));
  EXPECT_EQ(At(netdev, "/status/gateways"), Resource::array({"10.0.0.1"}));
  EXPECT_EQ(At(netdev, "/status/mtu"), 1500);
  EXPECT_EQ(At(netdev, "/status/mac"), MacOf(1));
  EXPECT_EQ(GetCondition(netdev, "Ready").status, "True");
  EXPECT_EQ(At(WaitForPorts("blue", 1), "/status/cards/0/addresses"), 2);
}

TEST_F(NetdevControllerTest, AClaimedFunctionMovesIntoItsNetwork) {
  StartWithNetwork();
  CreateNetdev("a", 1, "");
  WaitForState("a", "Isolated");
  PatchSpec(Netdevs(), "a", {{"network", "blue"}});
  WaitForState("a", "Attached");
  EXPECT_TRUE(BindingOf(1).has_value());
}

TEST_F(NetdevControllerTest, WaitsForItsNetworkAndSaysSo) {
  Start();
  CreateNetdev("a", 1, "blue");
  const Resource netdev = WaitForReady(Netdevs(), "a", "NotFound");
  EXPECT_EQ(At(netdev, "/status/state"), "Failed");
  EXPECT_THAT(GetCondition(netdev, "Ready").message, HasSubstr("no Network default/blue"));
  CreateNetwork("blue", 100);
  WaitForState("a", "Attached");
}

TEST_F(NetdevControllerTest, AskedForAddressesAreGiven) {
  StartWithNetwork();
  CreateNetdev("a", 1, "");
  PatchSpec(Netdevs(), "a", {{"network", "blue"}, {"addresses", Resource::array({"10.0.0.77"})}});
  EXPECT_EQ(At(WaitForState("a", "Attached"), "/status/addresses"), Resource::array({"10.0.0.77/24"}));
}

TEST_F(NetdevControllerTest, LimitsAreChangedWithoutTakingThePortOutOfItsNetwork) {
  StartWithNetwork();
  ASSERT_TRUE(BindDirectly(1, "blue").ok());
  CreateNetdev("a", 1, "blue");
  WaitForState("a", "Attached");
  EXPECT_FALSE(BindingOf(1)->has_bandwidth());
  PatchSpec(Netdevs(), "a", {{"bandwidth", {{"egressRate", 8'000'000}, {"ingressRate", 16'000'000}}}});
  WaitForReady(Netdevs(), "a");
  EXPECT_EQ(BindingOf(1)->bandwidth().egress_rate(), 8'000'000u);
  EXPECT_EQ(BindingOf(1)->bandwidth().ingress_rate(), 16'000'000u);
  PatchSpec(Netdevs(), "a", {{"bandwidth", {{"egressRate", 0}}}});
  WaitForReady(Netdevs(), "a");
  EXPECT_EQ(BindingOf(1)->bandwidth().egress_rate(), 0u);
  EXPECT_EQ(opi_.Calls("UnbindPort"), 0);
}

TEST_F(NetdevControllerTest, WhatAPodAsksForIsKeptBesideWhatAnOperatorSets) {
  StartWithNetwork();
  ASSERT_TRUE(BindDirectly(1, "blue").ok());
  CreateNetdev("a", 1, "blue");
  WaitForState("a", "Attached");
  PatchSpec(Netdevs(), "a",
            {{"bandwidth", {{"egressRate", 8'000'000}}},
             {"podBandwidth", {{"ingressRate", 5}, {"ingressBurst", 6}}}});
  WaitForReady(Netdevs(), "a");
  EXPECT_EQ(BindingOf(1)->pod_bandwidth().ingress_rate(), 5u);
  EXPECT_EQ(BindingOf(1)->pod_bandwidth().ingress_burst(), 6u);
  EXPECT_EQ(BindingOf(1)->bandwidth().egress_rate(), 8'000'000u);
  EXPECT_EQ(BindingOf(1)->bandwidth().ingress_rate(), 0u);
  EXPECT_EQ(opi_.Calls("UnbindPort"), 0);
}

TEST_F(NetdevControllerTest, WhatTheHostAgentDidOverOpiIsOnlyWrittenDown) {
  StartWithNetwork();
  const auto direct = BindDirectly(1, "blue");
  ASSERT_TRUE(direct.ok()) << direct.status();
  CreateNetdev("a", 1, "blue");
  const Resource netdev = WaitForState("a", "Attached");
  EXPECT_EQ(At(netdev, "/status/addresses/0"), direct->addresses(0));
  EXPECT_EQ(opi_.Calls("UnbindPort"), 0);
}

TEST_F(NetdevControllerTest, AStaleClaimChangesNothing) {
  StartWithNetwork();
  const auto direct = BindDirectly(1, "blue", 2);
  ASSERT_TRUE(direct.ok());
  CreateNetdev("a", 1, "", 1);
  CreateNetdev("b", 2, "blue");
  WaitForState("b", "Attached");
  PatchSpec(Netdevs(), "a", {{"claim", 2}, {"network", "blue"}});
  const Resource netdev = WaitForState("a", "Attached");
  EXPECT_EQ(At(netdev, "/status/claim"), 2);
  EXPECT_EQ(At(netdev, "/status/addresses/0"), direct->addresses(0));
  EXPECT_EQ(BindingOf(1)->claim(), 2);
}

TEST_F(NetdevControllerTest, ALateResourceDoesNotIsolateABoundPort) {
  StartWithNetwork();
  ASSERT_TRUE(BindDirectly(1, "blue").ok());
  // The claim as it was before the host agent bound the port.
  const int before = opi_.Calls("CreateBridgePort");
  opi_.BlockCalls("CreateBridgePort");
  CreateNetdev("a", 1, "");
  ASSERT_TRUE(opi_.WaitForBlocked("CreateBridgePort", 1));
  opi_.ReleaseCalls("CreateBridgePort");
  Stop();
  EXPECT_GT(opi_.Calls("CreateBridgePort"), before);
  EXPECT_TRUE(BindingOf(1).has_value());
  EXPECT_FALSE(store_.Get(Netdevs(), Name("a"))->contains("status"))
      << "nothing is said of an outdated resource";
}

TEST_F(NetdevControllerTest, TakingTheNetworkAwayIsolatesThePort) {
  StartWithNetwork();
  CreateNetdev("a", 1, "blue");
  WaitForState("a", "Attached");
  WaitForPorts("blue", 1);
  PatchSpec(Netdevs(), "a", {{"network", nullptr}});
  WaitForState("a", "Isolated");
  EXPECT_FALSE(BindingOf(1).has_value());
  EXPECT_TRUE(PortExists(1));
  WaitForPorts("blue", 0);
}

TEST_F(NetdevControllerTest, AnotherNetworkMovesThePort) {
  StartWithNetwork();
  CreateNetwork("red", 200, "10.1.0.0/24");
  WaitForReady(Networks(), "red");
  CreateNetdev("a", 1, "blue");
  WaitForState("a", "Attached");
  WaitForPorts("blue", 1);
  PatchSpec(Netdevs(), "a", {{"network", "red"}});
  EXPECT_EQ(At(WaitForState("a", "Attached"), "/status/addresses/0"), "10.1.0.1/24");
  WaitForPorts("red", 1);
  WaitForPorts("blue", 0);
}

TEST_F(NetdevControllerTest, DeletionReleasesThePort) {
  StartWithNetwork();
  CreateNetdev("a", 1, "blue");
  WaitForState("a", "Attached");
  ASSERT_TRUE(store_.Delete(Netdevs(), Name("a")).ok());
  WaitForGone(Netdevs(), "a");
  EXPECT_FALSE(PortExists(1));
  EXPECT_TRUE(absl::IsAborted(BindDirectly(1, "blue", 1).status())) << "the claim is over";
  WaitForPorts("blue", 0);
}

TEST_F(NetdevControllerTest, DeletionOfAnOldClaimLeavesTheNewOneAlone) {
  StartWithNetwork();
  CreateNetdev("a", 1, "blue");
  WaitForState("a", "Attached");
  ASSERT_TRUE(BindDirectly(1, "blue", 2).ok());
  ASSERT_TRUE(store_.Delete(Netdevs(), Name("a")).ok());
  WaitForGone(Netdevs(), "a");
  ASSERT_TRUE(BindingOf(1).has_value());
  EXPECT_EQ(BindingOf(1)->claim(), 2);
}

TEST_F(NetdevControllerTest, DeletionWaitsForAnAgentThatIsAway) {
  StartWithNetwork();
  CreateNetdev("a", 1, "blue");
  WaitForState("a", "Attached");
  opi_.SetConnected(false);
  const int before = opi_.Calls("UnbindPort");
  ASSERT_TRUE(store_.Delete(Netdevs(), Name("a")).ok());
  WaitFor(Netdevs(), "a", [](const Resource& object) { return IsBeingDeleted(object); });
  opi_.SetConnected(true);
  WaitForGone(Netdevs(), "a");
  EXPECT_GT(opi_.Calls("UnbindPort"), before);
  EXPECT_FALSE(PortExists(1));
}

TEST_F(NetdevControllerTest, ANetdevThatItsStoreLostKeepsItsPort) {
  StartWithNetwork();
  CreateNetdev("a", 1, "blue");
  WaitForState("a", "Attached");
  store_.Erase(Netdevs(), Name("a"));
  CreateNetdev("b", 2, "blue");
  WaitForState("b", "Attached");
  Stop();
  EXPECT_TRUE(BindingOf(1).has_value());
}

TEST_F(NetdevControllerTest, AnAddressOfAnotherIsAConflictUntilItIsFree) {
  StartWithNetwork();
  CreateNetdev("a", 1, "blue");
  WaitForState("a", "Attached");
  CreateNetdev("b", 2, "");
  PatchSpec(Netdevs(), "b", {{"network", "blue"}, {"addresses", Resource::array({"10.0.0.1"})}});
  const Resource failed = WaitForReady(Netdevs(), "b", "Conflict");
  EXPECT_EQ(At(failed, "/status/state"), "Failed");
  EXPECT_THAT(GetCondition(failed, "Ready").message, HasSubstr("10.0.0.1"));
  CreateNetdev("c", 3, "blue");
  WaitForState("c", "Attached");
  ASSERT_TRUE(store_.Delete(Netdevs(), Name("a")).ok());
  WaitForState("b", "Attached");
}

TEST_F(NetdevControllerTest, AFullNetworkIsSaid) {
  Start();
  CreateNetwork("tiny", 100, "10.0.0.0/30");
  WaitForReady(Networks(), "tiny");
  CreateNetdev("a", 1, "tiny");
  CreateNetdev("b", 2, "tiny");
  WaitForState("a", "Attached");
  WaitForState("b", "Attached");
  CreateNetdev("c", 3, "tiny");
  WaitForReady(Netdevs(), "c", "NoneLeft");
}

TEST_F(NetdevControllerTest, AFunctionThatTheCardLacksIsNotFound) {
  StartWithNetwork();
  opi_.RemoveFunction("host0-1");
  CreateNetdev("a", 1, "blue");
  EXPECT_THAT(GetCondition(WaitForReady(Netdevs(), "a", "NotFound"), "Ready").message, HasSubstr("host0-1"));
}

TEST_F(NetdevControllerTest, ABadMacIsInvalidAndNotTriedAgain) {
  StartWithNetwork();
  CreateNetdev("a", 1, "");
  WaitForState("a", "Isolated");
  PatchSpec(Netdevs(), "a", {{"mac", nullptr}});
  EXPECT_THAT(GetCondition(WaitForReady(Netdevs(), "a", "Invalid"), "Ready").message, HasSubstr("spec.mac"));
}

TEST_F(NetdevControllerTest, NetdevsOfOtherCardsAreNotTouched) {
  StartWithNetwork();
  Resource other = MakeResource(Netdevs(), Name("other"));
  other["spec"] = {{"host", "host-a"}, {"function", "0000:04:00.2"},
                   {"card", "card1"},  {"port", "host0-5"},
                   {"claim", 1},       {"mac", MacOf(5)}};
  ASSERT_TRUE(store_.Create(Netdevs(), other).ok());
  CreateNetdev("a", 1, "blue");
  WaitForState("a", "Attached");
  Stop();
  const auto untouched = store_.Get(Netdevs(), Name("other"));
  EXPECT_FALSE(HasFinalizer(*untouched, "xpu.opiproject.org/port"));
  EXPECT_FALSE(PortExists(5));
}

TEST_F(NetdevControllerTest, ANetworkThatIsNotReadyIsSaid) {
  evpn::LogicalBridgeSpec in_the_way;
  in_the_way.set_vlan_id(1);
  in_the_way.set_vni(100);
  ASSERT_TRUE(opi_.CreateLogicalBridge("in-the-way", in_the_way).ok());
  Start();
  CreateNetwork("blue", 100);
  CreateNetdev("a", 1, "blue");
  EXPECT_THAT(GetCondition(WaitForReady(Netdevs(), "a", "InUse"), "Ready").message,
              HasSubstr("default/blue is not ready"));
  ASSERT_TRUE(opi_.DeleteLogicalBridge("logicalBridges/in-the-way").ok());
  WaitForState("a", "Attached");
}

}  // namespace
}  // namespace xpu
