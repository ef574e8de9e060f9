#include "host-agent/attach/workers.h"

#include <sched.h>

#include <atomic>
#include <memory>
#include <vector>

#include "absl/synchronization/barrier.h"
#include "absl/synchronization/notification.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace xpu {
namespace {

FunctionId Function(int n) {
  return PciAddress{0, 3, static_cast<uint8_t>(n / 8), static_cast<uint8_t>(n % 8)};
}

TEST(Workers, DoesAllThatIsQueuedBeforeItGoes) {
  std::atomic<int> done = 0;
  {
    Workers workers(3);
    for (int i = 0; i < 1000; ++i) workers.Run([&] { ++done; });
  }
  EXPECT_EQ(done, 1000);
}

TEST(Workers, DoesAsMuchAtATimeAsItHasThreads) {
  Workers workers(4);
  // Nobody passes before all four are there.
  absl::Barrier* const barrier = new absl::Barrier(4);
  for (int i = 0; i < 4; ++i) {
    workers.Run([barrier] {
      if (barrier->Block()) delete barrier;
    });
  }
}

TEST(Workers, WorkMayGiveMoreWhileItGoes) {
  std::atomic<int> done = 0;
  {
    Workers workers(2);
    workers.Run([&] {
      ++done;
      workers.Run([&] {
        ++done;
        workers.Run([&] { ++done; });
      });
    });
  }
  EXPECT_EQ(done, 3);
}

TEST(Workers, ThoseThatGiveWayAreScheduledSo) {
  const auto policy_of = [](Workers::Urgency urgency) {
    int policy = -1;
    {
      Workers workers(1, urgency);
      workers.Run([&] { policy = sched_getscheduler(0); });
    }
    return policy;
  };
  EXPECT_EQ(policy_of(Workers::Urgency::kGivesWay), SCHED_BATCH);
  // As whoever started this test is.
  EXPECT_EQ(policy_of(Workers::Urgency::kUsual), sched_getscheduler(0));
}

TEST(KeyedExecutor, WorkOfAFunctionIsDoneInOrderAndOneByOne) {
  std::vector<std::vector<int>> order(8);
  std::vector<std::atomic<int>> running(8);
  {
    KeyedExecutor executor(8);
    for (int i = 0; i < 800; ++i) {
      const int n = i % 8;
      executor.Run(Function(n), [&, n, i] {
        EXPECT_EQ(++running[n], 1);
        order[n].push_back(i);
        --running[n];
      });
    }
  }
  for (int n = 0; n < 8; ++n) {
    EXPECT_EQ(order[n].size(), 100u);
    EXPECT_TRUE(std::is_sorted(order[n].begin(), order[n].end()));
  }
}

TEST(KeyedExecutor, FunctionsDoNotWaitForOneAnother) {
  absl::Notification second_done;
  KeyedExecutor executor(2);
  executor.Run(Function(1), [&] { second_done.WaitForNotification(); });
  executor.Run(Function(2), [&] { second_done.Notify(); });
}

TEST(KeyedExecutor, WorkMayGiveMoreForItsOwnFunction) {
  std::vector<int> order;
  {
    KeyedExecutor executor(1);
    executor.Run(Function(1), [&] {
      executor.Run(Function(1), [&] { order.push_back(2); });
      order.push_back(1);
    });
  }
  EXPECT_THAT(order, ::testing::ElementsAre(1, 2));
}

}  // namespace
}  // namespace xpu
