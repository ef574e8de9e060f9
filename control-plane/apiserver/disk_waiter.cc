#include "control-plane/apiserver/disk_waiter.h"

#include <utility>

namespace xpu::apiserver {

DiskWaiter::DiskWaiter(EventLoop& loop, std::function<absl::Status()> wait,
                       std::function<void(const absl::Status&)> done)
    : loop_(loop), wait_(std::move(wait)), done_(std::move(done)), thread_([this] { Run(); }) {}

DiskWaiter::~DiskWaiter() {
  {
    absl::MutexLock lock(&mu_);
    stopping_ = true;
  }
  thread_.join();
}

void DiskWaiter::Begin() {
  running_ = true;
  absl::MutexLock lock(&mu_);
  ++begun_;
}

void DiskWaiter::Finish() {
  if (!running_) return;
  int64_t number = 0;
  {
    absl::MutexLock lock(&mu_);
    mu_.Await(absl::Condition(
        +[](DiskWaiter* self)
             ABSL_EXCLUSIVE_LOCKS_REQUIRED(self->mu_) { return self->over_ == self->begun_; },
        this));
    number = over_;
  }
  Deliver(number);
}

void DiskWaiter::Deliver(int64_t number) {
  absl::Status status;
  {
    absl::MutexLock lock(&mu_);
    // Finish() was first.
    if (!running_ || number != begun_) return;
    status = status_;
  }
  running_ = false;
  done_(status);
}

void DiskWaiter::Run() {
  while (true) {
    int64_t number = 0;
    {
      absl::MutexLock lock(&mu_);
      mu_.Await(absl::Condition(
          +[](DiskWaiter* self) ABSL_EXCLUSIVE_LOCKS_REQUIRED(self->mu_) {
            return self->over_ != self->begun_ || self->stopping_;
          },
          this));
      if (over_ == begun_) return;
      number = begun_;
    }
    absl::Status status = wait_();
    {
      absl::MutexLock lock(&mu_);
      status_ = std::move(status);
      over_ = number;
    }
    loop_.Post([this, number, alive = std::weak_ptr<bool>(alive_)] {
      if (!alive.expired()) Deliver(number);
    });
  }
}

}  // namespace xpu::apiserver
