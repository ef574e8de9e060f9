#pragma once

// What every OpiClient, with the agent behind it, must do. Include it in one file of a test program and say
//   INSTANTIATE_TEST_SUITE_P(Fake, OpiClientContract, ::testing::Values(&MakeHarness));

#include <functional>
#include <memory>
#include <set>
#include <string>
#include <thread>
#include <vector>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "absl/synchronization/mutex.h"
#include "common/opi/opi_client.h"
#include "common/opi/port_news.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace xpu {

// An agent that is empty to begin with, has functions host0-0 to host0-7 and no others, lets its host choose
// VLANs 0 and 100 to 199 but not 300, and a client of it.
class OpiClientHarness {
 public:
  virtual ~OpiClientHarness() = default;
  virtual OpiClient& client() = 0;
  // Takes the agent away and brings it back with all that it had.
  virtual void Disconnect() = 0;
  virtual void Reconnect() = 0;
  // The representor of this port goes and comes back.
  virtual void RemoveRepresentor(const std::string& port_id) = 0;
  virtual void AddRepresentor(const std::string& port_id) = 0;
};

using OpiClientHarnessFactory = std::unique_ptr<OpiClientHarness> (*)();

class OpiClientContract : public ::testing::TestWithParam<OpiClientHarnessFactory> {
 protected:
  OpiClientContract() : harness_(GetParam()()) {}
  OpiClient& opi() { return harness_->client(); }

  static std::string Mac(int n) { return std::string("\x02\0\0\0\0", 5) + static_cast<char>(n); }

  static evpn::LogicalBridgeSpec BridgeSpec(uint32_t vlan, uint32_t vni = 0) {
    evpn::LogicalBridgeSpec spec;
    spec.set_vlan_id(vlan);
    if (vni != 0) spec.set_vni(vni);
    return spec;
  }
  static evpn::BridgePortSpec PortSpec(int mac, const std::vector<std::string>& bridges = {}) {
    evpn::BridgePortSpec spec;
    spec.set_mac_address(Mac(mac));
    spec.set_ptype(evpn::BRIDGE_PORT_TYPE_ACCESS);
    for (const std::string& bridge : bridges) spec.add_logical_bridges(bridge);
    return spec;
  }
  static agent::v1::Subnets Subnets(const std::string& bridge, const std::vector<std::string>& prefixes,
                                    const std::vector<std::string>& gateways = {}) {
    agent::v1::Subnets subnets;
    subnets.set_logical_bridge(bridge);
    for (const std::string& prefix : prefixes) subnets.add_prefixes(prefix);
    for (const std::string& gateway : gateways) subnets.add_gateways(gateway);
    return subnets;
  }
  static agent::v1::BindPortRequest Bind(const std::string& port, const std::string& bridge, int mac,
                                         int64_t claim, const std::vector<std::string>& addresses = {}) {
    agent::v1::BindPortRequest request;
    request.set_bridge_port(port);
    request.set_logical_bridge(bridge);
    request.set_mac_address(Mac(mac));
    request.set_claim(claim);
    for (const std::string& address : addresses) request.add_addresses(address);
    return request;
  }
  static agent::v1::BindPortRequest BindVlan(const std::string& port, uint32_t vlan, int mac, int64_t claim,
                                             const std::vector<std::string>& addresses) {
    agent::v1::BindPortRequest request = Bind(port, "", mac, claim, addresses);
    request.clear_logical_bridge();
    request.set_vlan(vlan);
    return request;
  }
  static agent::v1::UnbindPortRequest Unbind(const std::string& port, int64_t claim, bool release) {
    agent::v1::UnbindPortRequest request;
    request.set_bridge_port(port);
    request.set_claim(claim);
    request.set_release(release);
    return request;
  }
  // Bridges "blue" and "red" with the same prefixes.
  void MakeNetworks() {
    int vlan = 10;
    for (const char* id : {"blue", "red"}) {
      ASSERT_EQ(opi().CreateLogicalBridge(id, BridgeSpec(vlan, vlan)).status(), absl::OkStatus());
      ASSERT_EQ(opi()
                    .SetSubnets(Subnets(absl::StrCat("logicalBridges/", id), {"10.0.0.0/29", "2001:db8::/64"},
                                        {"10.0.0.1", "2001:db8::1"}))
                    .status(),
                absl::OkStatus());
      ++vlan;
    }
  }
  static std::vector<std::string> Addresses(const absl::StatusOr<agent::v1::PortBinding>& binding) {
    if (!binding.ok()) return {binding.status().ToString()};
    return {binding->addresses().begin(), binding->addresses().end()};
  }

  std::unique_ptr<OpiClientHarness> harness_;
};

#define EXPECT_CODE(expression, want) EXPECT_EQ((expression).code(), absl::StatusCode::want)

