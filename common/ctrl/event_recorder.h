#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <string>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include "common/base/clock.h"
#include "common/ctrl/controller.h"
#include "common/kube/resource_store.h"

namespace xpu {

// Writes what happened to an object where people look for it: Events (Kubernetes API, core/v1 Event), as
// `kubectl describe` shows them. The same thing again counts up in the Event that is there, also after a
// restart of the process. An object that has very much to say is cut short: `burst` different things, then
// one more every `refill`.
//
// Record is safe from any thread and does not block; the writing is done on a thread of the recorder's.
// Events are a service to people, not a record: what cannot be written for a while is dropped, oldest first.
class EventRecorder {
 public:
  struct Options {
    // Which program says so, and where it runs.
    std::string component;
    std::string host;
    int burst = 25;
    absl::Duration refill = absl::Minutes(5);
    // Things that are remembered, over all objects.
    size_t capacity = 1024;
    Backoff::Options backoff;
  };
  enum class Type { kNormal, kWarning };

  // `store` and `clock` are not owned.
  EventRecorder(Options options, ResourceStore& store, Clock& clock = Clock::Real());
  // Waits for a write that is under way.
  ~EventRecorder();

  // `object` is what it is about, with its metadata; `reason` one word in CamelCase, `message` a sentence.
  void Record(const Resource& object, Type type, const std::string& reason, const std::string& message);

 private:
  struct Thing {
    Resource event;
    int64_t times = 0;    // since it was written last
    int64_t written = 0;  // in all, as far as the store knows
    absl::Time last;
  };
  struct Allowance {
    double left = 0;
    absl::Time at;
  };

  absl::Status Write(const ResourceName& name);
  bool Allow(const std::string& uid, absl::Time now) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  void MakeRoom() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);

  const Options options_;
  ResourceStore& store_;
  Clock& clock_;
  absl::Mutex mu_;
  std::map<ResourceName, Thing> things_ ABSL_GUARDED_BY(mu_);
  std::map<std::string, Allowance> allowances_ ABSL_GUARDED_BY(mu_);
  std::unique_ptr<Controller> controller_;
};

}  // namespace xpu
