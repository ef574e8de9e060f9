#include "host-agent/attach/workers.h"

#include <sched.h>

#include <utility>

namespace xpu {

Workers::~Workers() {
  std::vector<std::thread> threads;
  {
    absl::MutexLock lock(&mu_);
    stop_ = true;
    const auto done = [this] {
      mu_.AssertReaderHeld();
      return queue_.empty() && idle_ == threads_.size();
    };
    // Work that runs may give more, for which a thread may have to be started.
    mu_.Await(absl::Condition(&done));
    threads.swap(threads_);
  }
  for (std::thread& thread : threads) thread.join();
}

void Workers::Run(std::function<void()> work) {
  absl::MutexLock lock(&mu_);
  queue_.push_back(std::move(work));
  if (idle_ < queue_.size() && threads_.size() < max_threads_) {
    threads_.emplace_back([this] { ThreadMain(); });
  }
}

void Workers::ThreadMain() {
  if (urgency_ == Urgency::kGivesWay) {
    // Of no consequence if it is refused: then who gives the work may have to wait a little.
    const sched_param none{};
    sched_setscheduler(0, SCHED_BATCH, &none);
  }
  while (true) {
    std::function<void()> work;
    {
      absl::MutexLock lock(&mu_);
      ++idle_;
      const auto ready = [this] {
        mu_.AssertReaderHeld();
        return stop_ || !queue_.empty();
      };
      mu_.Await(absl::Condition(&ready));
      if (queue_.empty()) return;
      --idle_;
      work = std::move(queue_.front());
      queue_.pop_front();
    }
    work();
  }
}

void KeyedExecutor::Run(const FunctionId& function, std::function<void()> work) {
  {
    absl::MutexLock lock(&mu_);
    const auto [it, idle] = queues_.try_emplace(function);
    it->second.push_back(std::move(work));
    if (!idle) return;
  }
  workers_.Run([this, function] { RunNext(function); });
}

void KeyedExecutor::RunNext(const FunctionId& function) {
  std::function<void()> work;
  {
    absl::MutexLock lock(&mu_);
    std::deque<std::function<void()>>& queue = queues_[function];
    work = std::move(queue.front());
    queue.pop_front();
  }
  work();
  // What the work holds goes before anything else of the function begins.
  work = nullptr;
  {
    absl::MutexLock lock(&mu_);
    const auto it = queues_.find(function);
    if (it->second.empty()) {
      queues_.erase(it);
      return;
    }
  }
  workers_.Run([this, function] { RunNext(function); });
}

}  // namespace xpu
