#include <atomic>
#include <map>
#include <optional>
#include <string>

#include "absl/strings/str_cat.h"
#include "xpu-agent/controllers/controllers_testing.h"

namespace xpu {
namespace {

using ::testing::HasSubstr;

class NetworkControllerTest : public ControllersTest {
 protected:
  evpn::LogicalBridge Bridge(const std::string& name) {
    const auto bridge = opi_.GetLogicalBridge("logicalBridges/default." + name);
    EXPECT_TRUE(bridge.ok()) << bridge.status();
    return bridge.ok() ? *bridge : evpn::LogicalBridge();
  }
  absl::Status AddBridge(FakeOpiClient& opi, const std::string& id, uint32_t vlan, uint32_t vni) {
    evpn::LogicalBridgeSpec spec;
    spec.set_vlan_id(vlan);
    spec.set_vni(vni);
    return opi.CreateLogicalBridge(id, spec).status();
  }
  evpn::Svi SviOf(const std::string& network) {
    const auto svi = opi_.GetSvi("svis/default." + network);
    EXPECT_TRUE(svi.ok()) << svi.status();
    return svi.ok() ? *svi : evpn::Svi();
  }
  void CreateRouted(const std::string& name, int vni, const std::string& vrf,
                    const std::vector<std::string>& prefixes, const std::vector<std::string>& gateways) {
    Resource object = MakeResource(Networks(), Name(name));
    object["spec"] = {{"vni", vni}, {"prefixes", prefixes}, {"gateways", gateways}, {"mtu", 1500}};
    if (!vrf.empty()) object["spec"]["vrf"] = vrf;
    const auto created = store_.Create(Networks(), object);
    ASSERT_TRUE(created.ok()) << created.status();
  }
  static Resource CardEntry(const Resource& network, const std::string& card) {
    for (const Resource& entry : At(network, "/status/cards")) {
      if (At(entry, "/card") == card) return entry;
    }
    return nullptr;
  }
};

TEST_F(NetworkControllerTest, ANetworkBecomesABridgeAndSaysSo) {
  Start();
  CreateNetwork("blue", 100);
  const Resource network = WaitForReady(Networks(), "blue");
  EXPECT_EQ(Bridge("blue").spec().vni(), 100u);
  EXPECT_EQ(Bridge("blue").spec().vlan_id(), 1u);
  EXPECT_TRUE(HasFinalizer(network, "xpu.opiproject.org/card0-network"));
  EXPECT_EQ(GetCondition(network, "Ready").status, "True");
  EXPECT_EQ(At(CardEntry(network, "card0"), "/confirmedGeneration"), 1);
  EXPECT_EQ(BindDirectly(0, "blue")->addresses(0), "10.0.0.1/24") << "the subnets are there";
}

TEST_F(NetworkControllerTest, TheLowestFreeVlanIsTakenAndKept) {
  ASSERT_TRUE(AddBridge(opi_, "someone-elses", 1, 9).ok());
  ASSERT_TRUE(AddBridge(opi_, "default.blue", 77, 100).ok());
  Start();
  CreateNetwork("blue", 100);
  CreateNetwork("red", 200);
  WaitForReady(Networks(), "blue");
  WaitForReady(Networks(), "red");
  EXPECT_EQ(Bridge("blue").spec().vlan_id(), 77u) << "a bridge that is there keeps its VLAN";
  EXPECT_EQ(Bridge("red").spec().vlan_id(), 2u);
}

TEST_F(NetworkControllerTest, ABridgeOfAnEarlierNetworkOfThatNameIsReplaced) {
  ASSERT_TRUE(AddBridge(opi_, "default.blue", 5, 999).ok());
  Start();
  CreateNetwork("blue", 100);
  WaitForReady(Networks(), "blue");
  EXPECT_EQ(Bridge("blue").spec().vni(), 100u);
}

TEST_F(NetworkControllerTest, AChangedPrefixReachesTheAgent) {
  Start();
  CreateNetwork("blue", 100);
  WaitForReady(Networks(), "blue");
  PatchSpec(Networks(), "blue", {{"prefixes", Resource::array({"10.9.0.0/24", "fd00::/64"})}});
  const Resource network = WaitForReady(Networks(), "blue");
  EXPECT_EQ(At(CardEntry(network, "card0"), "/confirmedGeneration"), 2);
  const auto binding = BindDirectly(0, "blue");
  EXPECT_THAT(binding->addresses(), testing::ElementsAre("10.9.0.1/24", "fd00::1/64"));
}

TEST_F(NetworkControllerTest, APrefixInUseCannotGoAndTheConditionNamesThePort) {
  Start();
  CreateNetwork("blue", 100);
  WaitForReady(Networks(), "blue");
  ASSERT_TRUE(BindDirectly(3, "blue").ok());
  PatchSpec(Networks(), "blue", {{"prefixes", Resource::array({"10.9.0.0/24"})}});
  const Resource network = WaitForReady(Networks(), "blue", "InUse");
  EXPECT_THAT(GetCondition(network, "Ready").message, HasSubstr("host0-3"));
  EXPECT_EQ(At(CardEntry(network, "card0"), "/confirmedGeneration"), 1);
  ASSERT_TRUE(ReleaseDirectly(3).ok());
  EXPECT_EQ(At(CardEntry(WaitForReady(Networks(), "blue"), "card0"), "/confirmedGeneration"), 2);
}

TEST_F(NetworkControllerTest, DeletionRemovesTheBridge) {
  Start();
  CreateNetwork("blue", 100);
  WaitForReady(Networks(), "blue");
  ASSERT_TRUE(store_.Delete(Networks(), Name("blue")).ok());
  WaitForGone(Networks(), "blue");
  EXPECT_TRUE(opi_.ListLogicalBridges()->empty());
}

TEST_F(NetworkControllerTest, DeletionWaitsForThePortsAndNamesThem) {
  Start();
  CreateNetwork("blue", 100);
  WaitForReady(Networks(), "blue");
  ASSERT_TRUE(BindDirectly(3, "blue").ok());
  ASSERT_TRUE(store_.Delete(Networks(), Name("blue")).ok());
  const Resource network = WaitForReady(Networks(), "blue", "InUse");
  EXPECT_THAT(GetCondition(network, "Ready").message, HasSubstr("ports are still in it: host0-3"));
  EXPECT_TRUE(BindingOf(3).has_value());
  ASSERT_TRUE(ReleaseDirectly(3).ok());
  WaitForGone(Networks(), "blue");
  EXPECT_TRUE(opi_.ListLogicalBridges()->empty());
}

TEST_F(NetworkControllerTest, ANetworkThatVanishedTakesItsEmptyBridgeAlong) {
  Start();
  CreateNetwork("blue", 100);
  WaitForReady(Networks(), "blue");
  opi_.BlockCalls("DeleteLogicalBridge");
  store_.Erase(Networks(), Name("blue"));
  ASSERT_TRUE(opi_.WaitForBlocked("DeleteLogicalBridge", 1));
  opi_.ReleaseCalls("DeleteLogicalBridge");
  Stop();
  EXPECT_TRUE(absl::IsNotFound(opi_.GetLogicalBridge("logicalBridges/default.blue").status()));
}

TEST_F(NetworkControllerTest, WaitsForAnAgentThatIsAway) {
  opi_.SetConnected(false);
  Start();
  CreateNetwork("blue", 100);
  const Resource network = WaitForReady(Networks(), "blue", "AgentUnavailable");
  EXPECT_THAT(GetCondition(network, "Ready").message, HasSubstr("card card0: "));
  opi_.SetConnected(true);
  WaitForReady(Networks(), "blue");
}

TEST_F(NetworkControllerTest, AnAgentThatForgotEverythingIsToldAgain) {
  Start();
  CreateNetwork("blue", 100);
  WaitForReady(Networks(), "blue");
  opi_.SetConnected(false);
  opi_.ForgetAll();
  opi_.BlockCalls("CreateLogicalBridge");
  opi_.SetConnected(true);
  ASSERT_TRUE(opi_.WaitForBlocked("CreateLogicalBridge", 1));
  opi_.ReleaseCalls("CreateLogicalBridge");
  Stop();
  EXPECT_EQ(Bridge("blue").spec().vni(), 100u);
}

TEST_F(NetworkControllerTest, TwoCardsShareTheStatus) {
  FakeOpiClient other_opi;
  Start();
  auto other = StartFor("card1", other_opi);
  CreateNetwork("blue", 100);
  const Resource network = WaitFor(Networks(), "blue", [](const Resource& object) {
    return CardEntry(object, "card0").is_object() && CardEntry(object, "card1").is_object();
  });
  EXPECT_EQ(At(network, "/status/cards").size(), 2u);
  EXPECT_TRUE(HasFinalizer(network, "xpu.opiproject.org/card0-network"));
  EXPECT_TRUE(HasFinalizer(network, "xpu.opiproject.org/card1-network"));
  EXPECT_TRUE(other_opi.GetLogicalBridge("logicalBridges/default.blue").ok());
  ASSERT_TRUE(store_.Delete(Networks(), Name("blue")).ok());
  WaitForGone(Networks(), "blue");
  other.reset();
}

// With many cards on one Network each pod would have all of them write the same object in turns.
TEST_F(NetworkControllerTest, CountsOfACardNeverMeetThoseOfAnother) {
  FakeOpiClient other_opi;
  Start();
  auto other = StartFor("card1", other_opi);
  // News come in order and are looked at in order: who has confirmed the second has nothing left to say of
  // the first.
  for (const auto& [name, vni] : std::map<std::string, int>{{"blue", 100}, {"later", 101}}) {
    CreateNetwork(name, vni);
    WaitFor(Networks(), name, [](const Resource& object) {
      return At(CardEntry(object, "card0"), "/confirmedGeneration") == 1 &&
             At(CardEntry(object, "card1"), "/confirmedGeneration") == 1 &&
             GetCondition(object, "Ready").status == "True";
    });
  }
  std::atomic<int> read_and_written = 0;
  store_.SetFaultHook([&](FakeStore::Call call, const ResourceKind& kind, const ResourceName& name) {
    if (call == FakeStore::Call::kUpdateStatus && kind.plural == "networks" && name.name == "blue")
      ++read_and_written;
    return std::optional<FakeStore::Fault>();
  });
  ASSERT_TRUE(BindDirectly(1, "blue").ok());
  CreateNetdev("a", 1, "blue");
  const Resource network = WaitFor(Networks(), "blue", [](const Resource& object) {
    return At(CardEntry(object, "card0"), "/ports") == 1;
  });
  EXPECT_EQ(At(CardEntry(network, "card0"), "/confirmedGeneration"), 1);
  EXPECT_EQ(At(CardEntry(network, "card1"), "/confirmedGeneration"), 1);
  EXPECT_EQ(GetCondition(network, "Ready").status, "True");
  EXPECT_EQ(read_and_written, 0);
  other.reset();
  Stop();
}

TEST_F(NetworkControllerTest, OneCardThatFailsKeepsTheNetworkFromBeingReady) {
  FakeOpiClient other_opi;
  ASSERT_TRUE(AddBridge(other_opi, "in-the-way", 1, 100).ok());
  Start();
  auto other = StartFor("card1", other_opi);
  CreateNetwork("blue", 100);
  Resource network = WaitFor(Networks(), "blue", [](const Resource& object) {
    return GetCondition(object, "Ready").reason == "Conflict" &&
           At(CardEntry(object, "card0"), "/confirmedGeneration") == 1;
  });
  EXPECT_THAT(GetCondition(network, "Ready").message, HasSubstr("card card1: "));
  // The card that is fine goes on writing its entry, and leaves the other's word.
  ASSERT_TRUE(BindDirectly(1, "blue").ok());
  CreateNetdev("a", 1, "blue");
  network = WaitFor(Networks(), "blue",
                    [](const Resource& object) { return At(CardEntry(object, "card0"), "/ports") == 1; });
  EXPECT_EQ(GetCondition(network, "Ready").reason, "Conflict");
  ASSERT_TRUE(other_opi.DeleteLogicalBridge("logicalBridges/in-the-way").ok());
  WaitForReady(Networks(), "blue");
  other.reset();
}

TEST_F(NetworkControllerTest, GatewaysOfANetworkAreADomainOfItsOwn) {
  Start();
  CreateRouted("blue", 100, "", {"10.0.0.0/24", "fd00::/64"}, {"10.0.0.254", "fd00::ff"});
  WaitForReady(Networks(), "blue");
  const evpn::Svi svi = SviOf("blue");
  EXPECT_EQ(svi.spec().vrf(), "vrfs/network.default.blue");
  EXPECT_EQ(svi.spec().logical_bridge(), "logicalBridges/default.blue");
  ASSERT_EQ(svi.spec().gw_ip_prefix_size(), 2);
  EXPECT_EQ(svi.spec().gw_ip_prefix(0).addr().v4_addr(), 0x0a0000feu);
  EXPECT_EQ(svi.spec().gw_ip_prefix(0).len(), 24);
  EXPECT_EQ(svi.spec().gw_ip_prefix(1).len(), 64);
}

TEST_F(NetworkControllerTest, NetworksThatNameTheSameDomainShareIt) {
  Start();
  CreateRouted("blue", 100, "shop", {"10.0.0.0/24"}, {"10.0.0.254"});
  CreateRouted("red", 200, "shop", {"10.1.0.0/24"}, {"10.1.0.254"});
  WaitForReady(Networks(), "blue");
  WaitForReady(Networks(), "red");
  EXPECT_EQ(SviOf("blue").spec().vrf(), "vrfs/vrf.default.shop");
  EXPECT_EQ(SviOf("red").spec().vrf(), "vrfs/vrf.default.shop");
  ASSERT_TRUE(store_.Delete(Networks(), Name("red")).ok());
  WaitForGone(Networks(), "red");
  EXPECT_EQ(opi_.ListVrfs()->size(), 1u) << "blue is still in it";
  ASSERT_TRUE(store_.Delete(Networks(), Name("blue")).ok());
  WaitForGone(Networks(), "blue");
  EXPECT_TRUE(opi_.ListVrfs()->empty());
  EXPECT_TRUE(opi_.ListSvis()->empty());
}

TEST_F(NetworkControllerTest, ANetworkThatMovesToAnotherDomainLeavesNothingBehind) {
  ASSERT_TRUE(opi_.CreateVrf("someone-elses", evpn::VrfSpec()).ok());
  ASSERT_TRUE(opi_.CreateVrf("vrf.default.left-behind", evpn::VrfSpec()).ok());
  Start();
  CreateRouted("blue", 100, "", {"10.0.0.0/24"}, {"10.0.0.254"});
  WaitForReady(Networks(), "blue");
  PatchSpec(Networks(), "blue", {{"vrf", "shop"}});
  WaitForReady(Networks(), "blue");
  EXPECT_EQ(SviOf("blue").spec().vrf(), "vrfs/vrf.default.shop");
  std::vector<std::string> vrfs;
  const std::vector<evpn::Vrf> left = opi_.ListVrfs().value();
  for (const evpn::Vrf& vrf : left) vrfs.push_back(vrf.name());
  EXPECT_THAT(vrfs, testing::UnorderedElementsAre("vrfs/vrf.default.shop", "vrfs/someone-elses"));
}

TEST_F(NetworkControllerTest, TheGatewayGoesWithItsAddresses) {
  Start();
  CreateRouted("blue", 100, "", {"10.0.0.0/24"}, {"10.0.0.254"});
  WaitForReady(Networks(), "blue");
  PatchSpec(Networks(), "blue", {{"gateways", Resource::array({"10.0.0.253"})}});
  WaitForReady(Networks(), "blue");
  EXPECT_EQ(SviOf("blue").spec().gw_ip_prefix(0).addr().v4_addr(), 0x0a0000fdu);
  PatchSpec(Networks(), "blue", {{"gateways", Resource::array()}});
  WaitForReady(Networks(), "blue");
  EXPECT_TRUE(opi_.ListSvis()->empty());
  EXPECT_TRUE(opi_.ListVrfs()->empty());
}

TEST_F(NetworkControllerTest, SaysThatTheGatewayIsNotInPlaceWhileTheBridgeIs) {
  Start();
  CreateRouted("blue", 100, "shop", {"10.0.0.0/24"}, {"10.0.0.254"});
  WaitForReady(Networks(), "blue");
  CreateRouted("red", 200, "shop", {"10.0.0.0/16"}, {"10.0.1.254"});
  const Resource network = WaitForReady(Networks(), "red", "Conflict");
  EXPECT_THAT(GetCondition(network, "Ready").message, HasSubstr("gateway: "));
  EXPECT_TRUE(BindDirectly(0, "red").ok()) << "ports reach each other without it";
  PatchSpec(Networks(), "red", {{"vrf", "other"}});
  WaitForReady(Networks(), "red");
}

TEST_F(NetworkControllerTest, TheGatewayStaysForAsLongAsPortsUseIt) {
  Start();
  CreateRouted("blue", 100, "", {"10.0.0.0/24"}, {"10.0.0.254"});
  WaitForReady(Networks(), "blue");
  ASSERT_TRUE(BindDirectly(3, "blue").ok());
  ASSERT_TRUE(store_.Delete(Networks(), Name("blue")).ok());
  WaitForReady(Networks(), "blue", "InUse");
  EXPECT_EQ(SviOf("blue").spec().vrf(), "vrfs/network.default.blue");
  ASSERT_TRUE(ReleaseDirectly(3).ok());
  WaitForGone(Networks(), "blue");
  EXPECT_TRUE(opi_.ListSvis()->empty());
  EXPECT_TRUE(opi_.ListLogicalBridges()->empty());
}

TEST_F(NetworkControllerTest, OneBadNetworkDoesNotStopTheRest) {
  ASSERT_TRUE(AddBridge(opi_, "in-the-way", 1, 100).ok());
  Start();
  CreateNetwork("bad", 100);
  CreateNetwork("good", 200);
  WaitForReady(Networks(), "good");
  WaitForReady(Networks(), "bad", "Conflict");
}

}  // namespace
}  // namespace xpu
