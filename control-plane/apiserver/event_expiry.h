#pragma once

#include <string>

#include "absl/time/time.h"
#include "common/base/clock.h"
#include "common/base/event_loop.h"
#include "control-plane/apiserver/event_ages.h"
#include "control-plane/apiserver/store/kind_table.h"
#include "control-plane/apiserver/store/object_store.h"

namespace xpu::apiserver {

// Deletes Events that nobody has written for a time, as kube-apiserver does (--event-ttl), and not before.
// While there are no Events it does nothing. All on the loop's thread.
class EventExpiry {
 public:
  // All must outlive it; it follows the store's changes, so nothing may change the store after it has gone.
  EventExpiry(EventLoop& loop, ObjectStore& store, Clock& clock, absl::Duration ttl);
  EventExpiry(const EventExpiry&) = delete;
  EventExpiry& operator=(const EventExpiry&) = delete;

  // Takes up the Events that are there. Once, before the loop runs.
  absl::Status Start();

 private:
  absl::Status TakeUp();
  void OnChange(const Change& change);
  // Has Wake() called when the oldest is due, and after `least`, if it is not to be called already.
  void Await(absl::Duration least);
  void Wake();

  EventLoop& loop_;
  ObjectStore& store_;
  Clock& clock_;
  const absl::Duration ttl_;
  const KindPtr kind_;
  const std::string collection_;
  EventAges ages_;
  bool waits_ = false;
  EventLoop::Handle timer_;
};

}  // namespace xpu::apiserver
