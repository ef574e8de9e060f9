#include "host-agent/cni/vf_keys.h"

#include <string>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "host-agent/cni/cni_error.h"

namespace xpu {
namespace {

using nlohmann::json;
using ::testing::HasSubstr;

absl::StatusOr<VfSettings> Parse(const json& config, const json& runtime = json::object()) {
  // Parsed, numbers are what they are in a configuration: unsigned unless they are negative.
  const json read_config = json::parse(config.dump()), read_runtime = json::parse(runtime.dump());
  return ParseVfKeys(JsonFields(read_config, ""), JsonFields(read_runtime, "runtimeConfig"));
}

void ExpectError(const json& config, const std::string& words, const json& runtime = json::object()) {
  const CniFailure failure = ToCniFailure(Parse(config, runtime).status());
  EXPECT_EQ(failure.code, CniCode::kInvalidConfig) << config;
  EXPECT_THAT(failure.msg, HasSubstr(words));
}

TEST(VfKeys, NothingIsAskedForByDefault) {
  EXPECT_EQ(*Parse(json::object()), VfSettings());
  EXPECT_EQ(*Parse({{"spoofchk", ""}, {"trust", nullptr}, {"link_state", ""}, {"vlanProto", ""}}),
            VfSettings());
}

TEST(VfKeys, AreThoseOfSriovCni) {
  VfSettings expected;
  expected.vlan = {.id = 100, .qos = 4, .protocol = 0x88a8};
  expected.spoof_check = false;
  expected.trust = true;
  expected.link_state = VfSettings::LinkState::kDisable;
  expected.min_tx_rate = 10;
  expected.max_tx_rate = 20;
  EXPECT_EQ(*Parse({{"vlan", 100},
                    {"vlanQoS", 4},
                    {"vlanProto", "802.1AD"},
                    {"spoofchk", "off"},
                    {"trust", "on"},
                    {"link_state", "disable"},
                    {"min_tx_rate", 10},
                    {"max_tx_rate", 20}}),
            expected);
}

TEST(VfKeys, AVlanIsUntaggedPriorityAndPlainByDefault) {
  EXPECT_EQ(Parse({{"vlan", 0}})->vlan, (VfSettings::Vlan{.id = 0, .qos = 0, .protocol = 0x8100}));
  EXPECT_EQ(Parse({{"vlan", 4094}})->vlan->id, 4094);
  // As sriov-network-operator writes it where nothing is asked for.
  EXPECT_EQ(Parse({{"vlan", 0}, {"vlanQoS", 0}, {"vlanProto", "802.1q"}})->vlan->id, 0);
}

TEST(VfKeys, WhatCannotBeIsNamed) {
  ExpectError({{"vlan", 4095}}, "vlan 4095 is no number from 0 to 4094");
  ExpectError({{"vlan", -1}}, "vlan -1");
  ExpectError({{"vlan", "7"}}, "vlan string");
  ExpectError({{"vlan", 7}, {"vlanQoS", 8}}, "vlanQoS 8");
  ExpectError({{"vlan", 7}, {"vlanProto", "802.1x"}}, "vlanProto \"802.1x\"");
  ExpectError({{"vlanQoS", 1}}, "vlanQoS is given without vlan");
  ExpectError({{"vlanProto", "802.1q"}}, "vlanProto is given without vlan");
  ExpectError({{"vlan", 0}, {"vlanQoS", 1}}, "vlanQoS is given with vlan 0");
  ExpectError({{"vlan", 0}, {"vlanProto", "802.1ad"}}, "vlanProto is given with vlan 0");
  ExpectError({{"spoofchk", "yes"}}, "spoofchk \"yes\" is not known");
  ExpectError({{"trust", true}}, "trust is boolean");
  ExpectError({{"link_state", "up"}}, "link_state \"up\"");
  ExpectError({{"max_tx_rate", -5}}, "max_tx_rate -5");
  ExpectError({{"min_tx_rate", 20}, {"max_tx_rate", 10}}, "min_tx_rate 20 is more than max_tx_rate 10");
}

TEST(VfKeys, AMaximumOf0IsNone) {
  EXPECT_EQ(Parse({{"min_tx_rate", 20}, {"max_tx_rate", 0}})->min_tx_rate, 20u);
}

TEST(VfKeys, TheRuntimesBandwidthIsTheRateOfWhatIsSent) {
  const auto max = [](uint64_t rate) {
    return Parse({{"max_tx_rate", 500}}, {{"bandwidth", {{"egressRate", rate}, {"egressBurst", 1000}}}})
        ->max_tx_rate;
  };
  EXPECT_EQ(max(20'000'000), 20u);
  EXPECT_EQ(max(20'999'999), 20u);
  EXPECT_EQ(max(1), 1u) << "0 would be no limit";
  EXPECT_EQ(max(0), 500u);
  ExpectError(json::object(), "runtimeConfig.bandwidth.ingressRate", {{"bandwidth", {{"ingressRate", 5}}}});
  ExpectError(json::object(), "runtimeConfig.bandwidth.egressRate",
              {{"bandwidth", {{"egressRate", uint64_t{1} << 63}}}});
  ExpectError(json::object(), "runtimeConfig.bandwidth is array", {{"bandwidth", json::array()}});
  ExpectError({{"min_tx_rate", 30}}, "egressRate allows, 20", {{"bandwidth", {{"egressRate", 20'000'000}}}});
}

}  // namespace
}  // namespace xpu
