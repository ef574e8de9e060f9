// Nothing leaves a pod that is not its own: each frame that is dropped differs in one thing from one that
// passes.
#include "gmock/gmock.h"
#include "test/component/pipeline/lab.h"

namespace xpu::testing {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

constexpr uint32_t kOverride = 0x20000000;

class GuardTest : public PipelineTest {
 protected:
  // An honest datagram from a to b over IPv6.
  Udp Udp6() {
    return {
        .eth_dst = MacOf("b"), .eth_src = MacOf("a"), .src = Ip6Of("a"), .dst = Ip6Of("b"), .payload = "v6"};
  }
  Udp Udp4() {
    return {
        .eth_dst = MacOf("b"), .eth_src = MacOf("a"), .src = Ip4Of("a"), .dst = Ip4Of("b"), .payload = "v4"};
  }
  // An honest announcement of a's address.
  Arp Announcement() {
    return {.eth_src = MacOf("a"), .sha = MacOf("a"), .spa = Ip4Of("a"), .tpa = Ip4Of("a")};
  }
  // An honest unsolicited advertisement; `body` as NdBody gives it.
  Icmp Advertisement(const std::string& body) {
    return {.eth_dst = kAllNodesMac,
            .eth_src = MacOf("a"),
            .src = Ip6Of("a"),
            .dst = kAllNodes,
            .type = 136,
            .body = body};
  }
  // A solicitation for an address that nobody has, to b alone: it passes as unicast.
  Icmp Solicitation(const std::string& options) {
    return {.eth_dst = MacOf("b"),
            .eth_src = MacOf("a"),
            .src = Ip6Of("a"),
            .dst = Ip6Of("b"),
            .type = 135,
            .body = NdBody(0, "2001:db8::77", options)};
  }
  Icmp Message6(uint8_t type) {
    return {.eth_dst = MacOf("b"),
            .eth_src = MacOf("a"),
            .src = LinkLocalOf("a"),
            .dst = LinkLocalOf("b"),
            .type = type,
            .body = std::string(40, '\0')};
  }
};

TEST_F(GuardTest, DropsASpoofedMac) {
  Udp udp = Udp4();
  EXPECT_THAT(ReachedBy("a", UdpFrame(udp)), ElementsAre("b"));
  for (const std::string& mac : {MacOf("c"), MacOf("x"), std::string("02:00:00:00:00:99")}) {
    udp.eth_src = mac;
    EXPECT_THAT(ReachedBy("a", UdpFrame(udp)), IsEmpty()) << mac;
  }
}

TEST_F(GuardTest, DropsASpoofedIpv4Source) {
  Udp udp = Udp4();
  for (const char* source : {"10.0.0.3", "10.0.0.9", "192.0.2.1", "0.0.0.0", "255.255.255.255"}) {
    udp.src = source;
    EXPECT_THAT(ReachedBy("a", UdpFrame(udp)), IsEmpty()) << source;
  }
  udp.src = Ip4Of("a");
  EXPECT_THAT(ReachedBy("a", UdpFrame(udp)), ElementsAre("b"));
}

TEST_F(GuardTest, DropsASpoofedIpv6Source) {
  Udp udp = Udp6();
  for (const std::string& source : {std::string("2001:db8::3"), std::string("2001:db8::9"), std::string("::"),
                                    LinkLocalOf("c"), std::string("fe80::1")}) {
    udp.src = source;
    EXPECT_THAT(ReachedBy("a", UdpFrame(udp)), IsEmpty()) << source;
  }
  for (const std::string& source : {Ip6Of("a"), LinkLocalOf("a")}) {
    udp.src = source;
    EXPECT_THAT(ReachedBy("a", UdpFrame(udp)), ElementsAre("b")) << source;
  }
}

TEST_F(GuardTest, DropsArpInTheNameOfAnother) {
  for (const uint16_t op : {1, 2}) {
    Arp arp = Announcement();
    arp.op = op;
    EXPECT_THAT(ReachedBy("a", ArpFrame(arp)), ElementsAre("b", "c"));
    arp.sha = MacOf("c");
    EXPECT_THAT(ReachedBy("a", ArpFrame(arp)), IsEmpty());
    arp = Announcement();
    arp.op = op;
    arp.spa = arp.tpa = Ip4Of("c");
    EXPECT_THAT(ReachedBy("a", ArpFrame(arp)), IsEmpty());
    arp = Announcement();
    arp.op = op;
    arp.eth_src = MacOf("c");
    EXPECT_THAT(ReachedBy("a", ArpFrame(arp)), IsEmpty());
  }
}

TEST_F(GuardTest, DropsAnArpReplyToOnePodInTheNameOfAnother) {
  Arp arp = {.eth_dst = MacOf("b"),
             .eth_src = MacOf("a"),
             .op = 2,
             .sha = MacOf("a"),
             .spa = Ip4Of("a"),
             .tha = MacOf("b"),
             .tpa = Ip4Of("b")};
  EXPECT_THAT(ReachedBy("a", ArpFrame(arp)), ElementsAre("b"));
  arp.spa = Ip4Of("c");
  EXPECT_THAT(ReachedBy("a", ArpFrame(arp)), IsEmpty());
  arp.spa = "0.0.0.0";
  EXPECT_THAT(ReachedBy("a", ArpFrame(arp)), IsEmpty());
}

TEST_F(GuardTest, DropsANeighbourAdvertisementInTheNameOfAnother) {
  const std::string own = LinkLayerOption(2, MacOf("a"));
  const std::string forged = LinkLayerOption(2, MacOf("c"));
  EXPECT_THAT(ReachedBy("a", IcmpFrame(Advertisement(NdBody(kOverride, Ip6Of("a"), own)))),
              ElementsAre("b", "c"));
  EXPECT_THAT(ReachedBy("a", IcmpFrame(Advertisement(NdBody(kOverride, Ip6Of("c"), own)))), IsEmpty());
  EXPECT_THAT(ReachedBy("a", IcmpFrame(Advertisement(NdBody(kOverride, Ip6Of("a"), forged)))), IsEmpty());
  // A kernel believes the first of two options; the switch sees neither.
  EXPECT_THAT(ReachedBy("a", IcmpFrame(Advertisement(NdBody(kOverride, Ip6Of("a"), forged + own)))),
              IsEmpty());
  EXPECT_THAT(ReachedBy("a", IcmpFrame(Advertisement(NdBody(kOverride, Ip6Of("c"), forged + forged)))),
              IsEmpty());
  Icmp far = Advertisement(NdBody(kOverride, Ip6Of("a"), own));
  far.hop_limit = 254;
  EXPECT_THAT(ReachedBy("a", IcmpFrame(far)), IsEmpty());
  Icmp other_source = Advertisement(NdBody(kOverride, Ip6Of("a"), own));
  other_source.src = Ip6Of("c");
  EXPECT_THAT(ReachedBy("a", IcmpFrame(other_source)), IsEmpty());
}

TEST_F(GuardTest, DropsANeighbourSolicitationInTheNameOfAnother) {
  const std::string own = LinkLayerOption(1, MacOf("a"));
  const std::string forged = LinkLayerOption(1, MacOf("c"));
  EXPECT_THAT(ReachedBy("a", IcmpFrame(Solicitation(own))), ElementsAre("b"));
  EXPECT_THAT(ReachedBy("a", IcmpFrame(Solicitation(""))), ElementsAre("b"));
  EXPECT_THAT(ReachedBy("a", IcmpFrame(Solicitation(forged))), IsEmpty());
  EXPECT_THAT(ReachedBy("a", IcmpFrame(Solicitation(forged + forged))), IsEmpty());
  Icmp other_source = Solicitation(own);
  other_source.src = Ip6Of("c");
  EXPECT_THAT(ReachedBy("a", IcmpFrame(other_source)), IsEmpty());
}

TEST_F(GuardTest, DropsWhatOnlyARouterMaySend) {
  EXPECT_THAT(ReachedBy("a", IcmpFrame(Message6(128))), ElementsAre("b"));
  for (const uint8_t type : {133, 134, 137}) {
    EXPECT_THAT(ReachedBy("a", IcmpFrame(Message6(type))), IsEmpty()) << int{type};
    Icmp to_all = Message6(type);
    to_all.eth_dst = kAllNodesMac;
    to_all.dst = kAllNodes;
    EXPECT_THAT(ReachedBy("a", IcmpFrame(to_all)), IsEmpty()) << int{type};
  }
  Icmp redirect = {.eth_dst = MacOf("b"),
                   .eth_src = MacOf("a"),
                   .src = Ip4Of("a"),
                   .dst = Ip4Of("b"),
                   .type = 8,
                   .body = std::string(32, '\0')};
  EXPECT_THAT(ReachedBy("a", IcmpFrame(redirect)), ElementsAre("b"));
  redirect.type = 5;
  EXPECT_THAT(ReachedBy("a", IcmpFrame(redirect)), IsEmpty());
}

TEST_F(GuardTest, DropsWhatOnlyADhcpServerMaySend) {
  Udp udp = Udp4();
  udp.src_port = 67;
  EXPECT_THAT(ReachedBy("a", UdpFrame(udp)), IsEmpty());
  udp.src_port = 68;
  EXPECT_THAT(ReachedBy("a", UdpFrame(udp)), ElementsAre("b"));
  udp = Udp6();
  udp.src_port = 547;
  EXPECT_THAT(ReachedBy("a", UdpFrame(udp)), IsEmpty());
  udp.src_port = 546;
  EXPECT_THAT(ReachedBy("a", UdpFrame(udp)), ElementsAre("b"));
}

TEST_F(GuardTest, LetsMulticastListenersReportWithoutAnAddress) {
  const Icmp report = {.eth_dst = GroupMac("ff02::16"),
                       .eth_src = MacOf("a"),
                       .src = "::",
                       .dst = "ff02::16",
                       .type = 143,
                       .body = std::string(4, '\0'),
                       .hop_limit = 1};
  EXPECT_THAT(ReachedBy("a", IcmpFrame(report)), ElementsAre("b", "c"));
}

TEST_F(GuardTest, DropsTaggedFrames) {
  const std::string frame = Datagram("a", "b");
  EXPECT_THAT(ReachedBy("a", frame), ElementsAre("b"));
  for (const uint16_t vlan : {0, 1, 0x11, 4095}) {
    EXPECT_THAT(ReachedBy("a", Tagged(frame, vlan)), IsEmpty()) << vlan;
  }
}

TEST_F(GuardTest, DropsOtherProtocolsOfABoundPort) {
  const std::string frame = Ethernet(MacOf("b"), MacOf("a"), 0x88b5, std::string(46, 'x'));
  EXPECT_THAT(ReachedBy("a", frame), IsEmpty());
  model_.ports["rep-a"].bound = false;
  Apply();
  EXPECT_THAT(ReachedBy("a", frame), ElementsAre("b"));
}

TEST_F(GuardTest, HoldsAnUnboundPortToItsMac) {
  model_.ports["rep-a"].bound = false;
  Apply();
  Udp udp = Udp4();
  udp.src = "10.0.0.77";
  EXPECT_THAT(ReachedBy("a", UdpFrame(udp)), ElementsAre("b"));
  udp.eth_src = MacOf("c");
  EXPECT_THAT(ReachedBy("a", UdpFrame(udp)), IsEmpty());
  Arp arp = Announcement();
  EXPECT_THAT(ReachedBy("a", ArpFrame(arp)), IsEmpty())
      << "asks for an address that no unbound port but it has";
  arp.op = 2;
  EXPECT_THAT(ReachedBy("a", ArpFrame(arp)), ElementsAre("b", "c"));
  arp.sha = MacOf("c");
  EXPECT_THAT(ReachedBy("a", ArpFrame(arp)), IsEmpty());
  EXPECT_THAT(ReachedBy("a", IcmpFrame(Solicitation(LinkLayerOption(1, MacOf("c"))))), IsEmpty());
  EXPECT_THAT(ReachedBy("a", IcmpFrame(Message6(134))), IsEmpty());
  const std::string spanning_tree = Ethernet("01:80:c2:00:00:00", MacOf("a"), 0x0800, std::string(46, 'x'));
  EXPECT_THAT(ReachedBy("a", spanning_tree), IsEmpty());
}

TEST_F(GuardTest, KeepsAnUnboundPortFromTheAddressesOfBoundOnes) {
  model_.ports["rep-a"].bound = false;
  Apply();
  Udp udp = Udp4();
  udp.src = Ip4Of("c");
  EXPECT_THAT(ReachedBy("a", UdpFrame(udp)), IsEmpty());
  udp = Udp6();
  EXPECT_THAT(ReachedBy("a", UdpFrame(udp)), ElementsAre("b"));
  udp.src = Ip6Of("c");
  EXPECT_THAT(ReachedBy("a", UdpFrame(udp)), IsEmpty());
  Arp arp = Announcement();
  arp.op = 2;
  arp.spa = arp.tpa = Ip4Of("c");
  EXPECT_THAT(ReachedBy("a", ArpFrame(arp)), IsEmpty());
  const std::string own = LinkLayerOption(2, MacOf("a"));
  EXPECT_THAT(ReachedBy("a", IcmpFrame(Advertisement(NdBody(kOverride, Ip6Of("a"), own)))),
              ElementsAre("b", "c"));
  EXPECT_THAT(ReachedBy("a", IcmpFrame(Advertisement(NdBody(kOverride, Ip6Of("c"), own)))), IsEmpty());
  Icmp solicitation = Solicitation(LinkLayerOption(1, MacOf("a")));
  solicitation.src = Ip6Of("c");
  EXPECT_THAT(ReachedBy("a", IcmpFrame(solicitation)), IsEmpty());
}

TEST_F(GuardTest, KeepsAnUnboundPortFromTheGatewaysAddresses) {
  model_.bridges["red"].gateways = {Ip("10.0.0.254"), Ip("2001:db8::ff")};
  model_.ports["rep-a"].bound = false;
  Apply();
  Arp arp = Announcement();
  arp.op = 2;
  arp.spa = arp.tpa = "10.0.0.253";
  EXPECT_THAT(ReachedBy("a", ArpFrame(arp)), ElementsAre("b", "c"));
  arp.spa = arp.tpa = "10.0.0.254";
  EXPECT_THAT(ReachedBy("a", ArpFrame(arp)), IsEmpty());
  Udp udp = Udp6();
  udp.src = "2001:db8::ff";
  EXPECT_THAT(ReachedBy("a", UdpFrame(udp)), IsEmpty());
}

}  // namespace
}  // namespace xpu::testing
