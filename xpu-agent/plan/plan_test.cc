#include "xpu-agent/plan/plan.h"

#include "absl/strings/str_format.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "xpu-agent/plan/plan_testing.h"

namespace xpu {
namespace {

using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;

// Two pods of one network and one of another, with the same prefix.
Model ThreePods() {
  Model model;
  AddBridge(&model, "red", 1, {"10.0.0.0/24", "2001:db8::/64"});
  AddBridge(&model, "blue", 2, {"10.0.0.0/24", "2001:db8::/64"});
  AddBoundPort(&model, "p1", 1, "02:00:00:00:00:01", "red", {"10.0.0.1/24", "2001:db8::1/64"});
  AddBoundPort(&model, "p2", 2, "02:00:00:00:00:02", "red", {"10.0.0.2/24", "2001:db8::2/64"});
  AddBoundPort(&model, "p3", 3, "02:00:00:00:00:03", "blue", {"10.0.0.1/24", "2001:db8::1/64"});
  return model;
}

SwitchSnapshot Converged(const Model& model) {
  SwitchSnapshot snapshot;
  Converge(model, &snapshot);
  return snapshot;
}

bool Mentions(const FlowKey& key, const std::string& actions, const std::vector<std::string>& words) {
  const std::string text = key.match + " " + actions + " ";
  return std::any_of(words.begin(), words.end(),
                     [&](const std::string& word) { return text.find(word) != std::string::npos; });
}

TEST(MakePlan, AddsPortsFirstAndTheirFlowsOnceTheyHaveNumbers) {
  const Model model = ThreePods();
  SwitchSnapshot snapshot;
  const SwitchPlan first = MakePlan(model, snapshot);
  EXPECT_THAT(first.port_adds, ElementsAre(PortAdd{"p1", 1}, PortAdd{"p2", 2}, PortAdd{"p3", 3}));
  EXPECT_THAT(PlanToString(first), Not(HasSubstr("reg0")));
  ApplyTo(first, &snapshot);
  const SwitchPlan second = MakePlan(model, snapshot);
  EXPECT_THAT(second.port_adds, IsEmpty());
  EXPECT_THAT(PlanToString(second), HasSubstr("reg0=0x3"));
}

TEST(MakePlan, IsEmptyAfterItWasApplied) {
  const Model model = ThreePods();
  SwitchSnapshot snapshot;
  EXPECT_EQ(Converge(model, &snapshot), 2);
  EXPECT_TRUE(MakePlan(model, snapshot).empty());
  EXPECT_EQ(snapshot.flows, CompileFlows(model, AllOfports(model)));
}

TEST(MakePlan, OfAnEmptyModelKeepsOnlyTheFlowsThatHoldForAll) {
  SwitchSnapshot snapshot = Converged(ThreePods());
  Converge(Model(), &snapshot);
  EXPECT_THAT(snapshot.ports, IsEmpty());
  EXPECT_EQ(snapshot.flows, CompileFlows(Model(), {}));
}

TEST(MakePlan, UsesTheNumberThatTheSwitchGave) {
  const Model model = ThreePods();
  SwitchSnapshot snapshot;
  ApplyTo(MakePlan(model, snapshot), &snapshot);
  snapshot.ports["p3"].ofport = 77;
  EXPECT_THAT(PlanToString(MakePlan(model, snapshot)),
              AllOf(HasSubstr("in_port=77"), Not(HasSubstr("reg0=0x3"))));
}

TEST(MakePlan, GivesNoFlowsToAPortThatTheSwitchCouldNotOpen) {
  const Model model = ThreePods();
  SwitchSnapshot snapshot = Converged(model);
  snapshot.ports["p2"].error = "could not open network device p2";
  Converge(model, &snapshot);
  for (const auto& [key, actions] : snapshot.flows) {
    EXPECT_FALSE(
        Mentions(key, actions, {"in_port=2", "reg0=0x2", "output:2", "02:00:00:00:00:02", "10.0.0.2"}))
        << key.match << " " << actions;
  }
}

TEST(MakePlan, HasRepresentorsOnTheSwitchWithoutAnyPortAndLetsNothingPass) {
  Model model = ThreePods();
  model.ports.clear();
  model.bridges.clear();
  SwitchSnapshot snapshot;
  EXPECT_EQ(Converge(model, &snapshot), 1);
  EXPECT_THAT(snapshot.ports, testing::SizeIs(3));
  EXPECT_EQ(snapshot.flows, CompileFlows(Model(), {}));
}

TEST(MakePlan, ChangesNoPortsForAPortThatComesOrGoes) {
  const Model model = ThreePods();
  Model without = model;
  without.ports.erase("p2");
  SwitchSnapshot snapshot = Converged(without);
  for (const Model& next : {model, without}) {
    const SwitchPlan plan = MakePlan(next, snapshot);
    EXPECT_THAT(plan.port_adds, IsEmpty());
    EXPECT_THAT(plan.port_deletes, IsEmpty());
    EXPECT_FALSE(plan.empty());
    ApplyTo(plan, &snapshot);
    EXPECT_TRUE(MakePlan(next, snapshot).empty());
  }
}

TEST(MakePlan, MovesARepresentorThatWasMadeAnewToItsNewNumberWithoutItsOldFlows) {
  Model model = ThreePods();
  SwitchSnapshot snapshot = Converged(model);
  model.representors["p2"].ofport = 9;
  const SwitchPlan plan = MakePlan(model, snapshot);
  EXPECT_THAT(plan.port_adds, ElementsAre(PortAdd{"p2", 9}));
  ApplyTo(plan, &snapshot);
  for (const auto& [key, actions] : snapshot.flows) {
    EXPECT_FALSE(Mentions(key, actions, {"in_port=2", "reg0=0x2", "output:2"}))
        << key.match << " " << actions;
  }
  EXPECT_EQ(Converge(model, &snapshot), 1);
  EXPECT_EQ(snapshot.flows, CompileFlows(model, AllOfports(model)));
}

TEST(MakePlan, PutsTunnelAndUplinkOnTheSwitchAndFollowsTheirSettings) {
  Model model = ThreePods();
  model.tunnel = Tunnel{.local = IpAddress::Parse("192.0.2.1").value()};
  model.uplink = Representor{"uplink", 70};
  SwitchSnapshot snapshot;
  const SwitchPlan plan = MakePlan(model, snapshot);
  EXPECT_THAT(PlanToString(plan), AllOf(HasSubstr("+ port uplink ofport=70\n"),
                                        HasSubstr("+ port xpu-vxlan ofport=65279 type=vxlan dst_port=4789 "
                                                  "key=flow local_ip=192.0.2.1 remote_ip=flow\n")));
  ApplyTo(plan, &snapshot);
  Converge(model, &snapshot);
  EXPECT_THAT(MakePlan(model, snapshot).port_adds, IsEmpty());
  model.tunnel->local = IpAddress::Parse("192.0.2.9").value();
  ASSERT_THAT(MakePlan(model, snapshot).port_adds, testing::SizeIs(1));
  EXPECT_EQ(MakePlan(model, snapshot).port_adds[0].options.at("local_ip"), "192.0.2.9");
}

TEST(MakePlan, TellsDpdkHowToFindARepresentor) {
  Model model = ThreePods();
  model.representors.at("p1").dpdk_devargs = "0000:03:00.0,representor=pf0vf0";
  for (const PortAdd& port : MakePlan(model, {}).port_adds) {
    EXPECT_EQ(port.type, port.name == "p1" ? "dpdk" : "");
    EXPECT_EQ(port.options.size(), port.name == "p1" ? 1u : 0u);
  }
}

TEST(MakePlan, IsContentWithAnotherNumberThanItAskedFor) {
  const Model model = ThreePods();
  SwitchSnapshot snapshot = Converged(model);
  snapshot.ports["p2"].ofport = 77;
  EXPECT_THAT(MakePlan(model, snapshot).port_adds, IsEmpty());
}

TEST(MakePlan, TakesARepresentorThatVanishedOffTheSwitch) {
  Model model = ThreePods();
  SwitchSnapshot snapshot = Converged(model);
  model.representors.erase("p2");
  EXPECT_THAT(MakePlan(model, snapshot).port_deletes, ElementsAre("p2"));
}

TEST(MakePlan, RemovesAllFlowsOfAPortThatGoes) {
  Model model = ThreePods();
  SwitchSnapshot snapshot = Converged(model);
  model.ports.erase("p2");
  ApplyTo(MakePlan(model, snapshot), &snapshot);
  for (const auto& [key, actions] : snapshot.flows) {
    EXPECT_FALSE(Mentions(
        key, actions, {"in_port=2", "reg0=0x2", "output:2", "02:00:00:00:00:02", "10.0.0.2", "2001:db8::2"}))
        << key.match << " " << actions;
  }
}

TEST(MakePlan, TouchesOnlyThePortWhoseMacChanges) {
  Model model = ThreePods();
  SwitchSnapshot snapshot = Converged(model);
  model.ports["p2"].mac = MacAddress::Parse("02:00:00:00:00:22").value();
  const SwitchPlan plan = MakePlan(model, snapshot);
  EXPECT_THAT(plan.port_adds, IsEmpty());
  EXPECT_THAT(plan.port_deletes, IsEmpty());
  EXPECT_FALSE(plan.flow_puts.empty());
  for (const FlowKey& key : plan.flow_deletes) {
    EXPECT_TRUE(Mentions(key, "", {"reg0=0x2", "dl_dst=02:00:00:00:00:02", "fe80::ff:fe00:2"})) << key.match;
  }
  for (const auto& [key, actions] : plan.flow_puts) {
    EXPECT_TRUE(Mentions(key, actions, {"02:00:00:00:00:22", "fe80::ff:fe00:22"})) << key.match;
  }
}

TEST(MakePlan, KeepsTheSamePrefixInTwoNetworksApart) {
  const FlowTable flows = CompileFlows(ThreePods(), AllOfports(ThreePods()));
  int answers = 0;
  for (const auto& [key, actions] : flows) {
    if (key.table != 60 || key.match.find("arp_tpa=10.0.0.1,") == std::string::npos) continue;
    if (actions.find("arp_spa") == std::string::npos) continue;
    ++answers;
    const bool red = key.match.find("metadata=0x1,") != std::string::npos;
    EXPECT_THAT(actions, HasSubstr(red ? "02:00:00:00:00:01" : "02:00:00:00:00:03"));
    EXPECT_THAT(actions, Not(HasSubstr(red ? "02:00:00:00:00:03" : "02:00:00:00:00:01")));
  }
  EXPECT_EQ(answers, 2);
}

TEST(MakePlan, CarriesANewPrefixOfANetworkIntoItsFlows) {
  Model model = ThreePods();
  SwitchSnapshot snapshot = Converged(model);
  model.bridges["red"].prefixes.push_back(IpPrefix::Parse("10.9.0.0/16").value());
  const SwitchPlan plan = MakePlan(model, snapshot);
  EXPECT_THAT(PlanToString(plan), AllOf(HasSubstr("metadata=0x1,"), HasSubstr("arp_tpa=10.9.0.0/16")));
  EXPECT_THAT(plan.flow_deletes, IsEmpty());
}

TEST(MakePlan, RepairsWhatSomeoneElseChanged) {
  const Model model = ThreePods();
  const SwitchSnapshot good = Converged(model);
  SwitchSnapshot bad = good;
  bad.flows.erase(bad.flows.begin());
  bad.flows.rbegin()->second = "output:9";
  bad.flows[FlowKey{.table = 0, .priority = 9, .match = "in_port=1"}] = "output:2";
  EXPECT_EQ(Converge(model, &bad), 1);
  EXPECT_EQ(bad, good);
}

TEST(MakePlan, ConvergesForABridgeWithTheSamePrefixTwice) {
  Model model = ThreePods();
  std::vector<IpPrefix>& prefixes = model.bridges["red"].prefixes;
  prefixes.push_back(IpPrefix(prefixes[0]));
  SwitchSnapshot snapshot;
  EXPECT_EQ(Converge(model, &snapshot), 2);
  EXPECT_TRUE(MakePlan(model, snapshot).empty());
}

Model Crowd(uint32_t size) {
  Model model;
  AddBridge(&model, "red", 1, {});
  for (uint32_t i = 1; i <= size; ++i) {
    AddUnboundPort(&model, absl::StrFormat("p%d", i), i,
                   absl::StrFormat("02:00:00:00:%02x:%02x", i >> 8, i & 255), "red");
  }
  return model;
}

TEST(MakePlan, CutsAListOfPortsIntoPartsOfBoundedSize) {
  const Model model = Crowd(4500);
  const FlowTable flows = CompileFlows(model, AllOfports(model));
  const std::string& head = flows.at({.table = 80, .priority = 100, .match = "reg1=0x10003,metadata=0x1"});
  EXPECT_THAT(head, HasSubstr("load:0x110003->NXM_NX_REG1[],resubmit(,80),load:0x410003->"));
  EXPECT_THAT(head, ::testing::EndsWith("load:0xd310003->NXM_NX_REG1[],resubmit(,80)"));
  const std::string& first = flows.at({.table = 80, .priority = 100, .match = "reg1=0x110003,metadata=0x1"});
  EXPECT_THAT(first, AllOf(::testing::StartsWith("output:1,output:2,"), ::testing::EndsWith(",output:63")));
  EXPECT_THAT(flows.at({.table = 80, .priority = 100, .match = "reg1=0xd310003,metadata=0x1"}),
              AllOf(::testing::StartsWith("output:4480,"), ::testing::EndsWith(",output:4500")));
}

TEST(MakePlan, ChangesAFewShortFlowsForAPortMoreInACrowd) {
  SwitchSnapshot snapshot = Converged(Crowd(1000));
  Model more = Crowd(1001);
  SwitchPlan plan = MakePlan(more, snapshot);
  ApplyTo(plan, &snapshot);
  plan = MakePlan(more, snapshot);
  EXPECT_THAT(plan.flow_deletes, IsEmpty());
  EXPECT_LT(plan.flow_puts.size(), 20u);
  EXPECT_LT(PlanToString(plan).size(), 4000u);
}

TEST(PlanToString, HasALineForEachChange) {
  SwitchPlan plan;
  plan.port_deletes = {"p9"};
  plan.port_adds = {{.name = "p1", .ofport = 1}};
  plan.flow_deletes = {{.table = 10, .priority = 5, .match = "arp"}};
  plan.flow_puts[{.table = 80, .priority = 0, .match = ""}] = "drop";
  EXPECT_EQ(PlanToString(plan),
            "- table=10,priority=5,arp\n"
            "- port p9\n"
            "+ port p1 ofport=1\n"
            "+ table=80,priority=0 actions=drop\n");
}

TEST(MakePlan, HasNothingToDoForAThousandPortsThatAreThere) {
  Model model;
  AddBridge(&model, "red", 1, {"10.0.0.0/16", "2001:db8::/64"});
  for (uint32_t i = 1; i <= 1000; ++i) {
    AddBoundPort(&model, absl::StrFormat("p%d", i), i,
                 absl::StrFormat("02:00:00:00:%02x:%02x", i >> 8, i & 255), "red",
                 {absl::StrFormat("10.0.%d.%d/16", i >> 8, i & 255), absl::StrFormat("2001:db8::%x/64", i)});
  }
  const SwitchSnapshot snapshot = Converged(model);
  EXPECT_GT(snapshot.flows.size(), 10'000u);
  EXPECT_TRUE(MakePlan(model, snapshot).empty());
}

}  // namespace
}  // namespace xpu
