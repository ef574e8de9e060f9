#include "xpu-agent/core/bridge_changes.h"

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "xpu-agent/core/port_changes.h"

namespace xpu {
namespace {

using ::testing::HasSubstr;

BridgeSpec Spec(uint32_t vlan) { return {.vlan_id = vlan, .vni = vlan, .vtep = std::nullopt}; }

SubnetSpec Subnets(const std::string& prefix) {
  return {.prefixes = {*IpPrefix::Parse(prefix)}, .gateways = {}};
}

void AddPort(AgentState& state, const std::string& id, const std::string& bridge,
             const std::string& address) {
  state.model.ports[id] = {
      .id = id, .logical_bridges = {bridge}, .bound = true, .addresses = {*InterfaceAddress::Parse(address)}};
}

TEST(BridgeChanges, KeysCountUpAndSkipThoseInUse) {
  AgentState state;
  ASSERT_EQ(CreateBridge(state, "a", Spec(1)), absl::OkStatus());
  ASSERT_EQ(CreateBridge(state, "b", Spec(2)), absl::OkStatus());
  EXPECT_EQ(state.model.bridges["a"].network_key, 1u);
  EXPECT_EQ(state.model.bridges["b"].network_key, 2u);
  ASSERT_EQ(DeleteBridge(state, "b"), absl::OkStatus());
  ASSERT_EQ(CreateBridge(state, "c", Spec(3)), absl::OkStatus());
  EXPECT_EQ(state.model.bridges["c"].network_key, 3u);
  // Round the end of the numbers.
  state.last_network_key = 0xffffff;
  ASSERT_EQ(CreateBridge(state, "d", Spec(4)), absl::OkStatus());
  EXPECT_EQ(state.model.bridges["d"].network_key, 2u);
}

TEST(BridgeChanges, AFailedChangeLeavesTheStateAlone) {
  AgentState state;
  ASSERT_EQ(CreateBridge(state, "a", Spec(1)), absl::OkStatus());
  const AgentState before = state;
  EXPECT_FALSE(CreateBridge(state, "b", Spec(1)).ok());
  EXPECT_FALSE(CreateBridge(state, "", Spec(2)).ok());
  EXPECT_FALSE(UpdateBridge(state, "a", Spec(0)).ok());
  EXPECT_FALSE(UpdateBridge(state, "none", Spec(2)).ok());
  EXPECT_FALSE(DeleteBridge(state, "none").ok());
  EXPECT_FALSE(SetSubnets(state, "none", Subnets("10.0.0.0/24")).ok());
  EXPECT_FALSE(SetSubnets(state, "a", Subnets("224.0.0.0/8")).ok());
  EXPECT_EQ(state, before);
}

// Both would go on beyond the uplink with the same tag.
TEST(BridgeChanges, AVlanIsABridgeOrTheCardsOwnNetwork) {
  AgentState state;
  state.model.ports["host0-1"] = {.id = "host0-1", .vlan = 10, .bound = true};
  const absl::Status refused = CreateBridge(state, "blue", {.vlan_id = 10});
  EXPECT_TRUE(absl::IsAlreadyExists(refused)) << refused;
  EXPECT_THAT(std::string(refused.message()), HasSubstr("bridgePorts/host0-1"));
  // With a VNI it has the number for this card's ports alone.
  ASSERT_EQ(CreateBridge(state, "red", Spec(10)), absl::OkStatus());
  EXPECT_TRUE(absl::IsAlreadyExists(UpdateBridge(state, "red", {.vlan_id = 10})));

  ASSERT_EQ(CreateBridge(state, "green", {.vlan_id = 11}), absl::OkStatus());
  const auto lookup = [](const std::string&) { return absl::OkStatus(); };
  BindSpec bind{.port = "host0-2", .mac = *MacAddress::Parse("02:00:00:00:00:02"), .claim = 1};
  bind.vlan = 11;
  const absl::Status kept_out = BindPort(state, bind, lookup);
  EXPECT_TRUE(absl::IsFailedPrecondition(kept_out)) << kept_out;
  for (const char* name : {"bridgePorts/host0-2", "logicalBridges/green", "VLAN 11"}) {
    EXPECT_THAT(std::string(kept_out.message()), HasSubstr(name));
  }
  bind.vlan = 10;
  EXPECT_EQ(BindPort(state, bind, lookup), absl::OkStatus());
}

TEST(BridgeChanges, UpdateKeepsKeyAndSubnets) {
  AgentState state;
  ASSERT_EQ(CreateBridge(state, "a", Spec(1)), absl::OkStatus());
  ASSERT_EQ(SetSubnets(state, "a", Subnets("10.0.0.0/24")), absl::OkStatus());
  LogicalBridge expected = state.model.bridges["a"];
  expected.vlan_id = 9;
  expected.vni = 9;
  ASSERT_EQ(UpdateBridge(state, "a", Spec(9)), absl::OkStatus());
  EXPECT_EQ(state.model.bridges["a"], expected);
}

TEST(BridgeChanges, DeleteNamesEveryPortInTheWay) {
  AgentState state;
  ASSERT_EQ(CreateBridge(state, "a", Spec(1)), absl::OkStatus());
  AddPort(state, "host0-1", "a", "10.0.0.2/24");
  AddPort(state, "host0-2", "a", "10.0.0.3/24");
  absl::Status status = DeleteBridge(state, "a");
  EXPECT_EQ(status.code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_THAT(std::string(status.message()), HasSubstr("bridgePorts/host0-1, bridgePorts/host0-2"));
}

TEST(BridgeChanges, APrefixInUseStaysWithItsLength) {
  AgentState state;
  ASSERT_EQ(CreateBridge(state, "a", Spec(1)), absl::OkStatus());
  ASSERT_EQ(SetSubnets(state, "a", Subnets("10.0.0.0/24")), absl::OkStatus());
  AddPort(state, "host0-1", "a", "10.0.0.2/24");
  EXPECT_EQ(SetSubnets(state, "a", Subnets("10.1.0.0/24")).code(), absl::StatusCode::kFailedPrecondition);
  // The pod would go on with the old length.
  EXPECT_EQ(SetSubnets(state, "a", Subnets("10.0.0.0/16")).code(), absl::StatusCode::kFailedPrecondition);
  SubnetSpec more = Subnets("10.0.0.0/24");
  more.prefixes.push_back(*IpPrefix::Parse("2001:db8::/64"));
  EXPECT_EQ(SetSubnets(state, "a", more), absl::OkStatus());
}

TEST(BridgeChanges, KeepsWhatHostsAreToldAndRefusesWhatTheyCannotBe) {
  AgentState state;
  ASSERT_EQ(CreateBridge(state, "a", Spec(1)), absl::OkStatus());
  SubnetSpec spec = Subnets("10.0.0.0/24");
  spec.dns = {.servers = {*IpAddress::Parse("10.0.0.53")}, .domain = "a.example", .search = {"example"}};
  spec.lease_time = 600;
  ASSERT_EQ(SetSubnets(state, "a", spec), absl::OkStatus());
  EXPECT_EQ(state.model.bridges.at("a").dns, spec.dns);
  EXPECT_EQ(state.model.bridges.at("a").lease_time, 600u);
  SubnetSpec bad = spec;
  bad.dns.domain = "not a domain";
  EXPECT_THAT(std::string(SetSubnets(state, "a", bad).message()), HasSubstr("subnets.dns: domain"));
  bad = spec;
  bad.lease_time = 59;
  EXPECT_THAT(std::string(SetSubnets(state, "a", bad).message()), HasSubstr("subnets.lease_time: 59 s"));
  EXPECT_EQ(state.model.bridges.at("a").lease_time, 600u);
}

TEST(BridgeChanges, APortsAddressDoesNotBecomeTheGateway) {
  AgentState state;
  ASSERT_EQ(CreateBridge(state, "a", Spec(1)), absl::OkStatus());
  ASSERT_EQ(SetSubnets(state, "a", Subnets("10.0.0.0/24")), absl::OkStatus());
  AddPort(state, "host0-1", "a", "10.0.0.2/24");
  SubnetSpec gateway = Subnets("10.0.0.0/24");
  gateway.gateways = {*IpAddress::Parse("10.0.0.2")};
  absl::Status status = SetSubnets(state, "a", gateway);
  EXPECT_EQ(status.code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_THAT(std::string(status.message()), HasSubstr("bridgePorts/host0-1"));
}

TEST(BridgeChanges, AVtepIsTheAddressOfOne) {
  AgentState state;
  BridgeSpec spec = Spec(1);
  spec.vtep = *InterfaceAddress::Parse("224.0.0.1/32");
  absl::Status status = CreateBridge(state, "a", spec);
  EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument);
  EXPECT_THAT(std::string(status.message()), HasSubstr("vtep_ip_prefix"));
}

}  // namespace
}  // namespace xpu
