#pragma once

#include <utility>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"

namespace xpu {

// What was told last, for a test to wait for. Safe from any thread.
template <class T>
class Latest {
 public:
  void Set(T value) {
    absl::MutexLock lock(&mu_);
    value_ = std::move(value);
    ++times_;
  }
  T Get() {
    absl::MutexLock lock(&mu_);
    return value_;
  }
  // How often something was told.
  int times() {
    absl::MutexLock lock(&mu_);
    return times_;
  }
  // False if that takes longer than only a broken program needs, also in an emulated machine that is twenty
  // times slower than this one.
  template <class Predicate>
  bool WaitFor(Predicate predicate) {
    absl::MutexLock lock(&mu_);
    const auto reached = [&] {
      mu_.AssertReaderHeld();
      return predicate(std::as_const(value_));
    };
    return mu_.AwaitWithTimeout(absl::Condition(&reached), absl::Seconds(60));
  }

 private:
  absl::Mutex mu_;
  T value_ ABSL_GUARDED_BY(mu_);
  int times_ ABSL_GUARDED_BY(mu_) = 0;
};

}  // namespace xpu
