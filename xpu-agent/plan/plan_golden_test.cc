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
  model.remote_ports.begin()->second.vtep = IpAddress::Parse("2001:db8:1::2").value();
  model.remote_ports.rbegin()->second.vtep = IpAddress::Parse("2001:db8:1::3").value();
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

}  // namespace
}  // namespace xpu
