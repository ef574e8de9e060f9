#pragma once

#include <functional>
#include <memory>

#include "absl/base/thread_annotations.h"
#include "absl/status/statusor.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include "common/kube/resource_store.h"

namespace xpu {

// For tests: "something may have changed, look again", told by watches on any thread, waited for by one
// thread.
class ChangeSignal {
 public:
  void Notify();
  // True at once the first time, then whenever there was a Notify() since the last return; false at the
  // deadline.
  bool AwaitNews(absl::Time deadline);
  // Looks at `done` now and after each Notify(); false at a deadline that only a broken program reaches.
  bool WaitUntil(const std::function<bool()>& done);

 private:
  absl::Mutex mu_;
  bool news_ ABSL_GUARDED_BY(mu_) = true;
};

// Notifies of every change of `kind` that a List() made after this returned does not show yet, and when the
// watch ends. `signal` must outlive the watcher.
absl::StatusOr<std::unique_ptr<ResourceStore::Watcher>> NotifyOfChanges(ResourceStore& store,
                                                                        const ResourceKind& kind,
                                                                        ChangeSignal& signal);

}  // namespace xpu
