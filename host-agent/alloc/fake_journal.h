#pragma once

#include <map>
#include <utility>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "common/base/clock.h"
#include "host-agent/alloc/journal.h"

namespace xpu {

// A journal in memory. It stands for the file: a test that ends a process keeps it and gives it to the next
// one.
class FakeJournal : public Journal {
 public:
  explicit FakeJournal(Clock& clock = Clock::Real()) : clock_(clock) {}

  absl::StatusOr<std::vector<ClaimRow>> Load() override;
  absl::StatusOr<ClaimRow> Begin(const ClaimRow& row) override;
  absl::Status Write(const ClaimRow& row) override;
  absl::Status End(const FunctionId& function, int64_t claim) override;

  // The n-th call from now that changes something (1: the next) fails with `status` and changes nothing.
  void FailCall(int n, absl::Status status);
  // Its file is gone, and with it the rows and what was remembered of claims.
  void Lose();
  // Calls so far that change something, failed ones included.
  int calls() const;

 private:
  absl::Status CountCall() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);

  Clock& clock_;
  mutable absl::Mutex mu_;
  std::map<FunctionId, ClaimRow> rows_ ABSL_GUARDED_BY(mu_);
  std::map<FunctionId, int64_t> last_claims_ ABSL_GUARDED_BY(mu_);
  std::map<int, absl::Status> failures_ ABSL_GUARDED_BY(mu_);
  int calls_ ABSL_GUARDED_BY(mu_) = 0;
};

}  // namespace xpu
