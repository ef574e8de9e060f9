#include "common/base/event_loop.h"

#include <event2/event.h>
#include <event2/thread.h>

#include <algorithm>
#include <atomic>
#include <deque>
#include <stdexcept>
#include <thread>
#include <utility>

#include "absl/synchronization/mutex.h"
#include "absl/synchronization/notification.h"

namespace xpu {

struct EventLoop::State {
  event_base* base = nullptr;
  event* wake = nullptr;
  std::atomic<std::thread::id> thread;
  absl::Mutex mu;
  std::deque<std::function<void()>> posted ABSL_GUARDED_BY(mu);
  bool stopping ABSL_GUARDED_BY(mu) = false;

  // Runs what is posted, also what is posted meanwhile; leaves the loop once it was told to stop.
  void Drain() {
    while (true) {
      std::function<void()> work;
      {
        absl::MutexLock lock(&mu);
        if (posted.empty()) {
          // Each Stop() ends one Run().
          if (std::exchange(stopping, false)) event_base_loopbreak(base);
          return;
        }
        work = std::move(posted.front());
        posted.pop_front();
      }
      work();
    }
  }
};

struct EventLoop::Handle::Impl {
  event* registered = nullptr;
  std::function<void()> work;

  static void Fire(evutil_socket_t, short, void* arg) {
    // A copy: the callback may cancel its own handle, which frees the Impl.
    const std::function<void()> work = static_cast<Impl*>(arg)->work;
    work();
  }
  ~Impl() {
    if (registered != nullptr) event_free(registered);
  }
};

EventLoop::Handle::Handle() = default;
EventLoop::Handle::~Handle() = default;
EventLoop::Handle::Handle(Handle&&) noexcept = default;
EventLoop::Handle& EventLoop::Handle::operator=(Handle&&) noexcept = default;
void EventLoop::Handle::Cancel() { impl_.reset(); }

EventLoop::EventLoop() : state_(std::make_unique<State>()) {
  static const bool threads_ready = evthread_use_pthreads() == 0;
  state_->base = threads_ready ? event_base_new() : nullptr;
  if (state_->base == nullptr) throw std::runtime_error("libevent cannot make an event base");
  state_->wake = event_new(
      state_->base, -1, EV_PERSIST,
      [](evutil_socket_t, short, void* arg) { static_cast<State*>(arg)->Drain(); }, state_.get());
}

EventLoop::~EventLoop() {
  event_free(state_->wake);
  event_base_free(state_->base);
}

void EventLoop::Run() {
  state_->thread = std::this_thread::get_id();
  // Work may have been posted, or a stop asked for, before the loop ran.
  event_active(state_->wake, 0, 0);
  event_base_loop(state_->base, EVLOOP_NO_EXIT_ON_EMPTY);
  state_->thread = std::thread::id();
}

void EventLoop::Stop() {
  {
    absl::MutexLock lock(&state_->mu);
    state_->stopping = true;
  }
  event_active(state_->wake, 0, 0);
}

bool EventLoop::InLoop() const { return state_->thread == std::this_thread::get_id(); }

void EventLoop::Post(std::function<void()> work) {
  {
    absl::MutexLock lock(&state_->mu);
    state_->posted.push_back(std::move(work));
  }
  event_active(state_->wake, 0, 0);
}

void EventLoop::PostAndWait(std::function<void()> work) {
  if (InLoop()) return work();
  absl::Notification done;
  Post([&] {
    work();
    done.Notify();
  });
  done.WaitForNotification();
}

EventLoop::Handle EventLoop::OnReady(int fd, short what, std::function<void()> ready) {
  Handle handle;
  handle.impl_ = std::make_unique<Handle::Impl>();
  handle.impl_->work = std::move(ready);
  handle.impl_->registered = event_new(state_->base, fd, static_cast<short>(what | EV_PERSIST),
                                       &Handle::Impl::Fire, handle.impl_.get());
  event_add(handle.impl_->registered, nullptr);
  return handle;
}

EventLoop::Handle EventLoop::OnReadable(int fd, std::function<void()> ready) {
  return OnReady(fd, EV_READ, std::move(ready));
}

EventLoop::Handle EventLoop::OnWritable(int fd, std::function<void()> ready) {
  return OnReady(fd, EV_WRITE, std::move(ready));
}

EventLoop::Handle EventLoop::After(absl::Duration delay, std::function<void()> work) {
  Handle handle;
  handle.impl_ = std::make_unique<Handle::Impl>();
  handle.impl_->work = std::move(work);
  handle.impl_->registered = event_new(state_->base, -1, 0, &Handle::Impl::Fire, handle.impl_.get());
  const timeval timeout = absl::ToTimeval(std::max(delay, absl::ZeroDuration()));
  event_add(handle.impl_->registered, &timeout);
  return handle;
}

EventLoop::Handle EventLoop::OnSignal(int signal, std::function<void()> work) {
  Handle handle;
  handle.impl_ = std::make_unique<Handle::Impl>();
  handle.impl_->work = std::move(work);
  handle.impl_->registered =
      event_new(state_->base, signal, EV_SIGNAL | EV_PERSIST, &Handle::Impl::Fire, handle.impl_.get());
  event_add(handle.impl_->registered, nullptr);
  return handle;
}

event_base* EventLoop::base() { return state_->base; }

}  // namespace xpu
