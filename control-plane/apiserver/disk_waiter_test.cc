#include "control-plane/apiserver/disk_waiter.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <optional>
#include <vector>

#include "absl/synchronization/notification.h"

namespace xpu::apiserver {
namespace {

using ::testing::ElementsAre;

TEST(DiskWaiterTest, SaysOnTheLoopWhatTheDiskHasSaid) {
  EventLoop loop;
  std::vector<absl::Status> said;
  int waits = 0;
  std::optional<DiskWaiter> waiter;
  waiter.emplace(
      loop, [&] { return ++waits == 1 ? absl::OkStatus() : absl::UnavailableError("broken"); },
      [&](const absl::Status& status) {
        EXPECT_TRUE(loop.InLoop());
        EXPECT_FALSE(waiter->is_running());
        said.push_back(status);
        said.size() == 1 ? waiter->Begin() : loop.Stop();
      });
  waiter->Begin();
  EXPECT_TRUE(waiter->is_running());
  loop.Run();
  EXPECT_THAT(said, ElementsAre(absl::OkStatus(), absl::UnavailableError("broken")));
}

TEST(DiskWaiterTest, TheLoopGoesOnMeanwhile) {
  EventLoop loop;
  absl::Notification other_work;
  DiskWaiter waiter(
      loop,
      [&] {
        // Nothing else sets it.
        other_work.WaitForNotification();
        return absl::OkStatus();
      },
      [&](const absl::Status&) { loop.Stop(); });
  waiter.Begin();
  loop.Post([&] { other_work.Notify(); });
  loop.Run();
  EXPECT_FALSE(waiter.is_running());
}

TEST(DiskWaiterTest, WhoCannotGoOnWaitsAndHearsOfItOnce) {
  EventLoop loop;
  int heard = 0;
  DiskWaiter waiter(
      loop, [] { return absl::OkStatus(); }, [&](const absl::Status&) { ++heard; });
  waiter.Begin();
  waiter.Finish();
  EXPECT_EQ(heard, 1);
  EXPECT_FALSE(waiter.is_running());
  // The thread's word of the first comes too late, and that of the second is another.
  waiter.Begin();
  waiter.Finish();
  waiter.Finish();
  EXPECT_EQ(heard, 2);
  loop.Post([&] { loop.Stop(); });
  loop.Run();
  EXPECT_EQ(heard, 2);
}

TEST(DiskWaiterTest, NobodyIsToldAfterItsEnd) {
  EventLoop loop;
  std::atomic<int> waited = 0;
  int heard = 0;
  {
    DiskWaiter waiter(
        loop,
        [&] {
          ++waited;
          return absl::OkStatus();
        },
        [&](const absl::Status&) { ++heard; });
    waiter.Begin();
  }
  EXPECT_EQ(waited, 1) << "what was begun is done";
  loop.Post([&] { loop.Stop(); });
  loop.Run();
  EXPECT_EQ(heard, 0);
}

}  // namespace
}  // namespace xpu::apiserver
