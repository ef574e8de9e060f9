#include "xpu-agent/controllers/outcome.h"

#include "gtest/gtest.h"

namespace xpu {
namespace {

Resource ObjectOfGeneration(int64_t generation) { return {{"metadata", {{"generation", generation}}}}; }

TEST(OutcomeTest, TheConditionSaysWhatCameOfIt) {
  EXPECT_EQ(ReadyCondition(ObjectOfGeneration(3), absl::OkStatus(), ""),
            (ConditionValue{"Ready", "True", "Confirmed", "", 3}));
  EXPECT_EQ(ReadyCondition(ObjectOfGeneration(1), absl::ResourceExhaustedError("x"), "none left"),
            (ConditionValue{"Ready", "False", "NoneLeft", "none left", 1}));
  EXPECT_EQ(ReadyCondition({}, absl::UnavailableError("x"), "").reason, "AgentUnavailable");
  EXPECT_EQ(ReadyCondition({}, absl::InternalError("x"), "").reason, "Failed");
}

TEST(OutcomeTest, OnlyAMissingAnswerLeavesThingsAsTheyWere) {
  EXPECT_TRUE(IsNoAnswer(absl::UnavailableError("")));
  EXPECT_TRUE(IsNoAnswer(absl::DeadlineExceededError("")));
  EXPECT_FALSE(IsNoAnswer(absl::OkStatus()));
  EXPECT_FALSE(IsNoAnswer(absl::NotFoundError("")));
}

TEST(OutcomeTest, WhatOnlyAChangeOfTheObjectCanHelpIsNotTriedAgain) {
  EXPECT_TRUE(RetryFor(absl::InvalidArgumentError("")).ok());
  EXPECT_TRUE(RetryFor(absl::OkStatus()).ok());
  EXPECT_TRUE(absl::IsResourceExhausted(RetryFor(absl::ResourceExhaustedError(""))));
}

}  // namespace
}  // namespace xpu
