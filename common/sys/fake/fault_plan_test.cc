#include "common/sys/fake/fault_plan.h"

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace xpu {
namespace {

const absl::Status kLost = absl::UnavailableError("lost");

TEST(FaultPlan, FailsTheCallThatWasNamedAndNoOther) {
  FaultPlan plan;
  EXPECT_TRUE(plan.Check("Open").ok());
  plan.FailCall("Open", 2, kLost);
  EXPECT_TRUE(plan.Check("Open").ok());
  EXPECT_TRUE(plan.Check("Close").ok());
  EXPECT_EQ(plan.Check("Open"), kLost);
  EXPECT_TRUE(plan.Check("Open").ok());
  EXPECT_EQ(plan.Calls("Open"), 4);
  EXPECT_EQ(plan.Calls("Never"), 0);
  EXPECT_THAT(plan.History(), ::testing::ElementsAre("Open", "Open", "Close", "Open", "Open"));
}

TEST(FaultPlan, FailsAlwaysUntilToldOtherwise) {
  FaultPlan plan;
  plan.FailAlways("Open", kLost);
  EXPECT_EQ(plan.Check("Open"), kLost);
  EXPECT_EQ(plan.Check("Open"), kLost);
  plan.FailAlways("Open", absl::OkStatus());
  EXPECT_TRUE(plan.Check("Open").ok());
}

TEST(FaultPlan, FailsEverythingAfterSoManyCalls) {
  FaultPlan plan;
  plan.FailAllAfter(2, kLost);
  EXPECT_TRUE(plan.Check("Open").ok());
  EXPECT_TRUE(plan.Check("Read").ok());
  EXPECT_EQ(plan.Check("Close"), kLost);
  EXPECT_EQ(plan.Check("Open"), kLost);
  plan.Clear();
  EXPECT_TRUE(plan.Check("Open").ok());
  EXPECT_EQ(plan.Calls("Open"), 1);
}

TEST(FaultPlan, AnActionMayUseThePlan) {
  FaultPlan plan;
  plan.OnCall("Open", [&] { plan.Check("Inner").IgnoreError(); });
  EXPECT_TRUE(plan.Check("Open").ok());
  EXPECT_EQ(plan.Calls("Inner"), 1);
}

}  // namespace
}  // namespace xpu
