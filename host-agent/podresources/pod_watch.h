#pragma once

#include <functional>
#include <optional>
#include <thread>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include "common/base/clock.h"
#include "host-agent/alloc/allocator.h"
#include "host-agent/podresources/claim_auditor.h"
#include "host-agent/podresources/pod_resources.h"

namespace xpu {

// Asks the kubelet whenever something may have changed, on a thread of its own, and says which claims nobody
// holds any more; a claim that seems unused makes it ask once more after a while. What changes while it asks
// makes it ask once more, too. A kubelet that is not there changes nothing. Safe from any thread.
class PodWatch {
 public:
  // Not owned. The callbacks come on the watch's thread and must not block.
  struct Parts {
    PodResources& pods;
    const Allocator& allocator;
    // The functions of this host, by what device plugins call them.
    std::function<DeviceIds()> device_ids;
    // As ClaimAuditor::Findings has them, each to be dealt with in the function's turn.
    std::function<void(const FunctionId& function, int64_t claim)> unused;
    std::function<void(const FunctionId& function, int64_t claim)> pod_gone;
    std::function<void(const FunctionId& function, int64_t claim)> device_gone;
    // As ClaimAuditor has it.
    absl::Duration booking = absl::Seconds(10);
    // Not owned.
    Clock& clock = Clock::Steady();
  };
  // The claims that are there now are those of a process before this one.
  explicit PodWatch(Parts parts);
  ~PodWatch();
  PodWatch(const PodWatch&) = delete;
  PodWatch& operator=(const PodWatch&) = delete;

  // Asks for the first time. Until then, only remembers.
  void Start();
  // Ends what is being asked; no callback comes any more. The rest still works.
  void Stop();
  // Pods may have changed.
  void Changed();
  // The kubelet has written its checkpoint.
  void CheckpointWritten();

  // These three in the function's turn, around a claim that a container is to have:
  // Before it. FailedPrecondition, naming the pod, if one holds the function whatever the journal says.
  // Blocks for the kubelet only if it said so before, or has not been asked yet.
  absl::Status Allocating(const FunctionId& function) ABSL_LOCKS_EXCLUDED(mu_);
  // After it, before the answer.
  void Allocated(const FunctionId& function, int64_t claim);
  // Before it is released as unused: whether that is still so.
  bool StillUnused(const FunctionId& function, int64_t claim) const;

 private:
  void Run();
  void ListOnce();

  const Parts parts_;
  mutable absl::Mutex mu_;
  ClaimAuditor auditor_ ABSL_GUARDED_BY(mu_);
  // By the kubelet's last word; nothing before it has been asked for the first time.
  std::optional<Holders> holders_ ABSL_GUARDED_BY(mu_);
  // The last failure that was logged.
  absl::StatusCode failure_ ABSL_GUARDED_BY(mu_) = absl::StatusCode::kOk;
  bool changed_ ABSL_GUARDED_BY(mu_) = false;
  bool stop_ ABSL_GUARDED_BY(mu_) = false;
  std::thread thread_;
};

}  // namespace xpu