TEST_P(OpiClientContract, ABridgeCanBeMadeReadListedAndDeleted) {
  auto made = opi().CreateLogicalBridge("tenant.blue", BridgeSpec(10, 1000));
  ASSERT_EQ(made.status(), absl::OkStatus());
  EXPECT_EQ(made->name(), "logicalBridges/tenant.blue");
  EXPECT_EQ(made->spec().vni(), 1000u);
  EXPECT_EQ(made->status().oper_status(), evpn::LB_OPER_STATUS_UP);
  auto got = opi().GetLogicalBridge("logicalBridges/tenant.blue");
  ASSERT_EQ(got.status(), absl::OkStatus());
  EXPECT_EQ(got->spec().vlan_id(), 10u);
  auto list = opi().ListLogicalBridges();
  ASSERT_EQ(list.status(), absl::OkStatus());
  EXPECT_EQ(list->size(), 1u);
  EXPECT_EQ(opi().DeleteLogicalBridge("logicalBridges/tenant.blue"), absl::OkStatus());
  EXPECT_CODE(opi().GetLogicalBridge("logicalBridges/tenant.blue").status(), kNotFound);
}

TEST_P(OpiClientContract, ListsOfNothingAreEmptyAndNotAnError) {
  EXPECT_THAT(opi().ListLogicalBridges().value(), ::testing::IsEmpty());
  EXPECT_THAT(opi().ListBridgePorts().value(), ::testing::IsEmpty());
  EXPECT_THAT(opi().ListPortBindings().value(), ::testing::IsEmpty());
}

TEST_P(OpiClientContract, ListsGoOverAllPages) {
  std::set<std::string> expected, listed;
  for (int i = 1; i <= 120; ++i) {
    auto made = opi().CreateLogicalBridge(absl::StrCat("b", i), BridgeSpec(i));
    ASSERT_EQ(made.status(), absl::OkStatus());
    expected.insert(made->name());
  }
  auto list = opi().ListLogicalBridges();
  ASSERT_EQ(list.status(), absl::OkStatus());
  for (const auto& bridge : *list) EXPECT_TRUE(listed.insert(bridge.name()).second) << bridge.name();
  EXPECT_EQ(listed, expected);
}

TEST_P(OpiClientContract, TheSameBridgeAgainIsTheOneThatIsThere) {
  ASSERT_TRUE(opi().CreateLogicalBridge("blue", BridgeSpec(10, 1000)).ok());
  auto again = opi().CreateLogicalBridge("blue", BridgeSpec(10, 1000));
  ASSERT_EQ(again.status(), absl::OkStatus());
  EXPECT_EQ(again->name(), "logicalBridges/blue");
  EXPECT_CODE(opi().CreateLogicalBridge("blue", BridgeSpec(11, 1000)).status(), kAlreadyExists);
}

TEST_P(OpiClientContract, VlanAndVniBelongToOneBridge) {
  ASSERT_TRUE(opi().CreateLogicalBridge("blue", BridgeSpec(10, 1000)).ok());
  auto vlan = opi().CreateLogicalBridge("red", BridgeSpec(10, 1001)).status();
  EXPECT_CODE(vlan, kAlreadyExists);
  EXPECT_THAT(std::string(vlan.message()), ::testing::HasSubstr("vlan_id"));
  EXPECT_THAT(std::string(vlan.message()), ::testing::HasSubstr("logicalBridges/blue"));
  auto vni = opi().CreateLogicalBridge("red", BridgeSpec(11, 1000)).status();
  EXPECT_CODE(vni, kAlreadyExists);
  EXPECT_THAT(std::string(vni.message()), ::testing::HasSubstr("vni"));
}

TEST_P(OpiClientContract, BadBridgesAreRefusedWithTheField) {
  for (uint32_t vlan : {0u, 4095u, 70000u}) {
    auto status = opi().CreateLogicalBridge("x", BridgeSpec(vlan)).status();
    EXPECT_CODE(status, kInvalidArgument) << vlan;
    EXPECT_THAT(std::string(status.message()), ::testing::HasSubstr("vlan_id"));
  }
  auto status = opi().CreateLogicalBridge("x", BridgeSpec(1, 0x1000000)).status();
  EXPECT_CODE(status, kInvalidArgument);
  EXPECT_THAT(std::string(status.message()), ::testing::HasSubstr("vni"));
  EXPECT_CODE(opi().CreateLogicalBridge("a/b", BridgeSpec(1)).status(), kInvalidArgument);
  EXPECT_CODE(opi().GetLogicalBridge("bridgePorts/x").status(), kInvalidArgument);
  EXPECT_THAT(opi().ListLogicalBridges().value(), ::testing::IsEmpty());
}

TEST_P(OpiClientContract, DeletingWhatIsNotThereIsOk) {
  EXPECT_EQ(opi().DeleteLogicalBridge("logicalBridges/none"), absl::OkStatus());
  EXPECT_EQ(opi().DeleteBridgePort("bridgePorts/host0-0", 0), absl::OkStatus());
  EXPECT_EQ(opi().UnbindPort(Unbind("bridgePorts/host0-0", 0, false)), absl::OkStatus());
}

TEST_P(OpiClientContract, ABridgeInUseStaysAndThePortsAreNamed) {
  MakeNetworks();
  ASSERT_TRUE(opi().CreateBridgePort("host0-1", PortSpec(1, {"logicalBridges/blue"}), 0).ok());
  auto status = opi().DeleteLogicalBridge("logicalBridges/blue");
  EXPECT_CODE(status, kFailedPrecondition);
  EXPECT_THAT(std::string(status.message()), ::testing::HasSubstr("bridgePorts/host0-1"));
  ASSERT_EQ(opi().DeleteBridgePort("bridgePorts/host0-1", 0), absl::OkStatus());
  EXPECT_EQ(opi().DeleteLogicalBridge("logicalBridges/blue"), absl::OkStatus());
}

