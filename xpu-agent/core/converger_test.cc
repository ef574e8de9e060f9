#include "xpu-agent/core/converger.h"

#include "absl/strings/match.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "xpu-agent/datapath/fake_switch.h"

namespace xpu {
namespace {

using ::testing::HasSubstr;
using ::testing::IsEmpty;

LogicalBridge Bridge(const std::string& id, uint32_t key) {
  return {.id = id,
          .vlan_id = key,
          .network_key = key,
          .prefixes = {*IpPrefix::Parse("10.0.0.0/24")},
          .gateways = {*IpAddress::Parse("10.0.0.1")}};
}

BridgePort Port(int vf, const std::string& bridge, const std::string& address) {
  BridgePort port{.id = "host0-" + std::to_string(vf),
                  .mac = MacAddress({2, 0, 0, 0, 0, static_cast<uint8_t>(vf + 1)})};
  if (!bridge.empty()) {
    port.logical_bridges = {bridge};
    port.bound = true;
    port.addresses = {*InterfaceAddress::Parse(address + "/24")};
  }
  return port;
}

// "blue" with ports 0 and 1, "red" with port 2 at the same address as port 0.
Model ThreePorts() {
  Model model;
  model.bridges = {{"blue", Bridge("blue", 1)}, {"red", Bridge("red", 2)}};
  model.ports = {{"host0-0", Port(0, "blue", "10.0.0.2")},
                 {"host0-1", Port(1, "blue", "10.0.0.3")},
                 {"host0-2", Port(2, "red", "10.0.0.2")}};
  model.representors = {{"host0-0", {"pf0vf0", 1}}, {"host0-1", {"pf0vf1", 2}}, {"host0-2", {"pf0vf2", 3}}};
  return model;
}

bool HasFlow(const FakeSwitch& fake, const std::string& text) {
  for (const auto& [key, actions] : fake.all_flows()) {
    if (absl::StrContains(key.match, text) || absl::StrContains(actions, text)) return true;
  }
  return false;
}

Outcome ConvergeTo(Converger& converger, const Model& model, bool again) {
  return converger.Converge(model, again);
}

TEST(Converger, MakesTheSwitchLikeTheModelAndThenLeavesItAlone) {
  FakeSwitch fake;
  Converger converger(fake);
  Outcome outcome = ConvergeTo(converger, ThreePorts(), false);
  EXPECT_EQ(outcome.reached, absl::OkStatus());
  EXPECT_THAT(outcome.states, IsEmpty());
  EXPECT_EQ(fake.all_ports().size(), 3u);
  const int applies = fake.applies();
  outcome = ConvergeTo(converger, ThreePorts(), true);
  EXPECT_THAT(outcome.states, IsEmpty());
  EXPECT_EQ(fake.applies(), applies);
}

TEST(Converger, AsksOfTheSwitchOnlyWhatItCanDo) {
  FakeSwitch fake;
  fake.SetAbilities({.advertise_neighbours = false});
  fake.RefuseFlows("nd_reserved");
  Converger converger(fake);
  Outcome outcome = ConvergeTo(converger, ThreePorts(), false);
  EXPECT_EQ(outcome.reached, absl::OkStatus());
  EXPECT_THAT(outcome.states, IsEmpty());
  EXPECT_TRUE(HasFlow(fake, "nd_target="));
  // Another datapath, which the agent reads as it does after every lost connection.
  fake.SetAbilities({});
  fake.RefuseFlows("");
  outcome = ConvergeTo(converger, ThreePorts(), true);
  EXPECT_EQ(outcome.reached, absl::OkStatus());
  EXPECT_TRUE(HasFlow(fake, "nd_reserved"));
}

TEST(Converger, TakesAwayWhatIsNoLongerWanted) {
  FakeSwitch fake;
  Converger converger(fake);
  ConvergeTo(converger, {}, false);
  const FlowTable empty = fake.all_flows();
  ConvergeTo(converger, ThreePorts(), false);
  EXPECT_EQ(ConvergeTo(converger, {}, false).reached, absl::OkStatus());
  EXPECT_EQ(fake.all_flows(), empty);
  EXPECT_THAT(fake.all_ports(), IsEmpty());
}

TEST(Converger, ARepresentorStaysOnTheSwitchWhenItsPortGoes) {
  FakeSwitch fake;
  Converger converger(fake);
  ConvergeTo(converger, ThreePorts(), false);
  Model model = ThreePorts();
  model.ports.clear();
  EXPECT_THAT(ConvergeTo(converger, model, false).representors, IsEmpty());
  EXPECT_EQ(fake.all_ports().size(), 3u);
  EXPECT_FALSE(HasFlow(fake, "in_port="));
}

TEST(Converger, ARefusedPortFailsAloneAndIsIsolated) {
  FakeSwitch fake;
  Converger converger(fake);
  fake.RefuseFlows("02:00:00:00:00:02");
  Outcome outcome = ConvergeTo(converger, ThreePorts(), false);
  EXPECT_EQ(outcome.reached, absl::OkStatus());
  ASSERT_EQ(outcome.states.size(), 1u);
  EXPECT_EQ(outcome.states["bridgePorts/host0-1"].kind, ObjectState::kFailed);
  EXPECT_THAT(std::string(outcome.states["bridgePorts/host0-1"].why.message()), HasSubstr("refused flow"));
  EXPECT_TRUE(outcome.refused);
  EXPECT_THAT(outcome.representors, IsEmpty());
  EXPECT_EQ(fake.all_ports().size(), 3u);
  EXPECT_FALSE(HasFlow(fake, "in_port=2"));
  EXPECT_TRUE(HasFlow(fake, "02:00:00:00:00:01"));
  EXPECT_TRUE(HasFlow(fake, "02:00:00:00:00:03"));
}

TEST(Converger, SeveralRefusedPortsAreAllFound) {
  FakeSwitch fake;
  Converger converger(fake);
  // Both have this address, each in a network of its own.
  fake.RefuseFlows("nw_src=10.0.0.2");
  Outcome outcome = ConvergeTo(converger, ThreePorts(), false);
  EXPECT_EQ(outcome.states.size(), 2u);
  EXPECT_FALSE(HasFlow(fake, "in_port=1"));
  EXPECT_TRUE(HasFlow(fake, "in_port=2"));
  EXPECT_FALSE(HasFlow(fake, "in_port=3"));
}

TEST(Converger, ARefusedObjectIsLeftOutUntilItChangesOrIsTriedAgain) {
  FakeSwitch fake;
  Converger converger(fake);
  fake.RefuseFlows("02:00:00:00:00:02");
  ConvergeTo(converger, ThreePorts(), false);
  const int applies = fake.applies();
  fake.RefuseFlows("");
  EXPECT_EQ(ConvergeTo(converger, ThreePorts(), false).states.size(), 1u);
  EXPECT_EQ(fake.applies(), applies);
  EXPECT_THAT(ConvergeTo(converger, ThreePorts(), true).states, IsEmpty());
}

TEST(Converger, AChangedObjectIsTriedAtOnce) {
  FakeSwitch fake;
  Converger converger(fake);
  fake.RefuseFlows("02:00:00:00:00:02");
  ConvergeTo(converger, ThreePorts(), false);
  Model model = ThreePorts();
  model.ports["host0-1"].mac = MacAddress({2, 0, 0, 0, 0, 9});
  EXPECT_THAT(ConvergeTo(converger, model, false).states, IsEmpty());
}

TEST(Converger, ARefusedPortDoesNotDisturbTheOthersAfterARestart) {
  FakeSwitch fake;
  fake.RefuseFlows("02:00:00:00:00:02");
  {
    Converger before(fake);
    ConvergeTo(before, ThreePorts(), false);
  }
  const FlowTable flows = fake.all_flows();
  Converger after(fake);
  // Looks at each of its changes on the way; what worked must be there all the time, so it is never removed.
  Outcome outcome = ConvergeTo(after, ThreePorts(), false);
  EXPECT_EQ(outcome.states.size(), 1u);
  EXPECT_EQ(fake.all_flows(), flows);
}

TEST(Converger, ABridgeWhoseChangeIsRefusedStaysAsItWas) {
  FakeSwitch fake;
  Converger converger(fake);
  ASSERT_THAT(ConvergeTo(converger, ThreePorts(), false).states, IsEmpty());
  const FlowTable before = fake.all_flows();
  // "red" has one port only: that is not at fault either.
  for (const char* id : {"blue", "red"}) {
    Model changed = ThreePorts();
    changed.bridges[id].prefixes.push_back(*IpPrefix::Parse("10.9.0.0/16"));
    fake.RefuseFlows("arp_tpa=10.9.0.0/16");
    Outcome outcome = ConvergeTo(converger, changed, false);
    EXPECT_EQ(outcome.reached, absl::OkStatus());
    ASSERT_EQ(outcome.states.size(), 1u);
    EXPECT_EQ(outcome.states[std::string("logicalBridges/") + id].kind, ObjectState::kFailed);
    EXPECT_EQ(fake.all_flows(), before);
    fake.RefuseFlows("");
    EXPECT_THAT(ConvergeTo(converger, changed, true).states, IsEmpty());
    EXPECT_TRUE(HasFlow(fake, "arp_tpa=10.9.0.0/16"));
    ConvergeTo(converger, ThreePorts(), false);
  }
}

TEST(Converger, ABridgeThatNeverWorkedTakesItsPortsOutOfTheNetwork) {
  FakeSwitch fake;
  Converger converger(fake);
  fake.RefuseFlows("metadata=0x2,dl_dst=01:00:00:00:00:00/01:00:00:00:00:00,arp_tpa=10.0.0.0/24");
  Outcome outcome = ConvergeTo(converger, ThreePorts(), false);
  EXPECT_EQ(outcome.reached, absl::OkStatus());
  EXPECT_EQ(outcome.states.size(), 2u);
  EXPECT_EQ(outcome.states["logicalBridges/red"].kind, ObjectState::kFailed);
  EXPECT_THAT(std::string(outcome.states["bridgePorts/host0-2"].why.message()),
              HasSubstr("logicalBridges/red is not on the switch"));
  // On the switch, but with nothing that would let a packet in.
  EXPECT_TRUE(fake.all_ports().contains("pf0vf2"));
  EXPECT_FALSE(HasFlow(fake, "in_port=3"));
  EXPECT_TRUE(HasFlow(fake, "in_port=1"));
}

TEST(Converger, APortThatTheSwitchDoesNotTakeFailsAlone) {
  FakeSwitch fake;
  fake.AddForeignPort("pf0vf1", 40);
  Converger converger(fake);
  Outcome outcome = ConvergeTo(converger, ThreePorts(), false);
  EXPECT_EQ(outcome.reached, absl::OkStatus());
  ASSERT_EQ(outcome.states.size(), 1u);
  EXPECT_THAT(std::string(outcome.states["bridgePorts/host0-1"].why.message()), HasSubstr("not ours"));
  ASSERT_EQ(outcome.representors.size(), 1u);
  EXPECT_EQ(outcome.representors["host0-1"].kind, ObjectState::kFailed);
  EXPECT_TRUE(outcome.refused);
  EXPECT_TRUE(HasFlow(fake, "02:00:00:00:00:01"));
  EXPECT_TRUE(fake.all_ports().contains("pf0vf1"));
}

TEST(Converger, AnInterfaceThatCannotBeOpenedFailsItsPort) {
  FakeSwitch fake;
  fake.InterfaceMissing("pf0vf1");
  Converger converger(fake);
  Outcome outcome = ConvergeTo(converger, ThreePorts(), false);
  ASSERT_EQ(outcome.states.size(), 1u);
  EXPECT_THAT(std::string(outcome.states["bridgePorts/host0-1"].why.message()),
              HasSubstr("cannot open pf0vf1"));
  EXPECT_EQ(outcome.representors["host0-1"].kind, ObjectState::kFailed);
  EXPECT_FALSE(outcome.refused);
}

TEST(Converger, APortWithoutARepresentorIsNotOnTheSwitch) {
  FakeSwitch fake;
  Converger converger(fake);
  Model model = ThreePorts();
  model.representors.erase("host0-1");
  Outcome outcome = ConvergeTo(converger, model, false);
  EXPECT_EQ(outcome.states["bridgePorts/host0-1"].why.code(), absl::StatusCode::kNotFound);
  EXPECT_EQ(fake.all_ports().size(), 2u);
}

TEST(Converger, ASwitchThatIsAwayIsSaidSo) {
  FakeSwitch fake;
  fake.Disconnect();
  Converger converger(fake);
  EXPECT_EQ(ConvergeTo(converger, ThreePorts(), false).reached.code(), absl::StatusCode::kUnavailable);
  fake.Connect(true);
  fake.FailApplies(absl::DeadlineExceededError("slow"), absl::OkStatus());
  EXPECT_EQ(ConvergeTo(converger, ThreePorts(), false).reached.code(), absl::StatusCode::kDeadlineExceeded);
  fake.FailApplies(absl::OkStatus(), absl::OkStatus());
  EXPECT_EQ(ConvergeTo(converger, ThreePorts(), false).reached, absl::OkStatus());
}

TEST(Converger, AFlowOfEverybodyThatIsRefusedIsNobodysFault) {
  FakeSwitch fake;
  fake.RefuseFlows("table=10,priority=0 ");
  Converger converger(fake);
  Outcome outcome = ConvergeTo(converger, ThreePorts(), false);
  EXPECT_EQ(outcome.reached.code(), absl::StatusCode::kInvalidArgument);
}

// Counts how often it is read.
class ReadSwitch : public Switch {
 public:
  void Start(std::function<void()> changed) override { fake.Start(std::move(changed)); }
  absl::StatusOr<SwitchSnapshot> Snapshot() override {
    ++reads;
    return fake.Snapshot();
  }
  ApplyResult Apply(const SwitchPlan& plan) override { return fake.Apply(plan); }
  FakeSwitch fake;
  int reads = 0;
};

TEST(Converger, ReadsTheSwitchOnlyWhenItMayHaveChanged) {
  ReadSwitch reads;
  Converger converger(reads);
  Model model = ThreePorts();
  EXPECT_THAT(ConvergeTo(converger, model, false).states, IsEmpty());
  const int before = reads.reads;
  const FlowTable all = reads.fake.all_flows();
  model.ports.erase("host0-1");
  ConvergeTo(converger, model, false);
  EXPECT_FALSE(HasFlow(reads.fake, "in_port=2"));
  ConvergeTo(converger, ThreePorts(), false);
  EXPECT_EQ(reads.fake.all_flows(), all);
  EXPECT_EQ(reads.reads, before);
  reads.fake.RemoveFlow(all.rbegin()->first);
  ConvergeTo(converger, ThreePorts(), true);
  EXPECT_EQ(reads.fake.all_flows(), all);
  EXPECT_GT(reads.reads, before);
}

TEST(Converger, WhatWasNotAppliedIsNotBelieved) {
  FakeSwitch fake;
  Converger converger(fake);
  ConvergeTo(converger, ThreePorts(), false);
  const FlowTable all = fake.all_flows();
  Model model = ThreePorts();
  model.ports["host0-1"].mac = MacAddress({2, 0, 0, 0, 0, 9});
  fake.FailApplies(absl::DeadlineExceededError("slow"), absl::OkStatus());
  EXPECT_FALSE(ConvergeTo(converger, model, false).reached.ok());
  fake.FailApplies(absl::OkStatus(), absl::OkStatus());
  EXPECT_EQ(ConvergeTo(converger, ThreePorts(), false).reached, absl::OkStatus());
  EXPECT_EQ(fake.all_flows(), all);
}

TEST(Converger, BringsMetersWithTheirFlowsAndChangesALimitWithoutTouchingFlows) {
  FakeSwitch fake;
  Converger converger(fake);
  Model model = ThreePorts();
  ConvergeTo(converger, model, false);
  EXPECT_EQ(fake.Snapshot()->meters.size(), 3u) << "one for each port, before the agent";
  model.ports["host0-1"].bandwidth.ingress.rate = 8'000'000;
  EXPECT_THAT(ConvergeTo(converger, model, false).states, IsEmpty());
  EXPECT_TRUE(HasFlow(fake, "meter:2020671490,output:2"));
  EXPECT_EQ(fake.Snapshot()->meters.at(2020671490), (Meter{Meter::Unit::kKilobits, 8000, 800}));
  const int flow_mods = fake.flow_mods();
  model.ports["host0-1"].bandwidth.ingress = {9'000'000, 16'000};
  EXPECT_THAT(ConvergeTo(converger, model, false).states, IsEmpty());
  EXPECT_EQ(fake.Snapshot()->meters.at(2020671490), (Meter{Meter::Unit::kKilobits, 9000, 16}));
  EXPECT_EQ(fake.flow_mods(), flow_mods);
  // Someone takes it away, and its flows with it.
  fake.RemoveMeter(2020671490);
  EXPECT_FALSE(HasFlow(fake, "meter:2020671490"));
  ConvergeTo(converger, model, true);
  EXPECT_TRUE(HasFlow(fake, "meter:2020671490,output:2"));
  EXPECT_EQ(converger.Verify(), absl::OkStatus());
  model.ports.erase("host0-1");
  ConvergeTo(converger, model, false);
  EXPECT_EQ(fake.Snapshot()->meters.size(), 2u);
}

TEST(Converger, ARefusedMeterFailsItsPortAlone) {
  FakeSwitch fake;
  Converger converger(fake);
  Model model = ThreePorts();
  model.ports["host0-1"].bandwidth.egress.rate = 8'000'000;
  fake.RefuseMeter(2020605954);
  Outcome outcome = ConvergeTo(converger, model, false);
  EXPECT_EQ(outcome.reached, absl::OkStatus());
  ASSERT_EQ(outcome.states.size(), 1u);
  EXPECT_THAT(std::string(outcome.states["bridgePorts/host0-1"].why.message()), HasSubstr("2020605954"));
  EXPECT_FALSE(HasFlow(fake, "in_port=2"));
  EXPECT_TRUE(HasFlow(fake, "in_port=1"));
  fake.RefuseMeter(0);
  EXPECT_THAT(ConvergeTo(converger, model, true).states, IsEmpty());
  EXPECT_TRUE(HasFlow(fake, "in_port=2"));
}

TEST(Converger, WithoutMetersAPortWithLimitsIsLeftOutAndTheRestWorks) {
  FakeSwitch fake;
  fake.SetAbilities({.meter = false});
  Converger converger(fake);
  Model model = ThreePorts();
  model.ports["host0-1"].bandwidth.egress.rate = 8'000'000;
  Outcome outcome = ConvergeTo(converger, model, false);
  EXPECT_EQ(outcome.reached, absl::OkStatus());
  ASSERT_EQ(outcome.states.size(), 1u);
  EXPECT_THAT(std::string(outcome.states["bridgePorts/host0-1"].why.message()), HasSubstr("no meters"));
  EXPECT_FALSE(HasFlow(fake, "in_port=2"));
  EXPECT_FALSE(HasFlow(fake, "meter:"));
  model.ports["host0-1"].bandwidth = {};
  EXPECT_THAT(ConvergeTo(converger, model, false).states, IsEmpty());
  EXPECT_TRUE(HasFlow(fake, "in_port=2"));
}

TEST(Converger, ARefusedGatewayFailsAloneAndItsNetworkStays) {
  FakeSwitch fake;
  Converger converger(fake);
  Model model = ThreePorts();
  model.vrfs["tenant"] = {.id = "tenant", .vrf_key = 1};
  model.svis["gateway"] = {.id = "gateway",
                           .vrf = "tenant",
                           .logical_bridge = "blue",
                           .gateways = {*InterfaceAddress::Parse("10.0.0.254/24")}};
  fake.RefuseFlows("arp_tpa=10.0.0.254");
  Outcome outcome = ConvergeTo(converger, model, false);
  EXPECT_EQ(outcome.reached, absl::OkStatus());
  ASSERT_EQ(outcome.states.size(), 1u);
  EXPECT_EQ(outcome.states["svis/gateway"].kind, ObjectState::kFailed);
  EXPECT_TRUE(HasFlow(fake, "in_port=1"));
  fake.RefuseFlows("");
  EXPECT_THAT(ConvergeTo(converger, model, true).states, IsEmpty());
  EXPECT_TRUE(HasFlow(fake, "arp_tpa=10.0.0.254"));
}

// Accepts everything and forgets flows at once.
class ForgetfulSwitch : public Switch {
 public:
  void Start(std::function<void()>) override {}
  absl::StatusOr<SwitchSnapshot> Snapshot() override { return SwitchSnapshot(); }
  ApplyResult Apply(const SwitchPlan&) override {
    ++applies;
    return {};
  }
  int applies = 0;
};

TEST(Converger, ASwitchThatNeverComesToRestIsGivenUp) {
  ForgetfulSwitch forgetful;
  Converger converger(forgetful);
  Outcome outcome = ConvergeTo(converger, ThreePorts(), false);
  EXPECT_EQ(outcome.reached.code(), absl::StatusCode::kAborted);
  EXPECT_THAT(std::string(outcome.reached.message()), HasSubstr("something else write"));
  EXPECT_LE(forgetful.applies, 16);
}

TEST(Converger, VerifyFindsWhatAFewConfirmedChangesDidNotDo) {
  FakeSwitch fake;
  Converger converger(fake);
  ConvergeTo(converger, ThreePorts(), false);
  EXPECT_EQ(converger.Verify(), absl::OkStatus());
  fake.RemoveFlow(fake.all_flows().begin()->first);
  absl::Status status = converger.Verify();
  EXPECT_EQ(status.code(), absl::StatusCode::kAborted);
  EXPECT_THAT(std::string(status.message()), HasSubstr("+ table="));
}

TEST(Converger, NothingPassesByANetworkFunctionThatIsRefused) {
  FakeSwitch fake;
  Converger converger(fake);
  Model model = ThreePorts();
  model.uplink = Representor{"p0", 50};
  NetworkFunction function{.id = "fw", .logical_bridge = "blue"};
  for (const int vf : {3, 4}) {
    const BridgePort port = Port(vf, "", "");
    model.ports[port.id] = port;
    model.representors[port.id] = {"pf0vf" + std::to_string(vf), static_cast<uint32_t>(vf + 1)};
    (vf == 3 ? function.input : function.output) = {.port = port.id, .mac = port.mac};
  }
  model.network_functions[function.id] = function;
  // What sends to the uplink.
  const auto to_uplink = [&] {
    std::string found;
    for (const auto& [key, actions] : fake.all_flows()) {
      if (key.table == 80 && key.match == "reg1=0x32,metadata=0x1" && key.priority == 120) found = actions;
    }
    return found;
  };
  fake.RefuseFlows("in_port=5,");
  Outcome outcome = ConvergeTo(converger, model, false);
  EXPECT_EQ(outcome.reached, absl::OkStatus());
  ASSERT_EQ(outcome.states.size(), 1u);
  EXPECT_EQ(outcome.states.at("networkFunctions/fw").kind, ObjectState::kFailed);
  EXPECT_TRUE(outcome.refused);
  EXPECT_EQ(to_uplink(), "drop");
  EXPECT_FALSE(HasFlow(fake, "in_port=4,"));
  fake.RefuseFlows("");
  outcome = ConvergeTo(converger, model, true);
  EXPECT_THAT(outcome.states, IsEmpty());
  EXPECT_EQ(to_uplink(), "output:4");
  // A port of it goes, which is told of.
  model.representors.erase("host0-3");
  outcome = ConvergeTo(converger, model, false);
  EXPECT_EQ(outcome.states.at("networkFunctions/fw").kind, ObjectState::kFailed);
  EXPECT_EQ(to_uplink(), "drop");
  model.network_functions.erase("fw");
  outcome = ConvergeTo(converger, model, false);
  EXPECT_FALSE(outcome.states.contains("networkFunctions/fw"));
  EXPECT_EQ(to_uplink(), "");
}

}  // namespace
}  // namespace xpu
