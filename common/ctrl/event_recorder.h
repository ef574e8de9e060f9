#pragma once

#include <chrono>
#include <cstdint>
#include <map>
#include <memory>
#include <string>

#include "absl/base/thread_annotations.h"
#include "absl/status/statusor.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include "common/base/clock.h"
#include "common/ctrl/controller.h"
#include "common/kube/resource_store.h"

namespace xpu {

// Writes what happened to an object where people look for it: Events (Kubernetes API, core/v1 Event), as
// `kubectl describe` shows them. The same thing again counts up in the Event that is there, also after a
// restart of the process. An object that has very much to say is cut short: `burst` different things, then
// one more every `refill`. All objects together have `per_second`, `burst_of_all` of them at once; what is
// beyond waits, so that Events never take the place of what the program is there for.
//
// Writing needs the rights to create and to patch Events, not to read them.
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
    double per_second = 20;
    int burst_of_all = 50;
    // Things that are remembered, over all objects.
    size_t capacity = 1024;
    Backoff::Options backoff;
  };
  enum class Type { kNormal, kWarning };

  // `store` and `clock` are not owned.
  EventRecorder(Options options, ResourceStore& store, Clock& clock = Clock::Real());
  // Waits for a write that is under way; what has not been written is dropped.
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

  // Waits until one more may be written; false if it is time to stop.
  bool AwaitTurn();
  absl::Status Write(const ResourceName& name);
  // Creates the Event, or counts it up if it is there; `written` is how often the store knows it.
  absl::StatusOr<Resource> Store(Resource event, int64_t times, int64_t* written);
  bool Allow(const std::string& uid, absl::Time now) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  void MakeRoom() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);

  const Options options_;
  ResourceStore& store_;
  Clock& clock_;
  absl::Mutex mu_;
  std::map<ResourceName, Thing> things_ ABSL_GUARDED_BY(mu_);
  std::map<std::string, Allowance> allowances_ ABSL_GUARDED_BY(mu_);
  bool stopping_ ABSL_GUARDED_BY(mu_) = false;
  // When as many will have been written as were, at `per_second` (the generic cell rate algorithm, ITU-T
  // I.371).
  std::chrono::steady_clock::time_point due_ ABSL_GUARDED_BY(mu_);
  std::unique_ptr<Controller> controller_;
};

}  // namespace xpu
