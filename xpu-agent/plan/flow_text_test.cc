#include "xpu-agent/plan/flow_text.h"

#include "gtest/gtest.h"

namespace xpu::pipeline {
namespace {

std::string Text(const Match& match) {
  std::string text;
  AppendMatch(match, &text);
  return text;
}

TEST(Match, OfEverythingHasNoText) { EXPECT_EQ(Text({}), ""); }

TEST(Match, WritesFieldsInTheOrderOfTheSwitch) {
  const MacText mac(MacAddress({2, 0, 0, 0, 0, 1}));
  const IpText v6(IpAddress::Parse("2001:db8::1").value());
  EXPECT_EQ(
      Text({.protocol = Protocol::kIcmp6,
            .reg0 = 1,
            .reg1 = 31,
            .metadata = 255,
            .in_port = 12,
            .dl_src = &mac,
            .dl_dst = &mac,
            .ip_src = &v6,
            .nw_ttl = 255,
            .icmp_type = 135,
            .icmp_code = 0,
            .nd_target = &v6,
            .nd_sll = &mac}),
      "icmp6,reg0=0x1,reg1=0x1f,metadata=0xff,in_port=12,dl_src=02:00:00:00:00:01,dl_dst=02:00:00:00:00:01,"
      "ipv6_src=2001:db8::1,nw_ttl=255,icmp_type=135,icmp_code=0,nd_target=2001:db8::1,"
      "nd_sll=02:00:00:00:00:01");
}

TEST(Match, NamesTheSourceAddressByItsProtocol) {
  const IpText v4(IpAddress::Parse("10.0.0.1").value());
  EXPECT_EQ(Text({.protocol = Protocol::kIp, .ip_src = &v4}), "ip,nw_src=10.0.0.1");
  EXPECT_EQ(Text({.protocol = Protocol::kUdp, .ip_src = &v4, .tp_src = 67}), "udp,nw_src=10.0.0.1,tp_src=67");
  EXPECT_EQ(Text({.protocol = Protocol::kIp, .reg2 = 7, .reg3 = 1, .ip_dst = &v4}),
            "ip,reg2=0x7,reg3=0x1,nw_dst=10.0.0.1");
  const IpText v6(IpAddress::Parse("2001:db8::1").value());
  EXPECT_EQ(Text({.protocol = Protocol::kIpv6, .ip_dst = &v6, .nw_ttl = 1}),
            "ipv6,ipv6_dst=2001:db8::1,nw_ttl=1");
  EXPECT_EQ(Text({.protocol = Protocol::kArp, .arp_spa = &v4, .arp_tpa = &v4, .arp_op = 1}),
            "arp,arp_spa=10.0.0.1,arp_tpa=10.0.0.1,arp_op=1");
}

TEST(Match, TellsUntaggedFramesFromTagged) {
  EXPECT_EQ(Text({.in_port = 1, .vlan = 0}), "in_port=1,vlan_tci=0x0000/0x1fff");
  EXPECT_EQ(Text({.in_port = 1, .vlan = 7}), "in_port=1,dl_vlan=7");
}

TEST(IpText, LeavesOutTheLengthOfAFullPrefix) {
  EXPECT_EQ(IpText(IpPrefix::Parse("10.0.0.0/24").value()).text, "10.0.0.0/24");
  EXPECT_EQ(IpText(IpPrefix::Parse("10.0.0.1/32").value()).text, "10.0.0.1");
  EXPECT_EQ(IpText(IpPrefix::Parse("2001:db8::1/128").value()).text, "2001:db8::1");
}

TEST(Actions, OfNothingIsADrop) { EXPECT_EQ(Actions().text(), "drop"); }

TEST(Actions, AreWrittenInTheirOrder) {
  Actions actions;
  actions.PopVlan().LoadReg0(1).LoadReg1(0x10001).SetMetadata(16).SetField("eth_src", "02:00:00:00:00:01");
  actions.Move("NXM_OF_ETH_SRC", "NXM_OF_ETH_DST")
      .PushVlan(100)
      .Output(3)
      .OutputToSender()
      .Resubmit(80)
      .Goto(60);
  EXPECT_EQ(actions.text(),
            "pop_vlan,load:0x1->NXM_NX_REG0[],load:0x10001->NXM_NX_REG1[],set_field:0x10->metadata,"
            "set_field:02:00:00:00:00:01->eth_src,move:NXM_OF_ETH_SRC[]->NXM_OF_ETH_DST[],push_vlan:0x8100,"
            "set_field:4196->vlan_vid,output:3,IN_PORT,resubmit(,80),goto_table:60");
}

TEST(Actions, OfARouterAreWrittenInTheirOrder) {
  Actions actions;
  actions.LoadReg2(7).CheckLarger(1514).DecTtl().Push("NXM_OF_ETH_SRC").Pop("NXM_OF_ETH_DST").Goto(55);
  EXPECT_EQ(actions.text(),
            "load:0x7->NXM_NX_REG2[],check_pkt_larger(1514)->NXM_NX_REG3[0],dec_ttl,push:NXM_OF_ETH_SRC[],"
            "pop:NXM_OF_ETH_DST[],goto_table:55");
}

TEST(FlowList, GivesBackWhatWasAdded) {
  FlowList flows;
  Actions output;
  output.Output(2);
  flows.Add(80, 100, {.reg1 = 2}, output);
  flows.Add(80, 0, {}, Actions());
  ASSERT_EQ(flows.size(), 2u);
  EXPECT_EQ(flows[0].match, "reg1=0x2");
  EXPECT_EQ(flows[0].actions, "output:2");
  EXPECT_EQ(flows[1].table, 80);
  EXPECT_EQ(flows[1].priority, 0);
  EXPECT_EQ(flows[1].match, "");
  EXPECT_EQ(flows[1].actions, "drop");
}

}  // namespace
}  // namespace xpu::pipeline
