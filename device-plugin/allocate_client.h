#pragma once

#include <functional>
#include <map>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "common/base/event_loop.h"
#include "common/loop_rpc/loop_rpc_client.h"

namespace xpu {

// Has the host agent claim functions. Lives on the loop's thread.
//
// If the host agent is away, as while it is being restarted, or goes away under way, the call waits until it
// is back and is made again: a claim may be asked for twice.
class AllocateClient {
 public:
  // The environment for the container. Errors are the host agent's; DeadlineExceeded if it does not answer in
  // time.
  using Done = std::function<void(const absl::StatusOr<std::map<std::string, std::string>>& environment)>;

  // `address` is "unix:/path".
  AllocateClient(EventLoop& loop, const std::string& address, absl::Duration timeout);

  // Nothing is told after this object has gone. Returns what Cancel() takes.
  uint64_t Allocate(const std::vector<std::string>& functions, Done done);
  // `done` will not be called. OK if the call is over.
  void Cancel(uint64_t call);

 private:
  struct Pending {
    std::string request;
    absl::Time deadline;
    Done done;
    // The client's.
    uint64_t call = 0;
  };
  void Ask(uint64_t call);
  void OnReply(uint64_t call, const LoopRpcClient::Reply& reply);

  const std::string address_;
  const absl::Duration timeout_;
  LoopRpcClient client_;
  std::map<uint64_t, Pending> pending_;
  uint64_t next_ = 1;
};

}  // namespace xpu
