#include "host-agent/cni/cni_result.h"

#include "common/base/cni.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "nlohmann/json.hpp"

namespace xpu {
namespace {

using nlohmann::json;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

CniResult DualStack() {
  CniResult result;
  result.ifname = "net1";
  result.mac = *MacAddress::Parse("02:00:00:00:00:05");
  result.sandbox = "/run/netns/x";
  result.mtu = 1450;
  result.pci_id = "0000:03:00.2";
  result.addresses = {*InterfaceAddress::Parse("10.0.0.5/24"), *InterfaceAddress::Parse("2001:db8::5/64")};
  result.gateways = {*IpAddress::Parse("10.0.0.1"), *IpAddress::Parse("2001:db8::1")};
  result.routes = DefaultRoutes(result.gateways);
  result.routes.push_back({.destination = *IpPrefix::Parse("10.9.0.0/16"),
                           .gateway = *IpAddress::Parse("10.0.0.9"),
                           .mtu = 1400,
                           .advmss = 1360,
                           .priority = 7,
                           .table = 100,
                           .scope = 253});
  result.dns = {.nameservers = {"10.0.0.53"}, .domain = "d", .search = {"a.d"}, .options = {"ndots:2"}};
  return result;
}

// What all versions have in common.
json Common() {
  return json::parse(R"({
    "interfaces": [{"name": "net1", "mac": "02:00:00:00:00:05", "sandbox": "/run/netns/x"}],
    "ips": [{"interface": 0, "address": "10.0.0.5/24", "gateway": "10.0.0.1"},
            {"interface": 0, "address": "2001:db8::5/64", "gateway": "2001:db8::1"}],
    "routes": [{"dst": "0.0.0.0/0", "gw": "10.0.0.1"}, {"dst": "::/0", "gw": "2001:db8::1"},
               {"dst": "10.9.0.0/16", "gw": "10.0.0.9"}],
    "dns": {"nameservers": ["10.0.0.53"], "domain": "d", "search": ["a.d"], "options": ["ndots:2"]}})");
}

json Convert(const std::string& result, const std::string& prev, const std::string& version) {
  const absl::StatusOr<std::string> converted = ConvertCniResult(result, prev, version);
  EXPECT_TRUE(converted.ok()) << converted.status();
  return converted.ok() ? json::parse(*converted) : json();
}

TEST(CniResult, Version110HasEverything) {
  json expected = Common();
  expected["cniVersion"] = "1.1.0";
  expected["interfaces"][0]["mtu"] = 1450;
  expected["interfaces"][0]["pciID"] = "0000:03:00.2";
  expected["routes"][2].update(
      {{"mtu", 1400}, {"advmss", 1360}, {"priority", 7}, {"table", 100}, {"scope", 253}});
  const std::string result = FormatCniResult(DualStack());
  EXPECT_EQ(json::parse(result), expected);
  EXPECT_EQ(Convert(result, "", "1.1.0"), expected);
}

TEST(CniResult, Version100HasNoFieldsOf110) {
  json expected = Common();
  expected["cniVersion"] = "1.0.0";
  EXPECT_EQ(Convert(FormatCniResult(DualStack()), "", "1.0.0"), expected);
}

TEST(CniResult, OlderVersionsSayTheIpVersion) {
  for (const char* version : {"0.3.1", "0.4.0"}) {
    json expected = Common();
    expected["cniVersion"] = version;
    expected["ips"][0]["version"] = "4";
    expected["ips"][1]["version"] = "6";
    EXPECT_EQ(Convert(FormatCniResult(DualStack()), "", version), expected);
  }
}

TEST(CniResult, WhatIsNotKnownIsNotTold) {
  CniResult result = DualStack();
  result.mtu = 0;
  result.pci_id = "";
  result.gateways = {*IpAddress::Parse("2001:db8::1")};
  result.routes.clear();
  result.dns = {};
  const json json = json::parse(FormatCniResult(result));
  EXPECT_FALSE(json["interfaces"][0].contains("mtu"));
  EXPECT_FALSE(json["interfaces"][0].contains("pciID"));
  EXPECT_FALSE(json["ips"][0].contains("gateway"));
  EXPECT_EQ(json["ips"][1]["gateway"], "2001:db8::1");
  EXPECT_EQ(json["routes"], json::array());
  EXPECT_EQ(json["dns"], json::object());
}

TEST(CniResult, APathThatIsNotUtf8DoesNoHarm) {
  CniResult result = DualStack();
  result.sandbox = "/run/netns/\xff";
  EXPECT_TRUE(json::accept(FormatCniResult(result)));
}

// As the bridge plugin leaves it, in the form of 0.4.0.
constexpr char kPrev[] = R"({
    "cniVersion": "0.4.0",
    "interfaces": [{"name": "cni0", "mac": "02:00:00:00:00:01"},
                   {"name": "eth0", "mac": "02:00:00:00:00:02", "sandbox": "/run/netns/x"}],
    "ips": [{"version": "4", "interface": 1, "address": "10.1.0.2/16", "gateway": "10.1.0.1"}],
    "routes": [{"dst": "0.0.0.0/0"}],
    "dns": {}})";

