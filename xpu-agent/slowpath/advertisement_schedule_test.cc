#include "xpu-agent/slowpath/advertisement_schedule.h"

#include "common/base/test_seed.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "xpu-agent/slowpath/testing.h"

namespace xpu::slowpath {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

const absl::Time kStart = absl::FromUnixSeconds(1'000'000);

class AdvertisementScheduleTest : public ::testing::Test {
 protected:
  AdvertisementSchedule schedule_{TestSeed()};

  // What comes next, and when; nothing may come before it.
  AdvertisementSchedule::Due Next(absl::Time* at) {
    *at = schedule_.Next();
    const AdvertisementSchedule::Due early = schedule_.Take(*at - absl::Microseconds(1));
    EXPECT_THAT(early.networks, IsEmpty());
    EXPECT_TRUE(early.hosts.empty());
    return schedule_.Take(*at);
  }
};

TEST_F(AdvertisementScheduleTest, HasNothingToDoWithoutNetworks) {
  EXPECT_EQ(schedule_.Next(), absl::InfiniteFuture());
  schedule_.SetNetworks({1}, kStart);
  EXPECT_LT(schedule_.Next(), absl::InfiniteFuture());
  schedule_.SetNetworks({}, kStart);
  EXPECT_EQ(schedule_.Next(), absl::InfiniteFuture());
}

// RFC 4861, 6.2.4.
TEST_F(AdvertisementScheduleTest, ANewNetworkAdvertisesThreeTimesAndThenWithTheOthers) {
  schedule_.SetNetworks({1, 2}, kStart);
  absl::Time at, last;
  std::map<uint32_t, std::vector<absl::Time>> times;
  while (times[1].size() < 6 || times[2].size() < 6) {
    for (const uint32_t network : Next(&at).networks) times[network].push_back(at);
  }
  for (const uint32_t network : {1, 2}) {
    const std::vector<absl::Time>& of = times[network];
    EXPECT_LE(of[0] - kStart, absl::Milliseconds(500));
    EXPECT_EQ(of[1] - of[0], absl::Seconds(16));
    EXPECT_EQ(of[2] - of[1], absl::Seconds(16));
    for (size_t i = 4; i < of.size(); ++i) {
      EXPECT_GE(of[i] - of[i - 1], absl::Seconds(200));
      EXPECT_LE(of[i] - of[i - 1], absl::Seconds(600));
    }
  }
  // At the same moments, so that the card wakes up once for all.
  for (size_t i = 3; i < 6; ++i) EXPECT_EQ(times[1][i], times[2][i]);
  EXPECT_NE(times[1][4] - times[1][3], times[1][5] - times[1][4]);
}

TEST_F(AdvertisementScheduleTest, AnswersAHostAfterARandomDelayOnce) {
  schedule_.SetNetworks({1}, kStart);
  absl::Time at;
  for (int i = 0; i < 3; ++i) Next(&at);
  schedule_.Solicit(1, 7, {.mac = Mac("02:00:00:00:00:0a"), .address = Ip("::")}, at);
  schedule_.Solicit(1, 8, {.mac = Mac("02:00:00:00:00:0a"), .address = Ip("fe80::a")}, at);
  schedule_.Solicit(2, 9, {.mac = Mac("02:00:00:00:00:0b"), .address = Ip("::")}, at);
  absl::Time answered;
  const AdvertisementSchedule::Due due = Next(&answered);
  EXPECT_THAT(due.networks, IsEmpty());
  ASSERT_EQ(due.hosts.size(), 1u);
  // As it asked last.
  EXPECT_EQ(due.hosts[0].network, 1u);
  EXPECT_EQ(due.hosts[0].port, 8u);
  EXPECT_EQ(due.hosts[0].solicitation.address, Ip("fe80::a"));
  EXPECT_LE(answered - at, absl::Milliseconds(500));
  EXPECT_GE(schedule_.Next() - answered, absl::Seconds(1));
}

TEST_F(AdvertisementScheduleTest, ForgetsANetworkThatGoesAndTakesItForNewWhenItIsBack) {
  schedule_.SetNetworks({1, 2}, kStart);
  schedule_.Solicit(1, 7, {.mac = Mac("02:00:00:00:00:0a"), .address = Ip("::")}, kStart);
  schedule_.SetNetworks({2}, kStart);
  const AdvertisementSchedule::Due due = schedule_.Take(kStart + absl::Seconds(1));
  EXPECT_THAT(due.networks, ElementsAre(2));
  EXPECT_TRUE(due.hosts.empty());
  schedule_.SetNetworks({1, 2}, kStart + absl::Seconds(1));
  EXPECT_THAT(schedule_.Take(kStart + absl::Seconds(2)).networks, ElementsAre(1));
}

}  // namespace
}  // namespace xpu::slowpath
