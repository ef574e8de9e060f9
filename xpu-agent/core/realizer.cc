#include "xpu-agent/core/realizer.h"

#include <utility>

namespace xpu {

Realizer::Realizer(Switch& the_switch, std::function<void(Report report)> report)
    : switch_(the_switch), report_(std::move(report)) {}

Realizer::~Realizer() {
  {
    absl::MutexLock lock(&inbox_->mu);
    inbox_->stop = true;
  }
  if (thread_.joinable()) thread_.join();
}

void Realizer::Start() {
  switch_.Start([inbox = inbox_] { inbox->Retry(); });
  thread_ = std::thread([this] { Run(); });
}

void Realizer::Change(ModelChange change, uint64_t version) {
  absl::MutexLock lock(&inbox_->mu);
  inbox_->change.Append(std::move(change));
  inbox_->has_model = true;
  inbox_->version = version;
  inbox_->due = true;
}

void Realizer::Retry() { inbox_->Retry(); }

void Realizer::Verify() {
  absl::MutexLock lock(&inbox_->mu);
  inbox_->verify = true;
}

void Realizer::Inbox::Retry() {
  absl::MutexLock lock(&mu);
  due = true;
  retry = true;
}

void Realizer::Run() {
  Converger converger(switch_);
  Inbox& inbox = *inbox_;
  while (true) {
    ModelChange change;
    Report report;
    bool retry, verify;
    {
      absl::MutexLock lock(&inbox.mu);
      auto wake = [&inbox]() ABSL_EXCLUSIVE_LOCKS_REQUIRED(inbox.mu) {
        return inbox.stop || ((inbox.due || inbox.verify) && inbox.has_model);
      };
      inbox.mu.Await(absl::Condition(&wake));
      if (inbox.stop) return;
      verify = std::exchange(inbox.verify, false) && !inbox.due;
      // What was taken is the converger's to bring about, however often it takes.
      if (!verify) change = std::exchange(inbox.change, ModelChange());
      report.version = inbox.version;
      retry = std::exchange(inbox.retry, false);
      inbox.due = false;
    }
    if (verify) {
      report.outcome.reached = converger.Verify();
      if (!report.outcome.reached.ok()) report_(std::move(report));
      continue;
    }
    report.outcome = converger.Converge(change, retry);
    report_(std::move(report));
  }
}

}  // namespace xpu
