#pragma once

#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "common/base/event_loop.h"
#include "device-plugin/loop_inbox.h"
#include "device-plugin/loop_rpc.h"

namespace grpc {
class Channel;
}

namespace xpu {

// Has the host agent claim functions. Lives on the loop's thread.
//
// A call goes over a connection that stays. If the host agent takes none, as while it is being restarted, or
// the connection ends under way, the call is made through gRPC, which waits until the agent is back: a claim
// may be asked for twice.
class AllocateClient {
 public:
  // The environment for the container. Errors are the host agent's; DeadlineExceeded if it does not answer in
  // time.
  using Done = std::function<void(const absl::StatusOr<std::map<std::string, std::string>>& environment)>;

  // `address` is "unix:/path".
  AllocateClient(EventLoop& loop, const std::string& address, const std::shared_ptr<grpc::Channel>& channel,
                 absl::Duration timeout);
  ~AllocateClient();

  // Nothing is told after this object has gone. Returns what Cancel() takes.
  uint64_t Allocate(const std::vector<std::string>& functions, Done done);
  // `done` will not be called. OK if the call is over.
  void Cancel(uint64_t call);

 private:
  struct Pending;
  void Slowly(uint64_t call);
  void OnReply(uint64_t call, const absl::Status& status, const std::string& response);

  const std::string address_;
  const absl::Duration timeout_;
  const std::shared_ptr<grpc::Channel> channel_;
  LoopRpcClient quick_;
  std::map<uint64_t, Pending> pending_;
  uint64_t next_ = 1;
  LoopInbox inbox_;
};

}  // namespace xpu
