#pragma once

#include <functional>
#include <map>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/synchronization/mutex.h"

namespace xpu {

// What a fake is to do wrong. Fakes call Check("Method") at the start of each method of their seam and return
// what it gives if that is not OK. Safe from any thread.
class FaultPlan {
 public:
  // The `n`-th call of `method` from now (1: the next) fails with `status`, once.
  void FailCall(const std::string& method, int n, absl::Status status);
  // Every call of `method` fails from now on; OK lets it work again.
  void FailAlways(const std::string& method, absl::Status status);
  // Every call of any method fails after `n` more have been let through: what is left undone when a process
  // is killed there.
  void FailAllAfter(int n, absl::Status status);
  // Runs `action` in each later call of `method`, before the call does anything; null stops that.
  void OnCall(const std::string& method, std::function<void()> action);
  // Forgets all that was planned and counted.
  void Clear();

  // For the fakes.
  absl::Status Check(const std::string& method);

  // Calls of `method` so far, failed ones included.
  int Calls(const std::string& method) const;
  // Every call so far, in order.
  std::vector<std::string> History() const;

 private:
  struct Method {
    int calls = 0;
    std::map<int, absl::Status> fail_at;
    absl::Status always;
    std::function<void()> action;
  };
  mutable absl::Mutex mu_;
  std::map<std::string, Method> methods_ ABSL_GUARDED_BY(mu_);
  std::vector<std::string> history_ ABSL_GUARDED_BY(mu_);
  int let_through_ ABSL_GUARDED_BY(mu_) = -1;
  absl::Status after_ ABSL_GUARDED_BY(mu_);
};

}  // namespace xpu
