// ARP and neighbour discovery are answered by the switch; nobody else is asked.
#include "gmock/gmock.h"
#include "test/component/pipeline/lab.h"

namespace xpu::testing {
namespace {

using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::Not;

constexpr uint32_t kSolicited = 0x40000000;
constexpr uint32_t kOverride = 0x20000000;

class ResolutionTest : public PipelineTest {
 protected:
  Arp Request(const std::string& from, const std::string& target) {
    return {.eth_src = MacOf(from), .sha = MacOf(from), .spa = Ip4Of(from), .tpa = target};
  }
  std::string Reply(const std::string& to, const std::string& owner) {
    return ArpFrame({.eth_dst = MacOf(to),
                     .eth_src = MacOf(owner),
                     .op = 2,
                     .sha = MacOf(owner),
                     .spa = Ip4Of(owner),
                     .tha = MacOf(to),
                     .tpa = Ip4Of(to)});
  }
  Icmp Solicitation(const std::string& from, const std::string& target) {
    return {.eth_dst = GroupMac(SolicitedNode(target)),
            .eth_src = MacOf(from),
            .src = Ip6Of(from),
            .dst = SolicitedNode(target),
            .type = 135,
            .body = NdBody(0, target, LinkLayerOption(1, MacOf(from)))};
  }
  std::string Advertisement(const std::string& to, const std::string& owner, const std::string& target) {
    return IcmpFrame({.eth_dst = MacOf(to),
                      .eth_src = MacOf(owner),
                      .src = target,
                      .dst = Ip6Of(to),
                      .type = 136,
                      .body = NdBody(kSolicited | kOverride, target, LinkLayerOption(2, MacOf(owner)))});
  }
  // Duplicate address detection (RFC 4862): from nobody, without a link-layer address.
  Icmp Detection(const std::string& from, const std::string& target) {
    return {.eth_dst = GroupMac(SolicitedNode(target)),
            .eth_src = MacOf(from),
            .src = "::",
            .dst = SolicitedNode(target),
            .type = 135,
            .body = NdBody(0, target, "")};
  }
};

TEST_F(ResolutionTest, AnswersArpForAKnownAddress) {
  EXPECT_THAT(ReachedBy("a", ArpFrame(Request("a", Ip4Of("b")))), IsEmpty());
  pod("a").Send(ArpFrame(Request("a", Ip4Of("b"))));
  EXPECT_THAT(Arrived("a", "a"), ElementsAre(Reply("a", "b")));
}

TEST_F(ResolutionTest, AnswersInTheNetworkOfTheOneWhoAsks) {
  pod("x").Send(ArpFrame(Request("x", Ip4Of("b"))));
  EXPECT_THAT(Arrived("x", "x"), ElementsAre(Reply("x", "y")));
}

TEST_F(ResolutionTest, AnswersAnArpRequestThatWasSentToTheOwner) {
  Arp request = Request("a", Ip4Of("b"));
  request.eth_dst = MacOf("b");
  EXPECT_THAT(ReachedBy("a", ArpFrame(request)), IsEmpty());
  pod("a").Send(ArpFrame(request));
  EXPECT_THAT(Arrived("a", "a"), ElementsAre(Reply("a", "b")));
}

TEST_F(ResolutionTest, DefendsAnAddressAgainstAProbe) {
  Arp probe = Request("a", Ip4Of("b"));
  probe.spa = "0.0.0.0";
  const std::string defence = ArpFrame({.eth_dst = MacOf("a"),
                                        .eth_src = MacOf("b"),
                                        .op = 2,
                                        .sha = MacOf("b"),
                                        .spa = Ip4Of("b"),
                                        .tha = MacOf("a"),
                                        .tpa = "0.0.0.0"});
  pod("a").Send(ArpFrame(probe));
  EXPECT_THAT(Arrived("a", "a"), ElementsAre(defence));
  // Its own address is asked for among the others.
  probe.tpa = Ip4Of("a");
  EXPECT_THAT(ReachedBy("a", ArpFrame(probe)), ElementsAre("b", "c"));
}

TEST_F(ResolutionTest, AsksNobodyForAnUnknownAddress) {
  EXPECT_THAT(ReachedBy("a", ArpFrame(Request("a", "10.0.0.77"))), IsEmpty());
  EXPECT_THAT(ReachedBy("a", IcmpFrame(Solicitation("a", "2001:db8::77"))), IsEmpty());
  // The third address is only known in the other network.
  EXPECT_THAT(ReachedBy("x", ArpFrame(Request("x", Ip4Of("c")))), IsEmpty());
  EXPECT_THAT(ReachedBy("x", IcmpFrame(Solicitation("x", Ip6Of("c")))), IsEmpty());
  EXPECT_THAT(Arrived("x", "x"), IsEmpty());
}

TEST_F(ResolutionTest, AsksUnboundPortsForAnUnknownAddressOfThePrefix) {
  model_.ports["rep-c"].bound = false;
  Apply();
  EXPECT_THAT(ReachedBy("a", ArpFrame(Request("a", "10.0.0.77"))), ElementsAre("c"));
  EXPECT_THAT(ReachedBy("a", ArpFrame(Request("a", "10.0.1.77"))), IsEmpty());
  EXPECT_THAT(ReachedBy("a", IcmpFrame(Solicitation("a", "2001:db8::77"))), ElementsAre("c"));
  EXPECT_THAT(ReachedBy("a", IcmpFrame(Solicitation("a", "2001:db8:1::77"))), IsEmpty());
  EXPECT_THAT(ReachedBy("a", IcmpFrame(Solicitation("a", LinkLocalOf("c")))), ElementsAre("c"));
  EXPECT_THAT(ReachedBy("a", ArpFrame(Request("a", Ip4Of("b")))), IsEmpty());
}

TEST_F(ResolutionTest, AnswersNeighbourSolicitations) {
  for (const std::string& target : {Ip6Of("b"), LinkLocalOf("b")}) {
    const std::string solicitation = IcmpFrame(Solicitation("a", target));
    EXPECT_THAT(ReachedBy("a", solicitation), IsEmpty());
    pod("a").Send(solicitation);
    const std::vector<std::string> answers = Arrived("a", "a");
    EXPECT_THAT(answers, ElementsAre(Advertisement("a", "b", target)));
    for (const std::string& answer : answers) EXPECT_TRUE(Icmp6ChecksumIsRight(answer));
  }
}

TEST_F(ResolutionTest, AnswersSolicitationsThatWereSentToTheOwner) {
  Icmp solicitation = Solicitation("a", Ip6Of("b"));
  solicitation.eth_dst = MacOf("b");
  solicitation.dst = Ip6Of("b");
  EXPECT_THAT(ReachedBy("a", IcmpFrame(solicitation)), IsEmpty());
  pod("a").Send(IcmpFrame(solicitation));
  EXPECT_THAT(Arrived("a", "a"), ElementsAre(Advertisement("a", "b", Ip6Of("b"))));
}

TEST_F(ResolutionTest, LetsTheOwnerDefendAnAddressThatSomeoneElseTries) {
  EXPECT_THAT(ReachedBy("a", IcmpFrame(Detection("a", Ip6Of("b")))), ElementsAre("b"));
  // The owner's answer goes to all nodes, so that the other one learns of it.
  const std::string defence =
      IcmpFrame({.eth_dst = kAllNodesMac,
                 .eth_src = MacOf("b"),
                 .src = Ip6Of("b"),
                 .dst = kAllNodes,
                 .type = 136,
                 .body = NdBody(kOverride, Ip6Of("b"), LinkLayerOption(2, MacOf("b")))});
  EXPECT_THAT(ReachedBy("b", defence), ElementsAre("a", "c"));
}

TEST_F(ResolutionTest, DisturbsNobodyWhenAPodDetectsDuplicatesOfItsOwnAddress) {
  EXPECT_THAT(ReachedBy("a", IcmpFrame(Detection("a", Ip6Of("a")))), IsEmpty());
  EXPECT_THAT(ReachedBy("a", IcmpFrame(Detection("a", LinkLocalOf("a")))), IsEmpty());
}

TEST_F(ResolutionTest, CarriesAnnouncementsToAllPeers) {
  Arp announcement = Request("a", Ip4Of("a"));
  EXPECT_THAT(ReachedBy("a", ArpFrame(announcement)), ElementsAre("b", "c"));
}

}  // namespace
}  // namespace xpu::testing
