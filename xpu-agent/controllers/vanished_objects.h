#pragma once

#include <functional>
#include <set>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/synchronization/mutex.h"
#include "common/kube/resource_store.h"

namespace xpu {

// Objects of a kind that went away. A finalizer sees to it that what was made for one goes before it; if
// somebody took the finalizer off, that is still there, and a reconcile of a name without an object removes
// it. What never had an object is somebody else's. Safe from any thread.
class VanishedObjects {
 public:
  // There is no such object any more.
  void Add(const ResourceName& name);
  // Calls `remove` if the object of that name went away, until that has succeeded once. OK if there is
  // nothing to remove. One call for a name at a time.
  absl::Status Remove(const ResourceName& name, const std::function<absl::Status()>& remove);

 private:
  absl::Mutex mu_;
  std::set<ResourceName> names_ ABSL_GUARDED_BY(mu_);
};

}  // namespace xpu
