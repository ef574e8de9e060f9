#include "common/base/bandwidth.h"

#include <gtest/gtest.h>

namespace xpu {
namespace {

TEST(BandwidthTest, WithoutALimitTheOtherCounts) {
  const RateLimit limit{.rate = 5, .burst = 7};
  EXPECT_EQ(Stricter(limit, RateLimit()), limit);
  EXPECT_EQ(Stricter(RateLimit(), limit), limit);
  // A burst alone is no limit.
  EXPECT_EQ(Stricter(RateLimit{.burst = 1}, limit), limit);
  EXPECT_FALSE((Bandwidth{.ingress = {.burst = 1}}.has_limits()));
}

TEST(BandwidthTest, OfTwoLimitsTheSmallerRateAndTheSmallerBurstCount) {
  EXPECT_EQ(Stricter({.rate = 10, .burst = 900}, {.rate = 9, .burst = 1000}),
            (RateLimit{.rate = 9, .burst = 900}));
  // One that nothing is said of is as large as the switch makes it.
  EXPECT_EQ(Stricter({.rate = 10'000'000}, {.rate = 9'000'000, .burst = uint64_t{1} << 31}),
            (RateLimit{.rate = 9'000'000, .burst = 1'000'000}));
  EXPECT_EQ(Stricter({.rate = 10'000}, {.rate = 9'000, .burst = 150'000}),
            (RateLimit{.rate = 9'000, .burst = 150'000}));
  EXPECT_EQ(Stricter({.rate = 10'000}, {.rate = 9'000}), (RateLimit{.rate = 9'000, .burst = 200'000}));
}

TEST(BandwidthTest, EachWayByItself) {
  const Bandwidth in{.ingress = {.rate = 5, .burst = 6}};
  const Bandwidth out{.egress = {.rate = 7, .burst = 8}};
  EXPECT_EQ(Stricter(in, out),
            (Bandwidth{.ingress = {.rate = 5, .burst = 6}, .egress = {.rate = 7, .burst = 8}}));
}

}  // namespace
}  // namespace xpu
