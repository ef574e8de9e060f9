#include "xpu-agent/slowpath/router_advertisement.h"

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "xpu-agent/slowpath/testing.h"

namespace xpu::slowpath {
namespace {

constexpr char kHost[] = "02:00:00:00:00:0a";

RouterAdvertisement Advertisement() {
  return {.router = Mac("02:58:50:00:00:01"),
          .prefixes = {IpPrefix::Parse("10.0.0.0/24").value(), IpPrefix::Parse("2001:db8::/64").value()},
          .mtu = 1450,
          .dns_servers = {Ip("10.0.0.53"), Ip("2001:db8::53")},
          .search = {"pods.example"}};
}

std::string Solicitation(const std::string& source, const std::string& options, uint8_t hop_limit = 255,
                         const std::string& head = "8500000000000000") {
  return IcmpFrame({.eth_dst = Mac("33:33:00:00:00:02"),
                    .eth_src = Mac(kHost),
                    .src = Ip(source),
                    .dst = Ip("ff02::2"),
                    .hop_limit = hop_limit},
                   Hex(head) + options);
}

bool ChecksumIsRight(const std::string& frame) {
  const std::string icmp = frame.substr(54);
  return InternetChecksum(frame.substr(22, 32) + WireWriter().U32(icmp.size()).U32(58).bytes() + icmp) == 0;
}

TEST(RouterAdvertisementTest, IsTheSameOctetForOctet) {
  const std::string frame = BuildRouterAdvertisement(Advertisement(), std::nullopt);
  EXPECT_TRUE(ChecksumIsRight(frame));
  std::string plain = frame;
  plain.replace(56, 2, std::string(2, '\0'));
  EXPECT_EQ(
      ToHex(plain),
      ToHex(Hex("333300000001 025850000001 86dd"
                "60000000 0070 3a ff fe80000000000000 005850fffe000001 ff02000000000000 0000000000000001"
                // Hop limit 64, no flags, lifetime 1800 s.
                "86 00 0000 40 00 0708 00000000 00000000"
                "01 01 025850000001"
                "05 01 0000 000005aa"
                // On-link, not autonomous.
                "03 04 40 80 00278d00 00093a80 00000000 20010db8000000000000000000000000"
                "19 03 0000 00000708 20010db8000000000000000000000053"
                "1f 03 0000 00000708 04706f6473 076578616d706c65 00 0000")));
}

TEST(RouterAdvertisementTest, GoesToTheHostThatAsked) {
  const std::string frame = BuildRouterAdvertisement(
      Advertisement(), RouterSolicitation{.mac = Mac(kHost), .address = Ip("fe80::a")});
  Ethernet ethernet;
  Ipv6 ip;
  ASSERT_TRUE(Parse(frame, &ethernet) && Parse(ethernet.payload, &ip));
  EXPECT_EQ(ethernet.dst, Mac(kHost));
  EXPECT_EQ(ip.dst, Ip("fe80::a"));
  EXPECT_EQ(ip.hop_limit, 255);
  EXPECT_TRUE(ChecksumIsRight(frame));
  // One that has no address yet hears what is for all.
  const std::string to_all =
      BuildRouterAdvertisement(Advertisement(), RouterSolicitation{.mac = Mac(kHost), .address = Ip("::")});
  ASSERT_TRUE(Parse(to_all, &ethernet) && Parse(ethernet.payload, &ip));
  EXPECT_EQ(ethernet.dst, Mac(kHost));
  EXPECT_EQ(ip.dst, Ip("ff02::1"));
}

TEST(RouterAdvertisementTest, SaysNothingOfNamesWithoutAny) {
  RouterAdvertisement plain = Advertisement();
  plain.dns_servers = {Ip("10.0.0.53")};
  plain.search.clear();
  EXPECT_EQ(BuildRouterAdvertisement(plain, std::nullopt).size(), 54u + 16 + 8 + 8 + 32);
}

TEST(RouterSolicitationTest, IsTakenFromAHostWithAndWithoutAnAddress) {
  const auto with = ParseRouterSolicitation(Solicitation("fe80::a", Hex("0101 02000000000a")));
  ASSERT_TRUE(with.has_value());
  EXPECT_EQ(with->mac, Mac(kHost));
  EXPECT_EQ(with->address, Ip("fe80::a"));
  EXPECT_TRUE(ParseRouterSolicitation(Solicitation("::", "")).has_value());
  EXPECT_TRUE(ParseRouterSolicitation(Solicitation("fe80::a", "")).has_value());
}

// RFC 4861, 6.1.1.
TEST(RouterSolicitationTest, IsNotTakenWhenItMustNotBe) {
  const std::string option = Hex("0101 02000000000a");
  EXPECT_FALSE(ParseRouterSolicitation(Solicitation("fe80::a", option, 254)));
  EXPECT_FALSE(ParseRouterSolicitation(Solicitation("::", option)));
  EXPECT_FALSE(ParseRouterSolicitation(Solicitation("fe80::a", Hex("0100 02000000000a"))));
  EXPECT_FALSE(ParseRouterSolicitation(Solicitation("fe80::a", Hex("0102 02000000000a"))));
  EXPECT_FALSE(ParseRouterSolicitation(Solicitation("fe80::a", option, 255, "8501000000000000")));
  EXPECT_FALSE(ParseRouterSolicitation(Solicitation("fe80::a", option, 255, "8600000000000000")));
  EXPECT_FALSE(ParseRouterSolicitation(Solicitation("fe80::a", "", 255, "85000000")));
  const std::string good = Solicitation("fe80::a", option);
  for (size_t size = 0; size < good.size(); ++size) {
    EXPECT_FALSE(ParseRouterSolicitation(good.substr(0, size))) << size;
  }
  std::string bad = good;
  bad.back() = static_cast<char>(bad.back() ^ 1);
  EXPECT_FALSE(ParseRouterSolicitation(bad));
}

}  // namespace
}  // namespace xpu::slowpath
