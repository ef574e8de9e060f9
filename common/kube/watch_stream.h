#pragma once

#include <deque>
#include <memory>
#include <string>
#include <thread>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "absl/synchronization/mutex.h"
#include "common/kube/resource_store.h"

namespace xpu {

// One watch's callbacks, which can be closed so that none runs any more.
class WatchSink {
 public:
  explicit WatchSink(ResourceStore::WatchCallbacks callbacks) : callbacks_(std::move(callbacks)) {}

  // Waits for a callback that is running.
  void Close();
  // One line of the stream: {"type": "ADDED", "object": {...}}. A line that cannot be read, and an ERROR, end
  // the watch.
  void Line(const std::string& line);
  // Nothing after the first end.
  void End(const absl::Status& status);

 private:
  void EndLocked(const absl::Status& status) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);

  absl::Mutex mu_;
  bool closed_ ABSL_GUARDED_BY(mu_) = false;
  const ResourceStore::WatchCallbacks callbacks_;
};

// Cuts the pieces of a stream into lines.
class LineSplitter {
 public:
  // Calls `line` for each that is now complete; empty ones are left out. False if a line grows beyond any
  // use.
  bool Feed(absl::string_view piece, const std::function<void(std::string)>& line);

 private:
  std::string partial_;
};

// A thread that hands lines and ends to sinks in order, so that a callback may take its time, and may use the
// client, without holding up the connections.
class WatchDispatcher {
 public:
  WatchDispatcher();
  ~WatchDispatcher();
  void PostLine(std::shared_ptr<WatchSink> sink, std::string line);
  void PostEnd(std::shared_ptr<WatchSink> sink, absl::Status status);

 private:
  struct Item {
    std::shared_ptr<WatchSink> sink;
    std::string line;
    absl::Status end;
    bool is_end = false;
  };
  void Post(Item item);
  void Run();

  absl::Mutex mu_;
  std::deque<Item> queue_ ABSL_GUARDED_BY(mu_);
  bool stop_ ABSL_GUARDED_BY(mu_) = false;
  std::thread thread_;
};

}  // namespace xpu
