#include "common/kube/change_signal.h"

#include "absl/time/clock.h"
#include "common/base/status_macros.h"

namespace xpu {

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

bool ChangeSignal::WaitUntil(const std::function<bool()>& done) {
  const absl::Time deadline = absl::Now() + absl::Seconds(60);
  // Whoever waited before may have taken the news.
  Notify();
  while (AwaitNews(deadline)) {
    if (done()) return true;
  }
  return false;
}

absl::StatusOr<std::unique_ptr<ResourceStore::Watcher>> NotifyOfChanges(ResourceStore& store,
                                                                        const ResourceKind& kind,
                                                                        ChangeSignal& signal) {
  XPU_ASSIGN_OR_RETURN(const ResourceList listed, store.List(kind, ""));
  return store.Watch(kind, "", listed.resource_version, {},
                     {.event = [&signal](const WatchEvent&) { signal.Notify(); },
                      .ended = [&signal](const absl::Status&) { signal.Notify(); }});
}

}  // namespace xpu
