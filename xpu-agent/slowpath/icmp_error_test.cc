#include "xpu-agent/slowpath/icmp_error.h"

#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "xpu-agent/slowpath/testing.h"

namespace xpu::slowpath {
namespace {

using ::testing::IsEmpty;

const IcmpError kAll[] = {IcmpError::kTimeExceeded, IcmpError::kNetUnreachable, IcmpError::kHostUnreachable,
                          IcmpError::kTooBig};

IpHeader From(const std::string& src, const std::string& dst) {
  return {.eth_dst = Mac("02:58:50:00:00:01"),
          .eth_src = Mac("02:00:00:00:00:0a"),
          .src = Ip(src),
          .dst = Ip(dst)};
}
std::string Datagram(const std::string& src, const std::string& dst, size_t size = 10) {
  return UdpFrame(From(src, dst), 1000, 2000, std::string(size, 'x'));
}
ErrorSource Router(const std::string& address) {
  return {.mac = Mac("02:58:50:00:00:01"), .address = Ip(address), .mtu = 1400};
}

TEST(IcmpErrorTest, TellsTheSenderInIpv4) {
  const std::string datagram = Datagram("10.0.0.5", "10.1.0.9");
  const std::string type_and_code[] = {"0b00", "0300", "0301", "0304"};
  for (size_t i = 0; i < std::size(kAll); ++i) {
    const std::string frame = BuildIcmpError(kAll[i], Router("10.0.0.254"), datagram);
    Ethernet ethernet;
    Ipv4 ip;
    ASSERT_TRUE(Parse(frame, &ethernet) && Parse(ethernet.payload, &ip)) << i;
    EXPECT_EQ(ethernet.dst, Mac("02:00:00:00:00:0a"));
    EXPECT_EQ(ethernet.src, Mac("02:58:50:00:00:01"));
    EXPECT_EQ(ip.src, Ip("10.0.0.254"));
    EXPECT_EQ(ip.dst, Ip("10.0.0.5"));
    EXPECT_EQ(ip.protocol, kProtocolIcmp);
    EXPECT_EQ(InternetChecksum(ip.payload), 0);
    EXPECT_EQ(ToHex(ip.payload.substr(0, 2)), type_and_code[i]);
    EXPECT_EQ(ToHex(ip.payload.substr(4, 4)), kAll[i] == IcmpError::kTooBig ? "00000578" : "00000000");
    EXPECT_EQ(ip.payload.substr(8), datagram.substr(14));
  }
}

TEST(IcmpErrorTest, TellsTheSenderInIpv6) {
  const std::string datagram = Datagram("2001:db8::5", "2001:db8:1::9");
  const std::string type_and_code[] = {"0300", "0100", "0103", "0200"};
  for (size_t i = 0; i < std::size(kAll); ++i) {
    const std::string frame = BuildIcmpError(kAll[i], Router("2001:db8::fe"), datagram);
    Ethernet ethernet;
    Ipv6 ip;
    ASSERT_TRUE(Parse(frame, &ethernet) && Parse(ethernet.payload, &ip)) << i;
    EXPECT_EQ(ip.src, Ip("2001:db8::fe"));
    EXPECT_EQ(ip.dst, Ip("2001:db8::5"));
    EXPECT_EQ(InternetChecksum(absl::StrCat(
                  ip.src.ToBytes(), ip.dst.ToBytes(),
                  WireWriter().U32(static_cast<uint32_t>(ip.payload.size())).U32(58).bytes(), ip.payload)),
              0);
    EXPECT_EQ(ToHex(ip.payload.substr(0, 2)), type_and_code[i]);
    EXPECT_EQ(ToHex(ip.payload.substr(4, 4)), kAll[i] == IcmpError::kTooBig ? "00000578" : "00000000");
    EXPECT_EQ(ip.payload.substr(8), datagram.substr(14));
  }
}

TEST(IcmpErrorTest, QuotesAsMuchAsTheRfcsAllow) {
  const std::string v4 = Datagram("10.0.0.5", "10.1.0.9", 1400);
  const std::string about4 = BuildIcmpError(IcmpError::kTooBig, Router("10.0.0.254"), v4);
  EXPECT_EQ(about4.size(), 14u + 576);
  EXPECT_EQ(about4.substr(42), v4.substr(14, 548));
  const std::string v6 = Datagram("2001:db8::5", "2001:db8:1::9", 1400);
  const std::string about6 = BuildIcmpError(IcmpError::kTooBig, Router("2001:db8::fe"), v6);
  EXPECT_EQ(about6.size(), 14u + 1280);
  EXPECT_EQ(about6.substr(62), v6.substr(14, 1232));
}

void ExpectNothing(const std::string& router, const std::string& frame) {
  for (const IcmpError error : kAll) EXPECT_THAT(BuildIcmpError(error, Router(router), frame), IsEmpty());
}

TEST(IcmpErrorTest, SaysNothingAboutErrors) {
  for (const int type : {3, 5, 11, 12, 4, 40}) {
    ExpectNothing("10.0.0.254", IcmpFrame(From("10.0.0.5", "10.1.0.9"),
                                          WireWriter().U8(static_cast<uint8_t>(type)).Zeros(7).bytes()));
  }
  for (const int type : {1, 2, 3, 4, 127, 137}) {
    ExpectNothing("2001:db8::fe", IcmpFrame(From("2001:db8::5", "2001:db8:1::9"),
                                            WireWriter().U8(static_cast<uint8_t>(type)).Zeros(7).bytes()));
  }
  // But about a ping.
  EXPECT_NE(BuildIcmpError(IcmpError::kTimeExceeded, Router("10.0.0.254"),
                           IcmpFrame(From("10.0.0.5", "10.1.0.9"), Hex("0800000000010001"))),
            "");
  EXPECT_NE(BuildIcmpError(IcmpError::kTimeExceeded, Router("2001:db8::fe"),
                           IcmpFrame(From("2001:db8::5", "2001:db8:1::9"), Hex("8000000000010001"))),
            "");
}

TEST(IcmpErrorTest, SaysNothingToOrAboutWhatIsNotOneHost) {
  for (const char* src : {"0.0.0.0", "0.1.2.3", "127.0.0.1", "224.0.0.1", "240.0.0.1", "255.255.255.255"}) {
    ExpectNothing("10.0.0.254", Datagram(src, "10.1.0.9"));
  }
  for (const char* dst : {"224.0.0.1", "255.255.255.255"})
    ExpectNothing("10.0.0.254", Datagram("10.0.0.5", dst));
  for (const char* src : {"::", "::1", "ff02::1"})
    ExpectNothing("2001:db8::fe", Datagram(src, "2001:db8:1::9"));
  ExpectNothing("2001:db8::fe", Datagram("2001:db8::5", "ff0e::1"));
  // Sent to a group or by one on the link.
  std::string to_group = Datagram("10.0.0.5", "10.1.0.9");
  to_group.replace(0, 6, Mac("01:00:5e:00:00:01").ToBytes());
  ExpectNothing("10.0.0.254", to_group);
  std::string from_group = Datagram("10.0.0.5", "10.1.0.9");
  from_group.replace(6, 6, Mac("ff:ff:ff:ff:ff:ff").ToBytes());
  ExpectNothing("10.0.0.254", from_group);
}

// With another field of flags and offset, and the checksum that goes with it.
std::string WithFragment(std::string frame, const std::string& flags_and_offset) {
  frame.replace(20, 2, Hex(flags_and_offset));
  frame.replace(24, 2, std::string(2, '\0'));
  frame.replace(24, 2, WireWriter().U16(InternetChecksum(frame.substr(14, 20))).bytes());
  return frame;
}

TEST(IcmpErrorTest, SaysNothingAboutLaterFragments) {
  const std::string datagram = Datagram("10.0.0.5", "10.1.0.9");
  ExpectNothing("10.0.0.254", WithFragment(datagram, "0001"));
  EXPECT_NE(BuildIcmpError(IcmpError::kTimeExceeded, Router("10.0.0.254"), WithFragment(datagram, "2000")),
            "");
}

TEST(IcmpErrorTest, APacketThatMayBeFragmentedIsNotTooBig) {
  const std::string datagram = WithFragment(Datagram("10.0.0.5", "10.1.0.9"), "0000");
  EXPECT_EQ(BuildIcmpError(IcmpError::kTooBig, Router("10.0.0.254"), datagram), "");
  EXPECT_NE(BuildIcmpError(IcmpError::kNetUnreachable, Router("10.0.0.254"), datagram), "");
}

TEST(IcmpErrorTest, SaysNothingAboutWhatIsMalformed) {
  const std::string v4 = Datagram("10.0.0.5", "10.1.0.9");
  for (size_t size = 0; size < 34; ++size) ExpectNothing("10.0.0.254", v4.substr(0, size));
  const std::string v6 = Datagram("2001:db8::5", "2001:db8:1::9");
  for (size_t size = 0; size < 54; ++size) ExpectNothing("2001:db8::fe", v6.substr(0, size));
  // Of the other family, and of none.
  ExpectNothing("2001:db8::fe", v4);
  ExpectNothing("10.0.0.254", v6);
  std::string arp = v4;
  arp.replace(12, 2, Hex("0806"));
  ExpectNothing("10.0.0.254", arp);
}

}  // namespace
}  // namespace xpu::slowpath
