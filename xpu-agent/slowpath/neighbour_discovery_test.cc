#include "xpu-agent/slowpath/neighbour_discovery.h"

#include <string>

#include "gtest/gtest.h"
#include "xpu-agent/slowpath/testing.h"

namespace xpu::slowpath {
namespace {

constexpr char kHost[] = "02:00:00:00:00:0a";
constexpr char kTarget[] = "20010db8 00000000 00000000 000000fe";
constexpr char kOwnMac[] = "0101 02000000000a";

std::string Frame(const std::string& message, const std::string& src = "2001:db8::1",
                  const std::string& dst = "ff02::1:ff00:fe", uint8_t hop_limit = 255) {
  return IcmpFrame({.eth_dst = Mac("33:33:ff:00:00:fe"),
                    .eth_src = Mac(kHost),
                    .src = Ip(src),
                    .dst = Ip(dst),
                    .hop_limit = hop_limit},
                   Hex(message));
}
std::string Asking() { return std::string("87000000 00000000") + kTarget; }
bool IsTaken(const std::string& frame) {
  return ParseSolicitation(frame, kNeighbourSolicitation).has_value();
}

TEST(NeighbourDiscovery, ReadsWhoAsksForWhom) {
  for (const std::string& option : {std::string(), std::string(kOwnMac)}) {
    const auto solicitation = ParseSolicitation(Frame(Asking() + option), kNeighbourSolicitation);
    ASSERT_TRUE(solicitation.has_value());
    EXPECT_EQ(solicitation->mac, Mac(kHost));
    EXPECT_EQ(solicitation->address, Ip("2001:db8::1"));
    EXPECT_EQ(solicitation->target, Ip("2001:db8::fe"));
  }
  EXPECT_TRUE(IsTaken(Frame(Asking(), "::")));
  EXPECT_TRUE(ParseSolicitation(Frame("85000000 00000000"), kRouterSolicitation).has_value());
}

TEST(NeighbourDiscovery, DoesNotTakeWhatMustNotBe) {
  EXPECT_FALSE(IsTaken(Frame(Asking(), "2001:db8::1", "ff02::1:ff00:fe", 254))) << "came over a router";
  EXPECT_FALSE(IsTaken(Frame(Asking() + "0100 02000000000a"))) << "an option of no length";
  EXPECT_FALSE(IsTaken(Frame(Asking() + "0102 02000000000a"))) << "an option that is cut off";
  EXPECT_FALSE(IsTaken(Frame(Asking() + kOwnMac, "::"))) << "a MAC without an address";
  EXPECT_FALSE(IsTaken(Frame(Asking(), "::", "2001:db8::fe"))) << "detection goes to the group";
  EXPECT_FALSE(IsTaken(Frame("87000000 00000000 20010db8"))) << "cut off";
  EXPECT_FALSE(IsTaken(Frame("87010000 00000000" + std::string(kTarget)))) << "code";
  EXPECT_FALSE(IsTaken(Frame("88000000 00000000" + std::string(kTarget)))) << "an advertisement";
  std::string wrong = Frame(Asking());
  wrong.back() ^= 1;
  EXPECT_FALSE(IsTaken(wrong)) << "checksum";
  EXPECT_FALSE(IsTaken(""));
}

// The message of an answer whose headers are as they must be.
std::string MessageOf(const std::string& frame, const std::string& eth_dst, const std::string& dst) {
  Ethernet ethernet;
  Ipv6 ip;
  if (!Parse(frame, &ethernet) || !Parse(ethernet.payload, &ip)) return "malformed";
  EXPECT_EQ(ethernet.src, Mac("02:58:50:00:00:01"));
  EXPECT_EQ(ethernet.dst, Mac(eth_dst));
  EXPECT_EQ(ip.src, Ip("2001:db8::fe"));
  EXPECT_EQ(ip.dst, Ip(dst));
  EXPECT_EQ(ip.hop_limit, 255);
  std::string message(ip.payload);
  message.replace(2, 2, 2, '\0');
  return ToHex(message);
}

TEST(NeighbourDiscovery, AnswersAsARouter) {
  Solicitation solicitation{.mac = Mac(kHost), .address = Ip("2001:db8::1"), .target = Ip("2001:db8::fe")};
  const MacAddress router = Mac("02:58:50:00:00:01");
  EXPECT_EQ(MessageOf(BuildNeighbourAdvertisement(router, solicitation), kHost, "2001:db8::1"),
            "88000000e000000020010db80000000000000000000000fe0201025850000001");
  solicitation.address = Ip("::");
  EXPECT_EQ(MessageOf(BuildNeighbourAdvertisement(router, solicitation), "33:33:00:00:00:01", "ff02::1"),
            "88000000a000000020010db80000000000000000000000fe0201025850000001");
}

}  // namespace
}  // namespace xpu::slowpath
