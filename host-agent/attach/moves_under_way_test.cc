#include "host-agent/attach/moves_under_way.h"

#include <atomic>
#include <memory>
#include <thread>
#include <utility>

#include "absl/synchronization/notification.h"
#include "gtest/gtest.h"

namespace xpu {
namespace {

TEST(MovesUnderWay, NobodyWaitsWhereNothingMoves) {
  MovesUnderWay moves;
  moves.AwaitThoseBegun();
  { const MovesUnderWay::Move move(moves); }
  moves.AwaitThoseBegun();
}

TEST(MovesUnderWay, AllThatHadBegunAreWaitedFor) {
  MovesUnderWay moves;
  auto first = std::make_unique<MovesUnderWay::Move>(moves);
  auto second = std::make_unique<MovesUnderWay::Move>(moves);
  std::atomic<int> over = 0;
  std::atomic<int> seen = 0;
  std::thread waiter([&] {
    moves.AwaitThoseBegun();
    seen = over.load();
  });
  // Not in the order in which they began.
  ++over;
  second.reset();
  ++over;
  first.reset();
  waiter.join();
  // However late the waiter came, it never goes on before both are over.
  EXPECT_EQ(seen, 2);
}

TEST(MovesUnderWay, ThoseThatBeginMeanwhileAreNot) {
  MovesUnderWay moves;
  auto early = std::make_unique<MovesUnderWay::Move>(moves);
  absl::Notification waited;
  std::thread waiter([&] {
    moves.AwaitThoseBegun();
    waited.Notify();
  });
  // The waiter may come before or after a later move begins; of those that follow one another without end it
  // waits for some at most.
  auto current = std::make_unique<MovesUnderWay::Move>(moves);
  early.reset();
  while (!waited.HasBeenNotified()) {
    auto next = std::make_unique<MovesUnderWay::Move>(moves);
    current = std::move(next);
  }
  waiter.join();
}

}  // namespace
}  // namespace xpu
