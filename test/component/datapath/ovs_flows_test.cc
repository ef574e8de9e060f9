// Flows on a real switch: packets, numbers, refusals and what costs nothing.
#include "absl/strings/str_cat.h"
#include "test/component/datapath/ovs_fixture.h"
#include "xpu-agent/datapath/ovs/canonical_flow.h"

namespace xpu {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::xpu::testing::TestNetns;

FlowTable ManyFlows(int n) {
  FlowTable flows;
  for (int i = 0; i < n; ++i) {
    flows[{60, 100,
           absl::StrCat("ip,metadata=0x1,nw_dst=10.", i / 65536, ".", i / 256 % 256, ".", i % 256)}] =
        absl::StrCat("output:", 1 + i % 250);
  }
  return flows;
}

class OvsFlowsTest : public OvsSwitchTest {
 protected:
  void SetUp() override {
    OvsSwitchTest::SetUp();
    StartSwitch();
    ASSERT_TRUE(observer_->AwaitReady());
  }
};

TEST_F(OvsFlowsTest, PacketsPassOnceTheFlowsAreThereAndNoLongerThanThat) {
  auto left = TestNetns::Create(), right = TestNetns::Create();
  ASSERT_TRUE(left.ok() && right.ok());
  ASSERT_EQ(ovs_->netns().AddVeth("rep1", **left, "eth0"), absl::OkStatus());
  ASSERT_EQ(ovs_->netns().AddVeth("rep2", **right, "eth0"), absl::OkStatus());
  ASSERT_TRUE((*left)->Run({"ip", "addr", "add", "10.0.0.1/24", "dev", "eth0"}).ok());
  ASSERT_TRUE((*right)->Run({"ip", "addr", "add", "10.0.0.2/24", "dev", "eth0"}).ok());
  ApplyOk({.port_adds = {{"rep1", 1}, {"rep2", 2}},
           .flow_puts = {{{0, 10, "in_port=1"}, "output:2"}, {{0, 10, "in_port=2"}, "output:1"}}});
  EXPECT_TRUE((*left)->Reaches("10.0.0.2").value());
  ApplyOk({.flow_deletes = {{0, 10, "in_port=1"}}});
  ASSERT_EQ(ovs_->AwaitRevalidation(), absl::OkStatus());
  const auto dropped = (*left)->Try({"ping", "-c1", "-W1", "10.0.0.2"});
  ASSERT_TRUE(dropped.ok()) << dropped.status();
  EXPECT_NE(dropped->exit_code, 0);
}

TEST_F(OvsFlowsTest, TakesTenThousandFlowsInOneBundleAndShowsThemAsTheSwitchDoes) {
  const FlowTable flows = ManyFlows(10000);
  ApplyOk({.flow_puts = flows});
  EXPECT_EQ(Snapshot().flows, flows);
  EXPECT_EQ(switch_->counters().flow_mods, flows.size());
  // Read from the switch anew.
  StartSwitch();
  ASSERT_TRUE(observer_->AwaitReady());
  EXPECT_TRUE(Snapshot().flows == flows);
  SwitchPlan removal;
  for (const auto& [key, actions] : flows) removal.flow_deletes.push_back(key);
  ApplyOk(removal);
  EXPECT_TRUE(Snapshot().flows.empty());
  EXPECT_TRUE(ovs_->DumpFlows(kBridge)->empty());
}

TEST_F(OvsFlowsTest, FollowsALargeChangeThatSomeoneElseMakes) {
  const std::string file = ovs_->dir() + "/flows";
  const FlowTable flows = ManyFlows(20000);
  FILE* out = fopen(file.c_str(), "w");
  ASSERT_NE(out, nullptr);
  for (const auto& [key, actions] : flows) {
    fputs(absl::StrCat("cookie=", kFlowCookie, ",", FlowToText(key, actions), "\n").c_str(), out);
  }
  fclose(out);
  ASSERT_TRUE(ovs_->Ofctl({"--bundle", "add-flows", kBridge, file}).ok());
  EXPECT_TRUE(
      observer_->AwaitSnapshot([&](const SwitchSnapshot& snapshot) { return snapshot.flows == flows; }));
  ASSERT_TRUE(ovs_->Ofctl({"del-flows", kBridge}).ok());
  EXPECT_TRUE(
      observer_->AwaitSnapshot([&](const SwitchSnapshot& snapshot) { return snapshot.flows.empty(); }));
}

TEST_F(OvsFlowsTest, NamesTheFlowThatTheSwitchRefusesAndWhy) {
  FlowTable flows = ManyFlows(100);
  flows[{60, 5, "ip,nw_dst=10.9.9.9"}] = "group:77";
  const ApplyResult result = switch_->Apply({.flow_puts = flows});
  EXPECT_EQ(result.flows.code(), absl::StatusCode::kInvalidArgument);
  EXPECT_THAT(
      std::string(result.flows.message()),
      AllOf(HasSubstr("table=60,priority=5,ip,nw_dst=10.9.9.9 actions=group:77"), HasSubstr("OFPBAC_")));
  EXPECT_TRUE(Snapshot().flows.empty());
  EXPECT_TRUE(ovs_->DumpFlows(kBridge)->empty());
}

TEST_F(OvsFlowsTest, ABundleOfFlowsLikeThoseBeforeIsCommittedAtOnce) {
  ApplyOk({.flow_puts = {{{60, 1, "ip,nw_dst=10.0.0.1"}, "output:1"}}});
  EXPECT_EQ(switch_->counters().bundles_at_once, 0u);
  ApplyOk({.flow_puts = {{{61, 9, "ip,nw_dst=10.0.0.2"}, "output:2"},
                         {{60, 1, "ip,nw_dst=10.0.0.1"}, "output:3"}}});
  EXPECT_EQ(switch_->counters().bundles_at_once, 1u);
  ApplyOk({.flow_puts = {{{60, 1, "ip,nw_dst=10.0.0.3"}, "output:1"}, {{60, 1, "arp"}, "output:1"}}});
  ApplyOk({.flow_deletes = {{60, 1, "ip,nw_dst=10.0.0.1"}}});
  EXPECT_EQ(switch_->counters().bundles_at_once, 1u) << "something was new in each";
  ApplyOk({.flow_deletes = {{60, 1, "ip,nw_dst=10.0.0.3"}}});
  EXPECT_EQ(switch_->counters().bundles_at_once, 2u);
  EXPECT_EQ(Snapshot().flows,
            (FlowTable{{{60, 1, "arp"}, "output:1"}, {{61, 9, "ip,nw_dst=10.0.0.2"}, "output:2"}}));
  // A flow may name only a meter that is there.
  ApplyOk({.flow_puts = {{{60, 1, "udp"}, absl::StrCat("meter:", kFirstMeter, ",output:1")}},
           .meter_puts = {{kFirstMeter, {.unit = Meter::Unit::kPackets, .rate = 10, .burst = 10}}}});
  const ApplyResult result =
      switch_->Apply({.flow_puts = {{{60, 2, "udp"}, absl::StrCat("meter:", kFirstMeter + 1, ",output:1")}}});
  EXPECT_EQ(result.flows.code(), absl::StatusCode::kInvalidArgument) << result.flows;
  EXPECT_EQ(Snapshot().flows.size(), 3u);
}

TEST_F(OvsFlowsTest, FindsOutWhatOfABundleThatWasTakenForGrantedIsThere) {
  const FlowKey taken{60, 1, "ip,nw_dst=10.0.0.1"}, beside{60, 1, "ip,nw_dst=10.0.0.2"};
  // A table of the switch's own, which nobody may write.
  const FlowKey forbidden{254, 1, "ip,nw_dst=10.0.0.3"};
  ApplyOk({.flow_puts = {{taken, "output:1"}}});
  const SwitchPlan plan{.flow_puts = {{beside, "output:1"}, {forbidden, "output:1"}}};
  EXPECT_EQ(switch_->Apply(plan).flows.code(), absl::StatusCode::kUnavailable);
  EXPECT_TRUE(observer_->AwaitSnapshot([&](const SwitchSnapshot& snapshot) {
    return snapshot.flows.size() == ovs_->DumpFlows(kBridge)->size();
  }));
  // Now nothing is.
  ApplyOk({.flow_deletes = {beside}});
  const ApplyResult again = switch_->Apply(plan);
  EXPECT_EQ(again.flows.code(), absl::StatusCode::kInvalidArgument);
  EXPECT_THAT(std::string(again.flows.message()), HasSubstr("table=254"));
  EXPECT_EQ(Snapshot().flows, (FlowTable{{taken, "output:1"}}));
}

TEST_F(OvsFlowsTest, NamesTheFlowThatCannotBeParsedAndSendsNothing) {
  for (const auto& [match, actions] : FlowTable{{{0, 1, "nonsense=1"}, "drop"},
                                                {{0, 1, "ip"}, "fly"},
                                                {{0, 1, "ip,idle_timeout=5"}, "drop"},
                                                {{0, 1, "table=9,ip"}, "drop"},
                                                {{0, 1, "ip\n"}, "drop"}}) {
    const ApplyResult result = switch_->Apply({.flow_puts = {{match, actions}, {{60, 1, ""}, "drop"}}});
    EXPECT_EQ(result.flows.code(), absl::StatusCode::kInvalidArgument) << match.match;
  }
  EXPECT_EQ(switch_->Apply({.flow_deletes = {{0, 1, "nonsense=1"}}}).flows.code(),
            absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(switch_->counters().flow_mods, 0u);
  EXPECT_TRUE(Snapshot().flows.empty());
}

TEST_F(OvsFlowsTest, KeepsToTheCanonicalFormOfWhatItIsGiven) {
  ApplyOk({.flow_puts = {{{0, 1, "nw_dst=10.0.0.1,ip"}, "output:2,output:3"}}});
  EXPECT_EQ(Snapshot().flows, (FlowTable{{{0, 1, "ip,nw_dst=10.0.0.1"}, "output:2,output:3"}}));
}

TEST_F(OvsFlowsTest, LeavesOutPortsWithImpossibleNames) {
  const ApplyResult result = switch_->Apply(
      {.port_adds = {
           {"", 1}, {"a/b", 2}, {"much-too-long-name", 3}, {"rep1", 70000}, {"rep2", 4}, {"bad name", 5}}});
  EXPECT_EQ(result.ports.code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_THAT(std::string(result.ports.message()),
              AllOf(HasSubstr("'a/b'"), HasSubstr("'much-too-long-name'"), HasSubstr("70000"),
                    HasSubstr("'bad name'")));
  EXPECT_THAT(Snapshot().ports, ::testing::ElementsAre(::testing::Key("rep2")));
}

TEST_F(OvsFlowsTest, DoesNotWakeUpWhileNothingHappens) {
  ApplyOk({.flow_puts = {{{0, 1, "ip"}, "drop"}}});
  // The passing of time is what is tested: two pings that are two seconds apart. What the change itself
  // brings (the flow monitor tells of it too) comes in the first such time; what wakes by the clock comes in
  // each.
  uint64_t woken = 1;
  for (int i = 0; i < 3 && woken > 0; ++i) {
    const uint64_t before = switch_->counters().wakeups;
    ASSERT_TRUE(ovs_->netns().Run({"ping", "-c2", "-i2", "-q", "127.0.0.1"}).ok());
    woken = switch_->counters().wakeups - before;
  }
  EXPECT_EQ(woken, 0u);
}

}  // namespace
}  // namespace xpu
