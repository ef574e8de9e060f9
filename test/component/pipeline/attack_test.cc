// A pod that means harm: frames made to slip past the guard by how they are wrapped, cut and labelled. Beside
// each stands an honest one of the same kind, which passes, so that it is the attack that is dropped and not
// the kind; and each that is dropped is counted by a flow that drops.
#include <optional>
#include <regex>

#include "absl/strings/numbers.h"
#include "absl/strings/str_split.h"
#include "gmock/gmock.h"
#include "test/component/pipeline/lab.h"
#include "test/component/pipeline/reframe.h"

namespace xpu::testing {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

constexpr uint8_t kAdvertisement = 136;
constexpr uint8_t kRouter = 134;
constexpr uint32_t kOverride = 0x20000000;
constexpr uint8_t kGre = 47;
constexpr uint8_t kIpInIp = 4;

// True: the attacker's port has addresses. False: only its MAC is known, as of a port that a plain OPI client
// made.
class AttackTest : public PipelineTest, public ::testing::WithParamInterface<bool> {
 protected:
  void SetUp() override {
    ASSERT_NO_FATAL_FAILURE(PipelineTest::SetUp());
    if (GetParam()) return;
    model_.ports["rep-a"].bound = false;
    ASSERT_NO_FATAL_FAILURE(Apply());
  }

  // How many packets met a flow that drops, since the switch started.
  int64_t Dropped() {
    // What the datapath has counted goes to the flows.
    EXPECT_TRUE(ovs().Appctl({"revalidator/purge"}).ok());
    const auto dump = ovs().Ofctl({"dump-flows", "br-xpu"});
    EXPECT_TRUE(dump.ok()) << dump.status();
    int64_t dropped = 0;
    const std::vector<std::string> lines = absl::StrSplit(dump.value_or(""), '\n');
    for (const std::string& line : lines) {
      static const std::regex kDrop("n_packets=([0-9]+),.*actions=drop$");
      std::smatch match;
      int64_t packets = 0;
      if (std::regex_search(line, match, kDrop) && absl::SimpleAtoi(match[1].str(), &packets))
        dropped += packets;
    }
    return dropped;
  }
  void ExpectDropped(const std::string& frame, const std::string& what) {
    const int64_t before = Dropped();
    EXPECT_THAT(ReachedBy("a", frame), IsEmpty()) << what;
    EXPECT_GT(Dropped(), before) << what << " was not counted";
  }
  void ExpectPasses(const std::string& frame, const std::string& what) {
    EXPECT_THAT(ReachedBy("a", frame), ElementsAre("b")) << what;
  }

