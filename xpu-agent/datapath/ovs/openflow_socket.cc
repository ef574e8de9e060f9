#include "xpu-agent/datapath/ovs/openflow_socket.h"

#include <sys/inotify.h>
#include <unistd.h>

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
    : options_(std::move(options)), socket_name_(options_.bridge + ".mgmt") {
  xpu_ovs_init();
}

OpenFlowSocket::~OpenFlowSocket() { Close(); }

void OpenFlowSocket::Run() {
  if (SocketAppeared()) {
    failures_ = 0;
    retry_at_ = 0;
  }
  if (state_ == State::kDown && retry_at_ >= 0 && xpu_ovs_now() >= retry_at_) Connect();
  if (vconn_ != nullptr) xpu_ovs_run(vconn_);
  if (state_ == State::kConnecting) Advance();
  SendQueued();
  ReceiveAll();
  SendQueued();
}

void OpenFlowSocket::Wait() {
  if (watching_) xpu_ovs_wait_fd(inotify_.get());
  if (state_ == State::kDown) {
    if (retry_at_ >= 0) xpu_ovs_wait_until(retry_at_);
    return;
  }
  xpu_ovs_wait(vconn_, !queue_.empty());
  if (state_ == State::kConnecting) xpu_ovs_wait_until(silent_until_);
}

void OpenFlowSocket::Send(ofpbuf* message) { queue_.push_back(message); }

void OpenFlowSocket::WatchFolder() {
  if (watching_) return;
  if (!inotify_) inotify_.Reset(inotify_init1(IN_CLOEXEC | IN_NONBLOCK));
  watching_ = inotify_ && inotify_add_watch(inotify_.get(), options_.folder.c_str(),
                                            IN_CREATE | IN_MOVED_TO | IN_ONLYDIR) >= 0;
}

// Takes in what happened in the folder: true if the bridge's socket was made.
bool OpenFlowSocket::SocketAppeared() {
  if (!watching_) return false;
  alignas(inotify_event) char buffer[4096];
  bool appeared = false;
  ssize_t n;
  while ((n = read(inotify_.get(), buffer, sizeof(buffer))) > 0) {
    for (ssize_t offset = 0; offset < n;) {
      const auto* event = reinterpret_cast<const inotify_event*>(buffer + offset);
      // The folder itself is gone, or events were lost: look again.
      if ((event->mask & IN_IGNORED) != 0) watching_ = false;
      if ((event->mask & (IN_IGNORED | IN_Q_OVERFLOW)) != 0) appeared = true;
      if (event->len > 0 && socket_name_ == event->name) appeared = true;
      offset += static_cast<ssize_t>(sizeof(inotify_event)) + event->len;
    }
  }
  return appeared;
}

void OpenFlowSocket::Connect() {
  // First the watch, then the try, so that a socket that is made in between is not missed.
  WatchFolder();
  const int error = xpu_ovs_open(absl::StrCat("unix:", options_.folder, "/", socket_name_).c_str(), &vconn_);
  if (error != 0) {
    vconn_ = nullptr;
    Drop(error);
    return;
  }
  state_ = State::kConnecting;
  silent_until_ = xpu_ovs_now() + options_.patience;
}

void OpenFlowSocket::Advance() {
  const int error = xpu_ovs_connect(vconn_);
  if (error == 0) {
    state_ = State::kConnected;
    failures_ = 0;
    options_.connected();
  } else if (error != EAGAIN) {
    Drop(error);
  } else if (xpu_ovs_now() >= silent_until_) {
    Drop(ETIMEDOUT);
  }
}

void OpenFlowSocket::Close() {
  if (vconn_ != nullptr) xpu_ovs_close(vconn_);
  vconn_ = nullptr;
  for (ofpbuf* message : queue_) xpu_ovs_message_free(message);
  queue_.clear();
  state_ = State::kDown;
}

void OpenFlowSocket::Drop(int error) {
  const size_t unsent = queue_.size();
  const bool was_connected = is_connected();
  Close();
  // No socket: its appearance is the event to wait for. Anything else, and a folder that cannot be watched,
  // is tried again later.
  if (error == ENOENT && watching_) {
    retry_at_ = -1;
  } else {
    retry_at_ = xpu_ovs_now() + std::min(kMaxRetry, kFirstRetry << std::min(failures_, 10));
    ++failures_;
  }
  if (was_connected) options_.lost(unsent);
}

void OpenFlowSocket::SendQueued() {
  while (is_connected() && !queue_.empty()) {
    const int error = xpu_ovs_send(vconn_, queue_.front());
    if (error == EAGAIN) return;
    if (error != 0) {
      Drop(error);
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
      Drop(error);
      return;
    }
    options_.received(message);
    xpu_ovs_message_free(message);
  }
  xpu_ovs_wake();
}

}  // namespace xpu
