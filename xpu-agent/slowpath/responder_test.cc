#include "xpu-agent/slowpath/responder.h"

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "xpu-agent/plan/pipeline.h"
#include "xpu-agent/slowpath/model_testing.h"
#include "xpu-agent/slowpath/testing.h"

namespace xpu::slowpath {
namespace {

using pipeline::PacketOpcode;

const absl::Time kNow = absl::FromUnixSeconds(1'000'000);

class ResponderTest : public ::testing::Test {
 protected:
  Responder::Answer Handle(const PacketIn& packet, absl::Time now = kNow) {
    return responder_.Handle(index_, packet, now);
  }
  static PacketIn Discover(uint64_t key = kRed, uint32_t port = 1, const std::string& mac = kMacA) {
    DhcpMessage message{.mac = mac, .options = {{53, "\x01"}}};
    return Packet(PacketOpcode::kDhcp, key, port, message.Frame());
  }

  ModelIndex index_ = IndexOf(TwoRoutedNetworks());
  Responder responder_;
};

TEST_F(ResponderTest, TellsABoundPortWhatItsNetworkSays) {
  const Responder::Answer answer = Handle(Discover());
  ASSERT_TRUE(answer.packet.has_value());
  EXPECT_EQ(answer.packet->table, pipeline::Table::kOutput);
  EXPECT_EQ(answer.packet->metadata, kRed);
  EXPECT_EQ(answer.packet->regs[1], 1u);
  const DhcpAnswer offer = ReadDhcpAnswer(answer.packet->bytes);
  ASSERT_TRUE(offer.ok);
  EXPECT_EQ(offer.yiaddr, Ip("10.0.0.1"));
  EXPECT_EQ(offer.options.at(3), Ip("10.0.0.254").ToBytes());
  EXPECT_EQ(offer.options.at(54), Ip("10.0.0.254").ToBytes());
  EXPECT_EQ(offer.options.at(6), Ip("10.0.0.53").ToBytes());
  EXPECT_EQ(offer.ethernet.src, pipeline::kGatewayMac);
  EXPECT_EQ(responder_.counters().dhcp_answers, 1u);
}

TEST_F(ResponderTest, TellsAPortWithoutARouterItsAddressAlone) {
  const Responder::Answer answer = Handle(Discover(kPlain, 3, kMacC));
  ASSERT_TRUE(answer.packet.has_value());
  const DhcpAnswer offer = ReadDhcpAnswer(answer.packet->bytes);
  EXPECT_EQ(offer.yiaddr, Ip("192.168.0.3"));
  EXPECT_FALSE(offer.options.contains(3));
  EXPECT_EQ(offer.options.at(54), Ip("169.254.0.1").ToBytes());
}

TEST_F(ResponderTest, TellsNobodyElseAnything) {
  // Another network's MAC, a port that is not bound, a network that is not there.
  EXPECT_FALSE(Handle(Discover(kBlue, 1, kMacA)).packet.has_value());
  EXPECT_FALSE(Handle(Discover(kPlain, 4, kMacUnbound)).packet.has_value());
  EXPECT_FALSE(Handle(Discover(999)).packet.has_value());
  PacketIn nameless = Discover();
  nameless.regs[1] = 0;
  EXPECT_FALSE(Handle(nameless).packet.has_value());
  PacketIn unknown = Discover();
  unknown.regs[1] = 0x7f;
  EXPECT_FALSE(Handle(unknown).packet.has_value());
  PacketIn empty = Discover();
  empty.bytes.clear();
  EXPECT_FALSE(Handle(empty).packet.has_value());
  EXPECT_EQ(responder_.counters().ignored, 6u);
}

TEST_F(ResponderTest, CountsDeclines) {
  DhcpMessage message{.mac = kMacA, .options = {{53, "\x04"}, {50, Ip("10.0.0.1").ToBytes()}}};
  EXPECT_FALSE(Handle(Packet(PacketOpcode::kDhcp, kRed, 1, message.Frame())).packet.has_value());
  EXPECT_EQ(responder_.counters().dhcp_declines, 1u);
}

TEST_F(ResponderTest, HandsOnWhoSolicits) {
  const std::string frame = IcmpFrame({.eth_dst = Mac("33:33:00:00:00:02"),
                                       .eth_src = Mac(kMacA),
                                       .src = Ip("fe80::a"),
                                       .dst = Ip("ff02::2"),
                                       .hop_limit = 255},
                                      Hex("8500000000000000"));
  const Responder::Answer answer = Handle(Packet(PacketOpcode::kRouterSolicitation, kRed, 1, frame));
  EXPECT_FALSE(answer.packet.has_value());
  ASSERT_TRUE(answer.solicitation.has_value());
  EXPECT_EQ(answer.solicitation->address, Ip("fe80::a"));
}

PacketIn NeighbourSolicitation(const std::string& target, uint64_t key = kRed) {
  const std::string frame = IcmpFrame({.eth_dst = Mac("33:33:ff:00:00:fe"),
                                       .eth_src = Mac(kMacA),
                                       .src = Ip("2001:db8::1"),
                                       .dst = Ip(target),
                                       .hop_limit = 255},
                                      Hex("8700000000000000") + Ip(target).ToBytes());
  return Packet(PacketOpcode::kNeighbourSolicitation, key, 1, frame);
}

TEST_F(ResponderTest, AdvertisesTheAddressesOfTheRouterAndNoOthers) {
  for (const char* target : {"2001:db8::fe", "fe80::58:50ff:fe00:1"}) {
    const Responder::Answer answer = Handle(NeighbourSolicitation(target));
    ASSERT_TRUE(answer.packet.has_value()) << target;
    EXPECT_EQ(answer.packet->metadata, kRed);
    EXPECT_EQ(answer.packet->regs[1], 1u);
    Ethernet frame;
    Ipv6 ip;
    ASSERT_TRUE(Parse(answer.packet->bytes, &frame) && Parse(frame.payload, &ip));
    EXPECT_EQ(frame.dst, Mac(kMacA));
    EXPECT_EQ(ip.src, Ip(target));
    EXPECT_EQ(ip.payload[0], static_cast<char>(136));
  }
  EXPECT_EQ(responder_.counters().neighbour_advertisements, 2u);
  EXPECT_FALSE(Handle(NeighbourSolicitation("2001:db8::1")).packet.has_value());
  EXPECT_FALSE(Handle(NeighbourSolicitation("2001:db8:1::fe")).packet.has_value());
  EXPECT_FALSE(Handle(NeighbourSolicitation("2001:db8::fe", kPlain)).packet.has_value());
}

std::string Datagram(const std::string& src, const std::string& dst, size_t size = 10) {
  return UdpFrame({.eth_dst = pipeline::kGatewayMac, .eth_src = Mac(kMacA), .src = Ip(src), .dst = Ip(dst)},
                  1, 2, std::string(size, 'x'));
}

TEST_F(ResponderTest, SpeaksAsTheRouterOfTheSendersSubnet) {
  const auto four = Handle(Packet(PacketOpcode::kTimeExceeded, kRed, 1, Datagram("10.0.0.1", "10.1.0.1")));
  ASSERT_TRUE(four.packet.has_value());
  EXPECT_EQ(four.packet->regs[1], 1u);
  Ethernet frame;
  Ipv4 v4;
  ASSERT_TRUE(Parse(four.packet->bytes, &frame) && Parse(frame.payload, &v4));
  EXPECT_EQ(v4.src, Ip("10.0.0.254"));
  EXPECT_EQ(v4.dst, Ip("10.0.0.1"));
  const auto six =
      Handle(Packet(PacketOpcode::kHostUnreachable, kRed, 1, Datagram("2001:db8::1", "2001:db8:1::9")));
  ASSERT_TRUE(six.packet.has_value());
  Ipv6 v6;
  ASSERT_TRUE(Parse(six.packet->bytes, &frame) && Parse(frame.payload, &v6));
  EXPECT_EQ(v6.src, Ip("2001:db8::fe"));
  EXPECT_EQ(responder_.counters().icmp_errors, 2u);
}

TEST_F(ResponderTest, TellsASenderWhosePortIsNotBoundToo) {
  const std::string frame = UdpFrame({.eth_dst = pipeline::kGatewayMac,
                                      .eth_src = Mac(kMacUnbound),
                                      .src = Ip("10.0.0.44"),
                                      .dst = Ip("10.1.0.1")},
                                     1, 2, "x");
  const auto answer = Handle(Packet(PacketOpcode::kTimeExceeded, kRed, 4, frame));
  ASSERT_TRUE(answer.packet.has_value());
  EXPECT_EQ(answer.packet->regs[1], 4u);
  EXPECT_EQ(answer.packet->bytes.substr(0, 6), Mac(kMacUnbound).ToBytes());
}

TEST_F(ResponderTest, SaysWhatTheNextNetworkTakes) {
  PacketIn packet = Packet(PacketOpcode::kTooBig, kRed, 1, Datagram("10.0.0.1", "10.1.0.1", 1450));
  packet.regs[2] = kVrf;
  const auto answer = Handle(packet);
  ASSERT_TRUE(answer.packet.has_value());
  Ethernet frame;
  Ipv4 v4;
  ASSERT_TRUE(Parse(answer.packet->bytes, &frame) && Parse(frame.payload, &v4));
  EXPECT_EQ(ToHex(v4.payload.substr(0, 8)).substr(0, 4), "0304");
  EXPECT_EQ(ToHex(v4.payload.substr(4, 4)), "00000578");
}

TEST_F(ResponderTest, WhereThereIsNoRouterNobodySpeaksAsOne) {
  const std::string frame = UdpFrame({.eth_dst = pipeline::kGatewayMac,
                                      .eth_src = Mac(kMacC),
                                      .src = Ip("192.168.0.3"),
                                      .dst = Ip("10.1.0.1")},
                                     1, 2, "x");
  EXPECT_FALSE(Handle(Packet(PacketOpcode::kTimeExceeded, kPlain, 3, frame)).packet.has_value());
}

TEST_F(ResponderTest, LimitsEachPortAlone) {
  int answered = 0;
  for (int i = 0; i < 1000; ++i) answered += Handle(Discover()).packet.has_value() ? 1 : 0;
  EXPECT_EQ(answered, Responder::kMessageBurst);
  EXPECT_EQ(responder_.counters().limited, 1000 - Responder::kMessageBurst);
  EXPECT_TRUE(Handle(Discover(kBlue, 2, kMacB)).packet.has_value());
  // Errors have a limit of their own.
  EXPECT_TRUE(Handle(Packet(PacketOpcode::kTimeExceeded, kRed, 1, Datagram("10.0.0.1", "10.1.0.1")))
                  .packet.has_value());
  EXPECT_TRUE(Handle(Discover(), kNow + absl::Seconds(1)).packet.has_value());
}

TEST_F(ResponderTest, AdvertisesTheDomainAmongThoseToSearch) {
  const ModelIndex::Network* network = index_.FindNetwork(kRed);
  ASSERT_NE(network, nullptr);
  EXPECT_THAT(AdvertisementOf(*network).search, ::testing::ElementsAre("red.example", "example"));
  EXPECT_THAT(index_.Advertising(), ::testing::ElementsAre(kRed, kBlue));
}

}  // namespace
}  // namespace xpu::slowpath