  std::string Udp4(uint16_t from, uint16_t to, size_t payload = 64) {
    return UdpFrame({.eth_dst = MacOf("b"),
                     .eth_src = MacOf("a"),
                     .src = Ip4Of("a"),
                     .dst = Ip4Of("b"),
                     .src_port = from,
                     .dst_port = to,
                     .payload = std::string(payload, 'p')});
  }
  std::string Udp6(uint16_t from, uint16_t to, size_t payload = 64) {
    return UdpFrame({.eth_dst = MacOf("b"),
                     .eth_src = MacOf("a"),
                     .src = Ip6Of("a"),
                     .dst = Ip6Of("b"),
                     .src_port = from,
                     .dst_port = to,
                     .payload = std::string(payload, 'p')});
  }
  std::string Icmp6(uint8_t type, const std::string& body, const std::string& src = "") {
    return IcmpFrame({.eth_dst = MacOf("b"),
                      .eth_src = MacOf("a"),
                      .src = src.empty() ? Ip6Of("a") : src,
                      .dst = Ip6Of("b"),
                      .type = type,
                      .body = body});
  }
  std::string RouterAdvertisement() {
    return Icmp6(kRouter, std::string("\x40\x00\x07\x08", 4) + std::string(8, '\0'), LinkLocalOf("a"));
  }
  std::string ForgedAdvertisement() {
    return Icmp6(kAdvertisement, NdBody(kOverride, Ip6Of("c"), LinkLayerOption(2, MacOf("a"))));
  }
  std::string Echo6(size_t payload = 64) { return Icmp6(128, std::string(payload, 'e')); }
};

INSTANTIATE_TEST_SUITE_P(Ports, AttackTest, ::testing::Bool(),
                         [](const auto& info) { return info.param ? "Bound" : "Unbound"; });

TEST_P(AttackTest, ADhcpServerIsOneByWhereItsAnswersGo) {
  // Clients look at the port that an answer goes to, and not at all where it comes from.
  ExpectPasses(Udp4(68, 4001), "from a client's port");
  ExpectDropped(Udp4(67, 68), "a server's answer");
  ExpectDropped(Udp4(1067, 68), "an answer from another port");
  ExpectPasses(Udp6(546, 4001), "from a client's port");
  ExpectDropped(Udp6(547, 546), "a server's answer");
  ExpectDropped(Udp6(1547, 546), "an answer from another port");
}

TEST_P(AttackTest, FragmentsOfADhcpAnswer) {
  const std::string honest = Udp4(4000, 4001, 64);
  ExpectPasses(Fragment(honest, 0, 32, true), "a first fragment");
  ExpectPasses(Fragment(honest, 32), "a later fragment");
  const std::string forged = Udp4(67, 68, 64);
  ExpectDropped(Fragment(forged, 0, 32, true), "a first fragment");
  ExpectDropped(Fragment(forged, 0, 8, true), "one with no more than the ports and lengths");
  ExpectDropped(Fragment(forged, 0), "one that says it is not cut");
  // Where two fragments overlap, some take the later one's octets: one that begins at 0 has ports to show.
  ExpectDropped(Fragment(Udp4(67, 68, 16), 0, 8, true), "one to lie over a first one");
  ExpectDropped(Fragment(forged, 0, 4, true), "one too short to show its ports");
}

TEST_P(AttackTest, FragmentsOfADhcp6Answer) {
  const std::string honest = Udp6(4000, 4001, 64);
  ExpectPasses(Fragment(honest, 0, 32, true), "a first fragment");
  ExpectPasses(Fragment(honest, 32), "a later fragment");
  const std::string forged = Udp6(547, 546, 64);
  ExpectDropped(Fragment(forged, 0, 32, true), "a first fragment");
  ExpectDropped(Fragment(forged, 0), "an atomic fragment (RFC 6946)");
  // The header that says what it is comes in the second fragment only (RFC 7112 forbids it).
  const std::string wrapped = WithExtension(forged, kDestinationOptions, 64);
  ExpectDropped(Fragment(wrapped, 0, 32, true), "half an extension header");
  ExpectDropped(Fragment(wrapped, 0, 64, true), "an extension header and nothing behind it");
  ExpectPasses(Fragment(WithExtension(honest, kDestinationOptions, 8), 0, 40, true),
               "an extension header with the ports behind it");
}

TEST_P(AttackTest, NeighbourDiscoveryInFragments) {
  ExpectPasses(Fragment(Echo6(), 0, 32, true), "a first fragment of an echo request");
  ExpectDropped(Fragment(RouterAdvertisement(), 0, 8, true), "a first fragment");
  ExpectDropped(Fragment(RouterAdvertisement(), 0), "an atomic fragment");
  ExpectDropped(Fragment(ForgedAdvertisement(), 0, 24, true), "a first fragment");
  ExpectDropped(Fragment(ForgedAdvertisement(), 0), "an atomic fragment");
  // RFC 6980: not even honest ones are cut. The option with the address would be in the other half.
  const std::string own =
      Icmp6(kAdvertisement, NdBody(kOverride, Ip6Of("a"), LinkLayerOption(2, MacOf("c"))));
  ExpectDropped(Fragment(own, 0, 24, true), "its own address, with another's MAC to come");
  for (const std::string& message : {RouterAdvertisement(), ForgedAdvertisement()}) {
    ExpectDropped(Fragment(WithExtension(message, kDestinationOptions, 64), 0, 64, true), "headers alone");
  }
}

TEST_P(AttackTest, NeighbourDiscoveryBehindExtensionHeaders) {
  for (const uint8_t type : {kHopByHop, kRouting, kDestinationOptions}) {
    const std::string what = "behind extension header " + std::to_string(type);
    ExpectPasses(WithExtension(Echo6(), type), "an echo request " + what);
    ExpectDropped(WithExtension(RouterAdvertisement(), type), "a router advertisement " + what);
    ExpectDropped(WithExtension(ForgedAdvertisement(), type), "a neighbour advertisement " + what);
    ExpectDropped(WithExtension(WithExtension(RouterAdvertisement(), kDestinationOptions), type), "two deep");
    ExpectDropped(WithExtension(Udp6(547, 546), type), "a DHCP answer " + what);
  }
  ExpectDropped(WithExtension(RouterAdvertisement(), kAuthentication, 24), "in an authentication header");
  ExpectDropped(WithExtension(RouterAdvertisement(), kDestinationOptions, 1024), "a long one");
}

TEST_P(AttackTest, Tags) {
  const std::string honest = Udp4(4000, 4001);
  ExpectPasses(honest, "no tag");
  for (const uint16_t tpid : {0x8100, 0x88a8}) {
    for (const uint16_t vlan : {0, 1, 0x22, 4095}) {
      ExpectDropped(WithTag(honest, tpid, vlan), "one tag");
      ExpectDropped(WithTag(WithTag(honest, 0x8100, vlan), tpid, 0), "behind a priority tag");
      ExpectDropped(WithTag(WithTag(honest, 0x8100, vlan), tpid, 0x11), "two tags");
    }
  }
  ExpectDropped(WithTag(WithTag(WithTag(honest, 0x8100, 1), 0x8100, 2), 0x88a8, 3), "three tags");
}

TEST_P(AttackTest, HopLimits) {
  const std::string honest =
      Icmp6(kAdvertisement, NdBody(kOverride, Ip6Of("a"), LinkLayerOption(2, MacOf("a"))));
  ExpectPasses(honest, "a neighbour advertisement");
  for (const uint8_t limit : {0, 1, 64, 254}) ExpectDropped(WithTtl(honest, limit), "from afar");
  for (const uint8_t limit : {1, 255}) {
    ExpectPasses(WithTtl(Udp4(4000, 4001), limit), "a datagram in the same network");
    ExpectPasses(WithTtl(Udp6(4000, 4001), limit), "a datagram in the same network");
  }
}

TEST_P(AttackTest, TunnelsAreJustPayload) {
  // A frame as a pod of the other network would get it, by its network's number and its MAC.
  const std::string inner = UdpFrame({.eth_dst = MacOf("x"),
                                      .eth_src = MacOf("y"),
                                      .src = Ip4Of("y"),
                                      .dst = Ip4Of("x"),
                                      .payload = "from nowhere"});
  const auto in_vxlan = [&](const std::string& mac) {
    return UdpFrame({.eth_dst = mac,
                     .eth_src = MacOf("a"),
                     .src = Ip4Of("a"),
                     .dst = Ip4Of("b"),
                     .dst_port = 4789,
                     .payload = Vxlan(0x22, inner)});
  };
  ExpectPasses(in_vxlan(MacOf("b")), "to a pod of the same network, as any datagram");
  ExpectDropped(in_vxlan(MacOf("x")), "to the other network");
  ExpectDropped(in_vxlan("02:58:50:00:00:01"), "to a gateway that the network has not");
  const std::string honest = Udp4(4000, 4001);
  const std::string inner_ip = inner.substr(14);
  for (const uint8_t protocol : {kGre, kIpInIp}) {
    const std::string payload = protocol == kGre ? std::string("\0\0\x65\x58", 4) + inner : inner_ip;
    ExpectPasses(WithPayload(honest, protocol, payload), "to a pod of the same network");
    std::string to_x = WithPayload(honest, protocol, payload);
    to_x.replace(0, 6, Mac(MacOf("x")).ToBytes());
    ExpectDropped(to_x, "to the other network");
  }
  // What was inside has reached nobody.
  EXPECT_THAT(Arrived("a", "x"), IsEmpty());
  EXPECT_THAT(Arrived("a", "y"), IsEmpty());
}

TEST_P(AttackTest, WhatBridgesAloneSay) {
  const std::string bpdu =
      std::string("\x00\x26\x42\x42\x03", 5) + std::string(35, '\0') + std::string(6, '\0');
  for (const char* group : {"01:80:c2:00:00:00", "01:80:c2:00:00:01", "01:80:c2:00:00:02",
                            "01:80:c2:00:00:03", "01:80:c2:00:00:0e", "01:80:c2:00:00:0f"}) {
    ExpectDropped(Mac(group).ToBytes() + Mac(MacOf("a")).ToBytes() + bpdu, "a spanning tree's");
    ExpectDropped(
        Ethernet(group, MacOf("a"), 0x8808, std::string("\0\x01\xff\xff", 4) + std::string(42, '\0')),
        "a pause frame");
    ExpectDropped(Ethernet(group, MacOf("a"), 0x88cc, std::string(46, '\x02')), "LLDP");
    ExpectDropped(Ethernet(group, MacOf("a"), 0x8809, std::string(46, '\x01')), "LACP");
  }
  ExpectPasses(Udp4(4000, 4001), "a datagram");
}

TEST_P(AttackTest, HeadersThatLieAboutTheirLength) {
  const std::string honest = Udp4(4000, 4001);
  const auto with = [](std::string frame, size_t at, uint8_t value) {
    frame[at] = static_cast<char>(value);
    return frame;
  };
  constexpr size_t kIp = 14;
  ExpectPasses(WithOptions(honest, std::string("\x01\x01\x01\x00", 4)), "options");
  ExpectDropped(WithOptions(Udp4(67, 68), std::string(40, '\x01')), "a DHCP answer behind options");
  ExpectDropped(with(Udp4(67, 68), kIp, 0x44), "a header shorter than it can be");
  ExpectDropped(with(honest, kIp + 2, 0xff), "longer than the frame");
  ExpectDropped(with(Udp4(67, 68), kIp, 0x65), "another version");
  ExpectDropped(with(Udp6(547, 546), kIp + 4, 0xff), "longer than the frame");
  ExpectDropped(Udp4(4000, 4001).substr(0, kIp + 12), "cut off in its header");
}

TEST_P(AttackTest, ArpOfAnotherShape) {
  const Arp good = {.eth_dst = MacOf("b"),
                    .eth_src = MacOf("a"),
                    .op = 2,
                    .sha = MacOf("a"),
                    .spa = Ip4Of("a"),
                    .tha = MacOf("b"),
                    .tpa = Ip4Of("b")};
  ExpectPasses(ArpFrame(good), "an answer about itself");
  Arp forged = good;
  forged.spa = Ip4Of("c");
  const std::string frame = ArpFrame(forged);
  ExpectDropped(frame, "an answer about another");
  // Other kinds of hardware and lengths, which some stacks do not look at.
  for (const auto& [at, value] : {std::pair<size_t, char>{15, 6}, {18, 8}, {19, 6}, {21, 0}, {21, 9}}) {
    std::string odd = frame;
    odd[at] = value;
    ExpectDropped(odd, "octet " + std::to_string(at) + " is " + std::to_string(value));
  }
  ExpectDropped(frame.substr(0, 14 + 20), "cut off");
  std::string reverse = frame;
  reverse.replace(12, 2, "\x80\x35");
  ExpectDropped(reverse, "reverse ARP");
}

}  // namespace
}  // namespace xpu::testing
