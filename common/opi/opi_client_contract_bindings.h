#pragma once

// The part of the contract of OpiClient that is about subnets, bindings and remote ports.

#include <set>
#include <string>
#include <thread>
#include <vector>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "common/opi/opi_client_contract_fixture.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace xpu {

#define EXPECT_CODE(expression, want) EXPECT_EQ((expression).code(), absl::StatusCode::want)

TEST_P(OpiClientContract, SubnetsAreAnsweredAsTheyAreNow) {
  ASSERT_TRUE(opi().CreateLogicalBridge("blue", BridgeSpec(10)).ok());
  auto set = opi().SetSubnets(Subnets("logicalBridges/blue", {"10.0.0.0/24"}, {"10.0.0.1"}));
  ASSERT_EQ(set.status(), absl::OkStatus());
  EXPECT_EQ(set->logical_bridge(), "logicalBridges/blue");
  EXPECT_THAT(set->prefixes(), ::testing::ElementsAre("10.0.0.0/24"));
  EXPECT_THAT(set->gateways(), ::testing::ElementsAre("10.0.0.1"));
  EXPECT_EQ(set->mtu(), 1500u);
}

TEST_P(OpiClientContract, SubnetsSayWhatHostsAreTold) {
  ASSERT_TRUE(opi().CreateLogicalBridge("blue", BridgeSpec(10)).ok());
  agent::v1::Subnets subnets = Subnets("logicalBridges/blue", {"10.0.0.0/24"});
  auto set = opi().SetSubnets(subnets);
  ASSERT_EQ(set.status(), absl::OkStatus());
  EXPECT_FALSE(set->has_dns());
  EXPECT_EQ(set->lease_time(), 86400u);
  subnets.mutable_dns()->add_servers("10.0.0.53");
  subnets.mutable_dns()->set_domain("blue.example");
  subnets.mutable_dns()->add_search("example");
  subnets.set_lease_time(600);
  set = opi().SetSubnets(subnets);
  ASSERT_EQ(set.status(), absl::OkStatus());
  EXPECT_THAT(set->dns().servers(), ::testing::ElementsAre("10.0.0.53"));
  EXPECT_EQ(set->dns().domain(), "blue.example");
  EXPECT_THAT(set->dns().search(), ::testing::ElementsAre("example"));
  EXPECT_EQ(set->lease_time(), 600u);
  subnets.mutable_dns()->add_servers("nowhere");
  EXPECT_CODE(opi().SetSubnets(subnets).status(), kInvalidArgument);
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
  // On a card with tunnels there is less room, as the bridge has a VNI.
  EXPECT_THAT(bound->mtu(), ::testing::AnyOf(1500u, 1450u));
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

TEST_P(OpiClientContract, RemotePortsOfABridgeCanBeToldAgainAndDoNotHoldIt) {
  ASSERT_EQ(opi().CreateLogicalBridge("red", BridgeSpec(10, 100)).status(), absl::OkStatus());
  agent::v1::UpdateRemotePortsRequest request;
  request.set_logical_bridge("logicalBridges/red");
  agent::v1::RemotePort port;
  port.set_id("default/netdev-1");
  port.set_mac_address(Mac(1));
  port.add_addresses("10.0.0.1");
  port.set_vtep("192.0.2.77");
  *request.add_set() = port;
  request.add_remove("default/never-there");
  EXPECT_EQ(opi().UpdateRemotePorts(request), absl::OkStatus());
  EXPECT_EQ(opi().UpdateRemotePorts(request), absl::OkStatus());
  const agent::v1::RemotePort again = port;
  request.clear_set();
  request.set_replace(true);
  EXPECT_EQ(opi().UpdateRemotePorts(request), absl::OkStatus());
  *request.add_set() = again;
  EXPECT_EQ(opi().DeleteLogicalBridge("logicalBridges/red"), absl::OkStatus());
  EXPECT_TRUE(absl::IsNotFound(opi().UpdateRemotePorts(request)));
}

TEST_P(OpiClientContract, BadRemotePortsAreRefusedWithTheField) {
  ASSERT_EQ(opi().CreateLogicalBridge("red", BridgeSpec(10, 100)).status(), absl::OkStatus());
  ASSERT_EQ(opi().CreateLogicalBridge("plain", BridgeSpec(11)).status(), absl::OkStatus());
  agent::v1::UpdateRemotePortsRequest good;
  good.set_logical_bridge("logicalBridges/red");
  good.add_set()->set_id("a");
  good.mutable_set(0)->set_mac_address(Mac(1));
  good.mutable_set(0)->set_vtep("192.0.2.77");
  const auto refused = [&](const std::function<void(agent::v1::UpdateRemotePortsRequest&)>& change) {
    agent::v1::UpdateRemotePortsRequest bad = good;
    change(bad);
    return opi().UpdateRemotePorts(bad);
  };
  const auto field = [&](const std::string& name, const std::function<void(agent::v1::RemotePort&)>& change) {
    const absl::Status status =
        refused([&](agent::v1::UpdateRemotePortsRequest& bad) { change(*bad.mutable_set(0)); });
    EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument) << status;
    EXPECT_THAT(std::string(status.message()), ::testing::HasSubstr(name));
  };
  field("set.id", [](agent::v1::RemotePort& port) { port.clear_id(); });
  field("set.mac_address", [](agent::v1::RemotePort& port) { port.set_mac_address("abc"); });
  field("set.mac_address", [](agent::v1::RemotePort& port) { port.set_mac_address("\x01zzzzz"); });
  field("set.addresses", [](agent::v1::RemotePort& port) { port.add_addresses("10.0.0.1/24"); });
  field("set.addresses", [](agent::v1::RemotePort& port) { port.add_addresses("224.0.0.1"); });
  field("set.vtep", [](agent::v1::RemotePort& port) { port.set_vtep("somewhere"); });
  EXPECT_TRUE(absl::IsFailedPrecondition(refused(
      [](agent::v1::UpdateRemotePortsRequest& bad) { bad.set_logical_bridge("logicalBridges/plain"); })));
  EXPECT_EQ(opi().UpdateRemotePorts(good), absl::OkStatus());
}

