#include "xpu-agent/datapath/ovs/canonical_flow.h"

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace xpu {
namespace {

using ::testing::HasSubstr;

void ExpectRefused(const std::string& text, const std::string& reason) {
  const auto flow = CanonicalFlow(text);
  EXPECT_EQ(flow.status().code(), absl::StatusCode::kInvalidArgument) << text;
  EXPECT_THAT(std::string(flow.status().message()), HasSubstr(reason)) << text;
}

TEST(CanonicalFlowTest, PrintsWhatTheSwitchWouldPrint) {
  const auto flow = CanonicalFlow(
      "table=10, priority=200, arp_tpa=10.0.0.1, arp, arp_op=1, reg0=1, metadata=5, "
      "actions=move:reg0[]->reg1[],"
      "load:1->NXM_NX_REG2[],set_field:02:00:00:00:00:01->eth_src,goto_table:60");
  ASSERT_TRUE(flow.ok()) << flow.status();
  EXPECT_EQ(flow->first, (FlowKey{10, 200, "arp,reg0=0x1,metadata=0x5,arp_tpa=10.0.0.1,arp_op=1"}));
  EXPECT_EQ(flow->second,
            "move:NXM_NX_REG0[]->NXM_NX_REG1[],load:0x1->NXM_NX_REG2[],set_field:02:00:00:00:00:01->eth_src,"
            "goto_table:60");
}

TEST(CanonicalFlowTest, IsStableUnderItself) {
  for (const char* text : {
           "table=0,priority=0 actions=drop",
           "table=0,priority=100,in_port=3 actions=load:0x1->OXM_OF_METADATA[],goto_table:10",
           "table=10,priority=90,ip,reg0=0x3,dl_src=02:00:00:00:00:01,nw_src=10.0.0.5 actions=goto_table:60",
           "table=10,priority=90,icmp6,icmp_type=135,icmp_code=0,nd_target=fd00::1 actions=drop",
           "table=60,priority=50,metadata=0x5,dl_dst=01:00:00:00:00:00/01:00:00:00:00:00 "
           "actions=output:1,output:2",
       }) {
    const auto once = CanonicalFlow(text);
    ASSERT_TRUE(once.ok()) << once.status();
    const auto twice = CanonicalFlow(FlowToText(once->first, once->second));
    ASSERT_TRUE(twice.ok()) << twice.status();
    EXPECT_EQ(*once, *twice);
    EXPECT_EQ(CanonicalFlow(text)->first, once->first);
  }
}

TEST(CanonicalFlowTest, MatchesEverythingByDefault) {
  const auto flow = CanonicalFlow("actions=drop");
  ASSERT_TRUE(flow.ok()) << flow.status();
  EXPECT_EQ(flow->first, (FlowKey{0, 32768, ""}));
  EXPECT_EQ(flow->second, "drop");
  EXPECT_EQ(FlowToText(flow->first), "table=0,priority=32768");
  EXPECT_EQ(FlowToText({1, 2, "ip"}, "drop"), "table=1,priority=2,ip actions=drop");
}

TEST(CanonicalFlowTest, SaysWhatIsWrong) {
  ExpectRefused("table=0,priority=1,nonsense=5 actions=drop", "nonsense");
  ExpectRefused("table=0,priority=1,ip actions=fly", "fly");
  ExpectRefused("table=0,priority=1,ip", "must specify an action");
  ExpectRefused("table=300,priority=1,ip actions=drop", "300");
  ExpectRefused("table=0,priority=99999,ip actions=drop", "99999");
  ExpectRefused("table=10,priority=1 actions=goto_table:5", "goto_table");
  ExpectRefused("table=0,priority=1,nw_src=ten actions=drop", "ten");
  ExpectRefused("table=0,priority=1,in_port=eth0 actions=drop", "eth0");
  ExpectRefused("", "must specify an action");
}

TEST(CanonicalFlowTest, RefusesWhatIsNeitherMatchNorActions) {
  for (const char* extra :
       {"idle_timeout=5", "hard_timeout=5", "importance=5", "cookie=0x5", "send_flow_rem"}) {
    ExpectRefused(std::string("table=0,priority=1,") + extra + ",ip actions=drop", "not part of a flow");
  }
  ExpectRefused("table=0,priority=1,ip actions=drop\ntable=0,priority=2 actions=drop", "one line");
  ExpectRefused(std::string("table=0,priority=1,ip actions=drop\0x", 37), "one line");
}

}  // namespace
}  // namespace xpu
