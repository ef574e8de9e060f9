// Network functions in the compiled flows. What packets do on a switch:
// test/component/pipeline/chain_test.cc.
#include "xpu-agent/plan/chain.h"

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "xpu-agent/plan/flow_interpreter_testing.h"
#include "xpu-agent/plan/plan_testing.h"
#include "xpu-agent/plan/planner.h"

namespace xpu {
namespace {

using pipeline::Chain;
using pipeline::ChainHop;
using ::testing::ElementsAre;
using ::testing::IsEmpty;

MacAddress Mac(int n) { return MacAddress({2, 0, 0, 0, 0, static_cast<uint8_t>(n)}); }
IpAddress Ip(const std::string& text) { return IpAddress::Parse(text).value(); }

// a and the trunk t in red, which is VLAN 10 of the uplink; fw and ids are two functions' ports.
class ChainPlanTest : public ::testing::Test {
 protected:
  static constexpr uint32_t kA = 1, kT = 2, kFwIn = 11, kFwOut = 12, kIdsIn = 13, kIdsOut = 14, kUplink = 20;
  ChainPlanTest() {
    model_.uplink = Representor{.interface = "p0", .ofport = kUplink};
    AddBridge(&model_, "red", 5, {"10.0.0.0/24"}).vlan_id = 10;
    AddBoundPort(&model_, "a", kA, Mac(1).ToString(), "red", {"10.0.0.1/24"});
    BridgePort& trunk = AddBoundPort(&model_, "t", kT, Mac(2).ToString(), "red", {"10.0.0.2/24"});
    trunk.type = BridgePortType::kTrunk;
    AddUnboundPort(&model_, "fw-in", kFwIn, Mac(11).ToString(), "");
    AddUnboundPort(&model_, "fw-out", kFwOut, Mac(12).ToString(), "");
    AddUnboundPort(&model_, "ids-in", kIdsIn, Mac(13).ToString(), "");
    AddUnboundPort(&model_, "ids-out", kIdsOut, Mac(14).ToString(), "");
  }
  NetworkFunction& Insert(const std::string& id, uint32_t position, int mac) {
    NetworkFunction& function = model_.network_functions[id];
    function = {.id = id,
                .input = {.port = id + "-in", .mac = Mac(mac)},
                .output = {.port = id + "-out", .mac = Mac(mac + 1)},
                .position = position};
    return function;
  }
  std::optional<Chain> ChainOfRed() {
    const auto networks = pipeline::ResolveNetworks(model_, AllOfports(model_));
    return networks.at(5).network.chain;
  }
  // "port/vlan" that a packet leaves by.
  std::vector<std::string> Run(const TestPacket& packet) {
    const FlowTable flows = CompileFlows(model_, AllOfports(model_));
    const auto interpreter = FlowInterpreter::Make(flows);
    EXPECT_TRUE(interpreter.ok()) << interpreter.status();
    const auto outputs = interpreter->Run(packet);
    EXPECT_TRUE(outputs.ok()) << outputs.status();
    std::vector<std::string> left;
    for (const auto& [port, frame] : *outputs) {
      const uint64_t vlan = frame.Get(Field::kVlan);
      left.push_back(std::to_string(port) + "/" + std::to_string(vlan == 0 ? 0 : vlan - kVlanPresent));
    }
    return left;
  }
  static TestPacket InVlan(TestPacket packet, uint16_t vlan) {
    packet[Field::kVlan] = kVlanPresent + vlan;
    return packet;
  }
  TestPacket Out(uint32_t in_port) {
    return UdpPacket(in_port, Mac(1), Mac(99), Ip("10.0.0.1"), Ip("10.0.0.99"));
  }
  TestPacket In(uint32_t in_port, int to = 1) {
    return UdpPacket(in_port, Mac(99), Mac(to), Ip("10.0.0.99"), Ip("10.0.0.1"));
  }

