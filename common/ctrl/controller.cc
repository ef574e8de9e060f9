#include "common/ctrl/controller.h"

#include "absl/time/time.h"
#include "common/kube/kube_errors.h"
#include "spdlog/spdlog.h"

namespace xpu {

Controller::Controller(Options options, Reconcile reconcile)
    : options_(std::move(options)), reconcile_(std::move(reconcile)), next_seed_(options_.seed) {
  for (int i = 0; i < options_.workers; ++i) workers_.emplace_back([this] { Work(); });
}

void Controller::Stop() {
  {
    absl::MutexLock lock(&mu_);
    stop_ = true;
    changed_.SignalAll();
  }
  for (std::thread& worker : workers_) worker.join();
  workers_.clear();
}

void Controller::Enqueue(const ResourceName& name) {
  absl::MutexLock lock(&mu_);
  if (stop_) return;
  const auto [it, fresh] = items_.try_emplace(name);
  Item& item = it->second;
  if (fresh) return Queue(name, item);
  switch (item.stage) {
    case Stage::kQueued:
      return;
    case Stage::kRunning:
      item.again = true;
      return;
    case Stage::kDelayed:
      delayed_.erase({item.due, name});
      return Queue(name, item);
  }
}

void Controller::Queue(const ResourceName& name, Item& item) {
  item.stage = Stage::kQueued;
  queue_.push_back(name);
  changed_.Signal();
}

void Controller::Work() {
  while (const std::optional<ResourceName> name = Take()) Finish(*name, reconcile_(*name));
}

std::optional<ResourceName> Controller::Take() {
  absl::MutexLock lock(&mu_);
  while (!stop_) {
    const Time now = std::chrono::steady_clock::now();
    while (!delayed_.empty() && delayed_.begin()->first <= now) {
      const ResourceName name = delayed_.begin()->second;
      delayed_.erase(delayed_.begin());
      Queue(name, items_[name]);
    }
    if (!queue_.empty()) {
      const ResourceName name = std::move(queue_.front());
      queue_.pop_front();
      items_[name].stage = Stage::kRunning;
      return name;
    }
    if (delayed_.empty()) {
      changed_.Wait(&mu_);
    } else {
      changed_.WaitWithTimeout(&mu_, absl::FromChrono(delayed_.begin()->first - now));
    }
  }
  return std::nullopt;
}

void Controller::Finish(const ResourceName& name, const absl::Status& status) {
  absl::MutexLock lock(&mu_);
  Item& item = items_[name];
  absl::Duration delay;
  if (status.ok()) {
    item.backoff.reset();
  } else {
    if (!item.backoff) item.backoff.emplace(options_.backoff, next_seed_++);
    delay = std::max(item.backoff->Next(), RetryAfter(status).value_or(absl::ZeroDuration()));
  }
  if (std::exchange(item.again, false)) return Queue(name, item);
  if (status.ok()) {
    items_.erase(name);
    return;
  }
  spdlog::warn("{} {}: {}; trying again in {}", options_.name, name.ToString(), status.ToString(),
               absl::FormatDuration(delay));
  item.stage = Stage::kDelayed;
  item.due = std::chrono::steady_clock::now() + absl::ToChronoNanoseconds(delay);
  delayed_.insert({item.due, name});
  // Another worker may sleep for longer than that.
  changed_.Signal();
}

}  // namespace xpu
