#pragma once

#include <chrono>
#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/synchronization/mutex.h"
#include "common/base/backoff.h"
#include "common/kube/resource_store.h"

namespace xpu {

// A queue of objects that need a look, and the threads that look. An object that is enqueued several times
// before its turn has one turn; it never has two at the same time; one that is enqueued during its turn has
// another after it. An error brings the object back after a delay that grows with each error in a row,
// without holding up the others; enqueueing it meanwhile brings its turn forward.
//
// `reconcile` is level-triggered: it gets a name, finds out what is and what should be, and does the
// difference.
class Controller {
 public:
  struct Options {
    // For the log.
    std::string name;
    int workers = 1;
    Backoff::Options backoff;
    uint64_t seed = 1;
  };
  using Reconcile = std::function<absl::Status(const ResourceName&)>;

  // Called on one of the workers' threads; may block and may enqueue.
  Controller(Options options, Reconcile reconcile);
  ~Controller() { Stop(); }
  Controller(const Controller&) = delete;
  Controller& operator=(const Controller&) = delete;

  // From any thread. Does nothing once stopped.
  void Enqueue(const ResourceName& name) ABSL_LOCKS_EXCLUDED(mu_);
  // Waits for the turns that are under way; what is still queued is dropped. From one thread, and not a
  // worker's.
  void Stop() ABSL_LOCKS_EXCLUDED(mu_);

 private:
  using Time = std::chrono::steady_clock::time_point;
  enum class Stage { kQueued, kRunning, kDelayed };
  // An object that has, or will have, a turn. One that was done well is forgotten.
  struct Item {
    Stage stage = Stage::kQueued;
    // Enqueued while running.
    bool again = false;
    // While delayed.
    Time due;
    // Set by the first error in a row.
    std::optional<Backoff> backoff;
  };
  void Work() ABSL_LOCKS_EXCLUDED(mu_);
  // Waits for the next turn and takes it; nothing when it is time to stop.
  std::optional<ResourceName> Take() ABSL_LOCKS_EXCLUDED(mu_);
  void Finish(const ResourceName& name, const absl::Status& status) ABSL_LOCKS_EXCLUDED(mu_);
  void Queue(const ResourceName& name, Item& item) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);

  const Options options_;
  const Reconcile reconcile_;
  absl::Mutex mu_;
  absl::CondVar changed_;
  bool stop_ ABSL_GUARDED_BY(mu_) = false;
  uint64_t next_seed_ ABSL_GUARDED_BY(mu_);
  std::map<ResourceName, Item> items_ ABSL_GUARDED_BY(mu_);
  std::deque<ResourceName> queue_ ABSL_GUARDED_BY(mu_);
  std::set<std::pair<Time, ResourceName>> delayed_ ABSL_GUARDED_BY(mu_);
  std::vector<std::thread> workers_;
};

}  // namespace xpu
