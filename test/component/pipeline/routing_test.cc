// Packets that leave their network through its gateway.
#include <algorithm>

#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "test/component/pipeline/lab.h"
#include "test/component/pipeline/tcp.h"

namespace xpu::testing {
namespace {

using ::testing::Contains;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;

constexpr uint32_t kRouterOverride = 0xa0000000;
constexpr uint32_t kOverride = 0x20000000;

// Two routing domains with the same prefixes, and the same addresses on the far side:
//
//   one   red with a and b (as in the lab) and green with c: 10.1.0.3, 2001:db8:1::3
//   two   blue with x (as in the lab) and grey with y: 10.1.0.3, 2001:db8:1::3
class RoutingTest : public PipelineTest {
 protected:
  void SetUp() override {
    ASSERT_NO_FATAL_FAILURE(PipelineTest::SetUp());
    for (const auto& [bridge, key] : {std::pair("green", 0x33u), std::pair("grey", 0x44u)})
      AddBridge(&model_, bridge, key, {"10.1.0.0/24", "2001:db8:1::/64"});
    AddVrf(&model_, "one", 1);
    AddVrf(&model_, "two", 2);
    for (const auto& [bridge, vrf] : {std::pair("red", "one"), std::pair("blue", "two")})
      AddSvi(&model_, bridge, vrf, bridge, {"10.0.0.254/24", "2001:db8::ff/64"});
    for (const auto& [bridge, vrf] : {std::pair("green", "one"), std::pair("grey", "two")})
      AddSvi(&model_, bridge, vrf, bridge, {"10.1.0.254/24", "2001:db8:1::ff/64"});
    Move("c", "green");
    Move("y", "grey");
    Apply();
  }
  void Move(const std::string& pod, const std::string& bridge) {
    BridgePort& port = model_.ports["rep-" + pod];
    port.logical_bridges = {bridge};
    port.addresses = {InterfaceAddress::Parse("10.1.0.3/24").value(),
                      InterfaceAddress::Parse("2001:db8:1::3/64").value()};
  }
  // Gives the pods' kernels their addresses and a default route.
  void UseKernels() {
    for (const char* name : {"a", "b", "c", "x", "y"}) {
      const BridgePort& port = model_.ports[absl::StrCat("rep-", name)];
      std::vector<std::string> addresses;
      for (const InterfaceAddress& address : port.addresses) addresses.push_back(address.ToString());
      ASSERT_EQ(pod(name).UseKernel(addresses), absl::OkStatus());
      for (const InterfaceAddress& gateway : model_.svis[port.logical_bridges[0]].gateways) {
        const auto added = pod(name).netns().Run(
            {"ip", "route", "add", "default", "via", gateway.address.ToString(), "dev", "eth0"});
        ASSERT_TRUE(added.ok()) << added.status();
      }
    }
  }
  void Ping(const std::string& from, const std::string& address) {
    const absl::StatusOr<bool> reached = pod(from).netns().Reaches(address);
    ASSERT_TRUE(reached.ok()) << reached.status();
    EXPECT_TRUE(*reached) << from << " to " << address;
  }

