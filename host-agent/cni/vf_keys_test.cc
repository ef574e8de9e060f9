#include "host-agent/cni/vf_keys.h"

#include <string>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "host-agent/cni/cni_error.h"

namespace xpu {
namespace {

using nlohmann::json;
using ::testing::HasSubstr;

// Parsed, numbers are what they are in a configuration: unsigned unless they are negative.
json AsRead(const json& config) { return json::parse(config.dump()); }

absl::StatusOr<VfSettings> Parse(const json& config) {
  const json read = AsRead(config);
  return ParseVfKeys(JsonFields(read, ""));
}

void ExpectError(const json& config, const std::string& words) {
  const CniFailure failure = ToCniFailure(Parse(config).status());
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

absl::StatusOr<Bandwidth> ParseBandwidthOf(const json& bandwidth) {
  const json runtime = AsRead({{"bandwidth", bandwidth}});
  return ParseBandwidth(JsonFields(runtime, "runtimeConfig"));
}

TEST(RuntimeBandwidth, IsInBitsAndEachWayByItself) {
  EXPECT_EQ(*ParseBandwidthOf({{"ingressRate", 10'000'000},
                               {"ingressBurst", 2'147'483'647},
                               {"egressRate", 5},
                               {"egressBurst", 0}}),
            (Bandwidth{.ingress = {.rate = 10'000'000, .burst = 2'147'483'647}, .egress = {.rate = 5}}));
  EXPECT_EQ(*ParseBandwidthOf({{"egressRate", 7}}), (Bandwidth{.egress = {.rate = 7}}));
  EXPECT_EQ(*ParseBandwidthOf(json::object()), Bandwidth());
  EXPECT_EQ(*ParseBandwidthOf(nullptr), Bandwidth());
}

TEST(RuntimeBandwidth, ABurstAloneIsNoLimit) {
  EXPECT_EQ(*ParseBandwidthOf({{"ingressBurst", 5}, {"egressBurst", 6}, {"egressRate", 0}}), Bandwidth());
}

TEST(RuntimeBandwidth, MoreThanACardCountsIsAllThatItCounts) {
  // Kubernetes' annotations go up to 10^15.
  EXPECT_EQ(*ParseBandwidthOf({{"ingressRate", 1'000'000'000'000'000}, {"ingressBurst", uint64_t{1} << 63}}),
            (Bandwidth{.ingress = {.rate = kMostBandwidth, .burst = kMostBandwidth}}));
}

TEST(RuntimeBandwidth, WhatIsNoneIsNamed) {
  const auto message = [](const json& bandwidth) {
    return std::string(ParseBandwidthOf(bandwidth).status().message());
  };
  EXPECT_THAT(message(json::array()), HasSubstr("runtimeConfig.bandwidth is array"));
  EXPECT_THAT(message({{"ingressRate", -1}}), HasSubstr("runtimeConfig.bandwidth.ingressRate"));
  EXPECT_THAT(message({{"egressRate", "1M"}}), HasSubstr("runtimeConfig.bandwidth.egressRate"));
  EXPECT_THAT(message({{"egressRate", 1}, {"egressBurst", 1.5}}),
              HasSubstr("runtimeConfig.bandwidth.egressBurst"));
}

}  // namespace
}  // namespace xpu