  Model model_;
};

TEST_F(ChainPlanTest, IsInTheOrderOfPositionsAndThenOfIds) {
  EXPECT_EQ(ChainOfRed(), std::nullopt);
  Insert("ids", 1, 13);
  Insert("fw", 1, 11);
  EXPECT_EQ(ChainOfRed(), (Chain{.hops = {{kFwIn, kFwOut, 10}, {kIdsIn, kIdsOut, 10}}}));
  Insert("fw", 2, 11).logical_bridge = "red";
  EXPECT_EQ(ChainOfRed(), (Chain{.hops = {{kIdsIn, kIdsOut, 10}, {kFwIn, kFwOut, 0}}}));
  model_.network_functions["ids"].logical_bridge = "blue";
  EXPECT_EQ(ChainOfRed(), (Chain{.hops = {{kFwIn, kFwOut, 0}}}));
}

TEST_F(ChainPlanTest, IsCutIfAPortIsNotWhatItWas) {
  Insert("fw", 1, 11);
  const Model whole = model_;
  const auto expect_cut = [&](const char* why) {
    EXPECT_EQ(ChainOfRed(), Chain()) << why;
    EXPECT_THAT(Run(Out(kA)), IsEmpty()) << why;
    EXPECT_THAT(Run(InVlan(In(kUplink), 10)), IsEmpty()) << why;
    model_ = whole;
  };
  model_.ports["fw-in"].mac = Mac(77);
  expect_cut("another MAC");
  model_.ports["fw-out"].claim = 3;
  expect_cut("another claim");
  model_.ports.erase("fw-out");
  expect_cut("no port");
  model_.representors.erase("fw-in");
  expect_cut("no representor");
  model_.network_functions["fw"].output = model_.network_functions["fw"].input;
  expect_cut("one port");
  Insert("ids", 0, 13).input = model_.network_functions["fw"].input;
  expect_cut("a port of two");
}

TEST_F(ChainPlanTest, LeadsOutAndBackThroughAllOfThem) {
  Insert("fw", 1, 11).logical_bridge = "red";
  Insert("ids", 2, 13);
  EXPECT_THAT(Run(Out(kA)), ElementsAre("11/0"));
  EXPECT_THAT(Run(InVlan(UdpPacket(kT, Mac(2), Mac(99), Ip("10.0.0.2"), Ip("10.0.0.99")), 10)),
              ElementsAre("11/0"));
  EXPECT_THAT(Run(Out(kFwOut)), ElementsAre("13/10"));
  EXPECT_THAT(Run(InVlan(Out(kIdsOut), 10)), ElementsAre("20/10"));
  EXPECT_THAT(Run(InVlan(In(kUplink), 10)), ElementsAre("14/10"));
  EXPECT_THAT(Run(InVlan(In(kIdsIn), 10)), ElementsAre("12/0"));
  EXPECT_THAT(Run(In(kFwIn)), ElementsAre("1/0"));
  EXPECT_THAT(Run(In(kFwIn, 2)), ElementsAre("2/10")) << "the trunk has its tag";
  // Without its tag, or with another, it is nobody's.
  EXPECT_THAT(Run(Out(kIdsOut)), IsEmpty());
  EXPECT_THAT(Run(InVlan(Out(kIdsOut), 11)), IsEmpty());
  EXPECT_THAT(Run(InVlan(Out(kFwOut), 10)), IsEmpty());
}

TEST_F(ChainPlanTest, GroupsGoIntoItOnceAndComeOutToOneSide) {
  Insert("fw", 1, 11);
  const auto to_all = [](TestPacket packet) {
    packet[Field::kEthDst] = 0xffff'ffff'ffff;
    return packet;
  };
  EXPECT_THAT(Run(to_all(Out(kA))), ElementsAre("2/10", "11/10"));
  EXPECT_THAT(Run(to_all(InVlan(Out(kFwOut), 10))), ElementsAre("20/10"));
  EXPECT_THAT(Run(to_all(InVlan(In(kUplink), 10))), ElementsAre("12/10"));
  EXPECT_THAT(Run(to_all(InVlan(In(kFwIn), 10))), ElementsAre("1/0", "2/10"));
  model_.representors.erase("fw-out");
  EXPECT_THAT(Run(to_all(Out(kA))), ElementsAre("2/10")) << "cut: from port to port only";
  EXPECT_THAT(Run(to_all(InVlan(In(kUplink), 10))), IsEmpty());
}

TEST_F(ChainPlanTest, AnAnswerToWhatCameOutGoesBackIn) {
  Insert("fw", 1, 11);
  // The function asks for a on its inner side.
  TestPacket question = InVlan(ArpRequestPacket(kFwIn, Mac(99), Ip("10.0.0.99"), Ip("10.0.0.1")), 10);
  EXPECT_THAT(Run(question), ElementsAre("11/10"));
  question[Field::kArpTpa] = Ip("10.0.0.2").value();
  question[Field::kInPort] = kA;
  question[Field::kVlan] = 0;
  question[Field::kEthSrc] = question[Field::kArpSha] = NumberOf(Mac(1));
  question[Field::kArpSpa] = Ip("10.0.0.1").value();
  EXPECT_THAT(Run(question), ElementsAre("1/0")) << "what the card knows it answers itself";
}

TEST_F(ChainPlanTest, ItsPortsAreInNoNetwork) {
  model_.ports["fw-in"].logical_bridges = {"red"};
  EXPECT_THAT(Run(UdpPacket(kA, Mac(1), Mac(11), Ip("10.0.0.1"), Ip("10.0.0.50"))), ElementsAre("11/0"));
  Insert("fw", 1, 11).logical_bridge = "red";
  const auto networks = pipeline::ResolveNetworks(model_, AllOfports(model_));
  EXPECT_FALSE(networks.at(5).members.contains("fw-in"));
}

TEST_F(ChainPlanTest, AFlowOfItIsItsOwn) {
  Insert("fw", 1, 11);
  Planner planner;
  planner.Update(Difference(Model(), model_), AllOfports(model_));
  const FlowTable flows = planner.Flows();
  int found = 0;
  for (const auto& [key, actions] : flows) {
    if (key.table != 0 || key.match.find("in_port=12") == std::string::npos) continue;
    ++found;
    EXPECT_THAT(planner.OwnersOf(key).network_functions, ElementsAre("fw"));
  }
  EXPECT_EQ(found, 1);
}

}  // namespace
}  // namespace xpu
