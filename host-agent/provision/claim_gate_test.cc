#include "host-agent/provision/claim_gate.h"

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "host-agent/alloc/allocator.h"
#include "host-agent/alloc/fake_journal.h"

namespace xpu {
namespace {

using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;

const FunctionId kFirst(PciAddress{0, 3, 0, 2}), kSecond(PciAddress{0, 3, 0, 3});

TEST(ClaimGate, RefusesClaimsOfWhatItIsClosedOnUntilItIsOpenAgain) {
  FakeJournal journal;
  ClaimGate gate(journal);
  const auto allocator = *Allocator::Open(gate);
  auto closed = gate.Close({kFirst}, "its driver is being changed");
  const absl::Status refused = allocator->Begin({.function = kFirst}).status();
  EXPECT_EQ(refused.code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_THAT(std::string(refused.message()), HasSubstr("its driver is being changed"));
  EXPECT_THAT(allocator->Rows(), IsEmpty());
  EXPECT_TRUE(allocator->Begin({.function = kSecond}).ok());
  closed.reset();
  EXPECT_TRUE(allocator->Begin({.function = kFirst}).ok());
}

TEST(ClaimGate, AClaimThatWasThereGoesOn) {
  FakeJournal journal;
  ClaimGate gate(journal);
  const auto allocator = *Allocator::Open(gate);
  const ClaimRow row = *allocator->Begin({.function = kFirst});
  const auto closed = gate.Close({kFirst}, "x");
  EXPECT_THAT(*gate.Load(), SizeIs(1));
  EXPECT_TRUE(allocator->Undo(kFirst, row.claim).ok());
}

}  // namespace
}  // namespace xpu
