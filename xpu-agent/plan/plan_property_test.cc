// Random models: what must hold whatever the model.
#include <random>
#include <set>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "common/base/test_seed.h"
#include "gtest/gtest.h"
#include "xpu-agent/plan/active_network.h"
#include "xpu-agent/plan/plan_testing.h"

namespace xpu {
namespace {

class RandomModel {
 public:
  explicit RandomModel(uint64_t seed) : random_(seed) {}

  Model Make() {
    Model model;
    const int bridges = 1 + Below(4);
    for (int i = 0; i < bridges; ++i) {
      LogicalBridge& bridge = AddBridge(&model, absl::StrCat("b", i), 1 + Below(5), {"10.0.0.0/24"});
      bridge.vlan_id = Below(4) * 10;
      if (Below(2) == 0) bridge.prefixes.push_back(IpPrefix::Parse("2001:db8::/64").value());
      if (Below(4) == 0) bridge.prefixes.push_back(bridge.prefixes[0]);
      if (Below(4) == 0) bridge.gateways.push_back(IpAddress::Parse("10.0.0.1").value());
      if (Below(4) == 0) bridge.prefixes.clear();
    }
    const int ports = Below(12);
    for (int i = 0; i < ports; ++i) AddPort(&model, i, bridges);
    return model;
  }

  // One that differs in a few places.
  Model Change(Model model) {
    for (const auto& [id, before] : SharedMap<BridgePort>(model.ports)) {
      BridgePort& port = model.ports.at(id);
      if (Below(4) == 0) port.mac = RandomMac();
      if (Below(4) == 0) port.logical_bridges.clear();
      if (Below(4) == 0) port.bound = !port.bound;
      if (Below(4) == 0) ChooseVlan(&port);
    }
    if (!model.ports.empty() && Below(2) == 0) model.ports.erase(model.ports.begin()->first);
    if (Below(3) == 0) model.bridges.erase(model.bridges.begin()->first);
    return model;
  }

 private:
  int Below(int n) { return static_cast<int>(random_() % n); }
  MacAddress RandomMac() {
    return MacAddress::Parse(absl::StrFormat("02:00:00:00:00:%02x", 1 + Below(14))).value();
  }
  void AddPort(Model* model, int i, int bridges) {
    const std::string id = absl::StrCat("p", i);
    BridgePort& port = AddUnboundPort(model, id, 1 + i, "02:00:00:00:00:01", "");
    port.mac = RandomMac();
    for (int k = Below(3); k > 0; --k) port.logical_bridges.push_back(absl::StrCat("b", Below(bridges + 1)));
    if (Below(4) == 0) port.type = BridgePortType::kTrunk;
    if (Below(3) != 0) {
      port.bound = true;
      port.addresses.push_back(
          InterfaceAddress::Parse(absl::StrFormat("10.0.0.%d/24", 1 + Below(14))).value());
      if (Below(2) == 0) {
        port.addresses.push_back(
            InterfaceAddress::Parse(absl::StrFormat("2001:db8::%x/64", 1 + Below(14))).value());
      }
    }
    if (Below(3) == 0) ChooseVlan(&port);
    if (Below(8) == 0) model->representors.erase(id);
  }
  // As a bind to a VLAN leaves a port, but that now and then it is in bridges as well or not bound.
  void ChooseVlan(BridgePort* port) {
    port->vlan = Below(3) == 0 ? 0 : 99 + Below(3);
    if (Below(4) != 0) port->logical_bridges.clear();
    if (Below(4) != 0) port->bound = true;
    if (Below(2) == 0) port->addresses.clear();
  }
  std::mt19937_64 random_;
};

// The number after `word` in `text`; 0 if it is not there.
uint32_t NumberAfter(const std::string& text, const std::string& word, int base) {
  const size_t at = text.find(word);
  return at == std::string::npos ? 0 : std::strtoul(text.c_str() + at + word.size(), nullptr, base);
}

std::set<uint32_t> OutputsOf(const std::string& actions) {
  std::set<uint32_t> outputs;
  const std::string word = "output:";
  for (size_t at = actions.find(word); at != std::string::npos; at = actions.find(word, at + 1)) {
    outputs.insert(std::strtoul(actions.c_str() + at + word.size(), nullptr, 10));
  }
  return outputs;
}

// Keys of the networks that the model puts a port into.
std::set<uint32_t> KeysOf(const Model& model, uint32_t ofport) {
  std::set<uint32_t> keys;
  for (const auto& [id, port] : model.ports) {
    const auto representor = model.representors.find(id);
    if (representor == model.representors.end() || representor->second.ofport != ofport) continue;
    if (port.vlan.has_value()) {
      if (port.logical_bridges.empty()) keys.insert(pipeline::VlanNetworkKey(*port.vlan));
      continue;
    }
    for (const std::string& bridge : port.logical_bridges) {
      if (const auto it = model.bridges.find(bridge); it != model.bridges.end())
        keys.insert(it->second.network_key);
    }
  }
  return keys;
}

void CheckIsolation(const Model& model, const FlowTable& flows) {
  for (const auto& [key, actions] : flows) {
    const std::string flow = absl::StrCat("table=", key.table, ",", key.match, " actions=", actions);
    if (key.table == 0 && actions != "drop") {
      const uint32_t network = NumberAfter(actions, "set_field:", 16);
      EXPECT_TRUE(KeysOf(model, NumberAfter(key.match, "in_port=", 10)).contains(network)) << flow;
    }
    if (key.table == 10 && actions != "drop") {
      EXPECT_NE(key.match.find("dl_src="), std::string::npos) << flow;
      EXPECT_NE(key.match.find("reg0="), std::string::npos) << flow;
    }
    const uint32_t network = NumberAfter(key.match, "metadata=", 16);
    const uint32_t destination = NumberAfter(actions, "load:", 16);
    if (key.table == 60 && destination != 0 && destination < 0x10000) {
      EXPECT_TRUE(KeysOf(model, destination).contains(network)) << flow;
    }
    for (const uint32_t output : OutputsOf(actions)) {
      EXPECT_EQ(key.table, 80) << flow;
      if (network != 0) {
        EXPECT_TRUE(KeysOf(model, output).contains(network)) << flow;
      }
    }
  }
}

TEST(PlanProperty, HoldsForRandomModels) {
  const uint64_t seed = TestSeed();
  SCOPED_TRACE(testing::Message() << "seed " << seed);
  RandomModel random(seed);
  for (int round = 0; round < 2000 && !HasFailure(); ++round) {
    SCOPED_TRACE(testing::Message() << "round " << round);
    const Model model = random.Make();
    const auto ofports = AllOfports(model);
    const FlowTable flows = CompileFlows(model, ofports);
    CheckIsolation(model, flows);
    EXPECT_EQ(flows, CompileFlows(model, ofports));

    SwitchSnapshot snapshot;
    EXPECT_LE(Converge(model, &snapshot), 2);
    EXPECT_EQ(snapshot.flows, flows);

    const Model changed = random.Change(model);
    EXPECT_LE(Converge(changed, &snapshot), 2);
    EXPECT_EQ(snapshot.flows, CompileFlows(changed, AllOfports(changed)));
  }
}

}  // namespace
}  // namespace xpu
