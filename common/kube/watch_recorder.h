#pragma once

#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include "common/kube/metadata.h"
#include "common/kube/resource_store.h"

namespace xpu {

// For tests: keeps what a watch says. Must outlive the watch.
class WatchRecorder {
 public:
  ResourceStore::WatchCallbacks callbacks() {
    return {[this](const WatchEvent& event) {
              absl::MutexLock lock(&mu_);
              events_.push_back(event);
            },
            [this](const absl::Status& status) {
              absl::MutexLock lock(&mu_);
              end_ = status;
            }};
  }

  // The events once there are `count` or the watch has ended; what there is after a generous deadline.
  // Bookmarks are left out.
  std::vector<WatchEvent> WaitForEvents(size_t count) {
    const auto enough = [&] { return Events().size() >= count || end_.has_value(); };
    absl::MutexLock lock(&mu_);
    mu_.AwaitWithTimeout(absl::Condition(&enough), absl::Seconds(20));
    return Events();
  }
  // Why the watch ended; nothing if it did not in time.
  std::optional<absl::Status> WaitForEnd() {
    const auto ended = [this] { return end_.has_value(); };
    absl::MutexLock lock(&mu_);
    mu_.AwaitWithTimeout(absl::Condition(&ended), absl::Seconds(20));
    return end_;
  }
  // "ADDED blue", one for each event.
  static std::vector<std::string> Lines(const std::vector<WatchEvent>& events) {
    static constexpr const char* kNames[] = {"ADDED", "MODIFIED", "DELETED", "BOOKMARK"};
    std::vector<std::string> lines;
    for (const WatchEvent& event : events) {
      lines.push_back(std::string(kNames[static_cast<int>(event.type)]) + " " + NameOf(event.object).name);
    }
    return lines;
  }

 private:
  std::vector<WatchEvent> Events() const {
    std::vector<WatchEvent> events;
    for (const WatchEvent& event : events_) {
      if (event.type != WatchEvent::Type::kBookmark) events.push_back(event);
    }
    return events;
  }

  absl::Mutex mu_;
  std::vector<WatchEvent> events_;
  std::optional<absl::Status> end_;
};

}  // namespace xpu
