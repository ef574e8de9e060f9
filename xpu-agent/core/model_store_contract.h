#pragma once

// What every ModelStore must do. Include it in one file of a test program and say
//   INSTANTIATE_TEST_SUITE_P(Memory, ModelStoreContract, ::testing::Values(&MakeHarness));

#include <memory>

#include "gtest/gtest.h"
#include "xpu-agent/core/model_store.h"

namespace xpu {

class ModelStoreHarness {
 public:
  virtual ~ModelStoreHarness() = default;
  virtual ModelStore& store() = 0;
  // As after a kill -9 of the process: only what was written is there.
  virtual void Reopen() = 0;
};

class ModelStoreContract : public ::testing::TestWithParam<std::unique_ptr<ModelStoreHarness> (*)()> {
 protected:
  ModelStoreContract() : harness_(GetParam()()) {}
  ModelStore& store() { return harness_->store(); }
  void Save(const AgentState& before, const AgentState& after) {
    ASSERT_EQ(store().Write(Diff(before, after)), absl::OkStatus());
  }

  // One of each, with every field set and with every field that can be missing missing.
  static AgentState Full() {
    AgentState state;
    LogicalBridge local{.id = "default.blue", .vlan_id = 10, .network_key = 1};
    LogicalBridge routed{
        .id = "red",
        .vlan_id = 4094,
        .vni = 16777215,
        .vtep = *InterfaceAddress::Parse("192.0.2.1/32"),
        .network_key = 16777215,
        .prefixes = {*IpPrefix::Parse("10.0.0.0/24"), *IpPrefix::Parse("2001:db8::/64")},
        .gateways = {*IpAddress::Parse("10.0.0.1"), *IpAddress::Parse("2001:db8::1")},
        .mtu = 9000,
        .dns = {.servers = {*IpAddress::Parse("10.0.0.53"), *IpAddress::Parse("2001:db8::53")},
                .domain = "red.example",
                .search = {"red.example", "example"}},
        .lease_time = 3600};
    BridgePort isolated{.id = "host0-0", .mac = *MacAddress::Parse("02:00:00:00:00:01")};
    BridgePort bound{
        .id = "host0-1",
        .mac = *MacAddress::Parse("02:00:00:00:00:02"),
        .logical_bridges = {"red"},
        .bound = true,
        .addresses = {*InterfaceAddress::Parse("10.0.0.5/24"), *InterfaceAddress::Parse("2001:db8::5/64")},
        .claim = int64_t{1} << 60,
        .bandwidth = {.ingress = {4'000'000'000'000, 1}, .egress = {1000, 4'000'000'000'000}},
        .pod_bandwidth = {.ingress = {2, 3}, .egress = {4, 5}}};
    BridgePort trunk{.id = "host0-2",
                     .mac = *MacAddress::Parse("02:00:00:00:00:03"),
                     .type = BridgePortType::kTrunk,
                     .logical_bridges = {"default.blue", "red"}};
    BridgePort in_vlan{.id = "host0-3",
                       .mac = *MacAddress::Parse("02:00:00:00:00:04"),
                       .vlan = 100,
                       .bound = true,
                       .addresses = {*InterfaceAddress::Parse("10.0.0.5/24")},
                       .claim = 1};
    BridgePort untagged{.id = "host0-4", .vlan = 0, .bound = true};
    Vrf plain{.id = "tenant", .vrf_key = 1};
    Vrf shared{.id = "shared",
               .vni = 16777214,
               .loopback = *InterfaceAddress::Parse("198.51.100.1/32"),
               .vtep = *InterfaceAddress::Parse("2001:db8::1/128"),
               .vrf_key = 16777215};
    Svi bare{.id = "bare", .vrf = "tenant", .logical_bridge = "default.blue"};
    Svi gateway{
        .id = "red",
        .vrf = "shared",
        .logical_bridge = "red",
        .mac = *MacAddress::Parse("02:58:50:00:00:01"),
        .gateways = {*InterfaceAddress::Parse("10.0.0.1/24"), *InterfaceAddress::Parse("2001:db8::1/64")},
        .enable_bgp = true,
        .remote_as = 4294967295};
    RemotePort remote{.id = "card-b.host0-1",
                      .logical_bridge = "red",
                      .mac = *MacAddress::Parse("02:00:00:00:00:09"),
                      .addresses = {*InterfaceAddress::Parse("10.0.0.9/24")},
                      .vtep = *IpAddress::Parse("192.0.2.2")};
    NetworkFunction of_all{.id = "fw",
                           .input = {.port = "host0-1",
                                     .mac = *MacAddress::Parse("02:00:00:00:00:0a"),
                                     .claim = int64_t{1} << 60},
                           .output = {.port = "host0-2", .mac = *MacAddress::Parse("02:00:00:00:00:0b")},
                           .position = 4294967295};
    NetworkFunction of_bridge{.id = "ids", .logical_bridge = "red", .position = 1};
    NetworkFunction of_vlan{.id = "nat", .vlan = uint16_t{0}};
    state.model.network_functions = {{of_all.id, of_all}, {of_bridge.id, of_bridge}, {of_vlan.id, of_vlan}};
    state.model.vrfs = {{plain.id, plain}, {shared.id, shared}};
    state.model.svis = {{bare.id, bare}, {gateway.id, gateway}};
    state.model.remote_ports = {{remote.id, remote}};
    state.model.bridges = {{local.id, local}, {routed.id, routed}};
    state.model.ports = {{isolated.id, isolated},
                         {bound.id, bound},
                         {trunk.id, trunk},
                         {in_vlan.id, in_vlan},
                         {untagged.id, untagged}};
    state.claims = {{"host0-1", {int64_t{1} << 60, false}}, {"host0-7", {5, true}}};
    state.last_network_key = 16777215;
    state.last_vrf_key = 16777214;
    state.plugin_identifier = "dpu-1";
    return state;
  }

