#include "control-plane/apiserver/http/rate_limit.h"

#include <gtest/gtest.h>

#include "absl/strings/str_cat.h"

namespace xpu::apiserver {
namespace {

class SetClock : public Clock {
 public:
  absl::Time Now() override { return now; }
  absl::Time now = absl::FromUnixSeconds(1'700'000'000);
};

class RateLimitTest : public ::testing::Test {
 protected:
  // How many requests are taken until one must wait.
  int Burst(const User* user) {
    int taken = 0;
    while (taken < 1000 && limit_.Take(user) == absl::ZeroDuration()) ++taken;
    return taken;
  }
  SetClock clock_;
  RateLimit limit_{{.requests_per_second = 10, .burst = 20, .priority = 5, .strangers_per_second = 2},
                   clock_};
};

TEST_F(RateLimitTest, AUserHasHisBurstAndThenHisRate) {
  const User ann{"ann", "", {}};
  EXPECT_EQ(Burst(&ann), 20);
  EXPECT_EQ(limit_.Take(&ann), absl::Milliseconds(100));
  clock_.now += absl::Seconds(1);
  EXPECT_EQ(Burst(&ann), 10);
  clock_.now += absl::Hours(1);
  EXPECT_EQ(Burst(&ann), 20);
}

TEST_F(RateLimitTest, OneUserDoesNotTakeFromAnother) {
  const User ann{"ann", "", {}};
  const User bob{"bob", "", {}};
  EXPECT_EQ(Burst(&ann), 20);
  EXPECT_EQ(Burst(&bob), 20);
}

TEST_F(RateLimitTest, NodesHaveMoreAndMastersNeverWait) {
  const User node{"node", "", {"system:nodes"}};
  const User root{"root", "", {"system:masters"}};
  EXPECT_EQ(Burst(&node), 100);
  EXPECT_EQ(Burst(&root), 1000);
}

TEST_F(RateLimitTest, StrangersShareOneBucket) {
  EXPECT_EQ(Burst(nullptr), 4);
  EXPECT_GT(limit_.Take(nullptr), absl::ZeroDuration());
}

TEST_F(RateLimitTest, MemoryIsBoundedByUsersThatAreActive) {
  for (int i = 0; i < 10'000; ++i) {
    const User user{absl::StrCat("user-", i), "", {}};
    EXPECT_EQ(limit_.Take(&user), absl::ZeroDuration());
    clock_.now += absl::Milliseconds(10);
  }
  const User late{"late", "", {}};
  EXPECT_EQ(Burst(&late), 20);
}

TEST_F(RateLimitTest, AClockThatIsSetBackTakesNothing) {
  const User ann{"ann", "", {}};
  EXPECT_EQ(Burst(&ann), 20);
  clock_.now -= absl::Hours(1);
  EXPECT_EQ(Burst(&ann), 0);
  clock_.now += absl::Seconds(1);
  EXPECT_EQ(Burst(&ann), 10);
}

}  // namespace
}  // namespace xpu::apiserver
