#include "host-agent/alloc/fake_journal.h"

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "common/base/status_macros.h"

namespace xpu {

absl::Status FakeJournal::CountCall() {
  const auto failure = failures_.find(++calls_);
  return failure == failures_.end() ? absl::OkStatus() : failure->second;
}

absl::StatusOr<std::vector<ClaimRow>> FakeJournal::Load() {
  absl::MutexLock lock(&mu_);
  std::vector<ClaimRow> rows;
  for (const auto& [function, row] : rows_) rows.push_back(row);
  return rows;
}

absl::StatusOr<ClaimRow> FakeJournal::Begin(const ClaimRow& wanted) {
  absl::MutexLock lock(&mu_);
  XPU_RETURN_IF_ERROR(CountCall());
  if (rows_.contains(wanted.function)) {
    return absl::AlreadyExistsError(
        absl::StrCat("function ", wanted.function.ToString(), " is claimed already"));
  }
  ClaimRow row = wanted;
  int64_t& last = last_claims_[row.function];
  last = row.claim = std::max<int64_t>(last + 1, absl::ToUnixMillis(clock_.Now()));
  rows_[row.function] = row;
  return row;
}

absl::Status FakeJournal::Write(const ClaimRow& row) {
  absl::MutexLock lock(&mu_);
  XPU_RETURN_IF_ERROR(CountCall());
  const auto it = rows_.find(row.function);
  if (it == rows_.end() || it->second.claim != row.claim) {
    return absl::NotFoundError(
        absl::StrCat("the journal has no claim ", row.claim, " of function ", row.function.ToString()));
  }
  it->second = row;
  return absl::OkStatus();
}

absl::Status FakeJournal::End(const FunctionId& function, int64_t claim) {
  absl::MutexLock lock(&mu_);
  XPU_RETURN_IF_ERROR(CountCall());
  const auto it = rows_.find(function);
  if (it != rows_.end() && it->second.claim == claim) rows_.erase(it);
  return absl::OkStatus();
}

void FakeJournal::FailCall(int n, absl::Status status) {
  absl::MutexLock lock(&mu_);
  failures_[calls_ + n] = std::move(status);
}

void FakeJournal::Lose() {
  absl::MutexLock lock(&mu_);
  rows_.clear();
  last_claims_.clear();
}

int FakeJournal::calls() const {
  absl::MutexLock lock(&mu_);
  return calls_;
}

}  // namespace xpu