TEST_P(OpiClientContract, APortCanBeMadeIsolatedReadListedAndDeleted) {
  auto made = opi().CreateBridgePort("host0-3", PortSpec(3), 0);
  ASSERT_EQ(made.status(), absl::OkStatus());
  EXPECT_EQ(made->name(), "bridgePorts/host0-3");
  EXPECT_EQ(made->status().oper_status(), evpn::BP_OPER_STATUS_UP);
  EXPECT_THAT(made->spec().logical_bridges(), ::testing::IsEmpty());
  ASSERT_TRUE(opi().GetBridgePort("bridgePorts/host0-3").ok());
  EXPECT_EQ(opi().ListBridgePorts().value().size(), 1u);
  EXPECT_THAT(opi().ListPortBindings().value(), ::testing::IsEmpty());
  EXPECT_EQ(opi().DeleteBridgePort("bridgePorts/host0-3", 0), absl::OkStatus());
  EXPECT_CODE(opi().GetBridgePort("bridgePorts/host0-3").status(), kNotFound);
}

TEST_P(OpiClientContract, TheSamePortAgainIsTheOneThatIsThere) {
  ASSERT_TRUE(opi().CreateBridgePort("host0-3", PortSpec(3), 7).ok());
  EXPECT_EQ(opi().CreateBridgePort("host0-3", PortSpec(3), 7).status(), absl::OkStatus());
  EXPECT_CODE(opi().CreateBridgePort("host0-3", PortSpec(4), 7).status(), kAlreadyExists);
}

TEST_P(OpiClientContract, BadPortsAreRefusedWithTheField) {
  evpn::BridgePortSpec short_mac = PortSpec(1);
  short_mac.set_mac_address("abc");
  evpn::BridgePortSpec multicast = PortSpec(1);
  multicast.set_mac_address(std::string("\x03\0\0\0\0\x01", 6));
  for (const auto& spec : {short_mac, multicast}) {
    auto status = opi().CreateBridgePort("host0-0", spec, 0).status();
    EXPECT_CODE(status, kInvalidArgument);
    EXPECT_THAT(std::string(status.message()), ::testing::HasSubstr("mac_address"));
  }
  evpn::BridgePortSpec no_type = PortSpec(1);
  no_type.clear_ptype();
  EXPECT_CODE(opi().CreateBridgePort("host0-0", no_type, 0).status(), kInvalidArgument);
  EXPECT_CODE(opi().CreateBridgePort("host0-0", PortSpec(1, {"a", "b"}), 0).status(), kInvalidArgument);
  EXPECT_CODE(opi().CreateBridgePort("host0-0", PortSpec(1, {"none"}), 0).status(), kFailedPrecondition);
  EXPECT_CODE(opi().CreateBridgePort("host0-0", PortSpec(1), -1).status(), kInvalidArgument);
  EXPECT_THAT(opi().ListBridgePorts().value(), ::testing::IsEmpty());
}

TEST_P(OpiClientContract, SubnetsAreAnsweredAsTheyAreNow) {
  ASSERT_TRUE(opi().CreateLogicalBridge("blue", BridgeSpec(10)).ok());
  auto set = opi().SetSubnets(Subnets("logicalBridges/blue", {"10.0.0.0/24"}, {"10.0.0.1"}));
  ASSERT_EQ(set.status(), absl::OkStatus());
  EXPECT_EQ(set->logical_bridge(), "logicalBridges/blue");
  EXPECT_THAT(set->prefixes(), ::testing::ElementsAre("10.0.0.0/24"));
  EXPECT_THAT(set->gateways(), ::testing::ElementsAre("10.0.0.1"));
  EXPECT_EQ(set->mtu(), 1500u);
}

TEST_P(OpiClientContract, BadSubnetsAreRefused) {
  EXPECT_CODE(opi().SetSubnets(Subnets("logicalBridges/none", {"10.0.0.0/24"})).status(), kNotFound);
  ASSERT_TRUE(opi().CreateLogicalBridge("blue", BridgeSpec(10)).ok());
  for (const char* bad : {"10.0.0.1/24", "10.0.0.0/33", "blue", ""}) {
    auto status = opi().SetSubnets(Subnets("logicalBridges/blue", {bad})).status();
    EXPECT_CODE(status, kInvalidArgument) << bad;
    EXPECT_THAT(std::string(status.message()), ::testing::HasSubstr("prefixes"));
  }
  EXPECT_CODE(opi().SetSubnets(Subnets("logicalBridges/blue", {"10.0.0.0/24", "10.0.0.0/16"})).status(),
              kInvalidArgument);
  for (uint32_t mtu : {1u, 575u, 9217u}) {
    agent::v1::Subnets subnets = Subnets("logicalBridges/blue", {"10.0.0.0/24"});
    subnets.set_mtu(mtu);
    auto status = opi().SetSubnets(subnets).status();
    EXPECT_CODE(status, kInvalidArgument) << mtu;
    EXPECT_THAT(absl::AsciiStrToLower(status.message()), ::testing::HasSubstr("mtu"));
  }
  auto status = opi().SetSubnets(Subnets("logicalBridges/blue", {"10.0.0.0/24"}, {"10.0.1.1"})).status();
  EXPECT_CODE(status, kInvalidArgument);
  EXPECT_THAT(std::string(status.message()), ::testing::HasSubstr("gateway"));
}

