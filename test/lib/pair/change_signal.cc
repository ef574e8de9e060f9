#include "test/lib/pair/change_signal.h"

#include "common/base/status_macros.h"

namespace xpu::testing {

void ChangeSignal::Notify() {
  absl::MutexLock lock(&mu_);
  news_ = true;
}

bool ChangeSignal::AwaitNews(absl::Time deadline) {
  absl::MutexLock lock(&mu_);
  const bool told = mu_.AwaitWithDeadline(absl::Condition(&news_), deadline);
  news_ = false;
  return told;
}

absl::StatusOr<std::unique_ptr<ResourceStore::Watcher>> NotifyOfChanges(ResourceStore& store,
                                                                        const ResourceKind& kind,
                                                                        ChangeSignal& signal) {
  XPU_ASSIGN_OR_RETURN(const ResourceList listed, store.List(kind, ""));
  return store.Watch(kind, "", listed.resource_version, {},
                     {.event = [&signal](const WatchEvent&) { signal.Notify(); },
                      .ended = [&signal](const absl::Status&) { signal.Notify(); }});
}

}  // namespace xpu::testing
