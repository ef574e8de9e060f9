#include "xpu-agent/model/subnet.h"

#include <string>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace xpu {
namespace {

using ::testing::HasSubstr;

IpPrefix Prefix(const std::string& text) { return IpPrefix::Parse(text).value(); }
IpAddress Ip(const std::string& text) { return IpAddress::Parse(text).value(); }

absl::Status Validate(const std::vector<std::string>& prefixes, const std::vector<std::string>& gateways = {},
                      uint32_t mtu = 1500) {
  std::vector<IpPrefix> parsed;
  for (const std::string& p : prefixes) parsed.push_back(Prefix(p));
  std::vector<IpAddress> addresses;
  for (const std::string& g : gateways) addresses.push_back(Ip(g));
  return ValidateSubnets(parsed, addresses, mtu);
}

void ExpectInvalid(const absl::Status& status, const std::string& words) {
  EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument) << status;
  EXPECT_THAT(std::string(status.message()), HasSubstr(words));
}

TEST(AssignableRange, LeavesOutWhatNoInterfaceMayHave) {
  struct Case {
    const char *prefix, *first, *last;
  };
  for (const Case& c :
       {Case{"10.0.0.0/24", "10.0.0.1", "10.0.0.254"}, Case{"10.0.0.4/30", "10.0.0.5", "10.0.0.6"},
        Case{"10.0.0.4/31", "10.0.0.4", "10.0.0.5"}, Case{"10.0.0.4/32", "10.0.0.4", "10.0.0.4"},
        Case{"2001:db8::/64", "2001:db8::1", "2001:db8::ffff:ffff:ffff:ffff"},
        Case{"2001:db8::/126", "2001:db8::1", "2001:db8::3"},
        Case{"2001:db8::/127", "2001:db8::", "2001:db8::1"},
        Case{"2001:db8::/128", "2001:db8::", "2001:db8::"}}) {
    const AddressRange range = AssignableRange(Prefix(c.prefix));
    EXPECT_EQ(range.first.ToString(), c.first) << c.prefix;
    EXPECT_EQ(range.last.ToString(), c.last) << c.prefix;
  }
}

TEST(ValidateSubnets, TakesADualStackNetwork) {
  EXPECT_TRUE(Validate({"10.0.0.0/24", "2001:db8::/64"}, {"10.0.0.1", "2001:db8::1"}).ok());
}

TEST(ValidateSubnets, TakesABridgeWithoutAddresses) { EXPECT_TRUE(Validate({}).ok()); }

TEST(ValidateSubnets, RefusesPrefixesWithoutInterfaceAddresses) {
  for (const char* prefix : {"0.0.0.0/0", "0.0.0.0/24", "127.0.0.0/16", "224.1.0.0/16", "255.255.255.0/24",
                             "::/0", "::/120", "fe80::/64", "ff02::/64"}) {
    ExpectInvalid(Validate({prefix}), prefix);
  }
}

TEST(ValidateSubnets, NamesBothOfTwoOverlappingPrefixes) {
  const absl::Status status = Validate({"10.0.0.0/16", "2001:db8::/64", "10.0.3.0/24"});
  ExpectInvalid(status, "10.0.0.0/16");
  ExpectInvalid(status, "10.0.3.0/24");
}

TEST(ValidateSubnets, RefusesAGatewayInNoPrefix) {
  ExpectInvalid(Validate({"10.0.0.0/24"}, {"10.0.1.1"}), "10.0.1.1 is in no prefix");
}

TEST(ValidateSubnets, RefusesAGatewayOnTheBroadcastAddress) {
  ExpectInvalid(Validate({"10.0.0.0/24"}, {"10.0.0.255"}), "10.0.0.255");
}

TEST(ValidateSubnets, RefusesTheSameGatewayTwice) {
  ExpectInvalid(Validate({"10.0.0.0/24"}, {"10.0.0.1", "10.0.0.1"}), "twice");
}

TEST(ValidateSubnets, HoldsTheMtuToWhatTheFamilyNeeds) {
  EXPECT_TRUE(Validate({"10.0.0.0/24"}, {}, 576).ok());
  EXPECT_TRUE(Validate({"10.0.0.0/24"}, {}, 9216).ok());
  EXPECT_TRUE(Validate({"2001:db8::/64"}, {}, 1280).ok());
  ExpectInvalid(Validate({"10.0.0.0/24"}, {}, 575), "between 576 and 9216");
  ExpectInvalid(Validate({"10.0.0.0/24"}, {}, 9217), "between 576 and 9216");
  ExpectInvalid(Validate({"2001:db8::/64"}, {}, 1279), "between 1280 and 9216");
}

TEST(ValidateDnsTest, TakesWhatHostsCanBeTold) {
  DnsOptions dns{.servers = {*IpAddress::Parse("10.0.0.53"), *IpAddress::Parse("2001:db8::53")},
                 .domain = "pods.example",
                 .search = {"pods.example", "svc.cluster.local", "_tcp.example"}};
  EXPECT_EQ(ValidateDns(dns), absl::OkStatus());
  EXPECT_EQ(ValidateDns({}), absl::OkStatus());
}

TEST(ValidateDnsTest, SaysWhatIsWrong) {
  const auto message = [](const DnsOptions& dns) {
    const absl::Status status = ValidateDns(dns);
    EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument);
    return std::string(status.message());
  };
  EXPECT_THAT(message({.servers = {*IpAddress::Parse("224.0.0.1")}}), ::testing::HasSubstr("224.0.0.1"));
  EXPECT_THAT(message({.servers = std::vector<IpAddress>(9, *IpAddress::Parse("10.0.0.1"))}),
              ::testing::HasSubstr("9 are more than 8"));
  for (const std::string bad : {"a..b", ".a", "a.", "-a", "a-", "a b", std::string(64, 'a').c_str()}) {
    EXPECT_THAT(message({.domain = bad}), ::testing::HasSubstr("domain: '" + bad + "'"));
    EXPECT_THAT(message({.search = {bad}}), ::testing::HasSubstr("search: '" + bad + "'"));
  }
  EXPECT_THAT(message({.search = {""}}), ::testing::HasSubstr("search: ''"));
  EXPECT_THAT(message({.search = std::vector<std::string>(7, "a")}), ::testing::HasSubstr("no room"));
  EXPECT_THAT(message({.search = std::vector<std::string>(5, std::string(60, 'a'))}),
              ::testing::HasSubstr("no room"));
}

}  // namespace
}  // namespace xpu