TEST_P(OpiClientContract, BindChoosesOneAddressOfEachFamily) {
  MakeNetworks();
  auto bound = opi().BindPort(Bind("bridgePorts/host0-0", "logicalBridges/blue", 1, 1));
  ASSERT_EQ(bound.status(), absl::OkStatus());
  EXPECT_EQ(bound->bridge_port(), "bridgePorts/host0-0");
  EXPECT_EQ(bound->logical_bridge(), "logicalBridges/blue");
  EXPECT_EQ(bound->mac_address(), Mac(1));
  EXPECT_EQ(bound->mtu(), 1500u);
  EXPECT_EQ(bound->claim(), 1);
  EXPECT_THAT(bound->addresses(),
              ::testing::UnorderedElementsAre(::testing::MatchesRegex("10\\.0\\.0\\.[2-6]/29"),
                                              ::testing::MatchesRegex("2001:db8::.*/64")));
  EXPECT_THAT(bound->gateways(), ::testing::UnorderedElementsAre("10.0.0.1", "2001:db8::1"));
  auto port = opi().GetBridgePort("bridgePorts/host0-0");
  ASSERT_EQ(port.status(), absl::OkStatus());
  EXPECT_THAT(port->spec().logical_bridges(), ::testing::ElementsAre("logicalBridges/blue"));
  auto list = opi().ListPortBindings();
  ASSERT_EQ(list.status(), absl::OkStatus());
  ASSERT_EQ(list->size(), 1u);
  EXPECT_EQ(Addresses((*list)[0]), Addresses(bound));
}

TEST_P(OpiClientContract, BindOfAnIsolatedPortTakesTheMacOfTheBind) {
  MakeNetworks();
  ASSERT_TRUE(opi().CreateBridgePort("host0-0", PortSpec(1), 1).ok());
  ASSERT_EQ(opi().BindPort(Bind("bridgePorts/host0-0", "logicalBridges/blue", 9, 1)).status(),
            absl::OkStatus());
  EXPECT_EQ(opi().GetBridgePort("bridgePorts/host0-0").value().spec().mac_address(), Mac(9));
}

TEST_P(OpiClientContract, BindGivesTheAddressesAskedFor) {
  MakeNetworks();
  auto bound =
      opi().BindPort(Bind("bridgePorts/host0-0", "logicalBridges/blue", 1, 1, {"10.0.0.5", "2001:db8::5"}));
  EXPECT_THAT(Addresses(bound), ::testing::UnorderedElementsAre("10.0.0.5/29", "2001:db8::5/64"));
}

TEST_P(OpiClientContract, TheSameBindAgainGivesTheSameAnswer) {
  MakeNetworks();
  auto first = opi().BindPort(Bind("bridgePorts/host0-0", "logicalBridges/blue", 1, 1));
  auto second = opi().BindPort(Bind("bridgePorts/host0-0", "logicalBridges/blue", 1, 1));
  ASSERT_EQ(second.status(), absl::OkStatus());
  EXPECT_EQ(first->SerializeAsString(), second->SerializeAsString());
  // With the addresses that it was given.
  auto third = opi().BindPort(
      Bind("bridgePorts/host0-0", "logicalBridges/blue", 1, 1,
           {std::string(absl::string_view(first->addresses(0)).substr(0, first->addresses(0).find('/')))}));
  ASSERT_EQ(third.status(), absl::OkStatus());
  EXPECT_EQ(first->SerializeAsString(), third->SerializeAsString());
}

TEST_P(OpiClientContract, ABoundPortIsNotBoundOtherwiseUnderTheSameClaim) {
  MakeNetworks();
  ASSERT_TRUE(opi().BindPort(Bind("bridgePorts/host0-0", "logicalBridges/blue", 1, 1)).ok());
  EXPECT_CODE(opi().BindPort(Bind("bridgePorts/host0-0", "logicalBridges/red", 1, 1)).status(),
              kAlreadyExists);
  EXPECT_CODE(opi().BindPort(Bind("bridgePorts/host0-0", "logicalBridges/blue", 2, 1)).status(),
              kAlreadyExists);
  // After it was unbound it may.
  ASSERT_EQ(opi().UnbindPort(Unbind("bridgePorts/host0-0", 1, false)), absl::OkStatus());
  EXPECT_EQ(opi().BindPort(Bind("bridgePorts/host0-0", "logicalBridges/red", 2, 1)).status(),
            absl::OkStatus());
}

