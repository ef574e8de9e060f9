#include "device-plugin/preferred_allocation.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace xpu {
namespace {

using ::testing::ElementsAre;

// Cards "p" (3 functions, node 0), "q" (4, node 1) and "r" (2, node 1).
PluginDevices Devices() {
  PluginDevices devices;
  const auto add = [&](const std::string& card, int count, int node) {
    for (int i = 0; i < count; ++i) {
      devices.push_back(
          {.id = card + std::to_string(i), .healthy = true, .numa_node = node, .physical_function = card});
    }
  };
  add("p", 3, 0);
  add("q", 4, 1);
  add("r", 2, 1);
  return devices;
}

std::vector<std::string> All() {
  std::vector<std::string> ids;
  for (const PluginDevice& device : Devices()) ids.push_back(device.id);
  return ids;
}

std::vector<std::string> Prefer(const std::vector<std::string>& available,
                                const std::vector<std::string>& must_include, int count) {
  auto preferred = PreferAllocation(Devices(), available, must_include, count);
  EXPECT_TRUE(preferred.ok()) << preferred.status();
  return preferred.ok() ? *preferred : std::vector<std::string>();
}

TEST(PreferAllocationTest, OneDeviceComesFromTheCardWithMostFree) {
  EXPECT_THAT(Prefer(All(), {}, 1), ElementsAre("q0"));
  EXPECT_THAT(Prefer({"p0", "p1", "q3", "r1"}, {}, 1), ElementsAre("p0"));
}

TEST(PreferAllocationTest, SeveralComeFromOneCard) {
  EXPECT_THAT(Prefer({"p0", "p1", "q0", "r0"}, {}, 2), ElementsAre("p0", "p1"));
  EXPECT_THAT(Prefer(All(), {}, 4), ElementsAre("q0", "q1", "q2", "q3"));
}

TEST(PreferAllocationTest, WhatMustBeIncludedDecidesTheCard) {
  EXPECT_THAT(Prefer(All(), {"r1"}, 2), ElementsAre("r0", "r1"));
}

TEST(PreferAllocationTest, WhatDoesNotFitOneCardStaysOnOneNode) {
  EXPECT_THAT(Prefer(All(), {}, 6), ElementsAre("q0", "q1", "q2", "q3", "r0", "r1"));
  EXPECT_THAT(Prefer({"p0", "p1", "q0", "r0", "r1"}, {"q0"}, 3), ElementsAre("q0", "r0", "r1"));
}

TEST(PreferAllocationTest, AllMayBeAskedFor) {
  EXPECT_EQ(Prefer(All(), {"p0"}, 9).size(), 9u);
  EXPECT_TRUE(Prefer({}, {}, 0).empty());
}

TEST(PreferAllocationTest, ADeviceThatIsNotKnownAnyMoreComesLast) {
  EXPECT_THAT(Prefer({"gone0", "gone1", "p2"}, {}, 1), ElementsAre("p2"));
  EXPECT_THAT(Prefer({"gone0", "p2"}, {}, 2), ElementsAre("gone0", "p2"));
}

TEST(PreferAllocationTest, WhatCannotBeIsRefused) {
  EXPECT_EQ(PreferAllocation(Devices(), {"p0"}, {}, 2).status().code(), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(PreferAllocation(Devices(), {"p0"}, {}, -1).status().code(), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(PreferAllocation(Devices(), {"p0", "p1"}, {"p0", "p1"}, 1).status().code(),
            absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(PreferAllocation(Devices(), {"p0", "p1"}, {"q0"}, 1).status().code(),
            absl::StatusCode::kInvalidArgument);
}

}  // namespace
}  // namespace xpu
