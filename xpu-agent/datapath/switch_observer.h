#pragma once

#include <functional>

#include "absl/base/thread_annotations.h"
#include "absl/status/statusor.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include "xpu-agent/datapath/switch.h"

namespace xpu {

// For tests: waits for a switch to be as wanted, woken by its `changed`. Must outlive the switch.
class SwitchObserver {
 public:
  // Starts the switch.
  void Start(Switch& sw) {
    switch_ = &sw;
    sw.Start([this] {
      absl::MutexLock lock(&mutex_);
      ++changes_;
    });
  }

  // False if it did not come to be within 30 seconds.
  bool AwaitStatus(const std::function<bool(const absl::StatusOr<SwitchSnapshot>&)>& wanted) {
    const absl::Time deadline = absl::Now() + absl::Seconds(30);
    for (;;) {
      const int seen = changes();
      if (wanted(switch_->Snapshot())) return true;
      absl::MutexLock lock(&mutex_);
      const auto changed = [&]() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) { return changes_ != seen; };
      if (!mutex_.AwaitWithDeadline(absl::Condition(&changed), deadline)) return false;
    }
  }
  bool AwaitSnapshot(const std::function<bool(const SwitchSnapshot&)>& wanted) {
    return AwaitStatus([&](const auto& snapshot) { return snapshot.ok() && wanted(*snapshot); });
  }
  bool AwaitReady() {
    return AwaitSnapshot([](const SwitchSnapshot&) { return true; });
  }
  bool AwaitUnavailable() {
    return AwaitStatus([](const auto& snapshot) { return absl::IsUnavailable(snapshot.status()); });
  }

  // How often `changed` was called.
  int changes() {
    absl::MutexLock lock(&mutex_);
    return changes_;
  }

 private:
  Switch* switch_ = nullptr;
  absl::Mutex mutex_;
  int changes_ ABSL_GUARDED_BY(mutex_) = 0;
};

}  // namespace xpu
