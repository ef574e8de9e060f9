#pragma once

#include <functional>
#include <memory>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "common/base/event_loop.h"
#include "common/base/folder_watch.h"
#include "common/loop_rpc/loop_rpc_server.h"
#include "device-plugin/plugin_link.h"

namespace xpu {

// Lets the kubelet's plugin watcher find the plugin: its socket is in the kubelet's plugins_registry folder,
// where the kubelet, whenever it starts, looks for sockets and asks each what it is. Lives on the loop's
// thread.
//
// A kubelet leaves that folder as it is when it starts, so a restarted one needs nothing of the plugin. A
// plugin that it could not take it asks again, with growing delays, for as long as the socket is there.
class RegistryLink : public PluginLink {
 public:
  struct Options {
    // The kubelet's plugins_registry folder.
    std::string folder;
    // File name in it.
    std::string plugin_socket;
    std::string resource;
  };
  // Stops serving, then serves on the plugin's socket (made anew).
  using Serve = std::function<absl::Status()>;
  // Called once, when the plugin cannot go on.
  using Fail = std::function<void(const absl::Status& status)>;

  // Serves nothing before Enable(), as a socket there is as good as a registration. NotFound if there is no
  // such folder.
  static absl::StatusOr<std::unique_ptr<RegistryLink>> Start(EventLoop& loop, const Options& options,
                                                             Serve serve, Fail fail);

  void Enable() override;
  // The kubelet comes back by itself.
  void OnUnwatched() override {}

 private:
  RegistryLink(const Options& options, Serve serve, Fail fail)
      : options_(options), serve_(std::move(serve)), fail_(std::move(fail)) {}
  std::string socket_path() const { return options_.folder + "/" + options_.plugin_socket; }
  void OnChange(FolderWatch::Change change, const std::string& name);

  const Options options_;
  const Serve serve_;
  const Fail fail_;
  std::unique_ptr<FolderWatch> folder_watch_;
  bool enabled_ = false;
};

// pluginregistration.Registration, which tells the kubelet that v1beta1.DevicePlugin is served for `resource`
// on `endpoint` (an absolute path), and logs what the kubelet says to that.
LoopRpcServer::Methods RegistrationMethods(const std::string& resource, const std::string& endpoint);

}  // namespace xpu
