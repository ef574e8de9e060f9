#pragma once

#include <memory>
#include <string>

#include "host-agent/podresources/pod_resources.h"

namespace xpu {

// The kubelet behind a unix socket. Has no thread of its own: who asks does the work.
class GrpcPodResources : public PodResources {
 public:
  // A path, normally "/var/lib/kubelet/pod-resources/kubelet.sock"; there need be nothing yet.
  explicit GrpcPodResources(std::string socket);
  ~GrpcPodResources() override;

  absl::StatusOr<PodList> List() override;
  void Cancel() override;

 private:
  struct State;
  const std::string socket_;
  const std::unique_ptr<State> state_;
};

}  // namespace xpu
