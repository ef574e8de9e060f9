#pragma once

#include <deque>
#include <functional>
#include <map>
#include <thread>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "common/base/function_id.h"

namespace xpu {

// Threads that do blocking work; started when there is work and none is idle, up to a number. Safe from any
// thread. Work must not wait for other work of the same object.
class Workers {
 public:
  enum class Urgency {
    kUsual,
    // Who gives work to such threads keeps the processor until it waits for something: they are scheduled
    // as SCHED_BATCH (sched(7)), and so are programs that they start.
    kGivesWay,
  };
  explicit Workers(int max_threads, Urgency urgency = Urgency::kUsual)
      : max_threads_(max_threads), urgency_(urgency) {}
  // Does what is queued and waits for it.
  ~Workers();
  Workers(const Workers&) = delete;
  Workers& operator=(const Workers&) = delete;

  void Run(std::function<void()> work);

 private:
  void ThreadMain();

  const size_t max_threads_;
  const Urgency urgency_;
  absl::Mutex mu_;
  std::deque<std::function<void()>> queue_ ABSL_GUARDED_BY(mu_);
  size_t idle_ ABSL_GUARDED_BY(mu_) = 0;
  bool stop_ ABSL_GUARDED_BY(mu_) = false;
  std::vector<std::thread> threads_ ABSL_GUARDED_BY(mu_);
};

// Does the work of one function in the order in which it was given, one piece at a time, and that of
// different functions in parallel. Safe from any thread.
class KeyedExecutor {
 public:
  explicit KeyedExecutor(int max_threads) : workers_(max_threads) {}
  // Does what is queued and waits for it.
  ~KeyedExecutor() = default;

  // `work` may call Run, but not wait for what it has given there.
  void Run(const FunctionId& function, std::function<void()> work);

 private:
  void RunNext(const FunctionId& function);

  absl::Mutex mu_;
  // What is queued for a function; a function is in here while work of it is running, too.
  std::map<FunctionId, std::deque<std::function<void()>>> queues_ ABSL_GUARDED_BY(mu_);
  // Last, so that it goes first and the rest is there until its threads have ended.
  Workers workers_;
};

}  // namespace xpu
