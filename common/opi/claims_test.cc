#include "common/opi/claims.h"

#include "gtest/gtest.h"

namespace xpu {
namespace {

absl::StatusCode CodeOf(const ClaimMark& mark, const int64_t* port, int64_t claim, ClaimUse use) {
  return OrderClaim("bridgePorts/host0-0", mark, port, claim, use).status().code();
}

constexpr int64_t kNone = 0;
constexpr int64_t kFive = 5;

TEST(Claims, FirstClaimIsNewer) {
  EXPECT_EQ(*OrderClaim("p", {}, nullptr, 1, ClaimUse::kHold), ClaimOrder::kNewer);
}

TEST(Claims, TheClaimThatHoldsThePortIsCurrent) {
  EXPECT_EQ(*OrderClaim("p", {5, false}, &kFive, 5, ClaimUse::kHold), ClaimOrder::kCurrent);
  EXPECT_EQ(*OrderClaim("p", {5, false}, &kFive, 5, ClaimUse::kGiveBack), ClaimOrder::kCurrent);
}

TEST(Claims, AnOlderClaimIsAbortedWhateverItWants) {
  EXPECT_EQ(CodeOf({5, false}, &kFive, 4, ClaimUse::kHold), absl::StatusCode::kAborted);
  EXPECT_EQ(CodeOf({5, false}, &kFive, 4, ClaimUse::kGiveBack), absl::StatusCode::kAborted);
  EXPECT_EQ(CodeOf({5, true}, nullptr, 4, ClaimUse::kGiveBack), absl::StatusCode::kAborted);
}

TEST(Claims, AReleasedClaimHoldsNothingAnyMoreButMayBeGivenBackAgain) {
  EXPECT_EQ(CodeOf({5, true}, nullptr, 5, ClaimUse::kHold), absl::StatusCode::kAborted);
  EXPECT_EQ(*OrderClaim("p", {5, true}, nullptr, 5, ClaimUse::kGiveBack), ClaimOrder::kOver);
}

TEST(Claims, AHigherClaimSupersedesThePort) {
  EXPECT_EQ(*OrderClaim("p", {5, false}, &kFive, 6, ClaimUse::kHold), ClaimOrder::kNewer);
  EXPECT_EQ(*OrderClaim("p", {5, true}, nullptr, 6, ClaimUse::kGiveBack), ClaimOrder::kNewer);
}

TEST(Claims, WithoutClaimsThePortIsTheClientsOwn) {
  EXPECT_EQ(*OrderClaim("p", {}, nullptr, 0, ClaimUse::kHold), ClaimOrder::kCurrent);
  EXPECT_EQ(*OrderClaim("p", {}, &kNone, 0, ClaimUse::kGiveBack), ClaimOrder::kCurrent);
  EXPECT_EQ(*OrderClaim("p", {5, true}, nullptr, 0, ClaimUse::kHold), ClaimOrder::kCurrent);
}

TEST(Claims, ARequestWithoutAClaimLeavesAHeldPortAlone) {
  EXPECT_EQ(CodeOf({5, false}, &kFive, 0, ClaimUse::kGiveBack), absl::StatusCode::kAborted);
}

TEST(Claims, AClaimSupersedesAPortMadeWithoutOne) {
  EXPECT_EQ(*OrderClaim("p", {5, false}, &kNone, 5, ClaimUse::kHold), ClaimOrder::kNewer);
}

TEST(Claims, NegativeIsRefused) {
  EXPECT_EQ(CodeOf({}, nullptr, -1, ClaimUse::kHold), absl::StatusCode::kInvalidArgument);
}

TEST(Claims, TheMarkOnlyGoesUpAndAReleaseStays) {
  EXPECT_EQ(MarkAfter({}, 3, false), (ClaimMark{3, false}));
  EXPECT_EQ(MarkAfter({3, false}, 3, true), (ClaimMark{3, true}));
  EXPECT_EQ(MarkAfter({3, true}, 3, false), (ClaimMark{3, true}));
  EXPECT_EQ(MarkAfter({3, true}, 4, false), (ClaimMark{4, false}));
  EXPECT_EQ(MarkAfter({3, true}, 0, true), (ClaimMark{3, true}));
  EXPECT_EQ(MarkAfter({3, true}, 2, true), (ClaimMark{3, true}));
}

}  // namespace
}  // namespace xpu
