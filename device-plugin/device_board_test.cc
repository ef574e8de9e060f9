#include "device-plugin/device_board.h"

#include <gtest/gtest.h>

#include <vector>

namespace xpu {
namespace {

PluginDevice Device(const std::string& id, bool healthy = true) {
  return {.id = id, .healthy = healthy, .numa_node = 0, .physical_function = "0000:03:00.0"};
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
  EXPECT_EQ(board_.Devices(), nullptr);
  board_.Replace({});
  ASSERT_EQ(seen_.size(), 1u);
  EXPECT_TRUE(seen_[0].empty());
}

TEST_F(DeviceBoardTest, AWatcherHearsTheCurrentListAtOnce) {
  board_.Replace({Device("b"), Device("a")});
  Watch();
  ASSERT_EQ(seen_.size(), 1u);
  EXPECT_EQ(seen_[0], (PluginDevices{Device("a"), Device("b")}));
}

TEST_F(DeviceBoardTest, TheSameListAgainIsNoNews) {
  Watch();
  board_.Replace({Device("a"), Device("b")});
  board_.Replace({Device("b"), Device("a")});
  EXPECT_EQ(seen_.size(), 1u);
}

TEST_F(DeviceBoardTest, EveryKindOfChangeIsTold) {
  Watch();
  board_.Replace({Device("a")});
  board_.Replace({Device("a"), Device("b")});
  board_.Replace({Device("a"), Device("b", /*healthy=*/false)});
  board_.Replace({Device("a")});
  ASSERT_EQ(seen_.size(), 4u);
  EXPECT_FALSE(seen_[2][1].healthy);
  EXPECT_EQ(seen_[3].size(), 1u);
}

TEST_F(DeviceBoardTest, MarkingUnhealthyTwiceIsToldOnce) {
  board_.Replace({Device("a"), Device("b", /*healthy=*/false)});
  Watch();
  board_.MarkAllUnhealthy();
  board_.MarkAllUnhealthy();
  ASSERT_EQ(seen_.size(), 2u);
  EXPECT_EQ(seen_[1], (PluginDevices{Device("a", false), Device("b", false)}));
}

TEST_F(DeviceBoardTest, ARemovedWatcherHearsNoMore) {
  const auto id = Watch();
  board_.Replace({Device("a")});
  board_.RemoveWatcher(id);
  board_.Replace({});
  EXPECT_EQ(seen_.size(), 1u);
}

}  // namespace
}  // namespace xpu
