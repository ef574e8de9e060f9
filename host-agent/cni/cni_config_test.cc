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
  EXPECT_EQ(config->device, "0000:03:00.2");
  EXPECT_FALSE(config->vlan.has_value());
  EXPECT_FALSE(config->ipam.has_value());
  EXPECT_TRUE(config->settings.empty());
  EXPECT_EQ(config->prev_result, "");
  EXPECT_EQ(config->log, CniLog());
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
  for (const char* version : {"0.1.0", "0.2.0", "0.3.0", "2.0.0", "", "1.0"}) {
    json config = Minimal();
    config["cniVersion"] = version;
    ExpectError(Parse(config).status(), CniCode::kIncompatibleVersion, "0.3.1, 0.4.0, 1.0.0, 1.1.0");
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

TEST(CniConfig, CapabilitiesThatCannotBeHadAreNamed) {
  json config = Minimal();
  config["runtimeConfig"] = {{"portMappings", json::array({{{"hostPort", 80}}})}};
  ExpectError(Parse(config).status(), CniCode::kInvalidConfig, "runtimeConfig.portMappings");
  config["runtimeConfig"] = {{"infinibandGUID", "c2:11:22:33:44:55:66:77"}};
  ExpectError(Parse(config).status(), CniCode::kInvalidConfig, "functions are of Ethernet");
  config["runtimeConfig"] = {{"ipRanges", json::array()}};
  ExpectError(Parse(config).status(), CniCode::kInvalidConfig, "runtimeConfig.ipRanges");
  config["ipam"] = {{"type", "host-local"}};
  EXPECT_TRUE(Parse(config).ok());
  config["runtimeConfig"] = {
      {"CNIDeviceInfoFile", "/var/run/x.json"}, {"infinibandGUID", ""}, {"aliases", {"a"}}};
  EXPECT_TRUE(Parse(config).ok()) << Parse(config).status();
}

TEST(CniConfig, UpperAndLowerCaseOfSriovCnisKeysAreTheSame) {
  json config = Minimal();
  config["VLAN"] = 100;
  config["vlanQos"] = 3;
  config["Spoofchk"] = "on";
  const auto parsed = Parse(config);
  ASSERT_TRUE(parsed.ok()) << parsed.status();
  EXPECT_EQ(parsed->vlan, 100);
  EXPECT_EQ(parsed->settings.vlan->qos, 3);
  EXPECT_EQ(parsed->settings.spoof_check, true);
  config["vlan"] = 100;
  ExpectError(Parse(config).status(), CniCode::kInvalidConfig, "\"VLAN\" and \"vlan\" are the same key");
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
  for (const char* key : {"runtimeConfig", "args", "ipam", "dns", "prevResult"}) {
    json config = Minimal();
    config[key] = "x";
    ExpectError(Parse(config).status(), CniCode::kInvalidConfig, std::string(key) + " is string");
  }
  json config = Minimal();
  config["runtimeConfig"] = {{"mac", json::array()}};
  ExpectError(Parse(config).status(), CniCode::kInvalidConfig, "runtimeConfig.mac is array");
  config["runtimeConfig"] = {{"deviceID", true}};
  ExpectError(Parse(config).status(), CniCode::kInvalidConfig, "runtimeConfig.deviceID is boolean");
  config["runtimeConfig"] = {{"CNIDeviceInfoFile", 1}};
  ExpectError(Parse(config).status(), CniCode::kInvalidConfig, "CNIDeviceInfoFile is number");
}

TEST(CniConfig, TheFunctionMayComeFromTheRuntime) {
  json config = Minimal();
  config.erase("deviceID");
  ExpectError(Parse(config).status(), CniCode::kInvalidConfig, "deviceID is missing");
  config["runtimeConfig"] = {{"deviceID", "0000:03:00.4"}};
  EXPECT_EQ(Parse(config)->device, "0000:03:00.4");
  config["deviceID"] = "0000:03:00.5";
  ExpectError(Parse(config).status(), CniCode::kInvalidConfig, "0000:03:00.5");
}

TEST(CniConfig, AFunctionThatIsNoPciAddressIsRefused) {
  for (const char* device : {"", "eth0", "03:00.2", "0000:03:00.8", "0000:03:20.0", "0000:03:00.2 ",
                             "mlx5_core.sf", "mlx5_core.sf.x", "a.b.c.4", ".sf.4", "../x.sf.4"}) {
    json config = Minimal();
    config["deviceID"] = device;
    ExpectError(Parse(config).status(), CniCode::kInvalidConfig, "is no PCI address");
  }
}

TEST(CniConfig, ASubfunctionIsNamedByItsIdOrOnTheAuxiliaryBus) {
  for (const char* device : {"0000:03:00.0-sf88", "mlx5_core.sf.4"}) {
    json config = Minimal();
    config["deviceID"] = device;
    EXPECT_EQ(Parse(config)->device, device);
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
       {"x", "02:00:00:00:00", "00:00:00:00:00:00", "ff:ff:ff:ff:ff:ff", "01:00:5e:00:00:01"}) {
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

TEST(CniConfig, WithoutANetworkVlanOrIpamMeansTheCardsNetworkOfThatVlan) {
  json config = Minimal();
  config["name"] = "Sriov_Net";
  config["vlan"] = 100;
  ASSERT_TRUE(Parse(config).ok()) << Parse(config).status();
  EXPECT_EQ(Parse(config)->vlan, 100);
  EXPECT_EQ(Parse(config)->network, "");
  EXPECT_EQ(Parse(config)->network_namespace, "");
  config.erase("vlan");
  config["ipam"] = {{"type", "host-local"}, {"subnet", "10.0.0.0/24"}};
  EXPECT_EQ(Parse(config)->vlan, 0);
  EXPECT_EQ(Parse(config)->ipam, "host-local");
  config["ipam"] = json::object();
  EXPECT_EQ(Parse(config)->vlan, 0);
  EXPECT_EQ(Parse(config)->ipam, std::nullopt);
  config.erase("ipam");
  ExpectError(Parse(config).status(), CniCode::kInvalidConfig, "is no name of a Network");
}

TEST(CniConfig, ANetworkMayHaveItsAddressesFromAPluginButNoVlan) {
  json config = Minimal();
  config["network"] = "red";
  config["ipam"] = {{"type", "static"}};
  EXPECT_EQ(Parse(config)->network, "red");
  EXPECT_EQ(Parse(config)->ipam, "static");
  EXPECT_FALSE(Parse(config)->vlan.has_value());
  config["vlan"] = 0;
  ExpectError(Parse(config).status(), CniCode::kInvalidConfig, "vlan is given together with network");
}

TEST(CniConfig, AnIpamPluginIsNamedWithoutAFolder) {
  for (const char* type : {"/bin/sh", "../x", "..", "a/b"}) {
    json config = Minimal();
    config["ipam"] = {{"type", type}};
    ExpectError(Parse(config).status(), CniCode::kInvalidConfig, "is no name of a plugin");
  }
}

TEST(CniConfig, AddressesThatAPluginGivesAreItsBusiness) {
  json config = Minimal();
  config["ipam"] = {{"type", "static"}};
  config["capabilities"] = {{"ips", true}};
  config["runtimeConfig"] = {{"ips", {"10.0.0.5/24", "10.0.0.6/24"}}};
  ExpectError(Parse(config).status(), CniCode::kInvalidConfig, "second address");
  config["runtimeConfig"] = {{"ips", {"10.0.0.5/24"}}};
  EXPECT_THAT(Parse(config)->addresses, IsEmpty());
  config["ipam"] = json::object();
  ExpectError(Parse(config).status(), CniCode::kInvalidConfig, "there is nobody to give it");
}

TEST(CniConfig, WhatTheRuntimeSaysComesBeforeWhatThePodAsksForAndThatBeforeTheConfiguration) {
  json config = Minimal();
  CniArgs args{.pod_namespace = "pods"};
  const auto mac = [&] { return Parse(config, args)->mac->ToString(); };
  config["mac"] = "02:00:00:00:00:01";
  EXPECT_EQ(mac(), "02:00:00:00:00:01");
  args.mac = "02:00:00:00:00:02";
  args.ip = "10.0.0.2";
  EXPECT_EQ(mac(), "02:00:00:00:00:02");
  EXPECT_THAT(Parse(config, args)->addresses, ElementsAre(*IpAddress::Parse("10.0.0.2")));
  config["args"] = {
      {"cni", {{"mac", "02:00:00:00:00:03"}, {"ips", {"10.0.0.3/24"}}, {"labels", json::array()}}}};
  EXPECT_EQ(mac(), "02:00:00:00:00:03");
  EXPECT_THAT(Parse(config, args)->addresses, ElementsAre(*IpAddress::Parse("10.0.0.3")));
  config["runtimeConfig"] = {{"mac", "02:00:00:00:00:04"}, {"ips", {"10.0.0.4"}}};
  EXPECT_EQ(mac(), "02:00:00:00:00:04");
  EXPECT_THAT(Parse(config, args)->addresses, ElementsAre(*IpAddress::Parse("10.0.0.4")));
  config["runtimeConfig"] = {{"mac", ""}};
  EXPECT_EQ(mac(), "02:00:00:00:00:03");
  config.erase("args");
  args.ip = "10.0.0";
  ExpectError(Parse(config, args).status(), CniCode::kInvalidConfig, "IP of CNI_ARGS");
}

TEST(CniConfig, MtuRoutesAndDnsAreReadAndBounded) {
  json config = Minimal();
  config["mtu"] = 1400;
  config["routes"] = {{{"dst", "10.0.0.0/8"}, {"gw", "10.1.0.1"}, {"priority", 5}}};
  config["dns"] = {{"nameservers", {"10.0.0.53"}}};
  const auto parsed = Parse(config);
  ASSERT_TRUE(parsed.ok()) << parsed.status();
  EXPECT_EQ(parsed->mtu, 1400u);
  EXPECT_THAT(parsed->routes, ElementsAre(CniRoute{.destination = *IpPrefix::Parse("10.0.0.0/8"),
                                                   .gateway = *IpAddress::Parse("10.1.0.1"),
                                                   .priority = 5}));
  EXPECT_THAT(parsed->dns.nameservers, ElementsAre("10.0.0.53"));
  for (const json& mtu : {json(67), json(65536), json(-1), json(1400.5), json("1400")}) {
    config["mtu"] = mtu;
    ExpectError(Parse(config).status(), CniCode::kInvalidConfig, "is no number from 68 to 65535");
  }
  config.erase("mtu");
  config["routes"] = {{{"dst", "x"}}};
  ExpectError(Parse(config).status(), CniCode::kInvalidConfig, "routes[0].dst");
}

TEST(CniConfig, ThePreviousResultIsKept) {
  json config = Minimal();
  config["prevResult"] = {{"cniVersion", "1.0.0"}, {"interfaces", {{{"name", "eth0"}}}}};
  EXPECT_EQ(json::parse(Parse(config)->prev_result), config["prevResult"]);
  config["prevResult"]["ips"] = {{{"address", "10.0.0.1/24"}, {"interface", 1}}};
  ExpectError(Parse(config).status(), CniCode::kInvalidConfig, "prevResult.ips[0].interface");
}

TEST(CniConfig, ALogIsReadAsSriovCniHasIt) {
  json config = Minimal();
  config["logLevel"] = "debug";
  config["logFile"] = "/var/log/sriov.log";
  EXPECT_EQ(Parse(config)->log, (CniLog{CniLog::Level::kDebug, "/var/log/sriov.log"}));
  config["logLevel"] = "loud";
  ExpectError(Parse(config).status(), CniCode::kInvalidConfig, "logLevel \"loud\" is not known");
  config["logLevel"] = "";
  config["logFile"] = "sriov.log";
  ExpectError(Parse(config).status(), CniCode::kInvalidConfig, "logFile \"sriov.log\"");
}

TEST(CniConfig, DpuOperatorsConfigurationsNameNoNetwork) {
  json config = Minimal();
  config["type"] = "dpu-cni";
  const auto parse = [&] { return ParseCniConfig(config.dump(), {}, CniDialect::kDpuOperator); };
  EXPECT_EQ(parse()->vlan, 0);
  config["vlan"] = 7;
  EXPECT_EQ(parse()->vlan, 7);
  config["BridgeID"] = "3fa2b1c0";
  ExpectError(parse().status(), CniCode::kInvalidConfig, "vlan is given together with BridgeID");
  config.erase("vlan");
  EXPECT_EQ(parse()->network, "3fa2b1c0");
  ExpectError(Parse(config).status(), CniCode::kInvalidConfig, "BridgeID");
}

TEST(CniNetworkConfig, NeedsNoFunction) {
  const auto config = ParseCniNetworkConfig(R"({"cniVersion": "1.1.0", "name": "blue", "type": "xpu-cni",
      "ipam": {"type": "host-local"}, "vlan": 5,
      "cni.dev/valid-attachments": [{"containerID": "a", "ifname": "net1"}, {"containerID": "a", "ifname": "net2"}]})");
  ASSERT_TRUE(config.ok()) << config.status();
  EXPECT_EQ(config->name, "blue");
  EXPECT_EQ(config->cni_version, "1.1.0");
  EXPECT_EQ(config->ipam, "host-local");
  EXPECT_THAT(*config->valid_attachments, ElementsAre(std::pair("a", "net1"), std::pair("a", "net2")));
}

TEST(CniNetworkConfig, TellsNoAttachmentsFromNoList) {
  const auto parse = [](const json& more) {
    json config = {{"cniVersion", "1.1.0"}, {"name", "blue"}};
    config.update(more);
    return ParseCniNetworkConfig(config.dump());
  };
  EXPECT_FALSE(parse(json::object())->valid_attachments.has_value());
  EXPECT_THAT(*parse({{"cni.dev/valid-attachments", json::array()}})->valid_attachments, IsEmpty());
  EXPECT_THAT(*parse({{"cni.dev/attachments", {{{"containerID", "a"}, {"ifname", "b"}}}}})->valid_attachments,
              ElementsAre(std::pair("a", "b")));
  for (const json& list :
       {json::object(), json::array({1}), json::array({{{"containerID", "a"}}}),
        json::array({{{"ifname", "a"}}}), json::array({{{"containerID", 1}, {"ifname", "b"}}})}) {
    ExpectError(parse({{"cni.dev/valid-attachments", list}}).status(), CniCode::kInvalidConfig,
                "cni.dev/valid-attachments");
  }
}

TEST(CniHints, AreWhatCanBeTold) {
  EXPECT_EQ(ReadCniHints("").device, "");
  EXPECT_EQ(ReadCniHints("[]").device, "");
  EXPECT_EQ(ReadCniHints(R"({"cniVersion": 5, "nonsense": 1, "deviceID": "0000:03:00.2"})").device,
            "0000:03:00.2");
  EXPECT_EQ(ReadCniHints(R"({"deviceID": 5, "pciBusID": "b", "runtimeConfig": []})").device, "b");
  EXPECT_EQ(ReadCniHints(R"({"deviceID": "a", "runtimeConfig": {"deviceID": "r"}})").device, "r");
  EXPECT_EQ(ReadCniHints(R"({"logFile": "/x"})").log.file, "/x");
  // In any case of letters, as an ADD takes them.
  EXPECT_EQ(ReadCniHints(R"({"pciBuSID": "b"})").device, "b");
  EXPECT_EQ(ReadCniHints(R"({"DeviceId": "a", "LOGFILE": "/y"})").log.file, "/y");
}

TEST(CniVersionForErrors, IsTheConfigurationsWhereItCanBe) {
  EXPECT_EQ(CniVersionForErrors(R"({"cniVersion": "0.4.0", "bad": 1})"), "0.4.0");
  EXPECT_EQ(CniVersionForErrors(R"({"cniVersion": "9.9.9"})"), "1.1.0");
  EXPECT_EQ(CniVersionForErrors("nonsense"), "1.1.0");
  EXPECT_EQ(CniVersionForErrors(R"({"cniVersion": 4})"), "1.1.0");
}

}  // namespace
}  // namespace xpu
