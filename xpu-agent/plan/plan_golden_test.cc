// Plans written out in full, under test/golden/plan. After a change that is meant:
//   XPU_RENEW_GOLDEN=1 bin/xpu_plan_test --gtest_filter='PlanGolden.*'
// and read the difference. test/component/pipeline holds the same flows against a real Open vSwitch.
#include <cstdlib>
#include <fstream>
#include <sstream>

#include "gtest/gtest.h"
#include "xpu-agent/plan/plan_testing.h"

namespace xpu {
namespace {

void ExpectGolden(const std::string& name, const SwitchPlan& plan) {
  const std::string path = std::string(XPU_GOLDEN_DIR) + "/" + name + ".txt";
  const std::string text = PlanToString(plan);
  if (std::getenv("XPU_RENEW_GOLDEN") != nullptr) {
    std::ofstream(path) << text;
    return;
  }
  std::ifstream file(path);
  ASSERT_TRUE(file) << path << " is not there; XPU_RENEW_GOLDEN=1 writes it";
  std::stringstream golden;
  golden << file.rdbuf();
  EXPECT_EQ(text, golden.str()) << "differs from " << path;
}

SwitchPlan PlanOfAll(const Model& model, const SwitchAbilities& abilities = {}) {
  return SwitchPlan{.flow_puts = CompileFlows(model, AllOfports(model), abilities)};
}

Model TwoPods() {
  Model model;
  AddBridge(&model, "default.red", 7, {"10.0.0.0/24", "2001:db8::/64"});
  AddBoundPort(&model, "host0-0", 1, "02:00:00:00:00:01", "default.red", {"10.0.0.1/24", "2001:db8::1/64"});
  AddBoundPort(&model, "host0-1", 2, "02:00:00:00:00:02", "default.red", {"10.0.0.2/24"});
  return model;
}

TEST(PlanGolden, EmptyModel) { ExpectGolden("empty", MakePlan(Model(), SwitchSnapshot())); }

TEST(PlanGolden, TwoBoundPods) { ExpectGolden("two_pods", PlanOfAll(TwoPods())); }

TEST(PlanGolden, PortsWithLimits) {
  Model model = TwoPods();
  SwitchSnapshot snapshot;
  Converge(model, &snapshot);
  model.ports["host0-0"].bandwidth = {.ingress = {1'000'000'000, 0}, .egress = {500'000'000, 8'000'000}};
  ExpectGolden("limits", MakePlan(model, snapshot));
}

TEST(PlanGolden, NewPortsAreIsolated) {
  Model model = TwoPods();
  SwitchSnapshot snapshot;
  Converge(Model(), &snapshot);
  ExpectGolden("new_ports", MakePlan(model, snapshot));
}

TEST(PlanGolden, PodLeaves) {
  Model model = TwoPods();
  SwitchSnapshot snapshot;
  Converge(model, &snapshot);
  model.ports.erase("host0-1");
  ExpectGolden("pod_leaves", MakePlan(model, snapshot));
}

TEST(PlanGolden, BoundAndUnboundInOneNetwork) {
  Model model;
  AddBridge(&model, "red", 7, {"10.0.0.0/24", "2001:db8::/64"}).gateways = {
      IpAddress::Parse("10.0.0.254").value(), IpAddress::Parse("2001:db8::ff").value()};
  AddBoundPort(&model, "host0-0", 1, "02:00:00:00:00:01", "red", {"10.0.0.1/24", "2001:db8::1/64"});
  AddUnboundPort(&model, "host0-1", 2, "02:00:00:00:00:02", "red");
  ExpectGolden("bound_and_unbound", PlanOfAll(model));
}

TEST(PlanGolden, PlainLayer2) {
  Model model;
  AddBridge(&model, "red", 7, {});
  AddUnboundPort(&model, "host0-0", 1, "02:00:00:00:00:01", "red");
  AddUnboundPort(&model, "host0-1", 2, "02:00:00:00:00:02", "red");
  ExpectGolden("plain_layer2", PlanOfAll(model));
}

TEST(PlanGolden, PortsInAVlanWithAndWithoutAddresses) {
  Model model;
  AddBoundPort(&model, "host0-0", 1, "02:00:00:00:00:01", "", {"10.0.0.1/24"}).vlan = 100;
  AddBoundPort(&model, "host0-1", 2, "02:00:00:00:00:02", "", {}).vlan = 100;
  AddBoundPort(&model, "host0-2", 3, "02:00:00:00:00:01", "", {"10.0.0.1/24"}).vlan = 0;
  ExpectGolden("vlan", PlanOfAll(model));
}

TEST(PlanGolden, TwoRoutedNetworks) {
  Model model = TwoPods();
  AddBridge(&model, "default.green", 8, {"10.1.0.0/24"});
  AddUnboundPort(&model, "host0-2", 3, "02:00:00:00:00:03", "default.green");
  AddVrf(&model, "default.all", 5);
  AddSvi(&model, "default.red", "default.all", "default.red", {"10.0.0.254/24", "2001:db8::ff/64"});
  AddSvi(&model, "default.green", "default.all", "default.green", {"10.1.0.254/24"});
  model.bridges["default.red"].mtu = 9000;
  ExpectGolden("two_routed_networks", PlanOfAll(model));
  ExpectGolden("two_routed_networks_kernel", PlanOfAll(model, {.advertise_neighbours = false}));
}

TEST(PlanGolden, TrunkOfTwoNetworks) {
  Model model;
  AddBridge(&model, "blue", 8, {"10.0.0.0/24"}).vlan_id = 20;
  AddBridge(&model, "red", 7, {"10.0.0.0/24"}).vlan_id = 10;
  AddBoundPort(&model, "host0-0", 1, "02:00:00:00:00:01", "red", {"10.0.0.1/24"});
  BridgePort& trunk = AddUnboundPort(&model, "host0-1", 2, "02:00:00:00:00:02", "");
  trunk.type = BridgePortType::kTrunk;
  trunk.logical_bridges = {"red", "blue"};
  ExpectGolden("trunk", PlanOfAll(model));
}

TEST(PlanGolden, PortsOfOtherCards) {
  Model model;
  AddBridge(&model, "red", 7, {"10.0.0.0/24", "2001:db8::/64"}).vni = 100;
  AddBoundPort(&model, "host0-0", 1, "02:00:00:00:00:01", "red", {"10.0.0.1/24", "2001:db8::1/64"});
  model.tunnel = Tunnel{.local = IpAddress::Parse("192.0.2.1").value()};
  for (const char* end : {"192.0.2.2", "192.0.2.3"}) {
    const uint8_t number = static_cast<uint8_t>(end[8]) - '0';
    RemotePort& port = model.remote_ports[std::string("red/") + end];
    port = {.id = std::string("red/") + end,
            .logical_bridge = "red",
            .mac = MacAddress({2, 0, 0, 0, 0, number}),
            .addresses = {InterfaceAddress{IpAddress(IpFamily::kV4, 0x0a000000u + number), 32}},
            .vtep = IpAddress::Parse(end).value()};
  }
  ExpectGolden("other_cards", PlanOfAll(model));
  ExpectGolden("other_cards_kernel", PlanOfAll(model, {.advertise_neighbours = false}));
  // With tunnels over IPv6.
  model.tunnel->local = IpAddress::Parse("2001:db8:1::1").value();
  for (const auto& [id, port] : SharedMap<RemotePort>(model.remote_ports)) {
    const bool first = id == model.remote_ports.begin()->first;
    model.remote_ports.at(id).vtep = IpAddress::Parse(first ? "2001:db8:1::2" : "2001:db8:1::3").value();
  }
  ExpectGolden("other_cards_over_ipv6", PlanOfAll(model));
}

TEST(PlanGolden, VlansThatGoOnBeyondTheUplink) {
  Model model;
  model.uplink = Representor{"p1", 70};
  AddBoundPort(&model, "host0-0", 1, "02:00:00:00:00:01", "", {"10.0.0.1/24"}).vlan = 100;
  AddBoundPort(&model, "host0-1", 2, "02:00:00:00:00:02", "", {"10.0.0.1/24"}).vlan = 0;
  AddBridge(&model, "lan", 7, {}).vlan_id = 300;
  AddUnboundPort(&model, "host0-2", 3, "02:00:00:00:00:03", "lan");
  ExpectGolden("uplink", PlanOfAll(model));
}

// One function for red, which reaches another card, and one for all networks of the uplink.
TEST(PlanGolden, NetworkFunctions) {
  Model model;
  model.uplink = Representor{"p1", 70};
  model.tunnel = Tunnel{.local = IpAddress::Parse("192.0.2.1").value()};
  AddBridge(&model, "red", 7, {"10.0.0.0/24"}).vni = 100;
  AddBoundPort(&model, "host0-0", 1, "02:00:00:00:00:01", "red", {"10.0.0.1/24"});
  model.remote_ports["red/far"] = {.id = "red/far",
                                   .logical_bridge = "red",
                                   .mac = MacAddress({2, 0, 0, 0, 0, 9}),
                                   .addresses = {InterfaceAddress::Parse("10.0.0.9/32").value()},
                                   .vtep = IpAddress::Parse("192.0.2.2").value()};
  AddVrf(&model, "tenant", 3);
  AddSvi(&model, "red", "tenant", "red", {"10.0.0.254/24"});
  AddBoundPort(&model, "host0-1", 2, "02:00:00:00:00:02", "", {"10.1.0.1/24"}).vlan = 300;
  for (const int first : {4, 6}) {
    NetworkFunction function{.id = first == 4 ? "firewall" : "ids"};
    for (const int number : {first, first + 1}) {
      const std::string id = "host0-" + std::to_string(number);
      const std::string mac = "02:00:00:00:00:1" + std::to_string(number);
      AddUnboundPort(&model, id, static_cast<uint32_t>(number), mac, "");
      (number == first ? function.input : function.output) = {.port = id,
                                                              .mac = MacAddress::Parse(mac).value()};
    }
    if (first == 4) function.logical_bridge = "red";
    model.network_functions[function.id] = function;
  }
  ExpectGolden("network_functions", PlanOfAll(model));
}

// Blue has no port on this card, and red is routed to it.
TEST(PlanGolden, NetworksOfTheVrfOnOtherCards) {
  Model model;
  model.tunnel = Tunnel{.local = IpAddress::Parse("192.0.2.1").value()};
  AddBridge(&model, "red", 7, {"10.0.0.0/24", "2001:db8::/64"}).vni = 100;
  AddBridge(&model, "blue", 8, {"10.1.0.0/24", "2001:db8:1::/64"}).vni = 101;
  AddVrf(&model, "tenant", 3);
  AddSvi(&model, "red", "tenant", "red", {"10.0.0.254/24", "2001:db8::fe/64"});
  AddSvi(&model, "blue", "tenant", "blue", {"10.1.0.254/24", "2001:db8:1::fe/64"});
  AddBoundPort(&model, "host0-0", 1, "02:00:00:00:00:01", "red", {"10.0.0.1/24", "2001:db8::1/64"});
  model.remote_ports["blue/far"] = {.id = "blue/far",
                                    .logical_bridge = "blue",
                                    .mac = MacAddress({2, 0, 0, 0, 0, 9}),
                                    .addresses = {InterfaceAddress::Parse("10.1.0.9/32").value(),
                                                  InterfaceAddress::Parse("2001:db8:1::9/128").value()},
                                    .vtep = IpAddress::Parse("192.0.2.2").value()};
  ExpectGolden("routed_to_other_cards", PlanOfAll(model));
}

}  // namespace
}  // namespace xpu
