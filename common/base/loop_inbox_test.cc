#include "common/base/loop_inbox.h"

#include <gtest/gtest.h>

#include <memory>
#include <thread>
#include <vector>

namespace xpu {
namespace {

TEST(LoopInboxTest, WorkRunsOnTheLoopInItsOrder) {
  EventLoop loop;
  LoopInbox inbox(loop);
  std::vector<int> done;
  std::thread other([&, post = inbox.post()] {
    for (int i = 0; i < 3; ++i) {
      post([&, i] {
        EXPECT_TRUE(loop.InLoop());
        done.push_back(i);
      });
    }
    post([&] { loop.Stop(); });
  });
  loop.Run();
  other.join();
  EXPECT_EQ(done, (std::vector<int>{0, 1, 2}));
}

TEST(LoopInboxTest, WorkOfAClosedInboxIsDropped) {
  EventLoop loop;
  auto inbox = std::make_unique<LoopInbox>(loop);
  const LoopInbox::Post post = inbox->post();
  bool ran = false;
  post([&] { inbox.reset(); });
  post([&] { ran = true; });
  loop.Post([&] { loop.Stop(); });
  loop.Run();
  post([&] { ran = true; });
  EXPECT_FALSE(ran);
}

TEST(LoopInboxTest, PostingAfterTheLoopHasGoneIsHarmless) {
  LoopInbox::Post post;
  {
    EventLoop loop;
    const LoopInbox inbox(loop);
    post = inbox.post();
  }
  post([] { FAIL() << "there is no loop to run this"; });
}

}  // namespace
}  // namespace xpu
