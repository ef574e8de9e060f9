#include "host-agent/cni/cni_config.h"

#include <string>
#include <vector>

#include "common/base/cni.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "host-agent/cni/cni_error.h"
#include "nlohmann/json.hpp"

namespace xpu {
namespace {

using nlohmann::json;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

json Minimal() {
  return json::parse(
      R"({"cniVersion": "1.0.0", "name": "blue", "type": "xpu-cni", "deviceID": "0000:03:00.2"})");
}

absl::StatusOr<CniConfig> Parse(const json& config, const CniArgs& args = {}) {
  return ParseCniConfig(config.dump(), args);
}

// Expects an error with that code whose message or details say `words`.
void ExpectError(const absl::Status& status, CniCode code, const std::string& words) {
  ASSERT_FALSE(status.ok());
  const CniFailure failure = ToCniFailure(status);
  EXPECT_EQ(failure.code, code) << status;
  EXPECT_THAT(failure.msg + "\n" + failure.details, HasSubstr(words));
}

TEST(CniConfig, ReadsTheLeastThatIsNeeded) {
  const auto config = Parse(Minimal());
  ASSERT_TRUE(config.ok()) << config.status();
  EXPECT_EQ(config->cni_version, "1.0.0");
  EXPECT_EQ(config->name, "blue");
  EXPECT_EQ(config->device, (PciAddress{0, 3, 0, 2}));
  EXPECT_EQ(config->network_namespace, "default");
  EXPECT_EQ(config->network, "blue");
  EXPECT_FALSE(config->mac.has_value());
  EXPECT_THAT(config->addresses, IsEmpty());
}

TEST(CniConfig, TakesEverySupportedVersion) {
  for (const std::string_view version : kCniVersions) {
    json config = Minimal();
    config["cniVersion"] = version;
    EXPECT_EQ(Parse(config)->cni_version, version);
  }
}

TEST(CniConfig, RefusesOtherVersionsWithCode1AndNamesThoseItKnows) {
  for (const char* version : {"0.1.0", "0.2.0", "2.0.0", "", "1.0"}) {
    json config = Minimal();
    config["cniVersion"] = version;
    ExpectError(Parse(config).status(), CniCode::kIncompatibleVersion, "0.3.1, 0.4.0, 1.0.0");
  }
  json without = Minimal();
  without.erase("cniVersion");
  ExpectError(Parse(without).status(), CniCode::kIncompatibleVersion, "no cniVersion");
}

TEST(CniConfig, AVersionThatIsNotSupportedComesBeforeKeysThatItMayHaveBrought) {
  json config = Minimal();
  config["cniVersion"] = "9.0.0";
  config["somethingNew"] = 1;
  ExpectError(Parse(config).status(), CniCode::kIncompatibleVersion, "9.0.0");
}

TEST(CniConfig, WhatIsNoJsonObjectIsADecodeFailure) {
  for (const char* bytes : {"", "{", "[]", "1", "nonsense", "{\"name\": \"\xff\"}", "{}{}"}) {
    EXPECT_EQ(ToCniFailure(ParseCniConfig(bytes, {}).status()).code, CniCode::kDecodeFailure) << bytes;
  }
}

TEST(CniConfig, DeeplyNestedInputIsNoHarm) {
  const std::string deep = std::string(200000, '[') + std::string(200000, ']');
  EXPECT_EQ(ToCniFailure(ParseCniConfig(deep, {}).status()).code, CniCode::kDecodeFailure);
}

TEST(CniConfig, KeysThatRuntimesAddAreLetThrough) {
  json config = Minimal();
  config["capabilities"] = {{"mac", true}, {"ips", true}, {"deviceID", true}};
  config["ipam"] = json::object();
  config["dns"] = {{"nameservers", {"10.0.0.1"}}};
  config["args"] = {{"cni", {{"x", 1}}}};
  config["prevResult"] = {{"cniVersion", "1.0.0"}};
  config["cniVersions"] = {"1.0.0"};
  config["disableCheck"] = true;
  config["hostAgentSocket"] = "/run/xpu/host-agent.sock";
  config["cni.dev/valid-attachments"] = json::array();
  config["pciBusID"] = "0000:03:00.2";
  EXPECT_TRUE(Parse(config).ok()) << Parse(config).status();
}

TEST(CniConfig, AnUnknownKeyIsNamed) {
  json config = Minimal();
  config["netwrok"] = "blue";
  ExpectError(Parse(config).status(), CniCode::kInvalidConfig, "netwrok");
}

TEST(CniConfig, NameMustBeThereAndValid) {
  json config = Minimal();
  config.erase("name");
  ExpectError(Parse(config).status(), CniCode::kInvalidConfig, "name is missing");
  for (const char* name : {"", "-x", "a b", "a/b"}) {
    config["name"] = name;
    ExpectError(Parse(config).status(), CniCode::kInvalidConfig, "name");
  }
}

TEST(CniConfig, ValuesOfTheWrongTypeAreNamed) {
  for (const char* key : {"cniVersion", "name", "type", "deviceID", "pciBusID", "network", "mac"}) {
    json config = Minimal();
    config[key] = 5;
    ExpectError(Parse(config).status(), CniCode::kInvalidConfig, std::string(key) + " is number");
  }
  json config = Minimal();
  config["runtimeConfig"] = {{"mac", json::array()}};
  ExpectError(Parse(config).status(), CniCode::kInvalidConfig, "runtimeConfig.mac is array");
  config["runtimeConfig"] = {{"deviceID", true}};
  ExpectError(Parse(config).status(), CniCode::kInvalidConfig, "runtimeConfig.deviceID is boolean");
  config["runtimeConfig"] = "x";
  ExpectError(Parse(config).status(), CniCode::kInvalidConfig, "runtimeConfig is string");
}

TEST(CniConfig, TheFunctionMayComeFromTheRuntime) {
  json config = Minimal();
  config.erase("deviceID");
  ExpectError(Parse(config).status(), CniCode::kInvalidConfig, "deviceID is missing");
  config["runtimeConfig"] = {{"deviceID", "0000:03:00.4"}};
  EXPECT_EQ(Parse(config)->device.ToString(), "0000:03:00.4");
  config["deviceID"] = "0000:03:00.5";
  ExpectError(Parse(config).status(), CniCode::kInvalidConfig, "0000:03:00.5");
}

TEST(CniConfig, AFunctionThatIsNoPciAddressIsRefused) {
  for (const char* device : {"", "eth0", "03:00.2", "0000:03:00.8", "0000:03:20.0", "0000:03:00.2 "}) {
    json config = Minimal();
    config["deviceID"] = device;
    ExpectError(Parse(config).status(), CniCode::kInvalidConfig, "is no PCI address");
  }
}

TEST(CniConfig, TheNetworkMayHaveANamespace) {
  json config = Minimal();
  config["network"] = "tenant/red.net";
  const auto parsed = Parse(config, {.pod_namespace = "pods"});
  ASSERT_TRUE(parsed.ok()) << parsed.status();
  EXPECT_EQ(parsed->network_namespace, "tenant");
  EXPECT_EQ(parsed->network, "red.net");
  EXPECT_EQ(parsed->name, "blue");
}

TEST(CniConfig, WithoutANamespaceItIsThePods) {
  json config = Minimal();
  EXPECT_EQ(Parse(config, {.pod_namespace = "pods"})->network_namespace, "pods");
  config["network"] = "red";
  EXPECT_EQ(Parse(config, {.pod_namespace = "pods"})->network_namespace, "pods");
}

TEST(CniConfig, NamesThatNoNetworkCanHaveAreRefused) {
  for (const char* network : {"", "/", "a/", "/a", "a/b/c", "Red", "a_b", "ns.x/a", "-a"}) {
    json config = Minimal();
    config["network"] = network;
    EXPECT_EQ(ToCniFailure(Parse(config).status()).code, CniCode::kInvalidConfig) << network;
  }
  json config = Minimal();
  config["name"] = "My_Net";
  ExpectError(Parse(config).status(), CniCode::kInvalidConfig, "set network");
  config["network"] = "red";
  EXPECT_TRUE(Parse(config).ok());
}

TEST(CniConfig, TheRuntimesMacWins) {
  json config = Minimal();
  config["mac"] = "02:00:00:00:00:01";
  EXPECT_EQ(Parse(config)->mac->ToString(), "02:00:00:00:00:01");
  config["runtimeConfig"] = {{"mac", "02:00:00:00:00:02"}};
  EXPECT_EQ(Parse(config)->mac->ToString(), "02:00:00:00:00:02");
}

TEST(CniConfig, AMacMustBeUnicast) {
  for (const char* mac :
       {"", "02:00:00:00:00", "00:00:00:00:00:00", "ff:ff:ff:ff:ff:ff", "01:00:5e:00:00:01"}) {
    json config = Minimal();
    config["mac"] = mac;
    ExpectError(Parse(config).status(), CniCode::kInvalidConfig, "unicast MAC");
  }
}

TEST(CniConfig, AddressesMayBeAskedForWithAndWithoutLength) {
  json config = Minimal();
  config["runtimeConfig"] = {{"ips", {"10.0.0.5/24", "2001:db8::5"}}};
  EXPECT_THAT(Parse(config)->addresses,
              ElementsAre(*IpAddress::Parse("10.0.0.5"), *IpAddress::Parse("2001:db8::5")));
}

TEST(CniConfig, BadAddressesAreNamed) {
  for (const json& entry :
       {json("10.0.0"), json("10.0.0.5/33"), json("224.0.0.1"), json(""), json(7), json("::")}) {
    json config = Minimal();
    config["runtimeConfig"] = {{"ips", {"10.0.0.5", entry}}};
    ExpectError(Parse(config).status(), CniCode::kInvalidConfig, "runtimeConfig.ips[1]");
  }
  json config = Minimal();
  config["runtimeConfig"] = {{"ips", {"10.0.0.5", "10.0.0.6"}}};
  ExpectError(Parse(config).status(), CniCode::kInvalidConfig, "second address of its family");
  config["runtimeConfig"] = {{"ips", "10.0.0.5"}};
  ExpectError(Parse(config).status(), CniCode::kInvalidConfig, "runtimeConfig.ips is string");
}

TEST(CniArgs, NamesThePod) {
  const auto args = ParseCniArgs(
      "IgnoreUnknown=1;K8S_POD_NAMESPACE=ns;K8S_POD_NAME=web-1;"
      "K8S_POD_INFRA_CONTAINER_ID=abc;K8S_POD_UID=1-2;FOO=a=b");
  ASSERT_TRUE(args.ok()) << args.status();
  EXPECT_EQ(args->pod_namespace, "ns");
  EXPECT_EQ(args->pod_name, "web-1");
  EXPECT_TRUE(ParseCniArgs("").ok());
}

TEST(CniArgs, WhatIsUnknownIsRefusedUnlessToldToIgnoreIt) {
  ExpectError(ParseCniArgs("FOO=bar").status(), CniCode::kInvalidEnvironment, "FOO");
  EXPECT_TRUE(ParseCniArgs("FOO=bar;IgnoreUnknown=true").ok());
  ExpectError(ParseCniArgs("FOO=bar;IgnoreUnknown=0").status(), CniCode::kInvalidEnvironment, "FOO");
}

TEST(CniArgs, WhatIsNoPairIsRefused) {
  ExpectError(ParseCniArgs("K8S_POD_NAME").status(), CniCode::kInvalidEnvironment, "CNI_ARGS");
  ExpectError(ParseCniArgs("=x").status(), CniCode::kInvalidEnvironment, "CNI_ARGS");
}

TEST(CniParameters, ContainerIdIsCheckedAsTheSpecificationSays) {
  for (const char* id : {"", "-a", "_a", "a b", "a/b", "../x"}) {
    ExpectError(CheckParameters({id, "/run/netns/x", "net1", ""}, true), CniCode::kInvalidEnvironment,
                "CNI_CONTAINERID");
  }
  EXPECT_TRUE(CheckParameters({"0a_b.c-D", "/run/netns/x", "net1", ""}, true).ok());
}

TEST(CniParameters, InterfaceNameIsCheckedAsTheSpecificationSays) {
  for (const char* ifname :
       {"", ".", "..", "a/b", "a:b", "a b", "a\tb", "a\nb", "sixteen-letters-", "\x01"}) {
    ExpectError(CheckParameters({"c", "/run/netns/x", ifname, ""}, true), CniCode::kInvalidEnvironment,
                "CNI_IFNAME");
  }
  EXPECT_TRUE(CheckParameters({"c", "/run/netns/x", "fifteen-letters", ""}, true).ok());
}

TEST(CniParameters, OnlyAddNeedsANamespace) {
  ExpectError(CheckParameters({"c", "", "net1", ""}, true), CniCode::kInvalidEnvironment, "CNI_NETNS");
  ExpectError(CheckParameters({"c", "netns/x", "net1", ""}, true), CniCode::kInvalidEnvironment, "CNI_NETNS");
  EXPECT_TRUE(CheckParameters({"c", "", "net1", ""}, false).ok());
}

TEST(CniVersionForErrors, IsTheConfigurationsWhereItCanBe) {
  EXPECT_EQ(CniVersionForErrors(R"({"cniVersion": "0.4.0", "bad": 1})"), "0.4.0");
  EXPECT_EQ(CniVersionForErrors(R"({"cniVersion": "9.9.9"})"), "1.1.0");
  EXPECT_EQ(CniVersionForErrors("nonsense"), "1.1.0");
  EXPECT_EQ(CniVersionForErrors(R"({"cniVersion": 4})"), "1.1.0");
}

}  // namespace
}  // namespace xpu
