#include "xpu-agent/core/flow_owners.h"

#include "absl/strings/match.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "xpu-agent/plan/plan.h"

namespace xpu {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

const std::map<std::string, uint32_t> kOfports = {{"r0", 1}, {"r1", 2}};

Model TwoPorts() {
  Model model;
  model.bridges["blue"] = {
      .id = "blue", .vlan_id = 10, .network_key = 1, .prefixes = {*IpPrefix::Parse("10.0.0.0/24")}};
  for (uint8_t i : {0, 1}) {
    const std::string id = "host0-" + std::to_string(i);
    model.ports[id] = {.id = id,
                       .mac = MacAddress({2, 0, 0, 0, 0, static_cast<uint8_t>(i + 1)}),
                       .logical_bridges = {"blue"},
                       .bound = true,
                       .addresses = {*InterfaceAddress::Parse("10.0.0." + std::to_string(i + 2) + "/24")}};
    model.representors[id] = {.interface = "r" + std::to_string(i), .ofport = i + 1u};
  }
  return model;
}

// The one flow of the model that mentions all this.
FlowKey FlowWith(const Model& model, const std::vector<std::string>& words, int table) {
  for (const auto& [key, actions] : CompileFlows(model, kOfports)) {
    bool all = key.table == table;
    for (const std::string& word : words) all = all && absl::StrContains(key.match, word);
    if (all) return key;
  }
  ADD_FAILURE() << "no such flow";
  return {};
}

TEST(FlowOwners, WhatNamesAPortIsThePorts) {
  const Model model = TwoPorts();
  for (const FlowKey& key :
       {FlowWith(model, {"in_port=2"}, 0), FlowWith(model, {"nw_src=10.0.0.3"}, 10),
        FlowWith(model, {"dl_dst=02:00:00:00:00:02"}, 60), FlowWith(model, {"reg1=0x2"}, 80)}) {
    const FlowOwners owners = FindOwners(model, kOfports, key);
    EXPECT_THAT(owners.ports, ElementsAre("host0-1")) << key.match;
    EXPECT_THAT(owners.bridges, IsEmpty());
  }
}

TEST(FlowOwners, WhatNamesAPrefixIsTheBridgesAlsoIfOnlyOnePortIsInIt) {
  Model model = TwoPorts();
  for (int round = 0; round < 2; ++round) {
    const FlowOwners owners = FindOwners(model, kOfports, FlowWith(model, {"arp_tpa=10.0.0.0/24"}, 60));
    EXPECT_THAT(owners.ports, IsEmpty());
    EXPECT_THAT(owners.bridges, ElementsAre("blue"));
    model.ports.erase("host0-1");
  }
}

TEST(FlowOwners, WhatEverySwitchHasIsNobodys) {
  const FlowOwners owners =
      FindOwners(TwoPorts(), kOfports, FlowKey{.table = 10, .priority = 0, .match = ""});
  EXPECT_THAT(owners.ports, IsEmpty());
  EXPECT_THAT(owners.bridges, IsEmpty());
}

TEST(IsolateOrphans, TakesAPortOutOfAllItsBridgesIfOneIsMissing) {
  Model model = TwoPorts();
  model.ports["host0-1"].logical_bridges = {"blue", "gone"};
  IsolateOrphans(&model);
  EXPECT_THAT(model.ports["host0-1"].logical_bridges, IsEmpty());
  EXPECT_FALSE(model.ports["host0-1"].bound);
  EXPECT_EQ(model.ports["host0-0"], TwoPorts().ports["host0-0"]);
}

}  // namespace
}  // namespace xpu
