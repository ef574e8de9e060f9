#include "common/base/backoff.h"

#include "gtest/gtest.h"

namespace xpu {
namespace {

TEST(BackoffTest, GrowsToItsMaximumAndStaysWithinTheJitter) {
  Backoff backoff({.initial = absl::Seconds(1), .max = absl::Seconds(4), .factor = 2, .jitter = 0.5}, 7);
  for (absl::Duration nominal : {absl::Seconds(1), absl::Seconds(2), absl::Seconds(4), absl::Seconds(4)}) {
    const absl::Duration delay = backoff.Next();
    EXPECT_GE(delay, nominal / 2);
    EXPECT_LE(delay, nominal);
  }
}

TEST(BackoffTest, StartsAgainAfterReset) {
  Backoff backoff({.initial = absl::Seconds(1), .jitter = 0}, 7);
  EXPECT_EQ(backoff.Next(), absl::Seconds(1));
  EXPECT_EQ(backoff.Next(), absl::Seconds(2));
  backoff.Reset();
  EXPECT_EQ(backoff.Next(), absl::Seconds(1));
}

TEST(BackoffTest, DifferentSeedsDoNotComeBackTogether) {
  Backoff a({}, 1), b({}, 2);
  EXPECT_NE(a.Next(), b.Next());
}

}  // namespace
}  // namespace xpu
