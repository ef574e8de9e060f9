#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "common/base/backoff.h"
#include "common/base/event_loop.h"
#include "common/loop_rpc/loop_rpc_client.h"
#include "xpu/agent/v1/port_service.pb.h"

namespace xpu {

// Follows the port states of one xPU agent (PortService.WatchPorts), on the loop of its client. A stream that
// ends is opened again, at once if it had said something and with growing delays if not. One that falls
// silent stays open: what the agent says next shows that it lives again.
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
  using Observer = std::function<void(const absl::StatusOr<agent::v1::PortStates>& states)>;

  // Neither loop nor client is owned. `address` is for messages.
  PortWatch(EventLoop& loop, LoopRpcClient& client, std::string address, const Options& options);
  ~PortWatch();
  PortWatch(const PortWatch&) = delete;
  PortWatch& operator=(const PortWatch&) = delete;

  // As OpiClient::WatchPorts(). The observer is called on the loop, also from within this call.
  void Observe(Observer changed);
  // Follows over the client's newest connection from now on.
  void Renew();

 private:
  void Open();
  void Close();
  void OnMessage(const std::string& bytes);
  void OnEnd(const absl::Status& status);
  void OnSilence();
  absl::Status OutOfReach(const std::string& why) const;
  void SetGone(const absl::Status& why);
  void Tell(const absl::StatusOr<agent::v1::PortStates>& states);

  EventLoop& loop_;
  LoopRpcClient& client_;
  const std::string address_;
  const Options options_;
  Observer observer_;
  // The stream that is open.
  std::optional<uint64_t> stream_;
  // Something came on this stream.
  bool heard_ = false;
  // The last list of this stream, which holds until the stream says otherwise.
  std::optional<agent::v1::PortStates> states_;
  // Why the agent counts as gone, if it does.
  absl::Status gone_;
  Backoff backoff_;
  EventLoop::Handle silence_;
  EventLoop::Handle reopen_;
};

}  // namespace xpu
