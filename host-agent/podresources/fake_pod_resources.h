#pragma once

#include <functional>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/synchronization/mutex.h"
#include "host-agent/podresources/pod_resources.h"

namespace xpu {

// A kubelet's books in memory; there is no kubelet until the first pod is added.
class FakePodResources : public PodResources {
 public:
  absl::StatusOr<PodList> List() override;
  void Cancel() override;

  // A pod without devices; one that is there stays as it is.
  void AddPod(const PodName& pod);
  // A container of the pod, which is added if it is not there, has been given a device.
  void Hold(const HeldDevice& device);
  // The pod goes, and what it held.
  void RemovePod(const PodName& pod);
  // Until it comes back.
  void GoAway();
  void ComeBack();
  // Every List from now on fails with it; OK: no more.
  void Fail(absl::Status status);
  // Called at the begin of each List, without locks, after it has been counted.
  void OnList(std::function<void()> begun);
  // How many List calls have begun.
  int lists() const;
  // Waits for that many.
  void AwaitLists(int count) const;

 private:
  mutable absl::Mutex mu_;
  bool there_ ABSL_GUARDED_BY(mu_) = false;
  bool cancelled_ ABSL_GUARDED_BY(mu_) = false;
  PodList books_ ABSL_GUARDED_BY(mu_);
  absl::Status failure_ ABSL_GUARDED_BY(mu_);
  std::function<void()> begun_ ABSL_GUARDED_BY(mu_);
  int lists_ ABSL_GUARDED_BY(mu_) = 0;
};

}  // namespace xpu
