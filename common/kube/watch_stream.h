#pragma once

#include <cstddef>
#include <deque>
#include <functional>
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

  // What waits for its turn is bounded: the connection's thread asks before it takes a piece of the stream,
  // and is told by `resume` when it may go on after a "no".
  void OnResume(std::function<void()> resume);
  bool Admit();
  // `bytes` are on their way to Line, and have been there.
  void Queued(size_t bytes);
  void Handled(size_t bytes);
  // One line of the stream: {"type": "ADDED", "object": {...}}. A line that cannot be read, and an ERROR, end
  // the watch.
  void Line(const std::string& line);
  // Nothing after the first end.
  void End(const absl::Status& status);

 private:
  // Of Admit(); an object has 1.5 MiB at most where it comes from.
  static constexpr size_t kFullBytes = size_t{4} << 20;

  void EndLocked(const absl::Status& status) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);

  absl::Mutex mu_;
  bool closed_ ABSL_GUARDED_BY(mu_) = false;
  const ResourceStore::WatchCallbacks callbacks_;

  // Apart from the above, which is held while a callback runs.
  absl::Mutex flow_mu_;
  size_t waiting_ ABSL_GUARDED_BY(flow_mu_) = 0;
  bool refused_ ABSL_GUARDED_BY(flow_mu_) = false;
  // It may go on, but nobody could be told yet.
  bool missed_ ABSL_GUARDED_BY(flow_mu_) = false;
  std::function<void()> resume_ ABSL_GUARDED_BY(flow_mu_);
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
