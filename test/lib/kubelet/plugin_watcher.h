#pragma once

#include <functional>
#include <memory>
#include <string>
#include <thread>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "common/base/event_loop.h"
#include "common/base/folder_watch.h"

namespace xpu::testing {

// The kubelet's plugin watcher (pkg/kubelet/pluginmanager) as device plugins know it: asks every socket in
// its folder, those that are there when it starts and those that come, what it is
// (pluginregistration.Registration), has it registered, and tells it how that went. Has a thread of its own.
class PluginWatcher {
 public:
  // Registers a resource whose plugin serves on `endpoint`. Called on the watcher's thread.
  using Register = std::function<absl::Status(const std::string& resource, const std::string& endpoint)>;

  // NotFound if there is no such folder.
  static absl::StatusOr<std::unique_ptr<PluginWatcher>> Start(const std::string& folder,
                                                              absl::Duration dial_timeout,
                                                              Register register_plugin);
  ~PluginWatcher();

 private:
  PluginWatcher(std::string folder, absl::Duration dial_timeout, Register register_plugin)
      : folder_(std::move(folder)), dial_timeout_(dial_timeout), register_(std::move(register_plugin)) {}
  void OnSocket(const std::string& name);

  const std::string folder_;
  const absl::Duration dial_timeout_;
  const Register register_;
  EventLoop loop_;
  std::unique_ptr<FolderWatch> watch_;
  std::thread thread_;
};

}  // namespace xpu::testing
