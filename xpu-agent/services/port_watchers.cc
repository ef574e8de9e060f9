#include "xpu-agent/services/port_watchers.h"

#include <map>
#include <optional>
#include <set>
#include <string>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/time/time.h"
#include "common/base/event_loop.h"
#include "common/rpc/rpc.h"

namespace xpu {

using agent::v1::PortStates;
using agent::v1::WatchPortsRequest;
using agent::v1::WatchPortsResponse;

namespace {

constexpr uint32_t kDefaultHeartbeatMs = 300;
constexpr uint32_t kMinHeartbeatMs = 50;
constexpr uint32_t kMaxHeartbeatMs = 60000;

PortStates Show(const PortHealth& ports) {
  PortStates states;
  for (const auto& [id, why] : ports) {
    agent::v1::PortState& state = *states.add_ports();
    state.set_port(id);
    state.set_healthy(why.empty());
    state.set_reason(why);
  }
  return states;
}

}  // namespace

// What the streams share. All but Post() on the loop.
class PortWatchers::Hub {
 public:
  explicit Hub(EventLoop& loop) : loop_(loop) {}

  EventLoop& loop() { return loop_; }
  void Add(const std::shared_ptr<Stream>& stream);
  void Remove(const std::shared_ptr<Stream>& stream) { streams_.erase(stream); }
  void SetPorts(const PortHealth& ports);

 private:
  EventLoop& loop_;
  // Nothing before the switch was looked at.
  std::shared_ptr<const PortStates> states_;
  std::set<std::shared_ptr<Stream>> streams_;
};

// One call. gRPC's threads only carry what happens to the loop.
class PortWatchers::Stream : public grpc::ServerWriteReactor<WatchPortsResponse>,
                             public std::enable_shared_from_this<Stream> {
 public:
  Stream(std::shared_ptr<Hub> hub, absl::Duration heartbeat) : hub_(std::move(hub)), heartbeat_(heartbeat) {}

  // The object keeps itself until gRPC is done with it.
  void Begin() {
    self_ = shared_from_this();
    hub_->loop().Post([self = self_] { self->hub_->Add(self); });
  }
  void OnWriteDone(bool ok) override {
    hub_->loop().Post([self = shared_from_this(), ok] {
      self->is_writing_ = false;
      if (!ok) self->ended_ = true;
      self->ended_ ? self->End() : self->Flush();
    });
  }
  void OnCancel() override {
    hub_->loop().Post([self = shared_from_this()] { self->End(); });
  }
  void OnDone() override { self_.reset(); }

  // On the loop.
  void Send(std::shared_ptr<const PortStates> states) {
    due_ = std::move(states);
    Flush();
  }
  void StartHeartbeat() {
    timer_ = hub_->loop().After(heartbeat_, [this] {
      // A client that does not read has words enough on the way.
      if (!is_writing_ && !ended_) Write(WatchPortsResponse());
      StartHeartbeat();
    });
  }

 private:
  void Flush() {
    if (is_writing_ || ended_ || due_ == nullptr) return;
    WatchPortsResponse response;
    *response.mutable_states() = *std::exchange(due_, nullptr);
    Write(std::move(response));
  }
  void Write(WatchPortsResponse response) {
    is_writing_ = true;
    message_ = std::move(response);
    StartWrite(&message_);
  }
  void End() {
    ended_ = true;
    // A write that is on its way comes back first.
    if (is_writing_ || std::exchange(finished_, true)) return;
    timer_.Cancel();
    hub_->Remove(shared_from_this());
    Finish(grpc::Status::CANCELLED);
  }

  const std::shared_ptr<Hub> hub_;
  const absl::Duration heartbeat_;
  std::shared_ptr<Stream> self_;
  // On the loop from here on.
  WatchPortsResponse message_;
  bool is_writing_ = false;
  bool ended_ = false;
  bool finished_ = false;
  std::shared_ptr<const PortStates> due_;
  EventLoop::Handle timer_;
};

void PortWatchers::Hub::Add(const std::shared_ptr<Stream>& stream) {
  streams_.insert(stream);
  if (states_ != nullptr) stream->Send(states_);
  stream->StartHeartbeat();
}

void PortWatchers::Hub::SetPorts(const PortHealth& ports) {
  states_ = std::make_shared<const PortStates>(Show(ports));
  for (const std::shared_ptr<Stream>& stream : streams_) stream->Send(states_);
}

PortWatchers::PortWatchers(ModelOwner& owner) : hub_(std::make_shared<Hub>(owner.loop())) {
  owner.ObservePorts([hub = std::weak_ptr<Hub>(hub_)](const PortHealth& ports) {
    if (const std::shared_ptr<Hub> there = hub.lock()) there->SetPorts(ports);
  });
}

PortWatchers::~PortWatchers() = default;

grpc::ServerWriteReactor<WatchPortsResponse>* PortWatchers::Watch(const WatchPortsRequest& request) {
  const uint32_t heartbeat = request.heartbeat_ms() == 0 ? kDefaultHeartbeatMs : request.heartbeat_ms();
  if (heartbeat < kMinHeartbeatMs || heartbeat > kMaxHeartbeatMs) {
    class Refusal : public grpc::ServerWriteReactor<WatchPortsResponse> {
     public:
      explicit Refusal(const absl::Status& status) { Finish(ToGrpc(status)); }
      void OnDone() override { delete this; }
    };
    return new Refusal(absl::InvalidArgumentError(absl::StrCat("heartbeat_ms: ", heartbeat, " is not from ",
                                                               kMinHeartbeatMs, " to ", kMaxHeartbeatMs)));
  }
  auto stream = std::make_shared<Stream>(hub_, absl::Milliseconds(heartbeat));
  stream->Begin();
  return stream.get();
}

}  // namespace xpu