TEST_P(OpiClientContract, LimitsOfAPortAreChangedWhileItIsBoundAndGoWithItsClaim) {
  MakeNetworks();
  const auto limits = [](const absl::StatusOr<agent::v1::PortBinding>& binding) -> std::vector<uint64_t> {
    if (!binding.ok() || !binding->has_bandwidth()) return {};
    const agent::v1::Bandwidth& b = binding->bandwidth();
    return {b.ingress_rate(), b.ingress_burst(), b.egress_rate(), b.egress_burst()};
  };
  agent::v1::BindPortRequest request = Bind("bridgePorts/host0-0", "logicalBridges/blue", 1, 1);
  EXPECT_THAT(limits(opi().BindPort(request)), ::testing::IsEmpty());
  request.mutable_bandwidth()->set_ingress_rate(10'000'000);
  request.mutable_bandwidth()->set_egress_rate(4'000'000'000'000);
  request.mutable_bandwidth()->set_egress_burst(8'000);
  EXPECT_THAT(limits(opi().BindPort(request)),
              ::testing::ElementsAre(10'000'000, 0, 4'000'000'000'000, 8'000));
  // Not said: as they are.
  EXPECT_THAT(limits(opi().BindPort(Bind("bridgePorts/host0-0", "logicalBridges/blue", 1, 1))),
              ::testing::SizeIs(4));
  agent::v1::BindPortRequest bad = request;
  bad.mutable_bandwidth()->set_ingress_burst(4'000'000'000'001);
  EXPECT_CODE(opi().BindPort(bad).status(), kInvalidArgument);
  request.mutable_bandwidth()->Clear();
  EXPECT_THAT(limits(opi().BindPort(request)), ::testing::IsEmpty());
  request.mutable_bandwidth()->set_egress_rate(1'000'000);
  EXPECT_THAT(limits(opi().BindPort(request)), ::testing::ElementsAre(0, 0, 1'000'000, 0));
  EXPECT_THAT(limits(opi().BindPort(Bind("bridgePorts/host0-0", "logicalBridges/blue", 1, 2))),
              ::testing::IsEmpty());
}

TEST_P(OpiClientContract, WhatAPodAsksForStandsBesideWhatOperatorsSetAndGoesWithItsBinding) {
  MakeNetworks();
  agent::v1::BindPortRequest request = Bind("bridgePorts/host0-0", "logicalBridges/blue", 1, 1);
  request.mutable_bandwidth()->set_ingress_rate(10'000'000);
  request.mutable_pod_bandwidth()->set_ingress_rate(20'000'000);
  request.mutable_pod_bandwidth()->set_ingress_burst(4'000'000'000'000);
  request.mutable_pod_bandwidth()->set_egress_rate(5);
  request.mutable_pod_bandwidth()->set_egress_burst(6);
  auto binding = opi().BindPort(request);
  ASSERT_EQ(binding.status(), absl::OkStatus());
  EXPECT_EQ(binding->bandwidth().ingress_rate(), 10'000'000u);
  EXPECT_EQ(binding->pod_bandwidth().SerializeAsString(), request.pod_bandwidth().SerializeAsString());
  // Not said: as it is; of one nothing follows for the other.
  binding = opi().BindPort(Bind("bridgePorts/host0-0", "logicalBridges/blue", 1, 1));
  ASSERT_EQ(binding.status(), absl::OkStatus());
  EXPECT_EQ(binding->pod_bandwidth().egress_rate(), 5u);
  agent::v1::BindPortRequest change = Bind("bridgePorts/host0-0", "logicalBridges/blue", 1, 1);
  change.mutable_bandwidth();
  binding = opi().BindPort(change);
  ASSERT_EQ(binding.status(), absl::OkStatus());
  EXPECT_FALSE(binding->has_bandwidth());
  EXPECT_EQ(binding->pod_bandwidth().egress_rate(), 5u);
  auto bindings = opi().ListPortBindings();
  ASSERT_EQ(bindings.status(), absl::OkStatus());
  ASSERT_EQ(bindings->size(), 1u);
  EXPECT_EQ(bindings->front().pod_bandwidth().egress_burst(), 6u);

  agent::v1::BindPortRequest bad = request;
  bad.mutable_pod_bandwidth()->set_egress_burst(4'000'000'000'001);
  EXPECT_CODE(opi().BindPort(bad).status(), kInvalidArgument);
  EXPECT_EQ(opi().UnbindPort(Unbind("bridgePorts/host0-0", 1, false)), absl::OkStatus());
  binding = opi().BindPort(Bind("bridgePorts/host0-0", "logicalBridges/blue", 1, 1));
  ASSERT_EQ(binding.status(), absl::OkStatus());
  EXPECT_FALSE(binding->has_pod_bandwidth());
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

#undef EXPECT_CODE

}  // namespace xpu
