#include "test/bench/at_once.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>

#include "absl/strings/str_cat.h"
#include "absl/synchronization/blocking_counter.h"
#include "absl/time/clock.h"

namespace xpu::testing {
namespace {

TEST(AtOnceTest, AllAreUnderWayTogetherAndTheLastOneEndsIt) {
  constexpr int kCount = 8;
  absl::BlockingCounter under_way(kCount);
  std::atomic<int> numbers = 0;
  const absl::Time before = absl::Now();
  const auto took = AtOnce(kCount, [&](int i) {
    // Nobody comes through before all are here.
    under_way.DecrementCount();
    if (i == 0) under_way.Wait();
    numbers |= 1 << i;
    return absl::OkStatus();
  });
  ASSERT_TRUE(took.ok()) << took.status();
  EXPECT_EQ(numbers, (1 << kCount) - 1);
  EXPECT_GT(*took, absl::ZeroDuration());
  EXPECT_LE(*took, absl::Now() - before);
}

TEST(AtOnceTest, AnErrorIsTheOutcomeOnceAllAreDone) {
  std::atomic<int> done = 0;
  const auto took = AtOnce(4, [&](int i) {
    ++done;
    return i % 2 == 0 ? absl::OkStatus() : absl::InternalError(absl::StrCat("number ", i));
  });
  EXPECT_EQ(took.status(), absl::InternalError("number 1"));
  EXPECT_EQ(done, 4);
}

}  // namespace
}  // namespace xpu::testing
