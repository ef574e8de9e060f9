#pragma once

#include <functional>
#include <string>

#include "absl/time/time.h"
#include "common/base/backoff.h"
#include "common/base/event_loop.h"
#include "common/loop_rpc/loop_rpc_client.h"
#include "device-plugin/plugin_function.h"

namespace xpu {

// Hears of the functions that the host agent tells of. Lives on the loop's thread.
//
// While the host agent is away the devices stay as they are for a while: an agent that is restarted or
// updated is back in a second or two, and to tell the kubelet in between that every device is unhealthy would
// take the node out of the scheduler's choice, reject pods that are on their way, and mark running ones. Only
// an agent that stays away makes the devices unhealthy. Nothing goes wrong meanwhile: without the agent no
// Allocate succeeds.
class FunctionWatch {
 public:
  struct Options {
    // How long the host agent may be away before its devices are unhealthy.
    absl::Duration grace = absl::Seconds(15);
    // Between the end of a stream and the next; a stream itself waits for the connection.
    Backoff::Options backoff;
  };

  // Called on the loop.
  struct Events {
    // A list, the same as before or another, and how many functions containers hold.
    std::function<void(PluginFunctions functions, int claims)> listed;
    // The host agent has been away for longer than the grace; a list ends that.
    std::function<void()> lost;
  };

  // `address` is "unix:/path".
  FunctionWatch(EventLoop& loop, std::string address, const Options& options, Events events);

 private:
  void Open();
  void OnList(PluginFunctions functions, int claims);
  void OnEnd(const std::string& why);

  EventLoop& loop_;
  const std::string address_;
  const Options options_;
  const Events events_;
  Backoff backoff_;
  // Whether the current stream has brought a list.
  bool connected_ = false;
  bool grace_runs_ = false;
  EventLoop::Handle grace_timer_;
  EventLoop::Handle retry_timer_;
  LoopRpcClient client_;
};

}  // namespace xpu
