#include "common/kube/fake_watcher.h"

#include <utility>

namespace xpu {

FakeStore::FakeWatcher::~FakeWatcher() {
  {
    absl::MutexLock lock(&store_.mu_);
    stop_ = true;
    store_.watchers_.remove(this);
  }
  if (thread_.joinable()) thread_.join();
}

void FakeStore::FakeWatcher::Start() {
  thread_ = std::thread([this] { Run(); });
}

void FakeStore::FakeWatcher::Offer(const Change& change) {
  if (end_ || change.collection != collection_) return;
  const auto selected = [this](const Resource& object) {
    return !object.is_null() && (ns_.empty() || object["metadata"].value("namespace", "") == ns_) &&
           selector_.Matches(object);
  };
  const bool was = selected(change.before);
  const bool is = selected(change.after);
  if (is) {
    queue_.push_back({was ? WatchEvent::Type::kModified : WatchEvent::Type::kAdded, change.after});
  } else if (was) {
    // An object that no longer matches is gone as far as this watch goes; its last matching state is shown,
    // with the version of the change, from which a watch can go on.
    WatchEvent event{WatchEvent::Type::kDeleted, change.before};
    event.object["metadata"]["resourceVersion"] = std::to_string(change.version);
    queue_.push_back(std::move(event));
  }
}

void FakeStore::FakeWatcher::OfferBookmark(const std::string& version) {
  if (!end_) queue_.push_back({WatchEvent::Type::kBookmark, {{"metadata", {{"resourceVersion", version}}}}});
}

void FakeStore::FakeWatcher::End(const absl::Status& status) {
  if (!end_) end_ = status;
}

void FakeStore::FakeWatcher::Run() {
  const auto ready = [this]() ABSL_SHARED_LOCKS_REQUIRED(store_.mu_) {
    return stop_ || (!store_.paused_ && (!queue_.empty() || end_));
  };
  while (true) {
    std::optional<WatchEvent> event;
    absl::Status end;
    {
      absl::MutexLock lock(&store_.mu_);
      store_.mu_.Await(absl::Condition(&ready));
      if (stop_) return;
      if (!queue_.empty()) {
        event = std::move(queue_.front());
        queue_.pop_front();
      } else {
        end = *end_;
      }
    }
    if (!event) {
      if (callbacks_.ended) callbacks_.ended(end);
      return;
    }
    if (callbacks_.event) callbacks_.event(*event);
  }
}

}  // namespace xpu
