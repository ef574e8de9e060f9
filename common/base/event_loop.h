#pragma once

#include <cstdint>
#include <functional>
#include <memory>

#include "absl/time/time.h"

struct event_base;

namespace xpu {

// One thread's loop over file descriptors, timers and posted work; wraps libevent. The thread that calls
// Run() owns everything that its callbacks touch, so that state needs no lock.
//
// Post(), Stop() and InLoop() may be called from any thread, everything else only before Run() or from a
// callback. Callbacks must not block. An idle loop makes no wakeups.
class EventLoop {
 public:
  // Cancels when it goes away. Empty by default.
  class Handle {
   public:
    Handle();
    ~Handle();
    Handle(Handle&&) noexcept;
    Handle& operator=(Handle&&) noexcept;
    void Cancel();

   private:
    friend class EventLoop;
    struct Impl;
    std::unique_ptr<Impl> impl_;
  };

  EventLoop();
  ~EventLoop();
  EventLoop(const EventLoop&) = delete;
  EventLoop& operator=(const EventLoop&) = delete;

  // Runs until Stop(), also one that came before it. Work that was posted before Stop() is still done. May be
  // called again.
  void Run();
  void Stop();
  // True on the thread that runs the loop.
  bool InLoop() const;

  // Runs `work` on the loop, in the order of the posts.
  void Post(std::function<void()> work);
  // Posts `work` and waits until it has run; runs it at once when called on the loop.
  void PostAndWait(std::function<void()> work);

  // Calls `ready` whenever `fd` can be read, until the handle goes away. The caller keeps the descriptor.
  [[nodiscard]] Handle OnReadable(int fd, std::function<void()> ready);
  // The same whenever `fd` can be written to.
  [[nodiscard]] Handle OnWritable(int fd, std::function<void()> ready);
  // Calls `work` once after `delay`.
  [[nodiscard]] Handle After(absl::Duration delay, std::function<void()> work);
  // Calls `work` when the process gets `signal`.
  [[nodiscard]] Handle OnSignal(int signal, std::function<void()> work);

  // The event_base, for libraries that take one (evhttp).
  event_base* base();

 private:
  Handle OnReady(int fd, short what, std::function<void()> ready);

  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace xpu
