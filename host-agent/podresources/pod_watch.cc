#include "host-agent/podresources/pod_watch.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "spdlog/spdlog.h"

namespace xpu {

PodWatch::PodWatch(Parts parts)
    : parts_(std::move(parts)), auditor_(parts_.allocator.Rows(), parts_.booking) {}

PodWatch::~PodWatch() { Stop(); }

void PodWatch::Stop() {
  {
    absl::MutexLock lock(&mu_);
    stop_ = true;
  }
  parts_.pods.Cancel();
  if (thread_.joinable()) thread_.join();
}

void PodWatch::Start() {
  Changed();
  thread_ = std::thread([this] { Run(); });
}

void PodWatch::Changed() {
  absl::MutexLock lock(&mu_);
  changed_ = true;
}

void PodWatch::CheckpointWritten() {
  absl::MutexLock lock(&mu_);
  auditor_.CheckpointWritten();
  changed_ = true;
}

absl::Status PodWatch::Allocating(const FunctionId& function) {
  {
    absl::MutexLock lock(&mu_);
    auditor_.Allocating(function);
    if (holders_ && !holders_->contains(function)) return absl::OkStatus();
  }
  // The pod that held it may be gone by now.
  const absl::StatusOr<PodList> list = parts_.pods.List();
  if (!list.ok()) return absl::OkStatus();
  const Holders holders = HoldersIn(*list, parts_.device_ids());
  const auto it = holders.find(function);
  if (it == holders.end()) return absl::OkStatus();
  const HeldDevice& holder = it->second;
  return absl::FailedPreconditionError(absl::StrCat(
      "function ", function.ToString(), " is held by pod ", holder.pod.ToString(), " (container ",
      holder.container, "), as the kubelet says, and cannot be given to another; delete that pod first"));
}

void PodWatch::Allocated(const FunctionId& function, int64_t claim) {
  absl::MutexLock lock(&mu_);
  auditor_.Allocated(function, claim);
  changed_ = true;
}

bool PodWatch::StillUnused(const FunctionId& function, int64_t claim) const {
  absl::MutexLock lock(&mu_);
  return auditor_.StillUnused(function, claim);
}

void PodWatch::Run() {
  while (true) {
    {
      absl::MutexLock lock(&mu_);
      const auto wanted = [this] {
        mu_.AssertReaderHeld();
        return stop_ || changed_;
      };
      // A delay by the clock that is asked, as a test's runs as it likes.
      const absl::Duration wait = auditor_.NextList() - parts_.clock.Now();
      mu_.AwaitWithTimeout(absl::Condition(&wanted), std::max(wait, absl::ZeroDuration()));
      if (stop_) return;
      changed_ = false;
    }
    ListOnce();
  }
}

void PodWatch::ListOnce() {
  ClaimAuditor::Asked asked;
  {
    absl::MutexLock lock(&mu_);
    asked = auditor_.ListBegins(parts_.clock.Now());
  }
  const absl::StatusOr<PodList> list = parts_.pods.List();
  Holders holders;
  if (list.ok()) holders = HoldersIn(*list, parts_.device_ids());
  const std::vector<ClaimRow> rows = parts_.allocator.Rows();
  ClaimAuditor::Findings findings;
  {
    absl::MutexLock lock(&mu_);
    if (stop_) return;
    holders_ = std::move(holders);
    if (!list.ok()) {
      auditor_.ListFailed();
      if (std::exchange(failure_, list.status().code()) == list.status().code()) return;
      if (absl::IsNotFound(list.status())) {
        spdlog::info("claims are not compared with pods: {}", std::string(list.status().message()));
      } else {
        spdlog::warn("claims cannot be compared with pods: {}", list.status().ToString());
      }
      return;
    }
    failure_ = absl::StatusCode::kOk;
    findings = auditor_.Listed(asked, parts_.clock.Now(), *list, rows, *holders_);
  }
  for (const auto& [function, claim] : findings.unused) parts_.unused(function, claim);
  for (const auto& [function, claim] : findings.pod_gone) parts_.pod_gone(function, claim);
  for (const auto& [function, claim] : findings.device_gone) parts_.device_gone(function, claim);
}

}  // namespace xpu
