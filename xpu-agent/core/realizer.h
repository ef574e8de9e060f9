#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <thread>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "xpu-agent/core/converger.h"
#include "xpu-agent/datapath/switch.h"
#include "xpu-agent/model/model_change.h"

namespace xpu {

// What became of the model of a version.
struct Report {
  uint64_t version = 0;
  Outcome outcome;
};

// Brings the newest model onto the switch, on a thread of its own, so that nobody else waits for the switch.
// Changes that come while it is at work become one. Sleeps when there is nothing to do.
class Realizer {
 public:
  // `report` is called on that thread after each try.
  Realizer(Switch& the_switch, std::function<void(Report report)> report);
  // Waits for what is under way.
  ~Realizer();

  // Starts the switch and the thread; nothing happens before there is a model.
  void Start();
  // From any thread: what leads from the model of the last call, at first an empty one, to that of `version`.
  // Versions count up.
  void Change(ModelChange change, uint64_t version);
  // Tries the same model again, from any thread.
  void Retry();
  // Looks whether the switch really has what it confirmed, unless there is something else to do; reports only
  // if it has not. From any thread.
  void Verify();

 private:
  // What the thread is to do. Outlives this object for a late word from the switch.
  struct Inbox {
    absl::Mutex mu;
    // All that was not taken yet.
    ModelChange change ABSL_GUARDED_BY(mu);
    bool has_model ABSL_GUARDED_BY(mu) = false;
    uint64_t version ABSL_GUARDED_BY(mu) = 0;
    // A new model, or the old one again.
    bool due ABSL_GUARDED_BY(mu) = false;
    bool retry ABSL_GUARDED_BY(mu) = false;
    bool verify ABSL_GUARDED_BY(mu) = false;
    bool stop ABSL_GUARDED_BY(mu) = false;

    void Retry();
  };
  void Run();

  Switch& switch_;
  const std::function<void(Report)> report_;
  const std::shared_ptr<Inbox> inbox_ = std::make_shared<Inbox>();
  std::thread thread_;
};

}  // namespace xpu
