#pragma once

#include <functional>
#include <memory>

#include "common/base/loop_inbox.h"
#include "common/loop_rpc/loop_rpc_server.h"
#include "device-plugin/allocate_client.h"
#include "device-plugin/device_board.h"
#include "device-plugin/pool_config.h"
#include "device-plugin/pool_files.h"

namespace xpu {

struct PluginServiceOptions {
  PoolConfig pool;
  // Containers get their device nodes by CDI names, not one by one. `files` writes the specification; may be
  // null without CDI.
  bool use_cdi = false;
  std::shared_ptr<const PoolFiles> files;
  // Not owned; outlives the server of the methods.
  AllocateClient* host_agent = nullptr;
  // Called when the last of the kubelet's ListAndWatch streams has ended.
  std::function<void()> unwatched;
};

// v1beta1.DevicePlugin of one pool as the kubelet calls it: the board's devices, and Allocate, which has the
// host agent claim the functions and then says what the container needs to use them. `post` belongs to an
// inbox of the server's loop.
LoopRpcServer::Methods PluginMethods(std::shared_ptr<DeviceBoard> board, const PluginServiceOptions& options,
                                     const LoopInbox::Post& post);

}  // namespace xpu
