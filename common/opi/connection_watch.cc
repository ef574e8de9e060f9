#include "common/opi/connection_watch.h"

#include <chrono>
#include <utility>

namespace xpu {

ConnectionWatch::ConnectionWatch(std::shared_ptr<grpc::Channel> channel) : channel_(std::move(channel)) {}

ConnectionWatch::~ConnectionWatch() {
  Observe(nullptr);
  std::shared_ptr<grpc::Channel> last;
  {
    absl::MutexLock lock(&mu_);
    last = std::move(channel_);
    wake_.reset();
  }
  // Shuts the channel down, which is the change that the thread waits for.
  last.reset();
  if (thread_.joinable()) thread_.join();
  queue_.Shutdown();
  void* tag;
  bool ok;
  while (queue_.Next(&tag, &ok)) {
  }
}

void ConnectionWatch::Observe(std::function<void(bool connected)> changed) {
  absl::MutexLock lock(&mu_);
  observer_ = nullptr;
  auto idle = [this]() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_) { return !telling_; };
  mu_.Await(absl::Condition(&idle));
  observer_ = std::move(changed);
  told_.reset();
  if (observer_ == nullptr) return;
  if (!thread_.joinable()) {
    thread_ = std::thread([this] { Run(); });
    return;
  }
  wake_ = std::make_unique<grpc::Alarm>();
  wake_->Set(&queue_, std::chrono::system_clock::now(), wake_.get());
}

bool ConnectionWatch::Next() {
  absl::MutexLock lock(&mu_);
  if (channel_ == nullptr) return false;
  grpc_connectivity_state state = channel_->GetState(/*try_to_connect=*/true);
  channel_->NotifyOnStateChange(state, std::chrono::system_clock::time_point::max(), &queue_, this);
  switch (state) {
    case GRPC_CHANNEL_READY:
      connected_ = true;
      break;
    case GRPC_CHANNEL_TRANSIENT_FAILURE:
    case GRPC_CHANNEL_SHUTDOWN:
      connected_ = false;
      break;
    case GRPC_CHANNEL_IDLE:
    case GRPC_CHANNEL_CONNECTING:
      // On the first way there: not known yet. After a connection: lost.
      if (connected_.has_value()) connected_ = false;
      break;
  }
  return true;
}

void ConnectionWatch::Tell() {
  absl::MutexLock lock(&mu_);
  while (observer_ != nullptr && connected_.has_value() && told_ != connected_) {
    told_ = connected_;
    std::function<void(bool)> observer = observer_;
    bool connected = *connected_;
    telling_ = true;
    mu_.Unlock();
    observer(connected);
    mu_.Lock();
    telling_ = false;
  }
}

void ConnectionWatch::Run() {
  if (!Next()) return;
  void* tag = nullptr;
  bool ok;
  do {
    Tell();
    if (!queue_.Next(&tag, &ok)) return;
  } while (tag != this || Next());
}

}  // namespace xpu
