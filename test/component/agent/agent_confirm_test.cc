// What the agent answers, and when, compared with what the switch has.

#include <thread>

#include "absl/strings/match.h"
#include "common/opi/port_news.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "test/component/agent/agent_testing.h"

namespace xpu {
namespace {

using testing::AgentOnFakes;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

// Flows that mention this text.
int FlowsWith(const FlowTable& flows, const std::string& text) {
  int count = 0;
  for (const auto& [key, actions] : flows) {
    if (absl::StrContains(key.match, text) || absl::StrContains(actions, text)) ++count;
  }
  return count;
}

TEST(AgentConfirm, BindIsAnsweredOnlyOnceTheSwitchHasConfirmed) {
  AgentOnFakes agent;
  MakeNetwork(agent.client(), "blue", 10);
  ASSERT_TRUE(agent.client().CreateBridgePort("host0-0", PortSpecOf(1), 1).ok());
  agent.the_switch().Hold();
  std::atomic<bool> answered = false;
  std::thread caller([&] {
    EXPECT_EQ(agent.client().BindPort(BindOf("host0-0", "blue", 1, 1)).status(), absl::OkStatus());
    answered = true;
  });
  agent.the_switch().AwaitHeld();
  // The flows are there, but the switch has not said so yet; meanwhile others are served.
  auto port = agent.client().GetBridgePort("bridgePorts/host0-0");
  ASSERT_EQ(port.status(), absl::OkStatus());
  EXPECT_EQ(port->status().oper_status(), evpn::BP_OPER_STATUS_DOWN);
  EXPECT_EQ(port->status().components(1).status(), evpn::COMP_STATUS_PENDING);
  EXPECT_FALSE(answered);
  agent.the_switch().Release();
  caller.join();
  EXPECT_EQ(agent.client().GetBridgePort("bridgePorts/host0-0")->status().oper_status(),
            evpn::BP_OPER_STATUS_UP);
}

TEST(AgentConfirm, AnIsolatedPortIsOnTheSwitchAndNothingPasses) {
  AgentOnFakes agent;
  MakeNetwork(agent.client(), "blue", 10);
  const FlowTable before = agent.the_switch().all_flows();
  ASSERT_TRUE(agent.client().CreateBridgePort("host0-0", PortSpecOf(1), 1).ok());
  EXPECT_TRUE(agent.the_switch().all_ports().contains("pf0vf0"));
  EXPECT_EQ(agent.the_switch().all_flows(), before);
}

TEST(AgentConfirm, AllRepresentorsAreOnTheSwitchAndStay) {
  AgentOnFakes agent({.functions = 3});
  const std::set<std::string> all = {"pf0vf0", "pf0vf1", "pf0vf2"};
  MakeNetwork(agent.client(), "blue", 10);
  EXPECT_EQ(agent.the_switch().all_ports(), all);
  EXPECT_EQ(agent.the_switch().port_ops(), 3);
  EXPECT_EQ(agent.representors().prepared(),
            (std::map<std::string, uint32_t>{{"pf0vf0", 0}, {"pf0vf1", 0}, {"pf0vf2", 0}}));
  const FlowTable before = agent.the_switch().all_flows();
  ASSERT_TRUE(agent.client().CreateBridgePort("host0-0", PortSpecOf(1), 1).ok());
  ASSERT_TRUE(agent.client().BindPort(BindOf("host0-0", "blue", 1, 1)).ok());
  EXPECT_NE(agent.the_switch().all_flows(), before);
  ASSERT_EQ(agent.client().UnbindPort(UnbindOf("host0-0", 1, true)), absl::OkStatus());
  EXPECT_EQ(agent.the_switch().all_flows(), before);
  EXPECT_EQ(agent.the_switch().all_ports(), all);
  EXPECT_EQ(agent.the_switch().port_ops(), 3);
}

TEST(AgentConfirm, ARepresentorThatSomeoneTookOffTheSwitchComesBack) {
  AgentOnFakes agent({.functions = 3});
  MakeNetwork(agent.client(), "blue", 10);
  agent.the_switch().RemovePort("pf0vf1");
  // Whatever is confirmed next is confirmed with all of them in place.
  ASSERT_TRUE(agent.client().BindPort(BindOf("host0-0", "blue", 1, 1)).ok());
  EXPECT_EQ(agent.the_switch().all_ports(), (std::set<std::string>{"pf0vf0", "pf0vf1", "pf0vf2"}));
}

TEST(AgentConfirm, WhatOthersPutOnTheSwitchStays) {
  AgentOnFakes agent({.functions = 2});
  agent.Stop();
  agent.the_switch().AddForeignPort("uplink", 40);
  agent.the_switch().AddForeignPort("pf0vf9", 41);
  agent.representors().Add("p0", "uplink");
  // A representor that someone else has put there is left alone, and its function cannot be used.
  agent.representors().Add("pf0vf9", "pf0vf9");
  agent.Start();
  agent.AwaitConnected();
  PortNews news;
  agent.client().WatchPorts(news.Observer());
  EXPECT_TRUE(news.AwaitPort("host0-9", false));
  EXPECT_TRUE(news.AwaitPort("host0-1", true));
  agent.client().WatchPorts(nullptr);
  EXPECT_EQ(agent.the_switch().all_ports(), (std::set<std::string>{"pf0vf0", "pf0vf1", "pf0vf9", "uplink"}));
}

TEST(AgentConfirm, ABindThatTheSwitchRefusesIsAnErrorAndThePortIsIsolated) {
  AgentOnFakes agent;
  MakeNetwork(agent.client(), "blue", 10);
  ASSERT_TRUE(agent.client().BindPort(BindOf("host0-1", "blue", 2, 1, {"10.0.0.2", "2001:db8::2"})).ok());
  agent.the_switch().RefuseFlows("02:00:00:00:00:01");
  auto bound = agent.client().BindPort(BindOf("host0-0", "blue", 1, 1, {"10.0.0.7", "2001:db8::7"}));
  EXPECT_FALSE(bound.ok());
  EXPECT_THAT(std::string(bound.status().message()), HasSubstr("refused flow"));
  EXPECT_EQ(FlowsWith(agent.the_switch().all_flows(), "10.0.0.7"), 0);
  auto port = agent.client().GetBridgePort("bridgePorts/host0-0");
  ASSERT_EQ(port.status(), absl::OkStatus());
  EXPECT_THAT(port->spec().logical_bridges(), IsEmpty());
  // The rest goes on, and with the cause gone this one too.
  EXPECT_TRUE(agent.client().BindPort(BindOf("host0-2", "blue", 3, 1)).ok());
  EXPECT_EQ(agent.client().GetBridgePort("bridgePorts/host0-1")->status().oper_status(),
            evpn::BP_OPER_STATUS_UP);
  agent.the_switch().RefuseFlows("");
  EXPECT_EQ(agent.client().BindPort(BindOf("host0-0", "blue", 1, 1)).status(), absl::OkStatus());
}

TEST(AgentConfirm, APortThatTheSwitchCannotOpenIsDownAndSaysWhy) {
  AgentOnFakes agent;
  MakeNetwork(agent.client(), "blue", 10);
  agent.the_switch().InterfaceMissing("pf0vf0");
  auto port = agent.client().CreateBridgePort("host0-0", PortSpecOf(1), 1);
  ASSERT_EQ(port.status(), absl::OkStatus());
  EXPECT_EQ(port->status().oper_status(), evpn::BP_OPER_STATUS_DOWN);
  EXPECT_EQ(port->status().components(1).status(), evpn::COMP_STATUS_ERROR);
  EXPECT_THAT(port->status().components(1).details(), HasSubstr("pf0vf0"));
  EXPECT_FALSE(agent.client().BindPort(BindOf("host0-0", "blue", 1, 1)).ok());
  agent.the_switch().InterfaceAppears("pf0vf0");
  EXPECT_EQ(agent.client().BindPort(BindOf("host0-0", "blue", 1, 1)).status(), absl::OkStatus());
}

TEST(AgentConfirm, WithoutASwitchABindIsTakenBackButADeleteStays) {
  AgentOnFakes agent({.confirm_deadline = absl::Seconds(2)});
  MakeNetwork(agent.client(), "blue", 10);
  const FlowTable empty = agent.the_switch().all_flows();
  ASSERT_TRUE(agent.client().BindPort(BindOf("host0-1", "blue", 2, 1)).ok());
  agent.the_switch().Disconnect();
  absl::Status bind = agent.client().BindPort(BindOf("host0-0", "blue", 1, 1)).status();
  EXPECT_EQ(bind.code(), absl::StatusCode::kUnavailable) << bind;
  EXPECT_THAT(std::string(bind.message()), HasSubstr("taken back"));
  absl::Status unbind = agent.client().UnbindPort(UnbindOf("host0-1", 1, true));
  EXPECT_EQ(unbind.code(), absl::StatusCode::kUnavailable) << unbind;
  EXPECT_THAT(agent.client().ListPortBindings().value(), IsEmpty());
  // While it is away nothing counts as up.
  EXPECT_EQ(agent.client().GetLogicalBridge("logicalBridges/blue")->status().oper_status(),
            evpn::LB_OPER_STATUS_DOWN);
  agent.the_switch().Connect(/*keep_flows=*/true);
  EXPECT_EQ(agent.client().UnbindPort(UnbindOf("host0-1", 1, true)), absl::OkStatus());
  EXPECT_EQ(agent.the_switch().all_flows(), empty);
}

TEST(AgentConfirm, AReleaseMayBeAnsweredOnceItIsStoredAndTheNextClaimWaitsForTheSwitch) {
  AgentOnFakes agent({.confirm_deadline = absl::Seconds(2)});
  MakeNetwork(agent.client(), "blue", 10);
  const FlowTable empty = agent.the_switch().all_flows();
  ASSERT_TRUE(agent.client().BindPort(BindOf("host0-0", "blue", 1, 1)).ok());
  agent.the_switch().Disconnect();
  agent::v1::UnbindPortRequest release = UnbindOf("host0-0", 1, true);
  release.set_answer_when_stored(true);
  EXPECT_EQ(agent.client().UnbindPort(release), absl::OkStatus());
  EXPECT_THAT(agent.store().Load()->model.ports, IsEmpty());
  EXPECT_NE(agent.the_switch().all_flows(), empty);
  EXPECT_EQ(agent.client().CreateBridgePort("host0-0", PortSpecOf(1), 2).status().code(),
            absl::StatusCode::kUnavailable);
  agent.the_switch().Connect(/*keep_flows=*/true);
  EXPECT_EQ(agent.client().CreateBridgePort("host0-0", PortSpecOf(1), 2).status(), absl::OkStatus());
  EXPECT_EQ(agent.the_switch().all_flows(), empty);
}

TEST(AgentConfirm, ABindingInUseIsNotTakenBackByARepeatedBindWithoutASwitch) {
  AgentOnFakes agent({.confirm_deadline = absl::Seconds(2)});
  MakeNetwork(agent.client(), "blue", 10);
  ASSERT_TRUE(agent.client().BindPort(BindOf("host0-0", "blue", 1, 1)).ok());
  agent.the_switch().Disconnect();
  // Cannot be realised, so the agent has noticed when this is answered.
  EXPECT_EQ(agent.client().CreateBridgePort("host0-1", PortSpecOf(2), 1).status().code(),
            absl::StatusCode::kUnavailable);
  EXPECT_EQ(agent.client().BindPort(BindOf("host0-0", "blue", 1, 1)).status().code(),
            absl::StatusCode::kUnavailable);
  EXPECT_EQ(agent.client().ListPortBindings().value().size(), 1u);
}

TEST(AgentConfirm, ASwitchThatComesBackEmptyIsFilledAgain) {
  AgentOnFakes agent;
  MakeNetwork(agent.client(), "blue", 10);
  ASSERT_TRUE(agent.client().BindPort(BindOf("host0-0", "blue", 1, 1)).ok());
  const FlowTable before = agent.the_switch().all_flows();
  agent.the_switch().Disconnect();
  agent.the_switch().Connect(/*keep_flows=*/false);
  // The same bind again is answered when all is back.
  ASSERT_TRUE(agent.client().BindPort(BindOf("host0-1", "blue", 2, 1)).ok());
  ASSERT_EQ(agent.client().UnbindPort(UnbindOf("host0-1", 1, true)), absl::OkStatus());
  EXPECT_EQ(agent.the_switch().all_flows(), before);
}

TEST(AgentConfirm, FlowsThatSomebodyElseRemovesComeBack) {
  AgentOnFakes agent;
  MakeNetwork(agent.client(), "blue", 10);
  ASSERT_TRUE(agent.client().BindPort(BindOf("host0-0", "blue", 1, 1)).ok());
  const FlowTable before = agent.the_switch().all_flows();
  agent.the_switch().RemoveFlow(before.begin()->first);
  ASSERT_TRUE(agent.client().BindPort(BindOf("host0-1", "blue", 2, 1)).ok());
  ASSERT_EQ(agent.client().UnbindPort(UnbindOf("host0-1", 1, true)), absl::OkStatus());
  EXPECT_EQ(agent.the_switch().all_flows(), before);
}

TEST(AgentConfirm, AFunctionThatVanishesLeavesTheSwitchAndComesBack) {
  AgentOnFakes agent;
  MakeNetwork(agent.client(), "blue", 10);
  ASSERT_TRUE(agent.client().BindPort(BindOf("host0-0", "blue", 1, 1, {"10.0.0.5"})).ok());
  agent.representors().Remove("pf0vf0");
  // Requests queue up behind the news, so this one sees it.
  ASSERT_TRUE(agent.client().CreateBridgePort("host0-1", PortSpecOf(2), 1).ok());
  EXPECT_FALSE(agent.the_switch().all_ports().contains("pf0vf0"));
  EXPECT_TRUE(agent.the_switch().all_ports().contains("pf0vf1"));
  auto port = agent.client().GetBridgePort("bridgePorts/host0-0");
  EXPECT_EQ(port->status().oper_status(), evpn::BP_OPER_STATUS_DOWN);
  EXPECT_THAT(port->status().components(0).details(), HasSubstr("pf0vf0"));
  // Under another name; the binding is as before.
  agent.representors().Add("pf0vf0", "eth7");
  auto bound = agent.client().BindPort(BindOf("host0-0", "blue", 1, 1));
  ASSERT_EQ(bound.status(), absl::OkStatus());
  EXPECT_THAT(bound->addresses(), ::testing::Contains("10.0.0.5/24"));
  EXPECT_TRUE(agent.the_switch().all_ports().contains("eth7"));
  EXPECT_FALSE(agent.the_switch().all_ports().contains("pf0vf0"));
}

TEST(AgentConfirm, TwoBridgesWithTheSamePrefixKeepTheirFlowsApart) {
  AgentOnFakes agent;
  MakeNetwork(agent.client(), "blue", 10);
  MakeNetwork(agent.client(), "red", 11);
  ASSERT_TRUE(agent.client().BindPort(BindOf("host0-0", "blue", 1, 1, {"10.0.0.5"})).ok());
  const FlowTable blue = agent.the_switch().all_flows();
  ASSERT_TRUE(agent.client().BindPort(BindOf("host0-1", "red", 1, 1, {"10.0.0.5"})).ok());
  const FlowTable both = agent.the_switch().all_flows();
  for (const auto& [key, actions] : blue) {
    auto it = both.find(key);
    ASSERT_NE(it, both.end()) << key.match;
    EXPECT_EQ(it->second, actions) << key.match;
  }
  EXPECT_GT(both.size(), blue.size());
}

TEST(AgentConfirm, RepresentorsTakeThePacketsOfTheirNetwork) {
  AgentOnFakes agent;
  MakeNetwork(agent.client(), "blue", 10);
  ASSERT_TRUE(agent.client().BindPort(BindOf("host0-0", "blue", 1, 1)).ok());
  EXPECT_EQ(agent.representors().prepared()["pf0vf0"], 1500u);
  agent::v1::Subnets subnets;
  subnets.set_logical_bridge("logicalBridges/blue");
  subnets.add_prefixes("10.0.0.0/24");
  subnets.add_prefixes("2001:db8::/64");
  subnets.set_mtu(9000);
  ASSERT_EQ(agent.client().SetSubnets(subnets).status(), absl::OkStatus());
  EXPECT_EQ(agent.representors().prepared()["pf0vf0"], 9000u);
  // One that cannot is not bound.
  agent.representors().FailPrepare("pf0vf1", absl::InvalidArgumentError("MTU too large"));
  absl::Status status = agent.client().BindPort(BindOf("host0-1", "blue", 2, 1)).status();
  EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument);
  EXPECT_THAT(std::string(status.message()), HasSubstr("pf0vf1"));
  EXPECT_EQ(agent.client().ListBridgePorts().value().size(), 1u);
}

TEST(AgentConfirm, AStoreThatCannotBeWrittenChangesNothing) {
  AgentOnFakes agent;
  MakeNetwork(agent.client(), "blue", 10);
  const FlowTable before = agent.the_switch().all_flows();
  agent.store().FailWrite(1, absl::ResourceExhaustedError("disk full"));
  absl::Status status = agent.client().BindPort(BindOf("host0-0", "blue", 1, 1)).status();
  EXPECT_EQ(status.code(), absl::StatusCode::kResourceExhausted);
  EXPECT_THAT(std::string(status.message()), HasSubstr("disk full"));
  EXPECT_THAT(agent.client().ListBridgePorts().value(), IsEmpty());
  EXPECT_EQ(agent.the_switch().all_flows(), before);
}

}  // namespace
}  // namespace xpu
