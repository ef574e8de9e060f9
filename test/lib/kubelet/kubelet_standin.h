#pragma once

#include <functional>
#include <memory>
#include <string>

#include "absl/status/status.h"
#include "common/base/event_loop.h"

namespace grpc {
class Service;
}

namespace xpu::testing {

class Kubelet;

// The control API (proto/xpu/kubelet_standin/v1/control.proto) of a kubelet, which must outlive it.
std::unique_ptr<grpc::Service> MakeKubeletControl(Kubelet& kubelet);

struct KubeletStandinOptions {
  std::string plugin_dir;
  // As KubeletOptions has it.
  std::string pod_resources;
  // Where the control API is served: "unix:/path".
  std::string listen;
};

struct KubeletStandinDeps {
  // Run by RunKubeletStandin on the calling thread; stopping it ends the kubelet. Not owned.
  EventLoop* loop = nullptr;
  // Called once, when both sockets are served.
  std::function<void()> serving;
};

// A stand-in for the kubelet as a process. Returns OK when the loop is stopped.
absl::Status RunKubeletStandin(const KubeletStandinOptions& options, const KubeletStandinDeps& deps);

}  // namespace xpu::testing
