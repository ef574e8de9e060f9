#include "xpu-agent/slowpath/wire.h"

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "xpu-agent/slowpath/testing.h"

namespace xpu::slowpath {
namespace {

TEST(WireReaderTest, StopsAtTheEndForGood) {
  WireReader reader(absl::string_view("\x01\x02\x03\x04\x05", 5));
  EXPECT_EQ(reader.U16(), 0x0102);
  EXPECT_EQ(reader.U32(), 0u);
  EXPECT_FALSE(reader.ok());
  EXPECT_EQ(reader.U8(), 0);
  EXPECT_TRUE(reader.rest().empty());
}

TEST(WireWriterTest, WritesFieldsAndNames) {
  WireWriter out;
  out.U8(1).U16(0x0203).U32(0x04050607).Zeros(2).DomainName("a.example");
  EXPECT_EQ(ToHex(out.bytes()), "0102030405060700000161076578616d706c6500");
}

// The example of RFC 1071, 3.
TEST(ChecksumTest, IsThatOfTheRfc) {
  EXPECT_EQ(InternetChecksum(Hex("0001 f203 f4f5 f6f7")), 0xffff - 0xddf2);
  EXPECT_EQ(InternetChecksum(""), 0xffff);
  // An odd octet is one with zero after it.
  EXPECT_EQ(InternetChecksum(Hex("01")), InternetChecksum(Hex("0100")));
}

TEST(Ipv4Test, TakesWhatIsSoundOnly) {
  const std::string good = Hex("4500 0073 0000 4000 40 11 b861 c0a80001 c0a800c7") + std::string(95, 'x');
  Ipv4 packet;
  ASSERT_TRUE(Parse(good, &packet));
  EXPECT_EQ(packet.src, Ip("192.168.0.1"));
  EXPECT_EQ(packet.dst, Ip("192.168.0.199"));
  EXPECT_EQ(packet.protocol, 17);
  EXPECT_TRUE(packet.dont_fragment);
  EXPECT_FALSE(packet.later_fragment || packet.more_fragments);
  EXPECT_EQ(packet.payload.size(), 95u);
  // Ethernet's padding does not belong to it; what was cut off does not matter.
  ASSERT_TRUE(Parse(good + "padding", &packet));
  EXPECT_EQ(packet.packet.size(), 115u);
  ASSERT_TRUE(Parse(good.substr(0, 30), &packet));
  EXPECT_EQ(packet.payload.size(), 10u);
  for (size_t size = 0; size < 20; ++size) EXPECT_FALSE(Parse(good.substr(0, size), &packet)) << size;
  for (const size_t at : {0, 2, 8, 10, 12}) {
    std::string bad = good;
    bad[at] = static_cast<char>(bad[at] ^ 0x10);
    EXPECT_FALSE(Parse(bad, &packet)) << at;
  }
}

TEST(Ipv6Test, FindsTheFirstHeaderThatIsNoExtension) {
  const std::string addresses = Ip("2001:db8::1").ToBytes() + Ip("2001:db8::2").ToBytes();
  Ipv6 packet;
  ASSERT_TRUE(Parse(Hex("60000000 0014 00 40") + addresses +
                        Hex("2b 00 01020304 0000"
                            "3a 00 05060708 0000") +
                        Hex("80000000"),
                    &packet));
  EXPECT_EQ(packet.protocol, kProtocolIcmp6);
  EXPECT_EQ(ToHex(packet.payload), "80000000");
  // A later fragment has no header of its own.
  ASSERT_TRUE(
      Parse(Hex("60000000 000c 2c 40") + addresses + Hex("3a 00 0008 00000000") + Hex("80000000"), &packet));
  EXPECT_TRUE(packet.later_fragment);
  ASSERT_TRUE(
      Parse(Hex("60000000 000c 2c 40") + addresses + Hex("3a 00 0001 00000000") + Hex("80000000"), &packet));
  EXPECT_FALSE(packet.later_fragment);
  EXPECT_EQ(packet.protocol, kProtocolIcmp6);
  // One that is cut off stays what it is.
  ASSERT_TRUE(Parse(Hex("60000000 0100 00 40") + addresses + Hex("3a 10 00000000"), &packet));
  EXPECT_EQ(packet.protocol, 0);
  EXPECT_FALSE(Parse(Hex("50000000 0000 3a 40") + addresses, &packet));
  EXPECT_FALSE(Parse(Hex("60000000 0000 3a 40") + addresses.substr(1), &packet));
}

TEST(UdpFrameTest, HasTheChecksumOfBothFamilies) {
  const std::string v4 = UdpFrame({.eth_dst = Mac("02:00:00:00:00:01"),
                                   .eth_src = Mac("02:00:00:00:00:02"),
                                   .src = Ip("10.0.0.1"),
                                   .dst = Ip("10.0.0.2")},
                                  67, 68, "abc");
  EXPECT_EQ(ToHex(v4),
            "020000000001020000000002080045000"
            "01f00004000401126cc0a0000010a00000200430044000b"
            "26ec"
            "616263");
  const std::string v6 = UdpFrame({.eth_dst = Mac("02:00:00:00:00:01"),
                                   .eth_src = Mac("02:00:00:00:00:02"),
                                   .src = Ip("fe80::1"),
                                   .dst = Ip("ff02::1")},
                                  1, 2, "abc");
  EXPECT_EQ(InternetChecksum(v6.substr(22, 32) + Hex("0000000b 00000011") + v6.substr(54)), 0);
}

}  // namespace
}  // namespace xpu::slowpath