TEST(CniResult, InAChainItComesAfterWhatWasThere) {
  const json chained = Convert(FormatCniResult(DualStack()), kPrev, "0.4.0");
  EXPECT_EQ(chained["cniVersion"], "0.4.0");
  ASSERT_EQ(chained["interfaces"].size(), 3u);
  EXPECT_EQ(chained["interfaces"][0], (json{{"name", "cni0"}, {"mac", "02:00:00:00:00:01"}}));
  EXPECT_EQ(chained["interfaces"][2]["name"], "net1");
  ASSERT_EQ(chained["ips"].size(), 3u);
  EXPECT_EQ(chained["ips"][0], json::parse(kPrev)["ips"][0]);
  EXPECT_EQ(chained["ips"][1]["interface"], 2);
  EXPECT_EQ(chained["ips"][2]["interface"], 2);
  ASSERT_EQ(chained["routes"].size(), 4u);
  EXPECT_EQ(chained["routes"][0], (json{{"dst", "0.0.0.0/0"}}));
  EXPECT_EQ(chained["dns"]["domain"], "d") << "who was before said nothing";
}

TEST(CniResult, AChainIsInTheFormOfItsVersionThroughout) {
  const json newer = Convert(FormatCniResult(DualStack()), kPrev, "1.1.0");
  EXPECT_FALSE(newer["ips"][0].contains("version"));
  EXPECT_EQ(newer["interfaces"][2]["pciID"], "0000:03:00.2");
  json prev = json::parse(kPrev);
  prev["interfaces"][0]["mtu"] = 9000;
  EXPECT_EQ(Convert(FormatCniResult(DualStack()), prev.dump(), "1.1.0")["interfaces"][0]["mtu"], 9000);
  EXPECT_FALSE(Convert(FormatCniResult(DualStack()), prev.dump(), "1.0.0")["interfaces"][0].contains("mtu"));
}

TEST(CniResult, TheDnsOfWhoWasBeforeCounts) {
  json prev = json::parse(kPrev);
  prev["dns"] = {{"nameservers", {"192.0.2.1"}}};
  EXPECT_EQ(Convert(FormatCniResult(DualStack()), prev.dump(), "1.0.0")["dns"], prev["dns"]);
}

TEST(CniResult, APrevResultMaySayLittle) {
  const json chained = Convert(FormatCniResult(DualStack()), R"({"cniVersion": "1.0.0"})", "1.0.0");
  EXPECT_EQ(chained["ips"][0]["interface"], 0);
  const json without_interfaces =
      Convert(FormatCniResult(DualStack()), R"({"ips": [{"address": "10.1.0.2/16"}]})", "1.0.0");
  EXPECT_FALSE(without_interfaces["ips"][0].contains("interface"));
}

TEST(CniResult, WhatIsNoResultIsRefusedByItsField) {
  const std::string ours = FormatCniResult(DualStack());
  const std::pair<const char*, const char*> cases[] = {
      {"[]", "prevResult is array"},
      {"x", "prevResult is discarded"},
      {R"({"interfaces": {}})", "prevResult.interfaces is object"},
      {R"({"interfaces": [1]})", "prevResult.interfaces[0] is number"},
      {R"({"ips": [{}]})", "prevResult.ips[0].address"},
      {R"({"ips": [{"address": "10.0.0.5"}]})", "prevResult.ips[0].address"},
      {R"({"ips": [{"address": "10.0.0.5/24", "interface": 0}]})", "prevResult.ips[0].interface"},
      {R"({"ips": [{"address": "10.0.0.5/24", "interface": -1}]})", "prevResult.ips[0].interface"},
      {R"({"routes": [{"dst": "10.0.0.0"}]})", "prevResult.routes[0].dst"},
      {R"({"routes": [{"dst": "10.0.0.0/8", "gw": "::1"}]})", "prevResult.routes[0].gw"},
      {R"({"routes": [{"dst": "10.0.0.0/8", "mtu": -1}]})", "prevResult.routes[0].mtu"},
      {R"({"dns": {"search": ["a", 1]}})", "prevResult.dns.search[1]"},
  };
  for (const auto& [prev, words] : cases) {
    const absl::Status status = ConvertCniResult(ours, prev, "1.0.0").status();
    EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument) << prev;
    EXPECT_THAT(std::string(status.message()), HasSubstr(words));
  }
  EXPECT_EQ(ConvertCniResult("", "", "1.0.0").status().code(), absl::StatusCode::kInternal);
}

TEST(CniResult, RoutesAndDnsAreReadAsTheyAreWritten) {
  const CniResult result = DualStack();
  const json json = json::parse(FormatCniResult(result));
  EXPECT_EQ(*ParseCniRoutes(json["routes"], "routes"), result.routes);
  EXPECT_EQ(*ParseCniDns(json["dns"], "dns"), result.dns);
  EXPECT_THAT(*ParseCniRoutes(json::parse(R"([{"dst": "10.2.3.4/8", "x": 1}])"), "routes"),
              ElementsAre(CniRoute{.destination = *IpPrefix::Parse("10.0.0.0/8")}));
  EXPECT_EQ(*ParseCniDns(nullptr, "dns"), CniDns());
}

static_assert(IsCniVersionSince("1.1.0", "0.4.0") && IsCniVersionSince("0.4.0", "0.4.0"));
static_assert(!IsCniVersionSince("0.3.1", "0.4.0") && !IsCniVersionSince("nonsense", "0.4.0"));

}  // namespace
}  // namespace xpu
