#include "host-agent/ipam/ipam_result.h"

#include <string>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace xpu {
namespace {

using ::testing::HasSubstr;

TEST(IpamResult, IsReadInEveryVersion) {
  // 0.3.1 and 0.4.0 say the version of each address, 1.1.0 more of a route.
  for (const char* text : {
           R"({"cniVersion":"0.3.1","ips":[{"version":"4","address":"10.0.0.5/24","gateway":"10.0.0.1"},
               {"version":"6","address":"2001:db8::5/64"}],
               "routes":[{"dst":"0.0.0.0/0"},{"dst":"192.0.2.0/24","gw":"10.0.0.9"}],
               "dns":{"nameservers":["10.0.0.53"]}})",
           R"({"cniVersion":"1.1.0","ips":[{"address":"10.0.0.5/24","gateway":"10.0.0.1","interface":0},
               {"address":"2001:db8::5/64"}],
               "routes":[{"dst":"0.0.0.0/0"},{"dst":"192.0.2.0/24","gw":"10.0.0.9"}],
               "dns":{"nameservers":["10.0.0.53"]}})",
       }) {
    const auto result = ParseIpamResult(text);
    ASSERT_TRUE(result.ok()) << result.status() << " of " << text;
    EXPECT_EQ(
        *result,
        (IpamResult{.addresses = {{*InterfaceAddress::Parse("10.0.0.5/24"), *IpAddress::Parse("10.0.0.1")},
                                  {*InterfaceAddress::Parse("2001:db8::5/64"), std::nullopt}},
                    .routes = {{.destination = *IpPrefix::Parse("0.0.0.0/0")},
                               {.destination = *IpPrefix::Parse("192.0.2.0/24"),
                                .gateway = *IpAddress::Parse("10.0.0.9")}},
                    .dns = {.nameservers = {"10.0.0.53"}}}));
  }
}

TEST(IpamResult, WhatItIsNotIsNamed) {
  const auto error_of = [](const std::string& text) {
    return std::string(ParseIpamResult(text).status().message());
  };
  EXPECT_THAT(error_of("nonsense"), HasSubstr("no JSON object"));
  EXPECT_THAT(error_of("[]"), HasSubstr("no JSON object"));
  EXPECT_THAT(error_of("{}"), HasSubstr("ips must be"));
  EXPECT_THAT(error_of(R"({"ips":[]})"), HasSubstr("ips must be"));
  EXPECT_THAT(error_of(R"({"ips":[7]})"), HasSubstr("ips[0]"));
  EXPECT_THAT(error_of(R"({"ips":[{"address":"10.0.0.5"}]})"), HasSubstr("ips[0].address \"10.0.0.5\""));
  EXPECT_THAT(error_of(R"({"ips":[{"address":"224.0.0.5/4"}]})"), HasSubstr("ips[0].address"));
  EXPECT_THAT(error_of(R"({"ips":[{"address":"10.0.0.5/24","gateway":"::1"}]})"),
              HasSubstr("ips[0].gateway"));
  EXPECT_THAT(error_of(R"({"ips":[{"address":"10.0.0.5/24"}],"routes":[{"dst":"far"}]})"),
              HasSubstr("routes[0].dst"));
  EXPECT_THAT(error_of(R"({"ips":[{"address":"10.0.0.5/24"}],"dns":7})"), HasSubstr("dns"));
}

}  // namespace
}  // namespace xpu