TEST_P(OpiClientContract, ARepeatedCreateDoesNotIsolateABoundPort) {
  MakeNetworks();
  ASSERT_TRUE(opi().CreateBridgePort("host0-0", PortSpec(1), 1).ok());
  ASSERT_TRUE(opi().BindPort(Bind("bridgePorts/host0-0", "logicalBridges/blue", 1, 1)).ok());
  auto again = opi().CreateBridgePort("host0-0", PortSpec(1), 1);
  ASSERT_EQ(again.status(), absl::OkStatus());
  EXPECT_THAT(again->spec().logical_bridges(), ::testing::ElementsAre("logicalBridges/blue"));
  EXPECT_EQ(opi().ListPortBindings().value().size(), 1u);
}

TEST_P(OpiClientContract, BadBindsAreRefusedAndChangeNothing) {
  MakeNetworks();
  ASSERT_TRUE(opi().BindPort(Bind("bridgePorts/host0-0", "logicalBridges/blue", 1, 1, {"10.0.0.2"})).ok());
  EXPECT_CODE(opi().BindPort(Bind("bridgePorts/host0-1", "logicalBridges/none", 2, 1)).status(), kNotFound);
  EXPECT_CODE(opi().BindPort(Bind("bridgePorts/host0-99", "logicalBridges/blue", 2, 1)).status(), kNotFound);
  EXPECT_CODE(opi().BindPort(Bind("bridgePorts/uplink", "logicalBridges/blue", 2, 1)).status(), kNotFound);
  EXPECT_CODE(opi().BindPort(Bind("bridgePorts/host0-1", "logicalBridges/blue", 2, 1, {"x"})).status(),
              kInvalidArgument);
  EXPECT_CODE(
      opi().BindPort(Bind("bridgePorts/host0-1", "logicalBridges/blue", 2, 1, {"192.0.2.1"})).status(),
      kInvalidArgument);
  // A gateway's, and two of one family.
  EXPECT_CODE(opi().BindPort(Bind("bridgePorts/host0-1", "logicalBridges/blue", 2, 1, {"10.0.0.1"})).status(),
              kInvalidArgument);
  EXPECT_CODE(
      opi()
          .BindPort(Bind("bridgePorts/host0-1", "logicalBridges/blue", 2, 1, {"10.0.0.3", "10.0.0.4"}))
          .status(),
      kInvalidArgument);
  EXPECT_CODE(opi().BindPort(Bind("bridgePorts/host0-1", "logicalBridges/blue", 2, 1, {"10.0.0.2"})).status(),
              kAlreadyExists);
  EXPECT_CODE(opi().BindPort(Bind("bridgePorts/host0-1", "logicalBridges/blue", 1, 1)).status(),
              kAlreadyExists);
  EXPECT_EQ(opi().ListPortBindings().value().size(), 1u);
}

TEST_P(OpiClientContract, TwoBridgesWithTheSamePrefixesGiveTheSameAddresses) {
  MakeNetworks();
  EXPECT_EQ(opi().BindPort(Bind("bridgePorts/host0-0", "logicalBridges/blue", 1, 1, {"10.0.0.5"})).status(),
            absl::OkStatus());
  // The same MAC too.
  EXPECT_EQ(opi().BindPort(Bind("bridgePorts/host0-1", "logicalBridges/red", 1, 1, {"10.0.0.5"})).status(),
            absl::OkStatus());
}

TEST_P(OpiClientContract, AFullPrefixIsResourceExhaustedUntilAnAddressComesBack) {
  MakeNetworks();
  // 10.0.0.0/29 without network, gateway and broadcast address leaves five.
  for (int i = 0; i < 5; ++i) {
    ASSERT_EQ(
        opi().BindPort(Bind(absl::StrCat("bridgePorts/host0-", i), "logicalBridges/blue", 1 + i, 1)).status(),
        absl::OkStatus());
  }
  EXPECT_CODE(opi().BindPort(Bind("bridgePorts/host0-5", "logicalBridges/blue", 6, 1)).status(),
              kResourceExhausted);
  ASSERT_EQ(opi().UnbindPort(Unbind("bridgePorts/host0-2", 1, true)), absl::OkStatus());
  EXPECT_EQ(opi().BindPort(Bind("bridgePorts/host0-5", "logicalBridges/blue", 6, 1)).status(),
            absl::OkStatus());
}

TEST_P(OpiClientContract, UnbindIsolatesAndReleaseRemoves) {
  MakeNetworks();
  ASSERT_TRUE(opi().BindPort(Bind("bridgePorts/host0-0", "logicalBridges/blue", 1, 1)).ok());
  ASSERT_EQ(opi().UnbindPort(Unbind("bridgePorts/host0-0", 1, false)), absl::OkStatus());
  auto port = opi().GetBridgePort("bridgePorts/host0-0");
  ASSERT_EQ(port.status(), absl::OkStatus());
  EXPECT_THAT(port->spec().logical_bridges(), ::testing::IsEmpty());
  EXPECT_THAT(opi().ListPortBindings().value(), ::testing::IsEmpty());
  ASSERT_EQ(opi().UnbindPort(Unbind("bridgePorts/host0-0", 1, true)), absl::OkStatus());
  EXPECT_CODE(opi().GetBridgePort("bridgePorts/host0-0").status(), kNotFound);
  // As often as one likes.
  EXPECT_EQ(opi().UnbindPort(Unbind("bridgePorts/host0-0", 1, true)), absl::OkStatus());
}

