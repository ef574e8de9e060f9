// Random sequences of changes: what the planner makes of them change by change is what it would make of the
// result at once.
#include <random>

#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "common/base/test_seed.h"
#include "gtest/gtest.h"
#include "xpu-agent/plan/plan_testing.h"
#include "xpu-agent/plan/planner.h"

namespace xpu {
namespace {

// Changes one object at a time, of few that often clash.
class RandomChanges {
 public:
  explicit RandomChanges(uint64_t seed) : random_(seed) {}

  void ChangeOne(Model* model, std::map<std::string, uint32_t>* ofports) {
    switch (Below(10)) {
      case 0:
        return ChangeBridge(model);
      case 1:
        return ChangeSvi(model);
      case 2:
        return ChangeVrf(model);
      case 3:
        return ChangeRemotePort(model);
      case 4:
        return ChangeRepresentor(model);
      case 5:
        return ChangeOfport(ofports);
      case 6:
        return ChangeCard(model);
      case 7:
        return ChangeFunction(model);
      default:
        return ChangePort(model);
    }
  }
  int Below(int n) { return static_cast<int>(random_() % n); }

 private:
  bool Gone() { return Below(4) == 0; }
  std::string Bridge() { return absl::StrCat("b", Below(5)); }
  MacAddress Mac() {
    return MacAddress::Parse(absl::StrFormat("02:00:00:00:00:%02x", 1 + Below(10))).value();
  }
  InterfaceAddress Address() {
    return InterfaceAddress::Parse(Below(3) == 0 ? absl::StrFormat("2001:db8::%x/64", 1 + Below(10))
                                                 : absl::StrFormat("10.0.%d.%d/24", Below(2), 1 + Below(10)))
        .value();
  }

  void ChangeBridge(Model* model) {
    const std::string id = Bridge();
    model->bridges.erase(id);
    if (Gone()) return;
    LogicalBridge& bridge = AddBridge(model, id, 1 + Below(5), {"10.0.0.0/24"});
    bridge.vlan_id = Below(4) * 10;
    if (Below(2) == 0) bridge.vni = 100 + Below(3);
    if (Below(2) == 0) bridge.prefixes.push_back(IpPrefix::Parse("2001:db8::/64").value());
    if (Below(3) == 0) bridge.prefixes.push_back(bridge.prefixes[0]);
    if (Below(3) == 0) bridge.gateways.push_back(Address().address);
    if (Below(4) == 0) bridge.mtu = 9000;
  }
  void ChangeVrf(Model* model) {
    const std::string id = absl::StrCat("v", Below(3));
    model->vrfs.erase(id);
    if (!Gone()) model->vrfs[id] = {.id = id, .vrf_key = 1u + Below(3)};
  }
  void ChangeSvi(Model* model) {
    const std::string id = absl::StrCat("s", Below(5));
    model->svis.erase(id);
    if (Gone()) return;
    Svi& svi = model->svis[id];
    svi = {.id = id, .vrf = absl::StrCat("v", Below(3)), .logical_bridge = Bridge()};
    if (Below(2) == 0) svi.mac = Mac();
    svi.gateways.push_back(Address());
    if (Below(2) == 0) svi.gateways.push_back(Address());
  }
  void ChangePort(Model* model) {
    const std::string id = absl::StrCat("p", Below(8));
    model->ports.erase(id);
    if (Gone()) return;
    BridgePort& port = model->ports[id];
    port.id = id;
    port.mac = Mac();
    if (!model->representors.contains(id)) model->representors[id] = {.interface = id, .ofport = 1};
    for (int k = Below(4); k > 0; --k) port.logical_bridges.push_back(Bridge());
    if (Below(2) == 0) port.logical_bridges.resize(std::min<size_t>(port.logical_bridges.size(), 1));
    if (Below(3) == 0) port.type = BridgePortType::kTrunk;
    port.bound = Below(3) != 0;
    for (int k = Below(3); k > 0; --k) port.addresses.push_back(Address());
    if (Below(5) == 0) {
      port.vlan = Below(3);
      if (Below(4) != 0) port.logical_bridges.clear();
    }
    if (Below(3) == 0) port.bandwidth.egress.rate = 1000 * Below(3);
    if (Below(3) == 0) port.bandwidth.ingress = {static_cast<uint64_t>(1000 * Below(3)), 5000};
  }
  void ChangeRemotePort(Model* model) {
    const std::string id = absl::StrCat("r", Below(6));
    model->remote_ports.erase(id);
    if (Gone()) return;
    model->remote_ports[id] = {.id = id,
                               .logical_bridge = Bridge(),
                               .mac = Mac(),
                               .addresses = {Address()},
                               .vtep = IpAddress::Parse(absl::StrCat("192.0.2.", 1 + Below(3))).value()};
  }
  void ChangeFunction(Model* model) {
    const std::string id = absl::StrCat("f", Below(3));
    model->network_functions.erase(id);
    if (Gone()) return;
    NetworkFunction& function = model->network_functions[id];
    function = {.id = id, .position = static_cast<uint32_t>(Below(2))};
    for (NetworkFunctionPort* side : {&function.input, &function.output}) {
      side->port = absl::StrCat("p", Below(8));
      const auto port = model->ports.find(side->port);
      if (port != model->ports.end()) side->mac = port->second.mac;
    }
    if (Below(2) == 0) function.logical_bridge = Bridge();
    if (Below(6) == 0) function.vlan = Below(3);
  }
  void ChangeRepresentor(Model* model) {
    const std::string id = absl::StrCat("p", Below(8));
    model->representors.erase(id);
    if (!Gone()) model->representors[id] = {.interface = absl::StrCat("p", Below(10)), .ofport = 1};
  }
  void ChangeOfport(std::map<std::string, uint32_t>* ofports) {
    const std::string interfaces[] = {"vxlan", "p0", absl::StrCat("p", Below(10))};
    const std::string& interface = interfaces[std::min(2, Below(6))];
    ofports->erase(interface);
    // Some in parts of lists of their own.
    if (!Gone()) (*ofports)[interface] = Below(6) * 50;
  }
  void ChangeCard(Model* model) {
    model->tunnel.reset();
    model->uplink.reset();
    if (!Gone()) {
      model->tunnel = Tunnel{.interface = "vxlan", .local = IpAddress::Parse("192.0.2.9").value()};
    }
    if (!Gone()) model->uplink = Representor{.interface = "up", .ofport = 99};
  }

