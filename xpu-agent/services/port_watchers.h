#pragma once

#include <memory>

#include "absl/status/statusor.h"
#include "grpcpp/support/server_callback.h"
#include "xpu-agent/core/model_owner.h"
#include "xpu/agent/v1/port_service.pb.h"

namespace xpu {

// The streams of PortService.WatchPorts. They live on the owner's loop, so that a heartbeat also says that
// the loop turns; none has a thread of its own. A client that does not read gets only the newest list once it
// does.
class PortWatchers {
 public:
  // Observes the owner's ports from now on.
  explicit PortWatchers(ModelOwner& owner);
  // All streams have ended.
  ~PortWatchers();
  PortWatchers(const PortWatchers&) = delete;
  PortWatchers& operator=(const PortWatchers&) = delete;

  // Answers a call, on any thread.
  grpc::ServerWriteReactor<agent::v1::WatchPortsResponse>* Watch(const agent::v1::WatchPortsRequest& request);

 private:
  class Hub;
  class Stream;
  const std::shared_ptr<Hub> hub_;
};

}  // namespace xpu