TEST_P(OpiClientContract, AnOlderClaimIsAbortedAndChangesNothing) {
  MakeNetworks();
  ASSERT_TRUE(opi().BindPort(Bind("bridgePorts/host0-0", "logicalBridges/blue", 1, 5)).ok());
  EXPECT_CODE(opi().CreateBridgePort("host0-0", PortSpec(1), 4).status(), kAborted);
  EXPECT_CODE(opi().BindPort(Bind("bridgePorts/host0-0", "logicalBridges/red", 1, 4)).status(), kAborted);
  EXPECT_CODE(opi().UnbindPort(Unbind("bridgePorts/host0-0", 4, true)), kAborted);
  EXPECT_CODE(opi().DeleteBridgePort("bridgePorts/host0-0", 4), kAborted);
  EXPECT_CODE(opi().DeleteBridgePort("bridgePorts/host0-0", 0), kAborted);
  ASSERT_EQ(opi().ListPortBindings().value().size(), 1u);
  EXPECT_EQ(opi().ListPortBindings().value()[0].claim(), 5);
}

TEST_P(OpiClientContract, AReleasedClaimComesNeverBack) {
  MakeNetworks();
  ASSERT_TRUE(opi().BindPort(Bind("bridgePorts/host0-0", "logicalBridges/blue", 1, 5)).ok());
  ASSERT_EQ(opi().UnbindPort(Unbind("bridgePorts/host0-0", 5, true)), absl::OkStatus());
  EXPECT_CODE(opi().BindPort(Bind("bridgePorts/host0-0", "logicalBridges/blue", 1, 5)).status(), kAborted);
  EXPECT_CODE(opi().CreateBridgePort("host0-0", PortSpec(1), 5).status(), kAborted);
  EXPECT_EQ(opi().BindPort(Bind("bridgePorts/host0-0", "logicalBridges/blue", 1, 6)).status(),
            absl::OkStatus());
}

TEST_P(OpiClientContract, AReleaseThatOvertakesItsCreateWins) {
  MakeNetworks();
  ASSERT_EQ(opi().UnbindPort(Unbind("bridgePorts/host0-0", 3, true)), absl::OkStatus());
  EXPECT_CODE(opi().CreateBridgePort("host0-0", PortSpec(1), 3).status(), kAborted);
  EXPECT_CODE(opi().BindPort(Bind("bridgePorts/host0-0", "logicalBridges/blue", 1, 3)).status(), kAborted);
  EXPECT_THAT(opi().ListBridgePorts().value(), ::testing::IsEmpty());
}

TEST_P(OpiClientContract, ANewerClaimTakesThePortOver) {
  MakeNetworks();
  ASSERT_TRUE(opi().BindPort(Bind("bridgePorts/host0-0", "logicalBridges/blue", 1, 5, {"10.0.0.2"})).ok());
  auto made = opi().CreateBridgePort("host0-0", PortSpec(9), 6);
  ASSERT_EQ(made.status(), absl::OkStatus());
  EXPECT_THAT(made->spec().logical_bridges(), ::testing::IsEmpty());
  // Its addresses are free again.
  EXPECT_EQ(opi().BindPort(Bind("bridgePorts/host0-1", "logicalBridges/blue", 1, 1, {"10.0.0.2"})).status(),
            absl::OkStatus());
  auto bound = opi().BindPort(Bind("bridgePorts/host0-0", "logicalBridges/red", 3, 7));
  ASSERT_EQ(bound.status(), absl::OkStatus());
  EXPECT_EQ(bound->claim(), 7);
}

TEST_P(OpiClientContract, ABridgeThatHasNoPrefixesYetTakesNoBinding) {
  ASSERT_TRUE(opi().CreateLogicalBridge("young", BridgeSpec(20, 20)).ok());
  EXPECT_CODE(opi().BindPort(Bind("bridgePorts/host0-0", "logicalBridges/young", 1, 1)).status(),
              kFailedPrecondition);
  EXPECT_THAT(opi().ListPortBindings().value(), ::testing::IsEmpty());
  ASSERT_TRUE(opi().SetSubnets(Subnets("logicalBridges/young", {"10.0.0.0/24"})).ok());
  EXPECT_EQ(opi().BindPort(Bind("bridgePorts/host0-0", "logicalBridges/young", 1, 1)).status(),
            absl::OkStatus());
}

