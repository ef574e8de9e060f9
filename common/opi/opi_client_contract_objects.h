#pragma once

// The part of the contract of OpiClient that is about bridges and ports.

#include <set>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "common/opi/opi_client_contract_fixture.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace xpu {

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

TEST_P(OpiClientContract, APortMayNameAVlanInsteadOfABridge) {
  auto made = opi().CreateBridgePort("host0-3", PortSpec(3, {"100"}), 0);
  ASSERT_EQ(made.status(), absl::OkStatus());
  EXPECT_THAT(made->spec().logical_bridges(), ::testing::ElementsAre("100"));
  EXPECT_EQ(opi().CreateBridgePort("host0-3", PortSpec(3, {"100"}), 0).status(), absl::OkStatus());
  EXPECT_CODE(opi().CreateBridgePort("host0-3", PortSpec(3, {"101"}), 0).status(), kAlreadyExists);
  EXPECT_CODE(opi().CreateBridgePort("host0-4", PortSpec(4, {"300"}), 0).status(), kFailedPrecondition)
      << "the card's host may not choose it";
  EXPECT_CODE(opi().CreateBridgePort("host0-4", PortSpec(4, {"4095"}), 0).status(), kFailedPrecondition);
  // One with that id comes first.
  ASSERT_TRUE(opi().CreateLogicalBridge("102", BridgeSpec(20)).ok());
  auto in_bridge = opi().CreateBridgePort("host0-4", PortSpec(4, {"102"}), 0);
  ASSERT_EQ(in_bridge.status(), absl::OkStatus());
  EXPECT_CODE(opi().DeleteLogicalBridge("102"), kFailedPrecondition);
}

#undef EXPECT_CODE

}  // namespace xpu
