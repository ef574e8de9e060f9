#pragma once

#include <functional>
#include <map>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "host-agent/attach/attacher.h"
#include "host-agent/attach/workers.h"
#include "host-agent/podresources/pod_watch.h"

namespace xpu {

// Claims functions for containers that are about to start, all of a request or none. Safe from any thread;
// never blocks.
class AllocateHandler {
 public:
  // Called once, on any thread: the environment for the container. Errors as HostAgentService.Allocate has
  // them.
  using Done = std::function<void(absl::StatusOr<std::map<std::string, std::string>>)>;

  // Not owned; `pods` may be null.
  AllocateHandler(Inventory& inventory, Attacher& attacher, KeyedExecutor& executor, PodWatch* pods)
      : inventory_(inventory), attacher_(attacher), executor_(executor), pods_(pods) {}

  // A function is named as Inventory::Resolve takes it.
  void Allocate(const std::vector<std::string>& functions, Done done);

 private:
  class Call;
  Inventory& inventory_;
  Attacher& attacher_;
  KeyedExecutor& executor_;
  PodWatch* const pods_;
};

}  // namespace xpu