TEST_P(OpiClientContract, APortIsBoundToAVlanWithExactlyTheAddressesAskedFor) {
  MakeNetworks();
  auto bound = opi().BindPort(BindVlan("bridgePorts/host0-0", 100, 1, 1, {"10.0.0.5/24", "2001:db8::5/64"}));
  ASSERT_EQ(bound.status(), absl::OkStatus());
  EXPECT_EQ(bound->vlan(), 100u);
  EXPECT_TRUE(bound->has_vlan());
  EXPECT_EQ(bound->logical_bridge(), "");
  EXPECT_EQ(bound->mtu(), 1500u);
  EXPECT_EQ(bound->claim(), 1);
  EXPECT_THAT(bound->addresses(), ::testing::ElementsAre("10.0.0.5/24", "2001:db8::5/64"));
  EXPECT_THAT(bound->gateways(), ::testing::IsEmpty());
  auto list = opi().ListPortBindings();
  ASSERT_EQ(list.status(), absl::OkStatus());
  ASSERT_EQ(list->size(), 1u);
  EXPECT_EQ((*list)[0].SerializeAsString(), bound->SerializeAsString());
  // Again, untagged beside it with the same address, and given back.
  EXPECT_EQ(
      opi().BindPort(BindVlan("bridgePorts/host0-0", 100, 1, 1, {"10.0.0.5/24", "2001:db8::5/64"})).status(),
      absl::OkStatus());
  EXPECT_EQ(opi().BindPort(BindVlan("bridgePorts/host0-1", 0, 1, 1, {"10.0.0.5/24"})).status(),
            absl::OkStatus());
  ASSERT_EQ(opi().UnbindPort(Unbind("bridgePorts/host0-0", 1, true)), absl::OkStatus());
  EXPECT_EQ(opi().BindPort(BindVlan("bridgePorts/host0-2", 100, 1, 1, {"10.0.0.5/16"})).status(),
            absl::OkStatus());
}

TEST_P(OpiClientContract, APortInAVlanMayGetItsAddressesLaterAndOnce) {
  auto bound = opi().BindPort(BindVlan("bridgePorts/host0-0", 100, 1, 1, {}));
  ASSERT_EQ(bound.status(), absl::OkStatus());
  EXPECT_THAT(bound->addresses(), ::testing::IsEmpty());
  ASSERT_EQ(opi().BindPort(BindVlan("bridgePorts/host0-0", 100, 1, 1, {"10.0.0.5/24"})).status(),
            absl::OkStatus());
  // The first request, come once more, takes nothing back.
  EXPECT_THAT(Addresses(opi().BindPort(BindVlan("bridgePorts/host0-0", 100, 1, 1, {}))),
              ::testing::ElementsAre("10.0.0.5/24"));
  EXPECT_CODE(opi().BindPort(BindVlan("bridgePorts/host0-0", 100, 1, 1, {"10.0.0.6/24"})).status(),
              kAlreadyExists);
}

TEST_P(OpiClientContract, BadBindsToAVlanAreRefusedAndChangeNothing) {
  MakeNetworks();
  ASSERT_TRUE(opi().BindPort(BindVlan("bridgePorts/host0-0", 100, 1, 1, {"10.0.0.5/24"})).ok());
  const auto denied = opi().BindPort(BindVlan("bridgePorts/host0-1", 300, 2, 1, {})).status();
  EXPECT_CODE(denied, kPermissionDenied);
  EXPECT_THAT(std::string(denied.message()), ::testing::HasSubstr("300"));
  EXPECT_CODE(opi().BindPort(BindVlan("bridgePorts/host0-1", 4095, 2, 1, {})).status(), kInvalidArgument);
  EXPECT_CODE(opi().BindPort(BindVlan("bridgePorts/host0-1", 100, 2, 1, {"10.0.0.6"})).status(),
              kInvalidArgument);
  EXPECT_CODE(opi().BindPort(BindVlan("bridgePorts/host0-99", 100, 2, 1, {})).status(), kNotFound);
  EXPECT_CODE(opi().BindPort(BindVlan("bridgePorts/host0-1", 100, 1, 1, {})).status(), kAlreadyExists);
  EXPECT_CODE(opi().BindPort(BindVlan("bridgePorts/host0-1", 100, 2, 1, {"10.0.0.5/16"})).status(),
              kAlreadyExists);
  EXPECT_CODE(opi().BindPort(BindVlan("bridgePorts/host0-0", 101, 1, 1, {})).status(), kAlreadyExists);
  EXPECT_CODE(opi().BindPort(Bind("bridgePorts/host0-0", "logicalBridges/blue", 1, 1)).status(),
              kAlreadyExists);
  agent::v1::BindPortRequest both = Bind("bridgePorts/host0-1", "logicalBridges/blue", 2, 1);
  both.set_vlan(100);
  EXPECT_CODE(opi().BindPort(both).status(), kInvalidArgument);
  EXPECT_EQ(opi().ListPortBindings().value().size(), 1u);
}

TEST_P(OpiClientContract, APrefixInUseStays) {
  MakeNetworks();
  ASSERT_TRUE(opi().BindPort(Bind("bridgePorts/host0-0", "logicalBridges/blue", 1, 1, {"10.0.0.2"})).ok());
  auto status = opi().SetSubnets(Subnets("logicalBridges/blue", {"2001:db8::/64"})).status();
  EXPECT_CODE(status, kFailedPrecondition);
  EXPECT_THAT(std::string(status.message()), ::testing::HasSubstr("bridgePorts/host0-0"));
  // One more is no trouble, and the binding stays as it is.
  EXPECT_EQ(opi()
                .SetSubnets(Subnets("logicalBridges/blue", {"10.0.0.0/29", "2001:db8::/64", "10.9.0.0/24"},
                                    {"10.0.0.1", "2001:db8::1"}))
                .status(),
            absl::OkStatus());
  EXPECT_THAT(Addresses(opi().ListPortBindings().value()[0]), ::testing::Contains("10.0.0.2/29"));
}

