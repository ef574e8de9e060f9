#include "common/base/event_loop.h"

#include <signal.h>
#include <sys/eventfd.h>

#include <memory>
#include <thread>
#include <vector>

#include "common/base/unique_fd.h"
#include "gtest/gtest.h"

namespace xpu {
namespace {

TEST(EventLoopTest, RunsPostedWorkInOrderAndBeforeAStop) {
  EventLoop loop;
  std::vector<int> order;
  loop.Post([&] { order.push_back(1); });
  loop.Post([&] {
    order.push_back(2);
    loop.Post([&] { order.push_back(3); });
    loop.Stop();
  });
  loop.Run();
  EXPECT_EQ(order, (std::vector<int>{1, 2, 3}));
}

TEST(EventLoopTest, PostAndWaitRunsOnTheLoopAndReturnsAfterwards) {
  EventLoop loop;
  std::thread thread([&] { loop.Run(); });
  bool in_loop = false;
  loop.PostAndWait([&] {
    // Nested: at once, or it would wait for itself.
    loop.PostAndWait([&] { in_loop = loop.InLoop(); });
  });
  EXPECT_TRUE(in_loop);
  EXPECT_FALSE(loop.InLoop());
  loop.Stop();
  thread.join();
}

TEST(EventLoopTest, PostsFromManyThreadsAllRun) {
  EventLoop loop;
  int count = 0;
  std::vector<std::thread> threads;
  for (int t = 0; t < 4; ++t) {
    threads.emplace_back([&] {
      for (int i = 0; i < 1000; ++i)
        loop.Post([&] {
          if (++count == 4000) loop.Stop();
        });
    });
  }
  loop.Run();
  for (auto& thread : threads) thread.join();
  EXPECT_EQ(count, 4000);
}

TEST(EventLoopTest, WatchesADescriptorUntilTheHandleGoes) {
  EventLoop loop;
  UniqueFd fd(eventfd(2, EFD_SEMAPHORE | EFD_NONBLOCK));
  int reads = 0;
  auto handle = std::make_unique<EventLoop::Handle>();
  *handle = loop.OnReadable(fd.get(), [&] {
    eventfd_t value;
    eventfd_read(fd.get(), &value);
    if (++reads == 1) {
      // From its own callback: no further call although the descriptor is still readable.
      handle.reset();
      loop.Post([&] { loop.Stop(); });
    }
  });
  loop.Run();
  EXPECT_EQ(reads, 1);
}

TEST(EventLoopTest, TimersFireInTheOrderOfTheirDelaysAndCanBeCancelled) {
  EventLoop loop;
  std::vector<int> order;
  auto late = loop.After(absl::Milliseconds(500), [&] {
    order.push_back(2);
    loop.Stop();
  });
  auto early = loop.After(absl::Milliseconds(1), [&] { order.push_back(1); });
  auto cancelled = loop.After(absl::Milliseconds(2), [&] { order.push_back(9); });
  cancelled.Cancel();
  loop.Run();
  EXPECT_EQ(order, (std::vector<int>{1, 2}));
}

TEST(EventLoopTest, RunsAgainUntilItIsStoppedAgain) {
  EventLoop loop;
  loop.Stop();
  loop.Run();
  bool rang = false;
  auto bell = loop.After(absl::Milliseconds(1), [&] {
    rang = true;
    loop.Stop();
  });
  loop.Run();
  EXPECT_TRUE(rang);
}

TEST(EventLoopTest, HearsSignals) {
  EventLoop loop;
  auto handle = loop.OnSignal(SIGUSR1, [&] { loop.Stop(); });
  loop.Post([] { kill(getpid(), SIGUSR1); });
  loop.Run();
}

}  // namespace
}  // namespace xpu
