#include "xpu-agent/core/bridge_changes.h"

#include "gmock/gmock.h"
#include "gtest/gtest.h"

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