TEST_P(OpiClientContract, CallsFromManyThreadsAllCount) {
  MakeNetworks();
  std::vector<std::thread> threads;
  for (int i = 0; i < 5; ++i) {
    threads.emplace_back([this, i] {
      std::string port = absl::StrCat("bridgePorts/host0-", i);
      for (int claim = 1; claim <= 4; ++claim) {
        EXPECT_EQ(opi().BindPort(Bind(port, "logicalBridges/blue", 1 + i, claim)).status(), absl::OkStatus());
        EXPECT_EQ(opi().UnbindPort(Unbind(port, claim, claim < 4)), absl::OkStatus());
      }
      EXPECT_EQ(opi().BindPort(Bind(port, "logicalBridges/blue", 1 + i, 4)).status(), absl::OkStatus());
    });
  }
  for (auto& thread : threads) thread.join();
  std::set<std::string> addresses;
  auto bindings = opi().ListPortBindings();
  ASSERT_EQ(bindings.status(), absl::OkStatus());
  for (const auto& binding : *bindings)
    addresses.insert(binding.addresses().begin(), binding.addresses().end());
  EXPECT_EQ(bindings->size(), 5u);
  EXPECT_EQ(addresses.size(), 10u);
}

TEST_P(OpiClientContract, WithoutConnectionCallsAreUnavailable) {
  ASSERT_TRUE(opi().CreateBridgePort("host0-0", PortSpec(1), 1).ok());
  harness_->Disconnect();
  EXPECT_CODE(opi().ListBridgePorts().status(), kUnavailable);
  EXPECT_CODE(opi().UnbindPort(Unbind("bridgePorts/host0-0", 1, true)), kUnavailable);
}

TEST_P(OpiClientContract, TheObserverIsToldOfTheConnectionComingAndGoing) {
  absl::Mutex mu;
  std::vector<bool> seen;
  auto last_is = [&](bool connected) {
    absl::MutexLock lock(&mu);
    auto is = [&] { return !seen.empty() && seen.back() == connected; };
    return mu.AwaitWithTimeout(absl::Condition(&is), absl::Seconds(20));
  };
  opi().ObserveConnection([&](bool connected) {
    absl::MutexLock lock(&mu);
    seen.push_back(connected);
  });
  EXPECT_TRUE(last_is(true));
  harness_->Disconnect();
  EXPECT_TRUE(last_is(false));
  harness_->Reconnect();
  EXPECT_TRUE(last_is(true));
  EXPECT_EQ(opi().ListBridgePorts().status(), absl::OkStatus());
  opi().ObserveConnection(nullptr);
  size_t told = seen.size();
  harness_->Disconnect();
  EXPECT_CODE(opi().ListBridgePorts().status(), kUnavailable);
  EXPECT_EQ(seen.size(), told);
}

TEST_P(OpiClientContract, TheWatcherIsToldHowAllRepresentorsAre) {
  PortNews news;
  opi().WatchPorts(news.Observer());
  ASSERT_TRUE(news.AwaitPort("host0-7", true));
  const auto all = news.last();
  ASSERT_TRUE(all.ok());
  EXPECT_EQ(all->ports_size(), 8);
  harness_->RemoveRepresentor("host0-3");
  EXPECT_TRUE(news.AwaitPort("host0-3", false));
  EXPECT_TRUE(news.AwaitPort("host0-4", true));
  harness_->AddRepresentor("host0-3");
  EXPECT_TRUE(news.AwaitPort("host0-3", true));
  opi().WatchPorts(nullptr);
}

TEST_P(OpiClientContract, TheWatcherIsToldThatTheAgentIsGoneAndHowItIsOnceBack) {
  PortNews news;
  opi().WatchPorts(news.Observer());
  ASSERT_TRUE(news.AwaitPort("host0-0", true));
  harness_->Disconnect();
  EXPECT_TRUE(news.AwaitGone());
  harness_->RemoveRepresentor("host0-3");
  harness_->Reconnect();
  EXPECT_TRUE(news.AwaitPort("host0-0", true));
  opi().WatchPorts(nullptr);
}

TEST_P(OpiClientContract, AnotherWatcherTakesThePlaceOfTheFirst) {
  PortNews first, second;
  opi().WatchPorts(first.Observer());
  ASSERT_TRUE(first.AwaitPort("host0-0", true));
  opi().WatchPorts(second.Observer());
  EXPECT_TRUE(second.AwaitPort("host0-0", true));
  const size_t heard = first.count();
  opi().WatchPorts(nullptr);
  const size_t heard_second = second.count();
  PortNews third;
  opi().WatchPorts(third.Observer());
  EXPECT_TRUE(third.AwaitPort("host0-0", true));
  harness_->RemoveRepresentor("host0-3");
  EXPECT_TRUE(third.AwaitPort("host0-3", false));
  EXPECT_EQ(first.count(), heard);
  EXPECT_EQ(second.count(), heard_second);
  opi().WatchPorts(nullptr);
}

#undef EXPECT_CODE

}  // namespace xpu
