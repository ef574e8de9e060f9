#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <thread>

#include "absl/base/thread_annotations.h"
#include "absl/status/statusor.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include "common/base/backoff.h"
#include "common/base/event_loop.h"
#include "grpcpp/grpcpp.h"
#include "xpu/agent/v1/port_service.pb.h"

namespace xpu {

// Follows the port states of one xPU agent (PortService.WatchPorts), on a thread of its own that sleeps until
// gRPC or a timer wakes it. A stream that ends is opened again, at once if it had said something and with
// growing delays if not. One that falls silent stays open: what the agent says next shows that it lives
// again.
//
// Safe from any thread.
class PortWatch {
 public:
  struct Options {
    // What the agent is asked for, and after how long without a word it counts as gone.
    absl::Duration heartbeat = absl::Milliseconds(300);
    absl::Duration silence = absl::Milliseconds(900);
    Backoff::Options backoff = {.initial = absl::Milliseconds(100), .max = absl::Seconds(10)};
    // Until an agent that knows no such call is asked again: it may be another one by then.
    absl::Duration unknown_call = absl::Minutes(10);
  };
  // `address` is for messages.
  PortWatch(std::shared_ptr<grpc::Channel> channel, std::string address, const Options& options);
  // Not within a call of the observer.
  ~PortWatch();
  PortWatch(const PortWatch&) = delete;
  PortWatch& operator=(const PortWatch&) = delete;

  // As OpiClient::WatchPorts(). The thread starts with the first observer.
  void Observe(std::function<void(const absl::StatusOr<agent::v1::PortStates>& states)> changed);

 private:
  class Stream;

  // All on the loop.
  void Open();
  void OnMessage(const agent::v1::WatchPortsResponse& message);
  void OnEnd(const absl::Status& status);
  void OnSilence();
  absl::Status OutOfReach(const std::string& why) const;
  void SetGone(const absl::Status& why);
  void Tell(const absl::StatusOr<agent::v1::PortStates>& states);

  const std::string address_;
  const Options options_;
  std::shared_ptr<grpc::Channel> channel_;
  const std::shared_ptr<EventLoop> loop_ = std::make_shared<EventLoop>();
  absl::Mutex start_mu_;
  std::thread thread_ ABSL_GUARDED_BY(start_mu_);

  std::function<void(const absl::StatusOr<agent::v1::PortStates>&)> observer_;
  std::unique_ptr<Stream> stream_;
  // Something came on this stream.
  bool heard_ = false;
  // Nobody wanted this stream any more; it is about to end.
  bool cancelled_ = false;
  // The last list of this stream, which holds until the stream says otherwise.
  std::optional<agent::v1::PortStates> states_;
  // Why the agent counts as gone, if it does.
  absl::Status gone_;
  bool closing_ = false;
  Backoff backoff_;
  EventLoop::Handle silence_;
  EventLoop::Handle reopen_;
};

}  // namespace xpu