  std::mt19937_64 random_;
};

std::map<std::string, uint32_t> ChangesOf(const std::map<std::string, uint32_t>& before,
                                          const std::map<std::string, uint32_t>& after) {
  std::map<std::string, uint32_t> changes;
  for (const auto& [name, ofport] : before) {
    if (!after.contains(name)) changes[name] = 0;
  }
  for (const auto& [name, ofport] : after) {
    const auto same = before.find(name);
    if (same == before.end() || same->second != ofport) changes[name] = ofport;
  }
  return changes;
}

void ApplyTo(const FlowChange& change, FlowTable* flows) {
  for (const FlowKey& key : change.deletes) EXPECT_EQ(flows->erase(key), 1u) << key.match;
  for (const auto& [key, actions] : change.puts) {
    const auto [flow, is_new] = flows->emplace(key, actions);
    EXPECT_TRUE(is_new || flow->second != actions) << key.match;
    flow->second = actions;
  }
}

void ApplyTo(const MeterChange& change, MeterTable* meters) {
  for (const uint32_t id : change.deletes) EXPECT_EQ(meters->erase(id), 1u) << id;
  for (const auto& [id, meter] : change.puts) {
    const auto [there, is_new] = meters->emplace(id, meter);
    EXPECT_TRUE(is_new || !(there->second == meter)) << id;
    there->second = meter;
  }
}

// Each flow that uses a meter has one.
void ExpectMeters(const FlowTable& flows, const MeterTable& meters) {
  for (const auto& [key, actions] : flows) {
    uint32_t id = 0;
    if (!absl::StartsWith(actions, "meter:")) continue;
    EXPECT_TRUE(absl::SimpleAtoi(actions.substr(6, actions.find(',') - 6), &id) && meters.contains(id))
        << key.match << " " << actions;
  }
}

std::string TextOf(FlowChange change) {
  return PlanToString({.flow_deletes = std::move(change.deletes), .flow_puts = std::move(change.puts)});
}

TEST(PlannerProperty, PlansAChangeAsIfItHadPlannedAllAtOnce) {
  const uint64_t seed = TestSeed();
  SCOPED_TRACE(testing::Message() << "seed " << seed);
  RandomChanges random(seed);
  for (int sequence = 0; sequence < 60 && !HasFailure(); ++sequence) {
    Planner planner;
    FlowTable flows = planner.Flows();
    MeterTable meters;
    planner.ForgetChanges();
    Model model;
    std::map<std::string, uint32_t> ofports;
    SwitchAbilities abilities;
    for (int step = 0; step < 80 && !HasFailure(); ++step) {
      SCOPED_TRACE(testing::Message() << "sequence " << sequence << " step " << step);
      const Model before = model;
      const auto ofports_before = ofports;
      for (int k = 1 + random.Below(3); k > 0; --k) random.ChangeOne(&model, &ofports);
      if (random.Below(10) == 0) abilities.advertise_neighbours = !abilities.advertise_neighbours;
      if (random.Below(20) == 0) abilities.meter = !abilities.meter;
      planner.SetAbilities(abilities);
      planner.Update(Difference(before, model), ChangesOf(ofports_before, ofports));
      auto networks = pipeline::ResolveNetworks(model, ofports);
      for (auto& [key, resolved] : networks)
        resolved.network.advertise_neighbours = abilities.advertise_neighbours;
      // Without meters, ports with limits are in none.
      if (abilities.meter) {
        ASSERT_EQ(planner.index().networks(), networks);
      }
      ApplyTo(planner.TakeChanges(), &flows);
      ApplyTo(planner.TakeMeterChanges(), &meters);
      Planner anew;
      anew.SetAbilities(abilities);
      anew.Update(Difference(Model(), model), ofports);
      ASSERT_EQ(TextOf(anew.Compare(flows)), "");
      ASSERT_EQ(TextOf(planner.Compare(flows)), "");
      ASSERT_TRUE(meters == anew.Meters() && meters == planner.Meters());
      ExpectMeters(flows, meters);
    }
  }
}

// The planner's own way through an empty switch, against the same flows one by one in a table.
TEST(PlannerProperty, ComparesWithWhatIsThere) {
  const uint64_t seed = TestSeed();
  SCOPED_TRACE(testing::Message() << "seed " << seed);
  RandomChanges random(seed);
  Model model;
  std::map<std::string, uint32_t> ofports;
  Planner planner;
  for (int step = 0; step < 200 && !HasFailure(); ++step) {
    FlowTable present = planner.Flows();
    const Model before = model;
    const auto ofports_before = ofports;
    random.ChangeOne(&model, &ofports);
    planner.Update(Difference(before, model), ChangesOf(ofports_before, ofports));
    ApplyTo(planner.Compare(present), &present);
    ASSERT_EQ(present, planner.Flows());
  }
}

}  // namespace
}  // namespace xpu
