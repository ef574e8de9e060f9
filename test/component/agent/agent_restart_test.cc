// What an agent finds when it is started again, whatever happened when the one before it ended.

#include <thread>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "test/component/agent/agent_testing.h"

namespace xpu {
namespace {

using testing::AgentOnFakes;
using ::testing::IsEmpty;

// Waits until the agent has realised what it knows: the answer to a change comes after that.
void Settle(AgentOnFakes& agent) {
  ASSERT_EQ(agent.client().DeleteBridgePort("bridgePorts/none", 0), absl::OkStatus());
  ASSERT_TRUE(agent.client().CreateLogicalBridge("settle", BridgeSpecOf(4000)).ok());
  ASSERT_EQ(agent.client().DeleteLogicalBridge("logicalBridges/settle"), absl::OkStatus());
}

MATCHER(SameMessage, "") {
  return std::get<0>(arg).SerializeAsString() == std::get<1>(arg).SerializeAsString();
}

TEST(AgentRestart, ChangesNothingOnAnUnchangedSwitch) {
  AgentOnFakes agent;
  MakeNetwork(agent.client(), "blue", 10);
  for (int i = 0; i < 4; ++i) {
    ASSERT_TRUE(agent.client().BindPort(BindOf("host0-" + std::to_string(i), "blue", 1 + i, 1)).ok());
  }
  MakeDomain(agent.client(), "blue");
  auto before = agent.client().ListPortBindings().value();
  const auto svis = agent.client().ListSvis().value();
  const auto vrfs = agent.client().ListVrfs().value();
  const FlowTable flows = agent.the_switch().all_flows();
  agent.Stop();
  const int flow_mods = agent.the_switch().flow_mods();
  const int port_ops = agent.the_switch().port_ops();
  agent.Start();
  agent.AwaitConnected();
  Settle(agent);
  EXPECT_EQ(agent.the_switch().flow_mods(), flow_mods);
  EXPECT_EQ(agent.the_switch().port_ops(), port_ops);
  EXPECT_EQ(agent.the_switch().all_flows(), flows);
  auto after = agent.client().ListPortBindings().value();
  ASSERT_EQ(after.size(), before.size());
  for (size_t i = 0; i < after.size(); ++i) {
    EXPECT_EQ(after[i].SerializeAsString(), before[i].SerializeAsString());
  }
  EXPECT_THAT(agent.client().ListSvis().value(), ::testing::Pointwise(SameMessage(), svis));
  EXPECT_THAT(agent.client().ListVrfs().value(), ::testing::Pointwise(SameMessage(), vrfs));
}

TEST(AgentRestart, VrfKeysAreNotUsedAgain) {
  AgentOnFakes agent;
  ASSERT_TRUE(agent.client().CreateVrf("first", {}).ok());
  ASSERT_EQ(agent.client().DeleteVrf("vrfs/first"), absl::OkStatus());
  agent.Stop();
  agent.Start();
  agent.AwaitConnected();
  ASSERT_TRUE(agent.client().CreateVrf("second", {}).ok());
  EXPECT_EQ(agent.store().Load()->model.vrfs.at("second").vrf_key, 2u);
}

TEST(AgentRestart, RealisesWhatWasWrittenButNotDone) {
  AgentOnFakes agent({.confirm_deadline = absl::Seconds(2)});
  MakeNetwork(agent.client(), "blue", 10);
  const FlowTable empty = agent.the_switch().all_flows();
  ASSERT_TRUE(agent.client().BindPort(BindOf("host0-0", "blue", 1, 1)).ok());
  agent.the_switch().Disconnect();
  EXPECT_FALSE(agent.client().UnbindPort(UnbindOf("host0-0", 1, true)).ok());
  agent.Stop();
  agent.the_switch().Connect(/*keep_flows=*/true);
  EXPECT_NE(agent.the_switch().all_flows(), empty);
  agent.Start();
  agent.AwaitConnected();
  Settle(agent);
  EXPECT_EQ(agent.the_switch().all_flows(), empty);
}

TEST(AgentRestart, ABindThatWasCutOffIsInOneOfTwoStatesAndCanBeRepeated) {
  AgentOnFakes agent;
  MakeNetwork(agent.client(), "blue", 10);
  agent.the_switch().Hold();
  absl::Status cut_off;
  std::thread caller([&] { cut_off = agent.client().BindPort(BindOf("host0-0", "blue", 1, 1)).status(); });
  agent.the_switch().AwaitHeld();
  std::thread stopper([&] { agent.Stop(); });
  caller.join();
  agent.the_switch().Release();
  stopper.join();
  EXPECT_EQ(cut_off.code(), absl::StatusCode::kUnavailable) << cut_off;
  agent.Start();
  agent.AwaitConnected();
  auto again = agent.client().BindPort(BindOf("host0-0", "blue", 1, 1));
  ASSERT_EQ(again.status(), absl::OkStatus());
  EXPECT_EQ(agent.client().ListPortBindings().value().size(), 1u);
}

TEST(AgentRestart, RemembersReleasedClaims) {
  AgentOnFakes agent;
  MakeNetwork(agent.client(), "blue", 10);
  ASSERT_TRUE(agent.client().BindPort(BindOf("host0-0", "blue", 1, 7)).ok());
  ASSERT_EQ(agent.client().UnbindPort(UnbindOf("host0-0", 7, true)), absl::OkStatus());
  agent.Stop();
  agent.Start();
  agent.AwaitConnected();
  EXPECT_EQ(agent.client().BindPort(BindOf("host0-0", "blue", 1, 7)).status().code(),
            absl::StatusCode::kAborted);
  EXPECT_EQ(agent.client().UnbindPort(UnbindOf("host0-0", 7, true)), absl::OkStatus());
  EXPECT_TRUE(agent.client().BindPort(BindOf("host0-0", "blue", 1, 8)).ok());
}

TEST(AgentRestart, FindsRepresentorsUnderTheirNewNames) {
  AgentOnFakes agent;
  MakeNetwork(agent.client(), "blue", 10);
  ASSERT_TRUE(agent.client().BindPort(BindOf("host0-0", "blue", 1, 1)).ok());
  agent.Stop();
  agent.representors().Add("pf0vf0", "enp3s0f0npf0vf0");
  agent.Start();
  agent.AwaitConnected();
  Settle(agent);
  EXPECT_TRUE(agent.the_switch().all_ports().contains("enp3s0f0npf0vf0"));
  EXPECT_FALSE(agent.the_switch().all_ports().contains("pf0vf0"));
}

TEST(AgentRestart, NetworkKeysAreNotUsedAgain) {
  AgentOnFakes agent;
  ASSERT_TRUE(agent.client().CreateLogicalBridge("blue", BridgeSpecOf(10)).ok());
  const uint32_t first = agent.store().Load()->model.bridges["blue"].network_key;
  ASSERT_EQ(agent.client().DeleteLogicalBridge("logicalBridges/blue"), absl::OkStatus());
  agent.Stop();
  agent.Start();
  agent.AwaitConnected();
  ASSERT_TRUE(agent.client().CreateLogicalBridge("blue", BridgeSpecOf(10)).ok());
  EXPECT_NE(agent.store().Load()->model.bridges["blue"].network_key, first);
}

}  // namespace
}  // namespace xpu
