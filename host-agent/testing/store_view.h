#pragma once

#include <functional>
#include <map>
#include <memory>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include "common/kube/metadata.h"
#include "common/kube/resource_store.h"

namespace xpu {

// What a store holds of a kind, kept up to date by a watch, so that a test can wait for it.
class StoreView {
 public:
  using Objects = std::map<ResourceName, Resource>;

  StoreView(ResourceStore& store, const ResourceKind& kind) {
    const ResourceList list = *store.List(kind, "");
    {
      absl::MutexLock lock(&mu_);
      for (const Resource& object : list.items) objects_[NameOf(object)] = object;
    }
    watcher_ = *store.Watch(kind, "", list.resource_version, {},
                            {[this](const WatchEvent& event) { Take(event); }, [](const absl::Status&) {}});
  }

  // False if it does not become true in a generous time.
  bool WaitFor(const std::function<bool(const Objects&)>& predicate) {
    absl::MutexLock lock(&mu_);
    const auto reached = [&] {
      mu_.AssertReaderHeld();
      return predicate(objects_);
    };
    return mu_.AwaitWithTimeout(absl::Condition(&reached), absl::Seconds(20));
  }
  Objects Get() {
    absl::MutexLock lock(&mu_);
    return objects_;
  }

 private:
  void Take(const WatchEvent& event) {
    if (event.type == WatchEvent::Type::kBookmark) return;
    absl::MutexLock lock(&mu_);
    if (event.type == WatchEvent::Type::kDeleted) {
      objects_.erase(NameOf(event.object));
    } else {
      objects_[NameOf(event.object)] = event.object;
    }
  }

  absl::Mutex mu_;
  Objects objects_ ABSL_GUARDED_BY(mu_);
  // Last: it ends first.
  std::unique_ptr<ResourceStore::Watcher> watcher_;
};

}  // namespace xpu
