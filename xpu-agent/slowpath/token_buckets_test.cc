#include "xpu-agent/slowpath/token_buckets.h"

#include "gtest/gtest.h"

namespace xpu::slowpath {
namespace {

TEST(TokenBucketsTest, GivesABurstAndThenTheRate) {
  TokenBuckets<int> buckets(2, 3);
  absl::Time now = absl::FromUnixSeconds(1000);
  for (int i = 0; i < 3; ++i) EXPECT_TRUE(buckets.Take(1, now));
  EXPECT_FALSE(buckets.Take(1, now));
  now += absl::Milliseconds(499);
  EXPECT_FALSE(buckets.Take(1, now));
  now += absl::Milliseconds(1);
  EXPECT_TRUE(buckets.Take(1, now));
  EXPECT_FALSE(buckets.Take(1, now));
  now += absl::Hours(1);
  for (int i = 0; i < 3; ++i) EXPECT_TRUE(buckets.Take(1, now));
  EXPECT_FALSE(buckets.Take(1, now));
}

TEST(TokenBucketsTest, KeepsKeysApart) {
  TokenBuckets<int> buckets(1, 1);
  const absl::Time now = absl::FromUnixSeconds(1000);
  EXPECT_TRUE(buckets.Take(1, now));
  EXPECT_FALSE(buckets.Take(1, now));
  EXPECT_TRUE(buckets.Take(2, now));
}

TEST(TokenBucketsTest, ForgetsTheFullOnes) {
  TokenBuckets<int> buckets(1, 1);
  absl::Time now = absl::FromUnixSeconds(1000);
  for (int key = 0; key < 100000; ++key) {
    EXPECT_TRUE(buckets.Take(key, now));
    now += absl::Milliseconds(10);
  }
  EXPECT_LE(buckets.size(), 2048u);
}

TEST(TokenBucketsTest, AClockThatGoesBackFillsNothing) {
  TokenBuckets<int> buckets(1, 1);
  const absl::Time now = absl::FromUnixSeconds(1000);
  EXPECT_TRUE(buckets.Take(1, now));
  EXPECT_FALSE(buckets.Take(1, now - absl::Hours(1)));
  EXPECT_FALSE(buckets.Take(1, now));
  EXPECT_TRUE(buckets.Take(1, now + absl::Seconds(1)));
}

}  // namespace
}  // namespace xpu::slowpath
