#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <thread>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/synchronization/mutex.h"
#include "common/base/event_loop.h"

namespace xpu::apiserver {

// A thread that writes, and waits for the disk, while a loop goes on: one wait at a time. All calls on the
// loop's thread.
class DiskWaiter {
 public:
  // `wait` runs on the thread; what it has returned goes to `done` on the loop, once for each Begin(). The
  // loop must outlive this.
  DiskWaiter(EventLoop& loop, std::function<absl::Status()> wait,
             std::function<void(const absl::Status&)> done);
  // Ends what runs, without `done`.
  ~DiskWaiter();
  DiskWaiter(const DiskWaiter&) = delete;
  DiskWaiter& operator=(const DiskWaiter&) = delete;

  // Not while one runs.
  void Begin();
  // From Begin() until `done` is called.
  bool is_running() const { return running_; }
  // Blocks until the one that runs is over, and calls `done` before it returns.
  void Finish();

 private:
  void Run();
  // On the loop: the wait of that number is over.
  void Deliver(int64_t number);

  EventLoop& loop_;
  const std::function<absl::Status()> wait_;
  const std::function<void(const absl::Status&)> done_;
  const std::shared_ptr<bool> alive_ = std::make_shared<bool>();
  bool running_ = false;

  absl::Mutex mu_;
  // Waits that were begun, and that are over.
  int64_t begun_ ABSL_GUARDED_BY(mu_) = 0;
  int64_t over_ ABSL_GUARDED_BY(mu_) = 0;
  absl::Status status_ ABSL_GUARDED_BY(mu_);
  bool stopping_ ABSL_GUARDED_BY(mu_) = false;
  // The last member: it uses the others.
  std::thread thread_;
};

}  // namespace xpu::apiserver
