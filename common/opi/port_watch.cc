#include "common/opi/port_watch.h"

#include <utility>

#include "absl/strings/str_cat.h"

namespace xpu {
namespace {

constexpr char kWatchPorts[] = "/xpu.agent.v1.PortService/WatchPorts";

}  // namespace

PortWatch::PortWatch(EventLoop& loop, LoopRpcClient& client, std::string address, const Options& options)
    : loop_(loop),
      client_(client),
      address_(std::move(address)),
      options_(options),
      backoff_(options.backoff, reinterpret_cast<uintptr_t>(this)) {}

PortWatch::~PortWatch() { Close(); }

void PortWatch::Observe(Observer changed) {
  observer_ = std::move(changed);
  if (observer_ == nullptr) {
    Close();
    gone_ = absl::OkStatus();
  } else if (!gone_.ok()) {
    Tell(gone_);
  } else if (!stream_) {
    Open();
  } else if (states_) {
    Tell(*states_);
  }
}

void PortWatch::Renew() {
  if (!stream_) return;
  Close();
  Open();
}

void PortWatch::Open() {
  heard_ = false;
  agent::v1::WatchPortsRequest request;
  request.set_heartbeat_ms(static_cast<uint32_t>(absl::ToInt64Milliseconds(options_.heartbeat)));
  // The connection comes back by itself.
  stream_ = client_.Stream(
      kWatchPorts, request.SerializeAsString(), {.wait_for_ready = true},
      [this](const std::string& bytes) { OnMessage(bytes); },
      [this](const LoopRpcClient::Reply& reply) { OnEnd(reply.status); });
  silence_ = loop_.After(options_.silence, [this] { OnSilence(); });
}

void PortWatch::Close() {
  if (stream_) client_.Cancel(*stream_);
  stream_.reset();
  states_.reset();
  silence_.Cancel();
  reopen_.Cancel();
}

void PortWatch::OnMessage(const std::string& bytes) {
  agent::v1::WatchPortsResponse message;
  if (!message.ParseFromString(bytes)) {
    client_.Cancel(*stream_);
    return OnEnd(absl::InternalError("what it says of its ports cannot be read"));
  }
  heard_ = true;
  backoff_.Reset();
  silence_ = loop_.After(options_.silence, [this] { OnSilence(); });
  const bool was_gone = !gone_.ok();
  if (message.has_states()) states_ = std::move(*message.mutable_states());
  if (!states_) return;
  gone_ = absl::OkStatus();
  // A copy: the observer may end the watch.
  if (message.has_states() || was_gone) Tell(agent::v1::PortStates(*states_));
}

void PortWatch::OnEnd(const absl::Status& status) {
  stream_.reset();
  states_.reset();
  silence_.Cancel();
  const bool unknown_call = absl::IsUnimplemented(status);
  if (unknown_call) {
    SetGone(absl::UnimplementedError(absl::StrCat("the OPI bridge at ", address_,
                                                  " does not tell how its ports are: ", status.message())));
  } else {
    SetGone(OutOfReach(absl::StrCat("the watch of its ports ended: ", status.ToString())));
  }
  // An observer may have gone, or come, in that call.
  if (observer_ == nullptr || stream_) return;
  if (heard_) return Open();
  reopen_ = loop_.After(unknown_call ? options_.unknown_call : backoff_.Next(), [this] { Open(); });
}

void PortWatch::OnSilence() {
  SetGone(OutOfReach(absl::StrCat("nothing came from it for ", absl::FormatDuration(options_.silence))));
}

absl::Status PortWatch::OutOfReach(const std::string& why) const {
  return absl::UnavailableError(absl::StrCat("the xPU agent at ", address_, " is out of reach: ", why));
}

void PortWatch::SetGone(const absl::Status& why) {
  if (gone_.code() == why.code()) return;
  gone_ = why;
  Tell(gone_);
}

void PortWatch::Tell(const absl::StatusOr<agent::v1::PortStates>& states) {
  // A copy: the observer may take itself away.
  const auto observer = observer_;
  if (observer != nullptr) observer(states);
}

}  // namespace xpu
