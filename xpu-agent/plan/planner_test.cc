#include "xpu-agent/plan/planner.h"

#include <cstdio>

#include "absl/strings/match.h"
#include "absl/strings/str_format.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "xpu-agent/plan/plan_testing.h"

namespace xpu {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

Model Crowd(uint32_t size) {
  Model model;
  AddBridge(&model, "red", 1, {"10.0.0.0/16", "2001:db8::/64"});
  for (uint32_t i = 1; i <= size; ++i) {
    AddBoundPort(&model, absl::StrFormat("p%d", i), i,
                 absl::StrFormat("02:00:00:00:%02x:%02x", i >> 8, i & 255), "red",
                 {absl::StrFormat("10.0.%d.%d/16", i >> 8, i & 255), absl::StrFormat("2001:db8::%x/64", i)});
  }
  return model;
}

// The one flow that mentions all this.
FlowKey FlowWith(const Planner& planner, const std::vector<std::string>& words, int table) {
  for (const auto& [key, actions] : planner.Flows()) {
    bool all = key.table == table;
    for (const std::string& word : words) all = all && absl::StrContains(key.match, word);
    if (all) return key;
  }
  ADD_FAILURE() << "no such flow";
  return {};
}

Planner& Plan(const Model& model, Planner* planner) {
  planner->Update(Difference(planner->model(), model), AllOfports(model));
  return *planner;
}

TEST(PlannerOwners, WhatNamesAPortIsThePorts) {
  Planner planner;
  Plan(Crowd(2), &planner);
  for (const FlowKey& key :
       {FlowWith(planner, {"in_port=2"}, 0), FlowWith(planner, {"nw_src=10.0.0.2"}, 10),
        FlowWith(planner, {"dl_dst=02:00:00:00:00:02"}, 60), FlowWith(planner, {"reg1=0x2"}, 80)}) {
    const FlowOwners owners = planner.OwnersOf(key);
    EXPECT_THAT(owners.ports, ElementsAre("p2")) << key.match;
    EXPECT_THAT(owners.bridges, IsEmpty());
  }
}

TEST(PlannerOwners, WhatNamesAPrefixOrAllPortsIsTheBridges) {
  Planner planner;
  Plan(Crowd(1), &planner);
  for (const FlowKey& key : {FlowWith(planner, {"arp_tpa=10.0.0.0/16"}, 60),
                             FlowWith(planner, {"reg1=0x10003,metadata=0x1"}, 80)}) {
    const FlowOwners owners = planner.OwnersOf(key);
    EXPECT_THAT(owners.ports, IsEmpty());
    EXPECT_THAT(owners.bridges, ElementsAre("red"));
  }
}

TEST(PlannerOwners, WhatOnlyAGatewayHasIsTheSvis) {
  Model model = Crowd(1);
  model.vrfs["v"] = {.id = "v", .vrf_key = 1};
  model.svis["s"] = {.id = "s",
                     .vrf = "v",
                     .logical_bridge = "red",
                     .gateways = {InterfaceAddress::Parse("10.0.255.1/16").value()}};
  Planner planner;
  Plan(model, &planner);
  const FlowOwners owners = planner.OwnersOf(FlowWith(planner, {"arp_tpa=10.0.255.1"}, 60));
  EXPECT_THAT(owners.svis, ElementsAre("s"));
  EXPECT_THAT(owners.bridges, IsEmpty());
}

TEST(PlannerOwners, WhatEverySwitchHasIsNobodys) {
  Planner planner;
  Plan(Crowd(2), &planner);
  const FlowOwners owners = planner.OwnersOf(FlowKey{.table = 10, .priority = 0, .match = ""});
  EXPECT_THAT(owners.ports, IsEmpty());
  EXPECT_THAT(owners.bridges, IsEmpty());
}

TEST(Planner, ForgetsAPortThatCameAndWentBetweenTwoLooks) {
  Planner planner;
  Plan(Crowd(2), &planner);
  planner.ForgetChanges();
  Plan(Crowd(3), &planner);
  Plan(Crowd(2), &planner);
  EXPECT_TRUE(planner.TakeChanges().empty());
}

TEST(Planner, FollowsWhatTheSwitchCanDo) {
  Model model = Crowd(2);
  AddVrf(&model, "v", 1);
  AddSvi(&model, "red", "v", "red", {"10.0.255.1/16", "2001:db8::ff/64"});
  AddUnboundPort(&model, "q", 9, "02:00:00:00:99:01", "").vlan = 100;
  Planner planner;
  Plan(model, &planner);
  for (const bool can : {false, true}) {
    planner.SetAbilities({.advertise_neighbours = can});
    EXPECT_EQ(planner.Flows(), CompileFlows(model, AllOfports(model), {.advertise_neighbours = can}));
    // And what changes later.
    Model more = model;
    AddBoundPort(&more, "p8", 8, "02:00:00:00:98:01", "red", {"2001:db8::98/64"});
    Plan(more, &planner);
    EXPECT_EQ(planner.Flows(), CompileFlows(more, AllOfports(more), {.advertise_neighbours = can}));
    planner.Update(Difference(more, model), {{"p8", 0}});
  }
}

TEST(Planner, PlansOnePortOfAThousandInNoTime) {
  const Model model = Crowd(1000);
  Planner planner;
  Plan(model, &planner);
  planner.ForgetChanges();
  absl::Duration best = absl::InfiniteDuration();
  for (int i = 0; i < 50; ++i) {
    BridgePort port = model.ports.at("p500");
    port.mac = MacAddress::Parse(absl::StrFormat("02:00:00:01:00:%02x", i)).value();
    ModelChange change;
    change.ports["p500"] = port;
    const absl::Time start = absl::Now();
    planner.Update(change, {});
    const FlowChange flows = planner.TakeChanges();
    best = std::min(best, absl::Now() - start);
    EXPECT_THAT(flows.puts.size(), ::testing::AllOf(::testing::Gt(10), ::testing::Lt(100)));
  }
  RecordProperty("microseconds", static_cast<int>(absl::ToInt64Microseconds(best)));
  std::printf("one of 1000 ports planned in %s\n", absl::FormatDuration(best).c_str());
  // Leaves room for sanitizers and a busy machine.
  EXPECT_LT(best, absl::Milliseconds(20));
}

}  // namespace
}  // namespace xpu
