// The auditor beside a kubelet whose steps come in any order: what a pod holds, or is about to be booked for
// one, is never found unused, and what nobody holds is found in the end.

#include <algorithm>
#include <deque>
#include <map>
#include <optional>
#include <random>
#include <vector>

#include "common/base/test_seed.h"
#include "gtest/gtest.h"
#include "host-agent/podresources/claim_auditor.h"

namespace xpu {
namespace {

constexpr int kFunctions = 3;
constexpr int kSteps = 12000;
constexpr absl::Duration kBooking = absl::Seconds(10);

FunctionId FunctionAt(int i) { return PciAddress{0, 3, 0, static_cast<uint8_t>(i)}; }

class RandomKubelet : public ::testing::Test {
 protected:
  int Draw(int n) { return static_cast<int>(random_() % static_cast<unsigned>(n)); }

  // The host agent's half.
  struct Function {
    std::optional<int64_t> claim;
    // Allocate has begun, and whether there is still a kubelet to hear its answer.
    bool asked = false;
    bool is_heard = false;
    // The kubelet's: it was answered, and when; it is in the books.
    std::optional<absl::Time> answered;
    bool booked = false;
    bool IsWanted() const { return (asked && is_heard) || answered || booked; }
  };

  void Step() {
    Function& function = functions_[Draw(kFunctions)];
    const FunctionId id = FunctionAt(static_cast<int>(&function - functions_));
    switch (Draw(10)) {
      case 0:
        if (function.asked || function.IsWanted()) break;
        auditor_->Allocating(id);
        if (!function.claim) function.claim = ++last_claim_;
        function.asked = function.is_heard = true;
        break;
      case 1:
        if (function.asked) Answer(id, function);
        break;
      case 2:
        if (function.answered) Book(function);
        break;
      case 3:
        // Refused for another reason after its device was given, or its pod is gone.
        if (!function.answered && !function.booked) break;
        function.answered.reset();
        function.booked = false;
        ++news_;
        break;
      case 4:
        // Another plugin's devices.
        ++news_;
        break;
      case 5:
        if (news_ > 0) Tell();
        break;
      case 6:
        Pass(kBooking * Draw(100) / 100);
        break;
      case 7:
        if (!asked_) Ask();
        break;
      case 8:
        if (asked_ && !answer_) {
          answer_ = Books();
        } else if (asked_) {
          Come();
        }
        break;
      case 9:
        if (Draw(10) == 0) RestartKubelet();
        break;
    }
    Release();
  }

  void Answer(const FunctionId& id, Function& function) {
    auditor_->Allocated(id, *function.claim);
    function.asked = false;
    if (function.is_heard) function.answered = now_;
  }
  void Book(Function& function) {
    function.answered.reset();
    function.booked = true;
    ++news_;
  }
  // What the kubelet has written is heard of.
  void Tell() {
    --news_;
    auditor_->CheckpointWritten();
    if (!asked_) Ask();
  }
  // A kubelet that lives books in less time than is allowed for.
  void Pass(absl::Duration time) {
    now_ += time;
    for (Function& function : functions_) {
      if (function.answered && now_ - *function.answered >= kBooking) Book(function);
    }
    if (!asked_ && auditor_->NextList() <= now_) Ask();
  }
  void Ask() { asked_ = auditor_->ListBegins(now_); }
  void Come() {
    std::vector<ClaimRow> rows;
    for (int i = 0; i < kFunctions; ++i) {
      if (functions_[i].claim) rows.push_back({.function = FunctionAt(i), .claim = *functions_[i].claim});
    }
    const auto findings = auditor_->Listed(*asked_, now_, PodList(), rows, *answer_);
    asked_.reset();
    answer_.reset();
    for (const ClaimAuditor::Claim& found : findings.unused) {
      EXPECT_FALSE(functions_[found.function.pci.function].IsWanted()) << found.function.ToString();
      found_.push_back(found);
    }
  }
  Holders Books() const {
    Holders books;
    for (int i = 0; i < kFunctions; ++i) {
      if (functions_[i].booked) books[FunctionAt(i)] = HeldDevice{};
    }
    return books;
  }
  // What was not in its books is forgotten, and its pod asks anew.
  void RestartKubelet() {
    for (Function& function : functions_) {
      function.is_heard = false;
      function.answered.reset();
    }
    if (!asked_) return;
    auditor_->ListFailed();
    asked_.reset();
    answer_.reset();
  }
  // In the function's turn, so some time after it was found.
  void Release() {
    if (found_.empty() || Draw(3) == 0) return;
    const ClaimAuditor::Claim claim = found_.front();
    found_.pop_front();
    if (!auditor_->StillUnused(claim.function, claim.claim)) return;
    Function& function = functions_[claim.function.pci.function];
    EXPECT_FALSE(function.IsWanted()) << claim.function.ToString();
    if (function.claim == claim.claim) function.claim.reset();
    ++released_;
  }

  std::mt19937_64 random_;
  absl::Time now_ = absl::UnixEpoch();
  std::optional<ClaimAuditor> auditor_;
  Function functions_[kFunctions];
  int64_t last_claim_ = 0;
  // Checkpoints that were written and not heard of yet.
  int news_ = 0;
  std::optional<ClaimAuditor::Asked> asked_;
  // What the list that was asked for will say.
  std::optional<Holders> answer_;
  std::deque<ClaimAuditor::Claim> found_;
  int released_ = 0;
};

TEST_F(RandomKubelet, WhatIsHeldIsNeverReleasedAndTheRestIsInTheEnd) {
  random_.seed(TestSeed());
  auditor_.emplace(std::vector<ClaimRow>(), kBooking);
  for (int i = 0; i < kSteps && !HasFailure(); ++i) {
    SCOPED_TRACE(testing::Message() << "step " << i);
    Step();
  }
  EXPECT_GT(released_, 10) << "hardly anything was released";

  // All pods go, and what was begun comes to its end.
  for (int i = 0; i < kFunctions; ++i) {
    Function& function = functions_[i];
    if (function.asked) Answer(FunctionAt(i), function);
    function.booked = false;
    function.answered.reset();
  }
  ++news_;
  const auto finish = [this] {
    if (asked_ && !answer_) answer_ = Books();
    if (asked_) Come();
    while (!found_.empty()) Release();
  };
  finish();
  while (news_ > 0) {
    Tell();
    finish();
  }
  for (int i = 0; i < kFunctions && auditor_->NextList() != absl::InfiniteFuture(); ++i) {
    Pass(auditor_->NextList() - now_);
    finish();
  }
  EXPECT_EQ(auditor_->NextList(), absl::InfiniteFuture());
  for (const Function& function : functions_) EXPECT_FALSE(function.claim) << "claim " << *function.claim;
}

}  // namespace
}  // namespace xpu
