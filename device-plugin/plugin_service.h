#pragma once

#include <functional>
#include <memory>
#include <string>

#include "absl/time/time.h"
#include "device-plugin/device_board.h"
#include "device-plugin/pool_config.h"
#include "device-plugin/pool_files.h"

namespace grpc {
class Channel;
class Service;
}  // namespace grpc

namespace xpu {

struct PluginServiceOptions {
  PoolConfig pool;
  // Containers get their device nodes by CDI names, not one by one. `files` writes the specification; may be
  // null without CDI.
  bool use_cdi = false;
  std::shared_ptr<const PoolFiles> files;
  // Address of the host agent, for messages.
  std::string host_agent;
  // How long an Allocate waits for the host agent. The kubelet waits without limit, and a pod whose Allocate
  // fails is rejected for good, so an agent that is being restarted is waited for.
  absl::Duration allocate_timeout = absl::Seconds(20);
  // Called on a thread of gRPC's when the last of the kubelet's ListAndWatch streams has ended.
  std::function<void()> unwatched;
};

// v1beta1.DevicePlugin of one pool as the kubelet calls it: the board's devices, and Allocate, which has the
// host agent claim the functions and then says what the container needs to use them.
std::unique_ptr<grpc::Service> MakePluginService(std::shared_ptr<DeviceBoard> board,
                                                 const std::shared_ptr<grpc::Channel>& host_agent,
                                                 const PluginServiceOptions& options);

}  // namespace xpu
