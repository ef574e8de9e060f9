#pragma once

#include <functional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "common/base/event_loop.h"
#include "device-plugin/pool.h"
#include "device-plugin/pool_config.h"

namespace xpu {

struct DevicePluginOptions {
  // "unix:/path".
  std::string host_agent = "unix:/run/xpu/host-agent.sock";
  // What is offered to the kubelet.
  std::vector<PoolConfig> pools = {
      {.resource = "xpu.opiproject.org/vf", .device_type = PoolDeviceType::kAny}};
  PluginRegistration registration = PluginRegistration::kKubelet;
  // The kubelet's plugin folder; kubelet.sock is in it.
  std::string plugin_dir = "/var/lib/kubelet/device-plugins";
  // The folder of the kubelet's plugin watcher.
  std::string registry_dir = "/var/lib/kubelet/plugins_registry";
  // Whether containers get device nodes by CDI names, and where specifications are; empty: nowhere.
  bool use_cdi = false;
  std::string cdi_dir = "/var/run/cdi";
  // Where Multus reads of devices; empty: nowhere.
  std::string device_info_dir = "/var/run/k8s.cni.cncf.io/devinfo/dp";
  // See FunctionWatch::Options::grace. How long an Allocate waits for the host agent: the kubelet waits
  // without limit, and a pod whose Allocate fails is rejected for good, so an agent that is being restarted
  // is waited for.
  absl::Duration grace = absl::Seconds(15);
  absl::Duration allocate_timeout = absl::Seconds(20);
};

struct DevicePluginDeps {
  // Run by RunDevicePlugin on the calling thread; stopping it ends the plugin. Not owned.
  EventLoop* loop = nullptr;
  // Called once, when the plugin is ready. The kubelet hears of it when the host agent has told its
  // functions.
  std::function<void()> serving;
};

// The kubelet's device plugin for the functions of this host, in one or several pools. Holds no state of its
// own: what devices there are the host agent says, who has them its journal.
//
// Returns OK when the loop is stopped. InvalidArgument if an option is malformed or two pools select one
// function of those that the host agent tells of first; NotFound if the plugin folder is missing or goes,
// AlreadyExists or FailedPrecondition if another plugin serves a resource. Pools that begin to overlap later
// go on: the function is in the first of the two, and the log says so.
absl::Status RunDevicePlugin(const DevicePluginOptions& options, const DevicePluginDeps& deps);

}  // namespace xpu
