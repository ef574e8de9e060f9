#include "common/sys/fake/fault_plan.h"

#include <utility>

namespace xpu {

void FaultPlan::FailCall(const std::string& method, int n, absl::Status status) {
  absl::MutexLock lock(&mu_);
  Method& planned = methods_[method];
  planned.fail_at[planned.calls + n] = std::move(status);
}

void FaultPlan::FailAlways(const std::string& method, absl::Status status) {
  absl::MutexLock lock(&mu_);
  methods_[method].always = std::move(status);
}

void FaultPlan::FailAllAfter(int n, absl::Status status) {
  absl::MutexLock lock(&mu_);
  let_through_ = n;
  after_ = std::move(status);
}

void FaultPlan::OnCall(const std::string& method, std::function<void()> action) {
  absl::MutexLock lock(&mu_);
  methods_[method].action = std::move(action);
}

void FaultPlan::Clear() {
  absl::MutexLock lock(&mu_);
  methods_.clear();
  history_.clear();
  let_through_ = -1;
  after_ = absl::OkStatus();
}

absl::Status FaultPlan::Check(const std::string& method) {
  absl::Status status;
  std::function<void()> action;
  {
    absl::MutexLock lock(&mu_);
    Method& planned = methods_[method];
    history_.push_back(method);
    ++planned.calls;
    action = planned.action;
    status = planned.always;
    if (auto found = planned.fail_at.find(planned.calls); found != planned.fail_at.end()) {
      status = found->second;
      planned.fail_at.erase(found);
    }
    if (let_through_ == 0) status = after_;
    if (let_through_ > 0) --let_through_;
  }
  // Without the lock, so that it may use the fake.
  if (action) action();
  return status;
}

int FaultPlan::Calls(const std::string& method) const {
  absl::MutexLock lock(&mu_);
  const auto found = methods_.find(method);
  return found == methods_.end() ? 0 : found->second.calls;
}

std::vector<std::string> FaultPlan::History() const {
  absl::MutexLock lock(&mu_);
  return history_;
}

}  // namespace xpu
