// What happens to OvsSwitch when the daemons, or the agent itself, go and come back.
#include <signal.h>

#include <thread>

#include "test/component/datapath/ovs_fixture.h"

namespace xpu {
namespace {

using ::testing::HasSubstr;
using ::xpu::testing::TestNetns;

const FlowKey kFlow{10, 100, "ip,in_port=1"};
const FlowKey kOther{10, 100, "ip,in_port=2"};

TEST_F(OvsSwitchTest, ConnectsWhenOpenVSwitchComesAfterIt) {
  ovs_->KillVswitchd();
  ovs_->KillOvsdbServer();
  StartSwitch();
  EXPECT_TRUE(absl::IsUnavailable(switch_->Snapshot().status()));
  ASSERT_EQ(ovs_->StartOvsdbServer(), absl::OkStatus());
  ASSERT_EQ(ovs_->StartVswitchd(), absl::OkStatus());
  EXPECT_TRUE(observer_->AwaitReady());
}

TEST_F(OvsSwitchTest, ARestartOfTheAgentFindsAllAndChangesNothing) {
  auto peer = TestNetns::Create();
  ASSERT_TRUE(peer.ok()) << peer.status();
  ASSERT_EQ(ovs_->netns().AddVeth("rep1", **peer, "eth0"), absl::OkStatus());
  StartSwitch();
  ASSERT_TRUE(observer_->AwaitReady());
  ApplyOk({.port_adds = {{"rep1", 17}}, .flow_puts = {{kFlow, "output:2"}}});
  const SwitchSnapshot before = Snapshot();
  const std::string number = Vsctl({"get", "open_vswitch", ".", "next_cfg"});
  StartSwitch();
  ASSERT_TRUE(observer_->AwaitReady());
  EXPECT_EQ(Snapshot(), before);
  ApplyOk({});
  EXPECT_EQ(switch_->counters().flow_mods, 0u);
  EXPECT_EQ(Vsctl({"get", "open_vswitch", ".", "next_cfg"}), number);
}

TEST_F(OvsSwitchTest, ARestartOfOvsdbServerLosesNothing) {
  StartSwitch();
  ASSERT_TRUE(observer_->AwaitReady());
  ApplyOk({.port_adds = {{"rep1", 17}}, .flow_puts = {{kFlow, "output:2"}}});
  ovs_->KillOvsdbServer();
  EXPECT_TRUE(observer_->AwaitUnavailable());
  const ApplyResult result = switch_->Apply({.flow_puts = {{kOther, "drop"}}});
  EXPECT_TRUE(absl::IsUnavailable(result.flows)) << result.flows;
  EXPECT_TRUE(absl::IsUnavailable(result.ports)) << result.ports;
  ASSERT_EQ(ovs_->StartOvsdbServer(), absl::OkStatus());
  ASSERT_TRUE(observer_->AwaitReady());
  EXPECT_EQ(Snapshot().flows, (FlowTable{{kFlow, "output:2"}}));
  EXPECT_TRUE(Snapshot().ports.contains("rep1"));
  ApplyOk({.port_deletes = {"rep1"}, .flow_puts = {{kOther, "drop"}}});
  EXPECT_EQ(Snapshot(), (SwitchSnapshot{.flows = {{kFlow, "output:2"}, {kOther, "drop"}}}));
}

// Nobody but Open vSwitch is here: while it has no database, ovs-vswitchd does not run its bridges, and that
// is where a datapath in user space reads the ports that have no thread of their own
// (docs/design/datapath.md).
TEST(BareOpenVSwitch, InUserSpaceForwardsLateWithoutOvsdbServer) {
  auto ovs = testing::TestOvs::Start();
  auto left = TestNetns::Create(), right = TestNetns::Create();
  ASSERT_TRUE(ovs.ok() && left.ok() && right.ok());
  ASSERT_EQ((*ovs)->netns().AddVeth("rep1", **left, "eth0"), absl::OkStatus());
  ASSERT_EQ((*ovs)->netns().AddVeth("rep2", **right, "eth0"), absl::OkStatus());
  ASSERT_EQ((*ovs)->AddBridge("br0"), absl::OkStatus());
  ASSERT_EQ((*ovs)->AddPort("br0", "rep1", 1), absl::OkStatus());
  ASSERT_EQ((*ovs)->AddPort("br0", "rep2", 2), absl::OkStatus());
  for (const char* flow : {"in_port=1,actions=output:2", "in_port=2,actions=output:1"})
    ASSERT_TRUE((*ovs)->Ofctl({"add-flow", "br0", flow}).ok());
  ASSERT_TRUE((*left)->Run({"ip", "addr", "add", "10.0.0.1/24", "dev", "eth0"}).ok());
  ASSERT_TRUE((*right)->Run({"ip", "addr", "add", "10.0.0.2/24", "dev", "eth0"}).ok());
  ASSERT_TRUE((*left)->Reaches("10.0.0.2").value());

  (*ovs)->KillOvsdbServer();
  // It answers, so its loop turns.
  ASSERT_TRUE((*ovs)->Appctl({"version"}).ok());
  const auto late = (*left)->Try({"ping", "-c1", "-W1", "10.0.0.2"});
  ASSERT_TRUE(late.ok()) << late.status();
  EXPECT_NE(late->exit_code, 0);
  ASSERT_EQ((*ovs)->StartOvsdbServer(), absl::OkStatus());
  EXPECT_TRUE((*left)->Reaches("10.0.0.2").value());
}

TEST_F(OvsSwitchTest, ComesBackAfterVswitchdWasKilledManyTimes) {
  StartSwitch();
  ASSERT_TRUE(observer_->AwaitReady());
  for (int i = 0; i < 3; ++i) {
    ApplyOk({.flow_puts = {{kFlow, "output:2"}}});
    ovs_->KillVswitchd();
    ASSERT_TRUE(observer_->AwaitUnavailable());
    ASSERT_EQ(ovs_->StartVswitchd(), absl::OkStatus());
    ASSERT_TRUE(observer_->AwaitReady());
    EXPECT_TRUE(Snapshot().flows.empty());
  }
}

TEST_F(OvsSwitchTest, GivesUpOnAVswitchdThatHangsAndRecoversWithIt) {
  OvsSwitchOptions options = Options();
  options.deadline = absl::Seconds(3);
  StartSwitch(options);
  ASSERT_TRUE(observer_->AwaitReady());
  ovs_->vswitchd().Signal(SIGSTOP);
  const ApplyResult result = switch_->Apply({.flow_puts = {{kFlow, "output:2"}}});
  EXPECT_TRUE(absl::IsDeadlineExceeded(result.flows)) << result.flows;
  EXPECT_TRUE(absl::IsDeadlineExceeded(result.ports)) << result.ports;
  EXPECT_TRUE(absl::IsUnavailable(switch_->Snapshot().status()));
  ovs_->vswitchd().Signal(SIGCONT);
  ASSERT_TRUE(observer_->AwaitReady());
  ApplyOk({.flow_puts = {{kFlow, "output:3"}}});
  EXPECT_EQ(Snapshot().flows, (FlowTable{{kFlow, "output:3"}}));
}

TEST_F(OvsSwitchTest, SaysThatPortsWereNotConfirmedWhenVswitchdHangs) {
  OvsSwitchOptions options = Options();
  options.deadline = absl::Seconds(3);
  StartSwitch(options);
  ASSERT_TRUE(observer_->AwaitReady());
  ovs_->vswitchd().Signal(SIGSTOP);
  const ApplyResult result = switch_->Apply({.port_adds = {{"rep1", 1}}});
  EXPECT_EQ(result.flows, absl::OkStatus());
  EXPECT_TRUE(absl::IsDeadlineExceeded(result.ports)) << result.ports;
  EXPECT_THAT(std::string(result.ports.message()), HasSubstr("ovs-vswitchd"));
  ovs_->vswitchd().Signal(SIGCONT);
  // The interface does not exist, which vswitchd says now.
  EXPECT_TRUE(observer_->AwaitSnapshot([](const SwitchSnapshot& snapshot) {
    return snapshot.ports.contains("rep1") && !snapshot.ports.at("rep1").error.empty();
  }));
}

TEST_F(OvsSwitchTest, GivesUpOnAnOvsdbServerThatHangs) {
  OvsSwitchOptions options = Options();
  options.deadline = absl::Seconds(3);
  StartSwitch(options);
  ASSERT_TRUE(observer_->AwaitReady());
  ovs_->ovsdb_server().Signal(SIGSTOP);
  const ApplyResult result = switch_->Apply({.port_adds = {{"rep1", 1}}, .flow_puts = {{kFlow, "drop"}}});
  EXPECT_EQ(result.flows, absl::OkStatus());
  EXPECT_TRUE(absl::IsDeadlineExceeded(result.ports)) << result.ports;
  ovs_->ovsdb_server().Signal(SIGCONT);
  EXPECT_TRUE(observer_->AwaitSnapshot([](const SwitchSnapshot& snapshot) {
    return snapshot.ports.contains("rep1") && snapshot.flows.contains(kFlow);
  }));
}

TEST_F(OvsSwitchTest, ReturnsFromApplyWhenVswitchdDiesInTheMiddle) {
  StartSwitch();
  ASSERT_TRUE(observer_->AwaitReady());
  ovs_->vswitchd().Signal(SIGSTOP);
  ApplyResult result;
  std::thread applier([&] { result = switch_->Apply({.flow_puts = {{kFlow, "output:2"}}}); });
  ovs_->KillVswitchd();
  applier.join();
  EXPECT_TRUE(absl::IsUnavailable(result.flows)) << result.flows;
}

TEST_F(OvsSwitchTest, MakesItsBridgeAgainWhenSomeoneRemovesIt) {
  StartSwitch();
  ASSERT_TRUE(observer_->AwaitReady());
  ApplyOk({.flow_puts = {{kFlow, "output:2"}}});
  Vsctl({"del-br", kBridge});
  Vsctl({"wait-until", "interface", kBridge, "ofport=65534"});
  ASSERT_TRUE(observer_->AwaitReady());
  // ovs-vswitchd may have seen the two changes as one and kept the flows; either way the two agree.
  EXPECT_EQ(ovs_->DumpFlows(kBridge)->size(), Snapshot().flows.size());
  ApplyOk({.flow_puts = {{kFlow, "output:2"}, {kOther, "drop"}}});
  EXPECT_EQ(ovs_->DumpFlows(kBridge)->size(), 2u);
}

TEST_F(OvsSwitchTest, NoticesThatAControllerMadeTheSwitchForgetItsFlows) {
  StartSwitch();
  ASSERT_TRUE(observer_->AwaitReady());
  ApplyOk({.flow_puts = {{kFlow, "output:2"}}});
  Vsctl({"set-controller", kBridge, "tcp:127.0.0.1:9"});
  EXPECT_TRUE(
      observer_->AwaitSnapshot([](const SwitchSnapshot& snapshot) { return snapshot.flows.empty(); }));
}

}  // namespace
}  // namespace xpu
