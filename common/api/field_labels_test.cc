#include "common/api/field_labels.h"

#include "common/api/api.h"
#include "gtest/gtest.h"
#include "nlohmann/json.hpp"
#include "xpu/api/v1alpha1/netdev.pb.h"

namespace xpu::api {
namespace {

using nlohmann::json;

TEST(FieldLabels, SayWhatTheFieldsSay) {
  EXPECT_EQ(
      NetdevLabels({{"host", "node-1.example.org"}, {"card", "card0"}, {"network", "blue"}, {"claim", 3}}),
      json({{"xpu.opiproject.org/host", "node-1.example.org"},
            {"xpu.opiproject.org/card", "card0"},
            {"xpu.opiproject.org/network", "blue"}}));
  EXPECT_EQ(LabelSelector(kCardLabel, "card0"), "xpu.opiproject.org/card=card0");
}

TEST(FieldLabels, WhatNoLabelCanSayIsLeftToTheFields) {
  const std::string longest(63, 'a');
  EXPECT_EQ(LabelSelector(kNetworkLabel, longest), "xpu.opiproject.org/network=" + longest);
  EXPECT_EQ(LabelSelector(kNetworkLabel, longest + "a"), "");
  EXPECT_EQ(LabelSelector(kNetworkLabel, ""), "");
  EXPECT_EQ(NetdevLabels({{"host", longest + "a"}, {"network", ""}, {"card", 7}}), json::object());
}

TEST(FieldLabels, AServerTakesThem) {
  const json spec = {{"host", "node-1"}, {"function", "0000:03:00.2"},
                     {"card", "card0"},  {"port", "host0-2"},
                     {"claim", 1},       {"network", std::string(63, 'n')}};
  const json netdev = {
      {"apiVersion", "xpu.opiproject.org/v1alpha1"},
      {"kind", "Netdev"},
      {"metadata", {{"name", "n"}, {"namespace", "default"}, {"labels", NetdevLabels(spec)}}},
      {"spec", spec}};
  const FieldErrors errors = ValidateMetadata(*FindKind("xpu.opiproject.org/v1alpha1", "Netdev"), netdev);
  EXPECT_TRUE(errors.empty()) << errors.front().message;
}

}  // namespace
}  // namespace xpu::api
