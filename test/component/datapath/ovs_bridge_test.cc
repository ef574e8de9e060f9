// Whose bridge it is, and in what state it must be.
#include "test/component/datapath/ovs_fixture.h"
#include "xpu-agent/datapath/ovs/vswitchd_control.h"

namespace xpu {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;

class OvsBridgeTest : public OvsSwitchTest {
 protected:
  // Waits for the reason why the switch is of no use.
  std::string AwaitRefusal() {
    std::string reason;
    EXPECT_TRUE(observer_->AwaitStatus([&](const auto& snapshot) {
      reason = std::string(snapshot.status().message());
      return snapshot.status().code() == absl::StatusCode::kFailedPrecondition;
    })) << reason;
    return reason;
  }
};

TEST_F(OvsBridgeTest, MakesABridgeThatForwardsNothingByItself) {
  StartSwitch();
  ASSERT_TRUE(observer_->AwaitReady());
  EXPECT_EQ(Vsctl({"get", "bridge", kBridge, "fail_mode", "datapath_type", "protocols", "external_ids"}),
            "secure\nnetdev\n[OpenFlow14, OpenFlow15]\n{xpu-owner=test}\n");
  EXPECT_TRUE(switch_->Snapshot()->abilities.advertise_neighbours) << "in user space";
  EXPECT_TRUE(ovs_->DumpFlows(kBridge)->empty());
}

TEST_F(OvsBridgeTest, MarksItsPortsAndInterfaces) {
  StartSwitch();
  ASSERT_TRUE(observer_->AwaitReady());
  ApplyOk({.port_adds = {{"rep1", 7}}});
  EXPECT_EQ(Vsctl({"get", "port", "rep1", "external_ids"}), "{xpu-owner=test}\n");
  EXPECT_EQ(Vsctl({"get", "interface", "rep1", "external_ids", "ofport_request"}), "{xpu-owner=test}\n7\n");
}

TEST_F(OvsBridgeTest, LeavesOtherBridgesAlone) {
  ASSERT_EQ(ovs_->AddBridge("br-other"), absl::OkStatus());
  ASSERT_TRUE(ovs_->Ofctl({"add-flow", "br-other", "actions=drop"}).ok());
  const std::string before = Vsctl({"list", "bridge", "br-other"});
  StartSwitch();
  ASSERT_TRUE(observer_->AwaitReady());
  ApplyOk({.port_deletes = {"br-other"}, .flow_puts = {{{0, 0, ""}, "drop"}}});
  EXPECT_EQ(Vsctl({"list", "bridge", "br-other"}), before);
  EXPECT_EQ(ovs_->DumpFlows("br-other")->size(), 1u);
}

TEST_F(OvsBridgeTest, UsesABridgeOfSomeoneElseAsItIs) {
  ASSERT_EQ(ovs_->AddBridge(kBridge), absl::OkStatus());
  Vsctl({"set", "bridge", kBridge, "other_config:theirs=1"});
  const std::string before = Vsctl({"get", "bridge", kBridge, "external_ids", "other_config", "protocols"});
  StartSwitch();
  ASSERT_TRUE(observer_->AwaitReady());
  ApplyOk({.flow_puts = {{{0, 0, ""}, "drop"}}});
  EXPECT_EQ(Vsctl({"get", "bridge", kBridge, "external_ids", "other_config", "protocols"}), before);
}

TEST_F(OvsBridgeTest, RefusesABridgeThatForwardsByItselfUntilItIsPutRight) {
  ASSERT_EQ(ovs_->AddBridge(kBridge), absl::OkStatus());
  Vsctl({"del-fail-mode", kBridge});
  StartSwitch();
  EXPECT_THAT(AwaitRefusal(), AllOf(HasSubstr("br-xpu"), HasSubstr("fail_mode=secure")));
  const ApplyResult result = switch_->Apply({.flow_puts = {{{0, 0, ""}, "drop"}}});
  EXPECT_TRUE(absl::IsUnavailable(result.flows)) << result.flows;
  EXPECT_TRUE(absl::IsUnavailable(result.ports)) << result.ports;
  Vsctl({"set-fail-mode", kBridge, "secure"});
  EXPECT_TRUE(observer_->AwaitReady());
}

TEST_F(OvsBridgeTest, RefusesABridgeWithoutOpenFlow14UntilItIsPutRight) {
  ASSERT_EQ(ovs_->AddBridge(kBridge), absl::OkStatus());
  Vsctl({"set", "bridge", kBridge, "protocols=OpenFlow10"});
  StartSwitch();
  EXPECT_THAT(AwaitRefusal(), HasSubstr("OpenFlow14"));
  Vsctl({"set", "bridge", kBridge, "protocols=OpenFlow10,OpenFlow14"});
  EXPECT_TRUE(observer_->AwaitReady());
}

TEST_F(OvsBridgeTest, RefusesTheBridgeOfAnotherAgent) {
  ASSERT_EQ(ovs_->AddBridge(kBridge), absl::OkStatus());
  Vsctl({"set", "bridge", kBridge, "external_ids:xpu-owner=dpu7"});
  StartSwitch();
  EXPECT_THAT(AwaitRefusal(), AllOf(HasSubstr("'dpu7'"), HasSubstr("'test'")));
}

TEST_F(OvsBridgeTest, PutsTheSettingsOfItsOwnBridgeRight) {
  StartSwitch();
  ASSERT_TRUE(observer_->AwaitReady());
  Vsctl({"set", "bridge", kBridge, "fail_mode=standalone"});
  ASSERT_TRUE(observer_->AwaitReady());
  EXPECT_EQ(Vsctl({"wait-until", "bridge", kBridge, "fail_mode=secure"}), "");
}

TEST_F(OvsBridgeTest, KeepsTheSettingsOfTheWholeSwitchThatItNeeds) {
  Vsctl({"set", "Open_vSwitch", ".", "other_config:theirs=1"});
  OvsSwitchOptions options = Options();
  options.settings = {{"hw-offload", "true"}, {"tc-policy", "skip_hw"}};
  StartSwitch(options);
  ASSERT_TRUE(observer_->AwaitReady());
  EXPECT_EQ(Vsctl({"get", "Open_vSwitch", ".", "other_config:hw-offload", "other_config:tc-policy",
                   "other_config:theirs"}),
            "\"true\"\nskip_hw\n\"1\"\n");
  Vsctl({"remove", "Open_vSwitch", ".", "other_config", "tc-policy"});
  EXPECT_EQ(Vsctl({"wait-until", "Open_vSwitch", ".", "other_config:tc-policy=skip_hw"}), "");
}

TEST_F(OvsBridgeTest, AsksTheDaemonForWhatItHasOffloaded) {
  StartSwitch();
  ASSERT_TRUE(observer_->AwaitReady());
  const auto dump = AskVswitchd(ovs_->openflow_dir(), "dpctl/dump-flows", {"--names", "-m"});
  EXPECT_TRUE(dump.ok()) << dump.status();
  EXPECT_TRUE(absl::IsInvalidArgument(AskVswitchd(ovs_->openflow_dir(), "no/such-command", {}).status()));
  EXPECT_TRUE(absl::IsUnavailable(AskVswitchd("/nowhere", "version", {}).status()));
}

}  // namespace
}  // namespace xpu
