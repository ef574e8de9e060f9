#include "common/base/ip_address.h"

#include "gtest/gtest.h"

namespace xpu {
namespace {

IpAddress Ip(absl::string_view text) { return *IpAddress::Parse(text); }

TEST(IpAddressTest, TextAndBytesRoundTrip) {
  for (const char* text : {"0.0.0.0", "10.0.0.1", "255.255.255.255", "::", "2001:db8::1", "fe80::ff:fe00:1",
                           "::ffff:10.0.0.1"}) {
    const IpAddress ip = Ip(text);
    EXPECT_EQ(ip.ToString(), text);
    EXPECT_EQ(*IpAddress::FromBytes(ip.ToBytes()), ip);
  }
}

TEST(IpAddressTest, RefusesWhatIsNoAddress) {
  for (absl::string_view text :
       {absl::string_view(""), absl::string_view("10.0.0"), absl::string_view("10.0.0.256"),
        absl::string_view("010.0.0.1"), absl::string_view("fe80::1%eth0"),
        absl::string_view("10.0.0.1\0x", 10), absl::string_view("1::2::3")}) {
    EXPECT_EQ(IpAddress::Parse(text).status().code(), absl::StatusCode::kInvalidArgument) << text;
  }
  EXPECT_FALSE(IpAddress::FromBytes("12345").ok());
}

TEST(IpAddressTest, FormsTheLinkLocalAddressOfAMac) {
  EXPECT_EQ(IpAddress::LinkLocalFromMac(*MacAddress::Parse("02:00:00:00:00:01")).ToString(),
            "fe80::ff:fe00:1");
  EXPECT_EQ(IpAddress::LinkLocalFromMac(*MacAddress::Parse("aa:bb:cc:dd:ee:ff")).ToString(),
            "fe80::a8bb:ccff:fedd:eeff");
}

TEST(IpAddressTest, KnowsWhatAnInterfaceMayHave) {
  for (const char* text : {"10.0.0.1", "169.254.1.1", "2001:db8::1", "fe80::1"})
    EXPECT_TRUE(Ip(text).IsUnicast());
  for (const char* text : {"0.0.0.0", "127.0.0.1", "224.0.0.1", "255.255.255.255", "::", "::1", "ff02::1"}) {
    EXPECT_FALSE(Ip(text).IsUnicast()) << text;
  }
}

TEST(IpAddressTest, SortsByFamilyThenNumber) {
  EXPECT_LT(Ip("255.0.0.0"), Ip("::"));
  EXPECT_LT(Ip("10.0.0.9"), Ip("10.0.0.10"));
}

TEST(IpPrefixTest, ContainsWhatSharesItsBits) {
  const IpPrefix v4 = *IpPrefix::Parse("10.1.2.0/23");
  EXPECT_TRUE(v4.Contains(Ip("10.1.3.255")));
  EXPECT_FALSE(v4.Contains(Ip("10.1.4.0")));
  EXPECT_FALSE(v4.Contains(Ip("::ffff:10.1.2.0")));
  EXPECT_EQ(v4.Last(), Ip("10.1.3.255"));
  EXPECT_TRUE(IpPrefix::Parse("0.0.0.0/0")->Contains(Ip("1.2.3.4")));
  EXPECT_TRUE(IpPrefix::Parse("::/0")->Contains(Ip("2001:db8::1")));
  EXPECT_TRUE(IpPrefix::Parse("2001:db8::1/128")->Contains(Ip("2001:db8::1")));
}

TEST(IpPrefixTest, OverlapsInBothDirections) {
  const IpPrefix wide = *IpPrefix::Parse("10.0.0.0/8"), narrow = *IpPrefix::Parse("10.9.0.0/16");
  EXPECT_TRUE(wide.Overlaps(narrow));
  EXPECT_TRUE(narrow.Overlaps(wide));
  EXPECT_FALSE(narrow.Overlaps(*IpPrefix::Parse("10.8.0.0/16")));
  EXPECT_FALSE(wide.Overlaps(*IpPrefix::Parse("::/0")));
}

TEST(IpPrefixTest, SaysWhatIsWrong) {
  for (const char* text : {"10.0.0.0", "10.0.0.0/", "10.0.0.0/33", "10.0.0.0/-1", "10.0.0.0/ 8", "/8",
                           "::/129", "10.0.0.0/8/8", "10.0.0.0/+8"}) {
    EXPECT_EQ(IpPrefix::Parse(text).status().code(), absl::StatusCode::kInvalidArgument) << text;
  }
  EXPECT_EQ(IpPrefix::Parse("10.0.0.5/24").status().message(),
            "10.0.0.5/24 has host bits set: the prefix is 10.0.0.0/24");
}

TEST(InterfaceAddressTest, KeepsItsHostBits) {
  const auto address = InterfaceAddress::Parse("2001:db8::5/64");
  ASSERT_TRUE(address.ok());
  EXPECT_EQ(address->ToString(), "2001:db8::5/64");
  EXPECT_EQ(address->prefix().ToString(), "2001:db8::/64");
}

}  // namespace
}  // namespace xpu