  std::unique_ptr<ModelStoreHarness> harness_;
};

TEST_P(ModelStoreContract, IsEmptyToBeginWith) {
  auto state = store().Load();
  ASSERT_EQ(state.status(), absl::OkStatus());
  EXPECT_EQ(*state, AgentState());
}

TEST_P(ModelStoreContract, GivesBackEveryFieldAfterAKill) {
  Save({}, Full());
  harness_->Reopen();
  auto state = store().Load();
  ASSERT_EQ(state.status(), absl::OkStatus());
  EXPECT_EQ(*state, Full());
}

TEST_P(ModelStoreContract, ChangesAndRemovesObjects) {
  Save({}, Full());
  AgentState next = Full();
  next.model.ports.erase("host0-2");
  next.model.network_functions.erase("nat");
  next.model.network_functions["fw"].vlan = 7;
  next.model.network_functions["fw"].chain = "c";
  next.plugin_identifier = "dpu-2";
  next.model.bridges.erase("default.blue");
  next.model.bridges["red"].prefixes.pop_back();
  next.model.bridges["red"].vni.reset();
  next.model.ports["host0-1"].bound = false;
  next.model.ports["host0-1"].addresses.clear();
  next.claims["host0-1"].released = true;
  next.model.vrfs.erase("tenant");
  next.model.vrfs["shared"].vni.reset();
  next.model.svis.erase("bare");
  next.model.svis["red"].gateways.pop_back();
  next.model.remote_ports.clear();
  next.last_network_key = 2;
  next.last_vrf_key = 3;
  Save(Full(), next);
  harness_->Reopen();
  EXPECT_EQ(*store().Load(), next);
}

TEST_P(ModelStoreContract, AKeyMayPassFromAnObjectThatGoesToOneThatComes) {
  AgentState before, after;
  before.model.vrfs["z"] = {.id = "z", .vrf_key = 7};
  after.model.vrfs["a"] = {.id = "a", .vrf_key = 7};
  before.model.bridges["z"] = {.id = "z", .vlan_id = 1, .network_key = 7};
  after.model.bridges["a"] = {.id = "a", .vlan_id = 1, .network_key = 7};
  Save({}, before);
  Save(before, after);
  EXPECT_EQ(*store().Load(), after);
}

TEST_P(ModelStoreContract, DoesNotKeepRepresentors) {
  AgentState state = Full();
  state.model.representors["host0-1"] = {.interface = "pf0vf1", .ofport = 2};
  Save({}, state);
  EXPECT_EQ(*store().Load(), Full());
}

}  // namespace xpu
