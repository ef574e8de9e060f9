#pragma once

#include <functional>
#include <memory>
#include <string>

#include "absl/time/time.h"
#include "common/base/clock.h"
#include "common/base/event_loop.h"
#include "common/kube/resource_store.h"

namespace xpu {

// Of several processes with the same job, lets one lead: the one that holds a Lease (Kubernetes API,
// coordination.k8s.io/v1). The others watch the Lease and take it when its holder gives it back, or has not
// renewed it for `lease_duration` by their own clock: clocks of different machines are never compared.
//
// A leader that cannot renew stops leading after `renew_deadline`, which is before anybody else may begin as
// long as clocks run at about the same speed. Nothing but that guards against two leaders: what a leader
// writes must be safe under optimistic locking. When somebody deletes the Lease, its holder makes it again,
// and the others leave it `lease_duration` for that; only a process that has yet to see a Lease takes it at
// once.
//
// Construct and destroy it on the loop's thread, or while the loop does not run.
class LeaderElection {
 public:
  struct Options {
    ResourceName lease;
    // Tells this process from the others: host and pod name, for people.
    std::string identity;
    absl::Duration lease_duration = absl::Seconds(15);
    absl::Duration renew_deadline = absl::Seconds(10);
    absl::Duration renew_period = absl::Seconds(2);
    // For the times in the Lease, which are for people. Not owned; null for the system's.
    Clock* clock = nullptr;
  };
  // Called on the loop whenever it changes; the first time when this process begins to lead.
  using Changed = std::function<void(bool leading)>;

  // `loop` and `store` are not owned and must outlive it.
  LeaderElection(EventLoop& loop, ResourceStore& store, Options options, Changed changed);
  // Gives the Lease back if it is held, so that another may lead at once; blocks for two requests at most.
  // Calls nothing.
  ~LeaderElection();
  LeaderElection(const LeaderElection&) = delete;
  LeaderElection& operator=(const LeaderElection&) = delete;

  // On the loop.
  bool leading() const;

 private:
  class Core;
  std::shared_ptr<Core> core_;
};

}  // namespace xpu
