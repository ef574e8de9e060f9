#pragma once

#include <set>

#include "absl/status/status.h"
#include "common/base/loop_inbox.h"
#include "common/loop_rpc/loop_rpc_server.h"
#include "host-agent/alloc/allocator.h"
#include "host-agent/inventory/inventory.h"
#include "host-agent/provision/provisioner.h"
#include "host-agent/service/allocate_handler.h"

namespace xpu {

// The calls of WatchFunctions that are open. Lives on the loop on which they are served, longer than the
// server.
class FunctionWatchers {
 public:
  void Start(Inventory& inventory, const LoopCall& call, const LoopInbox::Post& post);
  // They would never end by themselves.
  void EndAll(const absl::Status& status);

 private:
  class Watcher;
  // Each is kept by its call.
  std::set<Watcher*> watchers_;
};

// Not owned.
struct HostAgentServiceParts {
  Inventory& inventory;
  Allocator& allocator;
  AllocateHandler& allocate;
  Provisioner& provisioner;
  FunctionWatchers& watchers;
};

// The methods of xpu.hostagent.v1.HostAgentService. `post` is that of an inbox of the loop on which they are
// served. No call, streams included, holds a thread while it waits.
LoopRpcServer::Methods HostAgentServiceMethods(const HostAgentServiceParts& parts,
                                               const LoopInbox::Post& post);

}  // namespace xpu
