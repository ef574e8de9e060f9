#pragma once

#include <functional>
#include <memory>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "common/base/event_loop.h"
#include "common/base/loop_inbox.h"
#include "common/loop_rpc/loop_rpc_server.h"
#include "device-plugin/allocate_client.h"
#include "device-plugin/device_board.h"
#include "device-plugin/plugin_function.h"
#include "device-plugin/plugin_link.h"
#include "device-plugin/pool_config.h"
#include "device-plugin/pool_files.h"

namespace xpu {

// How the kubelet hears of a plugin. One of the two, never both: a kubelet that knows a resource by two
// connections forgets it when one of them ends.
enum class PluginRegistration {
  // The plugin calls Register on the kubelet's socket in `plugin_dir`.
  kKubelet,
  // The kubelet finds the plugin's socket in `registry_dir`.
  kWatcher,
};

// One resource towards the kubelet: its devices, socket, registration and files. Lives on the loop's thread.
class Pool {
 public:
  struct Options {
    PoolConfig config;
    PluginRegistration registration = PluginRegistration::kKubelet;
    std::string plugin_dir;
    std::string registry_dir;
    bool use_cdi = false;
    // Empty: none.
    std::string cdi_dir;
    std::string device_info_dir;
  };

  // `host_agent` is not owned and outlives the pool. `fail` is called once, when the pool cannot go on.
  // Errors are those of KubeletLink and RegistryLink.
  static absl::StatusOr<std::unique_ptr<Pool>> Start(EventLoop& loop, const Options& options,
                                                     AllocateClient& host_agent,
                                                     std::function<void(const absl::Status&)> fail);
  ~Pool();

  // Its functions from now on. From the first time on the kubelet may know of the pool.
  void Replace(PoolMembers members);
  void MarkAllUnhealthy();
  // At the end; see PoolFiles.
  void RemoveFiles(bool functions_in_use);

 private:
  Pool(EventLoop& loop, const Options& options, AllocateClient& host_agent);
  absl::Status Serve(const std::string& socket);
  // What of the members is news for people.
  void LogChanges(const PoolMembers& members) const;

  const std::string resource_;
  const std::shared_ptr<PoolFiles> files_;
  const std::shared_ptr<DeviceBoard> board_;
  // Before the server, whose calls post to it.
  const LoopInbox inbox_;
  std::unique_ptr<PluginLink> link_;
  EventLoop& loop_;
  LoopRpcServer::Methods methods_;
  std::unique_ptr<LoopRpcServer> server_;
};

}  // namespace xpu
