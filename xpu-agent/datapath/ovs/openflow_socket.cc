#include "xpu-agent/datapath/ovs/openflow_socket.h"

#include <algorithm>
#include <cerrno>
#include <utility>

#include "absl/strings/str_cat.h"
#include "xpu-agent/datapath/ovs/ovs_c.h"

namespace xpu {
namespace {

// Between tries to connect: 20 ms, doubled up to 5 s.
constexpr int kFirstRetry = 20;
constexpr int kMaxRetry = 5000;
// Messages taken at once, so that what waits to be sent has its turn.
constexpr int kMaxReceived = 64;

}  // namespace

OpenFlowSocket::OpenFlowSocket(Options options)
    : options_(std::move(options)), socket_(options_.folder, options_.bridge + ".mgmt") {
  xpu_ovs_init();
}

OpenFlowSocket::~OpenFlowSocket() { Close(); }

void OpenFlowSocket::Run() {
  if (socket_.Appeared()) {
    failures_ = 0;
    retry_at_ = 0;
  }
  if (state_ == State::kDown && retry_at_ >= 0 && xpu_ovs_now() >= retry_at_) Connect();
  if (vconn_ != nullptr) xpu_ovs_run(vconn_);
  if (state_ == State::kConnecting) Advance();
  Flush();
  ReceiveAll();
  // Answers to what came in.
  Flush();
  if ((state_ == State::kConnecting || state_ == State::kConnected) && xpu_ovs_now() >= silent_until_) {
    Drop("no answer in time");
  }
}

void OpenFlowSocket::Wait() {
  socket_.Wait();
  if (state_ == State::kDown) {
    if (retry_at_ >= 0) xpu_ovs_wait_until(retry_at_);
    return;
  }
  xpu_ovs_wait(vconn_, !queue_.empty() && state_ != State::kConnecting);
  if (state_ != State::kSettled) xpu_ovs_wait_until(silent_until_);
}

void OpenFlowSocket::Settled() {
  state_ = State::kSettled;
  failures_ = 0;
}

void OpenFlowSocket::Send(ofpbuf* messages) { queue_.push_back(messages); }

void OpenFlowSocket::Connect() {
  socket_.Start();
  const int error = xpu_ovs_open(("unix:" + socket_.path()).c_str(), &vconn_);
  if (error != 0) {
    vconn_ = nullptr;
    Drop("cannot connect", error);
    return;
  }
  state_ = State::kConnecting;
  silent_until_ = xpu_ovs_now() + options_.patience;
}

void OpenFlowSocket::Advance() {
  const int error = xpu_ovs_connect(vconn_);
  if (error == 0) {
    state_ = State::kConnected;
    options_.connected();
  } else if (error != EAGAIN) {
    Drop("cannot connect", error);
  }
}

void OpenFlowSocket::Close() {
  if (vconn_ != nullptr) xpu_ovs_close(vconn_);
  vconn_ = nullptr;
  for (ofpbuf* message : queue_) xpu_ovs_message_free(message);
  queue_.clear();
  state_ = State::kDown;
}

void OpenFlowSocket::Drop(const std::string& why, int error) {
  const size_t unsent = queue_.size();
  const bool was_connected = is_connected();
  Close();
  reason_ = absl::StrCat("OpenFlow socket ", socket_.path(), ": ", why, error == 0 ? "" : ": ",
                         error == 0 ? "" : xpu_ovs_strerror(error));
  if (error == EPROTO) absl::StrAppend(&reason_, " (does the bridge allow OpenFlow14?)");
  // No socket: its appearance is the event to wait for. Anything else, and a folder that cannot be watched,
  // is tried again later.
  if (error == ENOENT && socket_.is_watching()) {
    retry_at_ = -1;
  } else {
    retry_at_ = xpu_ovs_now() + std::min(kMaxRetry, kFirstRetry << std::min(failures_, 10));
    ++failures_;
  }
  if (was_connected) options_.lost(unsent);
}

void OpenFlowSocket::Reconnect(const std::string& why) {
  Drop(why);
  failures_ = 0;
  retry_at_ = 0;
}

void OpenFlowSocket::Flush() {
  while (is_connected() && !queue_.empty()) {
    const int error = xpu_ovs_send(vconn_, queue_.front());
    if (error == EAGAIN) return;
    if (error != 0) {
      Drop("connection lost", error);
      return;
    }
    queue_.pop_front();
  }
}

void OpenFlowSocket::ReceiveAll() {
  for (int i = 0; i < kMaxReceived && is_connected(); ++i) {
    ofpbuf* message = nullptr;
    const int error = xpu_ovs_recv(vconn_, &message);
    if (error == EAGAIN) return;
    if (error != 0) {
      Drop("connection lost", error);
      return;
    }
    silent_until_ = xpu_ovs_now() + options_.patience;
    options_.received(message);
    xpu_ovs_message_free(message);
  }
  if (is_connected()) xpu_ovs_wake();
}

}  // namespace xpu
