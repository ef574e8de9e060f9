#include "host-agent/cni/cni_result.h"

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "nlohmann/json.hpp"

namespace xpu {
namespace {

using nlohmann::json;

CniResult DualStack() {
  CniResult result;
  result.ifname = "net1";
  result.mac = *MacAddress::Parse("02:00:00:00:00:05");
  result.sandbox = "/run/netns/x";
  result.addresses = {*InterfaceAddress::Parse("10.0.0.5/24"), *InterfaceAddress::Parse("2001:db8::5/64")};
  result.gateways = {*IpAddress::Parse("10.0.0.1"), *IpAddress::Parse("2001:db8::1")};
  return result;
}

TEST(CniResult, HasTheFormOfVersion100) {
  EXPECT_EQ(json::parse(FormatCniResult(DualStack(), "1.0.0")), json::parse(R"({
    "cniVersion": "1.0.0",
    "interfaces": [{"name": "net1", "mac": "02:00:00:00:00:05", "sandbox": "/run/netns/x"}],
    "ips": [{"interface": 0, "address": "10.0.0.5/24", "gateway": "10.0.0.1"},
            {"interface": 0, "address": "2001:db8::5/64", "gateway": "2001:db8::1"}],
    "routes": [{"dst": "0.0.0.0/0", "gw": "10.0.0.1"}, {"dst": "::/0", "gw": "2001:db8::1"}],
    "dns": {}})"));
}

TEST(CniResult, OlderVersionsSayTheIpVersion) {
  for (const char* version : {"0.3.1", "0.4.0"}) {
    const json result = json::parse(FormatCniResult(DualStack(), version));
    EXPECT_EQ(result["cniVersion"], version);
    EXPECT_EQ(result["ips"][0]["version"], "4");
    EXPECT_EQ(result["ips"][1]["version"], "6");
  }
}

TEST(CniResult, WithoutGatewayThereIsNoRoute) {
  CniResult result = DualStack();
  result.gateways = {*IpAddress::Parse("2001:db8::1")};
  const json json = json::parse(FormatCniResult(result, "1.0.0"));
  EXPECT_FALSE(json["ips"][0].contains("gateway"));
  EXPECT_EQ(json["ips"][1]["gateway"], "2001:db8::1");
  EXPECT_EQ(json["routes"].size(), 1u);
}

TEST(CniResult, APathThatIsNotUtf8DoesNoHarm) {
  CniResult result = DualStack();
  result.sandbox = "/run/netns/\xff";
  EXPECT_TRUE(json::accept(FormatCniResult(result, "1.0.0")));
}

}  // namespace
}  // namespace xpu
