#include "xpu-agent/slowpath/dhcp.h"

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "xpu-agent/slowpath/testing.h"

namespace xpu::slowpath {
namespace {

using ::testing::Contains;
using ::testing::IsEmpty;
using ::testing::Key;
using ::testing::Not;

constexpr uint8_t kDiscover = 1, kRequest = 3, kDecline = 4, kRelease = 7, kInform = 8;

DhcpBinding Binding() {
  return {.client = Mac("02:00:00:00:00:0a"),
          .address = InterfaceAddress::Parse("10.0.0.5/24").value(),
          .server = Ip("10.0.0.254"),
          .server_mac = Mac("02:58:50:00:00:01"),
          .router = Ip("10.0.0.254"),
          .dns_servers = {Ip("10.0.0.53"), Ip("2001:db8::53"), Ip("10.0.0.54")},
          .domain = "pods.example",
          .search = {"pods.example", "example"},
          .mtu = 1450,
          .lease_time = 3600};
}

std::string Type(uint8_t type) { return std::string(1, static_cast<char>(type)); }
std::string Address(const std::string& text) { return Ip(text).ToBytes(); }

DhcpMessage Message(uint8_t type, std::vector<std::pair<uint8_t, std::string>> more = {}) {
  DhcpMessage message;
  message.options.emplace_back(53, Type(type));
  for (auto& option : more) message.options.push_back(std::move(option));
  return message;
}

DhcpAnswer Answered(const DhcpMessage& message, DhcpOutcome outcome, const DhcpBinding& binding = Binding()) {
  const DhcpReply reply = AnswerDhcp(binding, message.Frame());
  EXPECT_EQ(reply.outcome, outcome);
  const DhcpAnswer answer = ReadDhcpAnswer(reply.frame);
  EXPECT_TRUE(answer.ok);
  EXPECT_EQ(answer.xid, message.xid);
  EXPECT_EQ(answer.chaddr.substr(0, 6), Mac(message.mac).ToBytes());
  EXPECT_EQ(answer.options.at(54), Address("10.0.0.254"));
  EXPECT_GE(answer.size, 300u);
  return answer;
}

void ExpectSilence(const std::string& frame, DhcpOutcome outcome) {
  const DhcpReply reply = AnswerDhcp(Binding(), frame);
  EXPECT_EQ(reply.outcome, outcome);
  EXPECT_THAT(reply.frame, IsEmpty());
}

TEST(DhcpTest, OffersTheAddressWithAllThatGoesWithIt) {
  const DhcpAnswer offer = Answered(Message(kDiscover), DhcpOutcome::kOffered);
  EXPECT_EQ(offer.op, 2);
  EXPECT_EQ(offer.src_port, 67);
  EXPECT_EQ(offer.dst_port, 68);
  EXPECT_EQ(offer.yiaddr, Ip("10.0.0.5"));
  EXPECT_EQ(offer.ciaddr, Ip("0.0.0.0"));
  EXPECT_EQ(ToHex(offer.options.at(53)), "02");
  EXPECT_EQ(offer.options.at(1), Address("255.255.255.0"));
  EXPECT_EQ(offer.options.at(3), Address("10.0.0.254"));
  EXPECT_EQ(offer.options.at(6), Address("10.0.0.53") + Address("10.0.0.54"));
  EXPECT_EQ(offer.options.at(15), "pods.example");
  EXPECT_EQ(ToHex(offer.options.at(26)), "05aa");
  EXPECT_EQ(ToHex(offer.options.at(51)), "00000e10");
  EXPECT_EQ(ToHex(offer.options.at(58)), "00000708");
  EXPECT_EQ(ToHex(offer.options.at(59)), "00000c4e");
  EXPECT_EQ(ToHex(offer.options.at(119)),
            "04706f6473076578616d706c6500"
            "076578616d706c6500");
  EXPECT_EQ(ToHex(offer.options.at(121)), "000a0000fe");
  // To the one who asked, by MAC, as it does not answer ARP yet.
  EXPECT_EQ(offer.ethernet.dst, Mac("02:00:00:00:00:0a"));
  EXPECT_EQ(offer.ethernet.src, Mac("02:58:50:00:00:01"));
  EXPECT_EQ(offer.ip.src, Ip("10.0.0.254"));
  EXPECT_EQ(offer.ip.dst, Ip("10.0.0.5"));
}

TEST(DhcpTest, IsTheSameOctetForOctet) {
  DhcpBinding plain = Binding();
  plain.dns_servers.clear();
  plain.domain.clear();
  plain.search.clear();
  plain.mtu = 1500;
  const DhcpReply reply = AnswerDhcp(plain, Message(kDiscover, {{55, Hex("01 03")}}).Frame());
  EXPECT_EQ(ToHex(reply.frame),
            ToHex(Hex("02:00:00:00:00:0a 02:58:50:00:00:01 0800"
                      "45 00 0148 0000 4000 40 11 24a3 0a0000fe 0a000005"
                      "0043 0044 0134") +
                  reply.frame.substr(40, 2) +
                  Hex("02 01 06 00 3903f326 0000 0000 00000000 0a000005 00000000 00000000"
                      "02:00:00:00:00:0a 00000000000000000000") +
                  std::string(192, '\0') +
                  Hex("63825363 350102 36040a0000fe 330400000e10 3a0400000708 3b0400000c4e"
                      "0104ffffff00 03040a0000fe ff") +
                  std::string(300 - 240 - 3 - 6 - 6 - 6 - 6 - 6 - 6 - 1, '\0')));
  // The checksum of UDP, over the pseudo header, comes out as zero.
  const std::string udp = reply.frame.substr(34);
  EXPECT_EQ(InternetChecksum(reply.frame.substr(26, 8) + Hex("0011 0134") + udp), 0);
}

TEST(DhcpTest, BroadcastsToAClientThatCannotHearOtherwise) {
  DhcpMessage message = Message(kDiscover);
  message.flags = 0x8000;
  const DhcpAnswer offer = Answered(message, DhcpOutcome::kOffered);
  EXPECT_EQ(offer.ethernet.dst, Mac("ff:ff:ff:ff:ff:ff"));
  EXPECT_EQ(offer.ip.dst, Ip("255.255.255.255"));
  EXPECT_EQ(offer.flags, 0x8000);
}

TEST(DhcpTest, TellsOnlyWhatTheClientAsksFor) {
  const DhcpAnswer offer = Answered(Message(kDiscover, {{55, Hex("03 1a")}}), DhcpOutcome::kOffered);
  EXPECT_THAT(offer.options, Contains(Key(3)));
  EXPECT_THAT(offer.options, Contains(Key(26)));
  for (const int other : {6, 15, 119, 121}) EXPECT_THAT(offer.options, Not(Contains(Key(other))));
  EXPECT_THAT(offer.options, Contains(Key(1)));
}

TEST(DhcpTest, LeavesOutWhatTheClientHasNoRoomFor) {
  DhcpBinding binding = Binding();
  binding.search = {std::string(60, 'a') + "." + std::string(60, 'b') + "." + std::string(60, 'c')};
  binding.domain = binding.search[0];
  const DhcpAnswer small = Answered(Message(kDiscover), DhcpOutcome::kOffered, binding);
  EXPECT_LE(small.size, 548u);
  EXPECT_THAT(small.options, Contains(Key(15)));
  EXPECT_THAT(small.options, Not(Contains(Key(119))));
  const DhcpAnswer large = Answered(Message(kDiscover, {{57, Hex("05dc")}}), DhcpOutcome::kOffered, binding);
  EXPECT_THAT(large.options, Contains(Key(119)));
}

TEST(DhcpTest, GivesBackTheClientIdentifier) {
  const std::string id = Hex("ff 0000000a 0001 0001");
  EXPECT_EQ(Answered(Message(kDiscover, {{61, id}}), DhcpOutcome::kOffered).options.at(61), id);
}

TEST(DhcpTest, ShowsTheWayToAGatewayOutsideTheSubnet) {
  DhcpBinding binding = Binding();
  binding.address = InterfaceAddress::Parse("10.0.0.5/32").value();
  const DhcpAnswer offer = Answered(Message(kDiscover), DhcpOutcome::kOffered, binding);
  EXPECT_EQ(offer.options.at(1), Address("255.255.255.255"));
  EXPECT_EQ(ToHex(offer.options.at(121)),
            "200a0000fe00000000"
            "000a0000fe");
}

TEST(DhcpTest, SaysNothingOfARouterThatIsNotThere) {
  DhcpBinding binding = Binding();
  binding.router = IpAddress();
  const DhcpAnswer offer = Answered(Message(kDiscover), DhcpOutcome::kOffered, binding);
  EXPECT_THAT(offer.options, Not(Contains(Key(3))));
  EXPECT_THAT(offer.options, Not(Contains(Key(121))));
}

// RFC 2131, 4.3.2.
TEST(DhcpTest, AcknowledgesTheOwnAddressInEveryState) {
  const DhcpAnswer selecting =
      Answered(Message(kRequest, {{54, Address("10.0.0.254")}, {50, Address("10.0.0.5")}}),
               DhcpOutcome::kAcknowledged);
  EXPECT_EQ(ToHex(selecting.options.at(53)), "05");
  EXPECT_EQ(selecting.yiaddr, Ip("10.0.0.5"));
  Answered(Message(kRequest, {{50, Address("10.0.0.5")}}), DhcpOutcome::kAcknowledged);
  DhcpMessage renewing = Message(kRequest);
  renewing.ciaddr = "10.0.0.5";
  const DhcpAnswer renewed = Answered(renewing, DhcpOutcome::kAcknowledged);
  EXPECT_EQ(renewed.ciaddr, Ip("10.0.0.5"));
  EXPECT_EQ(renewed.ip.dst, Ip("10.0.0.5"));
  EXPECT_EQ(renewed.options.at(51).size(), 4u);
}

TEST(DhcpTest, RefusesAnyOtherAddress) {
  for (const DhcpMessage& message :
       {Message(kRequest, {{54, Address("10.0.0.254")}, {50, Address("10.0.0.6")}}),
        Message(kRequest, {{50, Address("192.168.1.7")}}), Message(kRequest, {{50, "bad"}})}) {
    const DhcpAnswer nak = Answered(message, DhcpOutcome::kRefused);
    EXPECT_EQ(ToHex(nak.options.at(53)), "06");
    EXPECT_EQ(nak.yiaddr, Ip("0.0.0.0"));
    EXPECT_EQ(nak.ip.dst, Ip("255.255.255.255"));
    EXPECT_EQ(nak.ethernet.dst, Mac("ff:ff:ff:ff:ff:ff"));
    for (const int none : {1, 3, 51}) EXPECT_THAT(nak.options, Not(Contains(Key(none))));
  }
}

TEST(DhcpTest, InformsAHostThatHasItsAddress) {
  DhcpMessage message = Message(kInform);
  message.ciaddr = "10.0.0.5";
  const DhcpAnswer answer = Answered(message, DhcpOutcome::kAcknowledged);
  EXPECT_EQ(answer.yiaddr, Ip("0.0.0.0"));
  EXPECT_EQ(answer.ciaddr, Ip("10.0.0.5"));
  for (const int none : {51, 58, 59}) EXPECT_THAT(answer.options, Not(Contains(Key(none))));
  EXPECT_THAT(answer.options, Contains(Key(6)));
  message.ciaddr = "10.0.0.6";
  ExpectSilence(message.Frame(), DhcpOutcome::kIgnored);
}

TEST(DhcpTest, SaysNothingWhereNothingIsToBeSaid) {
  ExpectSilence(Message(kRelease).Frame(), DhcpOutcome::kIgnored);
  ExpectSilence(Message(kDecline).Frame(), DhcpOutcome::kDeclined);
  // It has chosen another server.
  ExpectSilence(Message(kRequest, {{54, Address("10.0.0.1")}, {50, Address("10.0.0.5")}}).Frame(),
                DhcpOutcome::kIgnored);
  ExpectSilence(Message(kRequest).Frame(), DhcpOutcome::kIgnored);
  DhcpMessage other = Message(kDiscover);
  other.mac = "02:00:00:00:00:0b";
  ExpectSilence(other.Frame(), DhcpOutcome::kIgnored);
  DhcpMessage relayed = Message(kDiscover);
  relayed.giaddr = "10.9.9.9";
  ExpectSilence(relayed.Frame(), DhcpOutcome::kIgnored);
}

TEST(DhcpTest, SaysNothingToWhatIsMalformed) {
  ExpectSilence(DhcpMessage().Frame(), DhcpOutcome::kMalformed);
  ExpectSilence(Message(99).Frame(), DhcpOutcome::kMalformed);
  DhcpMessage two = Message(kDiscover);
  two.options[0].second = Hex("0101");
  ExpectSilence(two.Frame(), DhcpOutcome::kMalformed);
  const std::string good = Message(kDiscover, {{61, Hex("0102")}}).Frame();
  // Cut off anywhere.
  for (size_t size = 0; size < good.size() - 1; ++size) {
    EXPECT_THAT(AnswerDhcp(Binding(), good.substr(0, size)).frame, IsEmpty()) << size;
  }
  // A fixed field that is another: EtherType, header length, total length, protocol, ports, UDP's length, op,
  // hardware type and length, cookie.
  for (const size_t at : {12, 14, 16, 23, 35, 37, 38, 42, 43, 44, 278}) {
    std::string bad = good;
    bad[at] = static_cast<char>(bad[at] ^ 0x55);
    EXPECT_THAT(AnswerDhcp(Binding(), bad).frame, IsEmpty()) << at;
  }
}

TEST(DhcpTest, ReadsOptionsInTheFieldsOfTheServersName) {
  // File and name hold options; the type is in the file, the address in the name (RFC 2132, 9.3).
  std::string bytes = Message(kRequest).Bytes().substr(0, 240) + Hex("34 01 03 ff");
  bytes.replace(108, 4, Hex("35 01 03 ff"));
  bytes.replace(44, 7, Hex("32 04 0a000005 ff"));
  const std::string frame = UdpFrame({.eth_dst = Mac("ff:ff:ff:ff:ff:ff"),
                                      .eth_src = Mac("02:00:00:00:00:0a"),
                                      .src = Ip("0.0.0.0"),
                                      .dst = Ip("255.255.255.255")},
                                     68, 67, bytes);
  EXPECT_EQ(AnswerDhcp(Binding(), frame).outcome, DhcpOutcome::kAcknowledged);
}

}  // namespace
}  // namespace xpu::slowpath
