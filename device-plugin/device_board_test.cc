#include "device-plugin/device_board.h"

#include <gtest/gtest.h>

#include <vector>

namespace xpu {
namespace {

PoolMember Member(const std::string& id, bool healthy = true) {
  return {.function = {.id = id, .numa_node = 1, .healthy = healthy}};
}
PluginDevice Device(const std::string& id, bool healthy = true) {
  return {.id = id, .healthy = healthy, .numa_node = 1};
}

class DeviceBoardTest : public ::testing::Test {
 protected:
  DeviceBoard::WatcherId Watch() {
    return board_.AddWatcher(
        [this](std::shared_ptr<const PluginDevices> devices) { seen_.push_back(*devices); });
  }
  DeviceBoard board_;
  std::vector<PluginDevices> seen_;
};

TEST_F(DeviceBoardTest, AWatcherHearsNothingUntilThereIsAList) {
  Watch();
  board_.MarkAllUnhealthy();
  EXPECT_TRUE(seen_.empty());
  EXPECT_EQ(board_.Members(), nullptr);
  board_.Replace({});
  ASSERT_EQ(seen_.size(), 1u);
  EXPECT_TRUE(seen_[0].empty());
}

TEST_F(DeviceBoardTest, AWatcherHearsTheCurrentListAtOnce) {
  board_.Replace({Member("b"), Member("a")});
  Watch();
  ASSERT_EQ(seen_.size(), 1u);
  EXPECT_EQ(seen_[0], (PluginDevices{Device("a"), Device("b")}));
}

TEST_F(DeviceBoardTest, TheSameListAgainIsNoNews) {
  Watch();
  board_.Replace({Member("a"), Member("b")});
  board_.Replace({Member("b"), Member("a")});
  EXPECT_EQ(seen_.size(), 1u);
}

TEST_F(DeviceBoardTest, EveryKindOfChangeIsTold) {
  Watch();
  board_.Replace({Member("a")});
  board_.Replace({Member("a"), Member("b")});
  board_.Replace({Member("a"), Member("b", /*healthy=*/false)});
  board_.Replace({Member("a")});
  ASSERT_EQ(seen_.size(), 4u);
  EXPECT_FALSE(seen_[2][1].healthy);
  EXPECT_EQ(seen_[3].size(), 1u);
}

TEST_F(DeviceBoardTest, WhatTheKubeletDoesNotSeeIsNoNewsButKnown) {
  Watch();
  board_.Replace({Member("b"), Member("a")});
  PoolMember changed = Member("a");
  changed.function.vfio_node = "/dev/vfio/7";
  board_.Replace({Member("b"), changed});
  EXPECT_EQ(seen_.size(), 1u);
  const auto members = board_.Members();
  ASSERT_NE(FindMember(*members, "a"), nullptr);
  EXPECT_EQ(FindMember(*members, "a")->function.vfio_node, "/dev/vfio/7");
  EXPECT_EQ(FindMember(*members, "b")->function.id, "b");
  EXPECT_EQ(FindMember(*members, "c"), nullptr);
}

TEST(DeviceBoardWithoutTopologyTest, TheNumaNodeIsNotTold) {
  DeviceBoard board(/*topology=*/false);
  board.Replace({Member("a")});
  PluginDevices seen;
  board.AddWatcher([&](std::shared_ptr<const PluginDevices> devices) { seen = *devices; });
  ASSERT_EQ(seen.size(), 1u);
  EXPECT_EQ(seen[0].numa_node, -1);
}

TEST_F(DeviceBoardTest, MarkingUnhealthyTwiceIsToldOnce) {
  board_.Replace({Member("a"), Member("b", /*healthy=*/false)});
  Watch();
  board_.MarkAllUnhealthy();
  board_.MarkAllUnhealthy();
  ASSERT_EQ(seen_.size(), 2u);
  EXPECT_EQ(seen_[1], (PluginDevices{Device("a", false), Device("b", false)}));
}

TEST_F(DeviceBoardTest, ARemovedWatcherHearsNoMore) {
  const auto id = Watch();
  board_.Replace({Member("a")});
  board_.RemoveWatcher(id);
  board_.Replace({});
  EXPECT_EQ(seen_.size(), 1u);
}

}  // namespace
}  // namespace xpu