  // A datagram that `from` hands to its gateway, with content never used before.
  Udp ToGateway(const std::string& from, const std::string& dst) {
    const bool v6 = Ip(dst).is_v6();
    return {.eth_dst = kGateway,
            .eth_src = MacOf(from),
            .src = v6 ? Ip6Of(from) : Ip4Of(from),
            .dst = dst,
            .payload = absl::StrCat("routed ", next_++)};
  }
  // The same as it should leave the gateway towards `to`.
  std::string Delivered(Udp udp, const std::string& to) {
    udp.eth_dst = MacOf(to);
    udp.eth_src = kGateway;
    --udp.hop_limit;
    return UdpFrame(udp);
  }
  // What reached `to`, c or y, before a datagram that a or x sends now.
  std::vector<std::string> Before(const std::string& from, const std::string& to) {
    const Udp last = ToGateway(from, kFar4);
    pod(from).Send(UdpFrame(last));
    const auto frames = pod(to).ReceiveUntil(Delivered(last, to));
    EXPECT_TRUE(frames.ok()) << frames.status();
    return frames.ok() ? *frames : std::vector<std::string>();
  }
  // Whether `frame` of a passes to b, which is in its network.
  bool ReachesB(const std::string& frame) {
    pod("a").Send(frame);
    const std::vector<std::string> frames = Arrived("a", "b");
    return std::find(frames.begin(), frames.end(), frame) != frames.end();
  }
  static constexpr char kGateway[] = "02:58:50:00:00:01";
  static constexpr char kGatewayLinkLocal[] = "fe80::58:50ff:fe00:1";
  static constexpr char kFar4[] = "10.1.0.3";
  static constexpr char kFar6[] = "2001:db8:1::3";
  int next_ = 0;
};

TEST_F(RoutingTest, NetworksOfADomainReachEachOther) {
  UseKernels();
  for (const char* far : {kFar4, kFar6}) {
    Ping("a", far);
    Ping("x", far);
    EXPECT_EQ(OverTcp(pod("a"), pod("c"), far), "hello");
    EXPECT_EQ(OverTcp(pod("x"), pod("y"), far), "hello");
  }
  EXPECT_EQ(OverTcp(pod("c"), pod("b"), Ip4Of("b")), "hello");
  EXPECT_EQ(OverTcp(pod("c"), pod("b"), Ip6Of("b")), "hello");
  // Within a network nothing goes through the gateway.
  EXPECT_EQ(OverTcp(pod("a"), pod("b"), Ip4Of("b")), "hello");
}

TEST_F(RoutingTest, TheGatewayAnswersPings) {
  UseKernels();
  for (const char* address : {"10.0.0.254", "2001:db8::ff", "10.1.0.254", "2001:db8:1::ff"})
    Ping("a", address);
  Ping("a", absl::StrCat(kGatewayLinkLocal, "%eth0"));
  const auto neighbours = pod("a").netns().Run({"ip", "neigh", "show", "dev", "eth0"});
  ASSERT_TRUE(neighbours.ok()) << neighbours.status();
  for (const char* address : {"10.0.0.254 ", "2001:db8::ff "})
    EXPECT_THAT(*neighbours, HasSubstr(absl::StrCat(address, "lladdr ", kGateway)));
  // It says that it is a router, or hosts would take its routes away.
  EXPECT_THAT(*neighbours, HasSubstr(absl::StrCat("lladdr ", kGateway, " router")));
}

TEST_F(RoutingTest, ChangesNothingButMacsAndHops) {
  for (const char* far : {kFar4, kFar6}) {
    Udp udp = ToGateway("a", far);
    pod("a").Send(UdpFrame(udp));
    EXPECT_TRUE(pod("c").ReceiveUntil(Delivered(udp, "c")).ok()) << far;
  }
}

TEST_F(RoutingTest, StopsWhatHasComeTooFar) {
  for (const char* far : {kFar4, kFar6}) {
    for (const uint8_t hops : {0, 1}) {
      Udp udp = ToGateway("a", far);
      udp.hop_limit = hops;
      pod("a").Send(UdpFrame(udp));
      EXPECT_THAT(Before("a", "c"), IsEmpty()) << far << " with " << int{hops};
    }
    Udp udp = ToGateway("a", far);
    udp.hop_limit = 2;
    pod("a").Send(UdpFrame(udp));
    EXPECT_THAT(Before("a", "c"), Contains(Delivered(udp, "c")));
  }
}

TEST_F(RoutingTest, DomainsNeverExchangeAPacket) {
  for (const char* far : {kFar4, kFar6}) {
    const Udp of_a = ToGateway("a", far);
    const Udp of_x = ToGateway("x", far);
    pod("a").Send(UdpFrame(of_a));
    pod("x").Send(UdpFrame(of_x));
    EXPECT_THAT(Before("a", "c"), ::testing::ElementsAre(Delivered(of_a, "c")));
    EXPECT_THAT(Before("x", "y"), ::testing::ElementsAre(Delivered(of_x, "y")));
  }
}

TEST_F(RoutingTest, RoutesNothingThatStaysOnItsLink) {
  for (const char* dst : {"224.0.0.5", "255.255.255.255", "10.1.0.255", "127.0.0.1", "169.254.0.9", "ff0e::1",
                          "ff02::1", "fe80::ff:fe00:c"}) {
    pod("a").Send(UdpFrame(ToGateway("a", dst)));
    EXPECT_THAT(Before("a", "c"), IsEmpty()) << dst;
  }
  Udp udp = ToGateway("a", kFar6);
  udp.src = LinkLocalOf("a");
  pod("a").Send(UdpFrame(udp));
  // Nor as multicast or broadcast of the link itself.
  udp = ToGateway("a", kFar4);
  udp.eth_dst = kBroadcast;
  pod("a").Send(UdpFrame(udp));
  EXPECT_THAT(Before("a", "c"), IsEmpty());
}

TEST_F(RoutingTest, StopsWhatDoesNotFitTheNextNetwork) {
  model_.bridges["green"].mtu = 1000;
  Apply();
  for (const char* far : {kFar4, kFar6}) {
    const size_t headers = Ip(far).is_v4() ? 20 + 8 : 40 + 8;
    for (const size_t size : {1000, 1001}) {
      Udp udp = ToGateway("a", far);
      udp.payload.resize(size - headers, '.');
      pod("a").Send(UdpFrame(udp));
      const std::vector<std::string> arrived = Before("a", "c");
      if (size == 1000) {
        EXPECT_THAT(arrived, Contains(Delivered(udp, "c"))) << far;
      } else {
        EXPECT_THAT(arrived, IsEmpty()) << far;
      }
    }
  }
}

TEST_F(RoutingTest, NoPodIsTheGateway) {
  ASSERT_TRUE(ReachesB(Datagram("a", "b")));
  const std::string sources[] = {"10.0.0.254", "2001:db8::ff", kGatewayLinkLocal};
  for (const std::string& source : sources) {
    Udp udp{.eth_dst = MacOf("b"), .eth_src = MacOf("a"), .src = source, .payload = "as the gateway"};
    udp.dst = Ip(source).is_v4() ? Ip4Of("b") : Ip6Of("b");
    EXPECT_FALSE(ReachesB(UdpFrame(udp))) << source;
    udp.eth_src = kGateway;
    EXPECT_FALSE(ReachesB(UdpFrame(udp))) << source;
  }
  Udp udp{
      .eth_dst = MacOf("b"), .eth_src = kGateway, .src = Ip4Of("a"), .dst = Ip4Of("b"), .payload = "its MAC"};
  EXPECT_FALSE(ReachesB(UdpFrame(udp)));
  for (const uint16_t op : {1, 2}) {
    for (const char* eth_src : {"", kGateway}) {
      for (const char* sha : {"", kGateway}) {
        for (const char* to : {kBroadcast, ""}) {
          const Arp arp{.eth_dst = *to == '\0' ? MacOf("b") : to,
                        .eth_src = *eth_src == '\0' ? MacOf("a") : eth_src,
                        .op = op,
                        .sha = *sha == '\0' ? MacOf("a") : sha,
                        .spa = "10.0.0.254",
                        .tpa = op == 1 ? "10.0.0.254" : Ip4Of("b")};
          EXPECT_FALSE(ReachesB(ArpFrame(arp))) << op << " " << arp.eth_src << " " << arp.sha;
        }
      }
    }
  }
  for (const char* target : {"2001:db8::ff", kGatewayLinkLocal}) {
    for (const char* mac : {"", kGateway}) {
      for (const std::string& source : {std::string(target), Ip6Of("a"), LinkLocalOf("a")}) {
        const std::string claimed = *mac == '\0' ? MacOf("a") : mac;
        Icmp claim{.eth_dst = kAllNodesMac,
                   .eth_src = MacOf("a"),
                   .src = source,
                   .dst = kAllNodes,
                   .type = 136,
                   .body = NdBody(kOverride, target, LinkLayerOption(2, claimed))};
        EXPECT_FALSE(ReachesB(IcmpFrame(claim))) << target << " " << claimed << " " << source;
        claim.eth_src = kGateway;
        EXPECT_FALSE(ReachesB(IcmpFrame(claim))) << target << " " << claimed << " " << source;
      }
    }
    // A router's advertisement and redirect.
    for (const uint8_t type : {134, 137}) {
      EXPECT_FALSE(ReachesB(IcmpFrame({.eth_dst = kAllNodesMac,
                                       .eth_src = MacOf("a"),
                                       .src = target,
                                       .dst = kAllNodes,
                                       .type = type,
                                       .body = std::string(36, '\0')})));
    }
  }
}

TEST_F(RoutingTest, AnUnboundPodIsNotTheGatewayEither) {
  model_.ports["rep-a"].bound = false;
  model_.ports["rep-a"].addresses.clear();
  Apply();
  ASSERT_TRUE(ReachesB(Datagram("a", "b")));
  Udp udp{.eth_dst = MacOf("b"), .eth_src = MacOf("a"), .src = "10.0.0.254", .dst = Ip4Of("b")};
  EXPECT_FALSE(ReachesB(UdpFrame(udp)));
  udp = {.eth_dst = MacOf("b"), .eth_src = MacOf("a"), .src = kGatewayLinkLocal, .dst = LinkLocalOf("b")};
  EXPECT_FALSE(ReachesB(UdpFrame(udp)));
  EXPECT_FALSE(ReachesB(
      ArpFrame({.eth_src = MacOf("a"), .sha = MacOf("a"), .spa = "10.0.0.254", .tpa = "10.0.0.254"})));
  EXPECT_FALSE(
      ReachesB(IcmpFrame({.eth_dst = kAllNodesMac,
                          .eth_src = MacOf("a"),
                          .src = Ip6Of("a"),
                          .dst = kAllNodes,
                          .type = 136,
                          .body = NdBody(kOverride, kGatewayLinkLocal, LinkLayerOption(2, MacOf("a")))})));
  // Nor does it send into another network as somebody who is there.
  udp = ToGateway("a", kFar4);
  udp.src = "10.1.0.77";
  pod("a").Send(UdpFrame(udp));
  EXPECT_THAT(Before("a", "c"), IsEmpty());
}

TEST_F(RoutingTest, DefendsItsAddressAgainstWhoTriesIt) {
  for (const char* target : {"2001:db8::ff", kGatewayLinkLocal}) {
    pod("a").Send(IcmpFrame({.eth_dst = GroupMac(SolicitedNode(target)),
                             .eth_src = MacOf("a"),
                             .src = "::",
                             .dst = SolicitedNode(target),
                             .type = 135,
                             .body = NdBody(0, target, "")}));
    const std::string defence = IcmpFrame({.eth_dst = kAllNodesMac,
                                           .eth_src = kGateway,
                                           .src = target,
                                           .dst = kAllNodes,
                                           .type = 136,
                                           .body = NdBody(kRouterOverride, target, "")});
    EXPECT_TRUE(pod("a").ReceiveUntil(defence).ok()) << target;
  }
}

TEST_F(RoutingTest, FollowsChanges) {
  // The way is gone with the gateway of either side, and back with it.
  for (const char* bridge : {"red", "green"}) {
    const Svi svi = model_.svis[bridge];
    model_.svis.erase(bridge);
    Apply();
    const Udp udp = ToGateway("a", kFar4);
    pod("a").Send(UdpFrame(udp));
    // All of a's is through when this is.
    EXPECT_THAT(Arrived("a", "b"), IsEmpty());
    model_.svis[bridge] = svi;
    Apply();
    EXPECT_THAT(Before("a", "c"), Not(Contains(Delivered(udp, "c")))) << bridge;
  }
  // Into the other domain: now y is the one.
  model_.svis["red"].vrf = "two";
  model_.svis["blue"].vrf = "one";
  Apply();
  EXPECT_THAT(Before("a", "y"), IsEmpty());
}

}  // namespace
}  // namespace xpu::testing
