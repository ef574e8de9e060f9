#include "xpu-agent/datapath/offload.h"

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace xpu {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::Pair;

TEST(ParseOffload, CountsByPortAndSaysWhyNot) {
  const auto ports = ParseOffload(
      "ufid:1, recirc_id(0),in_port(rep-a),eth(src=02:00:00:00:00:0a,dst=02:00:00:00:00:0b),eth_type(0x0800),"
      "ipv4(src=10.0.0.1,frag=no), packets:12, bytes:1200, used:0.1s, offloaded:yes, dp:tc, actions:rep-b\n"
      "ufid:2, recirc_id(0),in_port(rep-a),eth(src=02:00:00:00:00:0a),eth_type(0x0806),"
      "arp(sip=10.0.0.1,tip=10.0.0.2,op=1/0xff), packets:1, bytes:42, used:0.2s, dp:ovs, "
      "actions:set(eth(dst=02:00:00:00:00:0a)),set(arp(op=2)),rep-a\n"
      "ufid:3, recirc_id(0),in_port(rep-a),eth(),eth_type(0x0800), packets:2, bytes:84, used:0.2s, dp:ovs, "
      "actions:userspace(pid=1,slow_path(controller))\n"
      "ufid:4, recirc_id(0x7),in_port(rep-a),eth(), packets:2, bytes:84, used:0.2s, dp:ovs, actions:drop\n"
      "ufid:5, recirc_id(0),in_port(rep-b),eth(),eth_type(0x88cc), packets:3, bytes:84, used:0.2s, dp:ovs, "
      "actions:drop\n"
      "flow-dump from the main thread:\n");
  ASSERT_THAT(ports, ElementsAre(Pair("rep-a", testing::_), Pair("rep-b", testing::_)));
  const PortOffload& a = ports.at("rep-a");
  EXPECT_EQ(a.offloaded, 1u);
  EXPECT_EQ(a.offloaded_packets, 12u);
  EXPECT_EQ(a.fallen_back, 2u);
  EXPECT_EQ(a.fallen_back_packets, 3u);
  EXPECT_THAT(a.reasons, ElementsAre(Pair("goes to the agent or to ovs-vswitchd", 1),
                                     Pair("turns an ARP request into its answer", 1)));
  EXPECT_THAT(ports.at("rep-b").reasons, ElementsAre(Pair("is not taken by the card's driver", 1)));
}

TEST(ParseOffload, OfNothingIsNothing) {
  EXPECT_THAT(ParseOffload(""), IsEmpty());
  EXPECT_THAT(ParseOffload("in_port(\nin_port()actions:\nactions:drop"), IsEmpty());
}

}  // namespace
}  // namespace xpu
