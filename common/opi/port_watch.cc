#include "common/opi/port_watch.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "common/rpc/rpc.h"
#include "xpu/agent/v1/port_service.grpc.pb.h"

namespace xpu {

// One call of WatchPorts. A thread of its own waits for its words and carries them to the loop: gRPC's
// callbacks would come from threads of gRPC's that wake ten times a second each, whether anything has come or
// not. Deleted on the loop, once the call is over.
class PortWatch::Stream {
 public:
  Stream(PortWatch& watch, const std::shared_ptr<grpc::Channel>& channel)
      : watch_(watch), stub_(agent::v1::PortService::NewStub(channel)) {
    // The channel comes back by itself.
    context_.set_wait_for_ready(true);
    request_.set_heartbeat_ms(static_cast<uint32_t>(absl::ToInt64Milliseconds(watch.options_.heartbeat)));
    thread_ = std::thread([this] { Run(); });
  }
  // The thread has posted the end of the call, which is the last that it does.
  ~Stream() { thread_.join(); }
  void Cancel() { context_.TryCancel(); }

 private:
  void Run() {
    const auto reader = stub_->WatchPorts(&context_, request_);
    agent::v1::WatchPortsResponse message;
    while (reader->Read(&message)) {
      watch_.loop_->Post([&watch = watch_, message = std::move(message)] { watch.OnMessage(message); });
      message.Clear();
    }
    watch_.loop_->Post([&watch = watch_, status = FromGrpc(reader->Finish())] { watch.OnEnd(status); });
  }

  PortWatch& watch_;
  const std::unique_ptr<agent::v1::PortService::Stub> stub_;
  grpc::ClientContext context_;
  agent::v1::WatchPortsRequest request_;
  std::thread thread_;
};

PortWatch::PortWatch(std::shared_ptr<grpc::Channel> channel, std::string address, const Options& options)
    : address_(std::move(address)),
      options_(options),
      channel_(std::move(channel)),
      backoff_(options.backoff, reinterpret_cast<uintptr_t>(this)) {}

PortWatch::~PortWatch() {
  absl::MutexLock lock(&start_mu_);
  if (!thread_.joinable()) return;
  loop_->PostAndWait([this] {
    closing_ = true;
    observer_ = nullptr;
    silence_.Cancel();
    reopen_.Cancel();
    // The end of the stream stops the loop.
    stream_ == nullptr ? loop_->Stop() : stream_->Cancel();
  });
  thread_.join();
}

void PortWatch::Observe(std::function<void(const absl::StatusOr<agent::v1::PortStates>& states)> changed) {
  if (!loop_->InLoop()) {
    absl::MutexLock lock(&start_mu_);
    if (!thread_.joinable()) {
      if (changed == nullptr) return;
      thread_ = std::thread([loop = loop_] { loop->Run(); });
    }
  }
  loop_->PostAndWait([this, &changed] {
    observer_ = std::move(changed);
    if (observer_ == nullptr) {
      silence_.Cancel();
      reopen_.Cancel();
      gone_ = absl::OkStatus();
      if (stream_ != nullptr && !std::exchange(cancelled_, true)) stream_->Cancel();
    } else if (!gone_.ok()) {
      Tell(gone_);
    } else if (stream_ == nullptr) {
      Open();
    } else if (states_.has_value() && !cancelled_) {
      Tell(*states_);
    }
  });
}

void PortWatch::Open() {
  states_.reset();
  heard_ = false;
  cancelled_ = false;
  stream_ = std::make_unique<Stream>(*this, channel_);
  silence_ = loop_->After(options_.silence, [this] { OnSilence(); });
}

void PortWatch::OnMessage(const agent::v1::WatchPortsResponse& message) {
  if (cancelled_ || closing_) return;
  heard_ = true;
  backoff_.Reset();
  silence_ = loop_->After(options_.silence, [this] { OnSilence(); });
  const bool was_gone = !gone_.ok();
  if (message.has_states()) states_ = message.states();
  if (!states_.has_value()) return;
  gone_ = absl::OkStatus();
  if (message.has_states() || was_gone) Tell(*states_);
}

void PortWatch::OnEnd(const absl::Status& status) {
  const bool was_cancelled = cancelled_;
  stream_.reset();
  states_.reset();
  silence_.Cancel();
  if (closing_) return loop_->Stop();
  const bool unknown_call = absl::IsUnimplemented(status);
  if (unknown_call) {
    SetGone(absl::UnimplementedError(absl::StrCat("the OPI bridge at ", address_,
                                                  " does not tell how its ports are: ", status.message())));
  } else if (!was_cancelled) {
    SetGone(OutOfReach(absl::StrCat("the watch of its ports ended: ", status.ToString())));
  }
  // An observer may have gone, or come, in that call.
  if (observer_ == nullptr || stream_ != nullptr) return;
  if (heard_ || was_cancelled) return Open();
  reopen_ = loop_->After(unknown_call ? options_.unknown_call : backoff_.Next(), [this] { Open(); });
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
