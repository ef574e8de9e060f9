#pragma once

#include <functional>
#include <string>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "common/base/event_loop.h"

namespace xpu {

struct DevicePluginOptions {
  // "unix:/path".
  std::string host_agent = "unix:/run/xpu/host-agent.sock";
  // The kubelet's plugin folder; kubelet.sock is in it.
  std::string plugin_dir = "/var/lib/kubelet/device-plugins";
  // Extended resource that pods ask for.
  std::string resource = "xpu.opiproject.org/vf";
  // See FunctionWatch::Options::grace and PluginServiceOptions::allocate_timeout.
  absl::Duration grace = absl::Seconds(15);
  absl::Duration allocate_timeout = absl::Seconds(20);
};

struct DevicePluginDeps {
  // Run by RunDevicePlugin on the calling thread; stopping it ends the plugin. Not owned.
  EventLoop* loop = nullptr;
  // Called once, when the plugin serves on its socket. The kubelet hears of it when the host agent has told
  // its functions.
  std::function<void()> serving;
};

// The kubelet's device plugin for the functions of this host. Holds no state of its own: what devices there
// are the host agent says, who has them its journal.
//
// Returns OK when the loop is stopped. InvalidArgument if an option is malformed, NotFound if the plugin
// folder is missing or goes, AlreadyExists or FailedPrecondition if another plugin serves the resource.
absl::Status RunDevicePlugin(const DevicePluginOptions& options, const DevicePluginDeps& deps);

}  // namespace xpu
