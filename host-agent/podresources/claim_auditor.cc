#include "host-agent/podresources/claim_auditor.h"

#include <algorithm>
#include <set>

namespace xpu {

ClaimAuditor::ClaimAuditor(const std::vector<ClaimRow>& left, absl::Duration booking) : booking_(booking) {
  for (const ClaimRow& row : left) known_[row.function] = {.claim = row.claim, .answered = checkpoints_};
}

void ClaimAuditor::Allocating(const FunctionId& function) { known_.erase(function); }

void ClaimAuditor::Allocated(const FunctionId& function, int64_t claim) {
  known_[function] = {.claim = claim, .answered = checkpoints_, .lists = lists_};
}

void ClaimAuditor::CheckpointWritten() { ++checkpoints_; }

void ClaimAuditor::ListFailed() {
  for (auto& [function, now] : known_) now.missed.reset();
}

absl::Time ClaimAuditor::NextList() const {
  absl::Time next = absl::InfiniteFuture();
  for (const auto& [function, now] : known_) {
    if (now.missed) next = std::min(next, *now.missed + booking_);
  }
  return next;
}

ClaimAuditor::Findings ClaimAuditor::Listed(const Asked& asked, absl::Time now, const PodList& list,
                                            const std::vector<ClaimRow>& rows, const Holders& holders) {
  Findings findings;
  std::set<FunctionId> missing;
  for (const ClaimRow& row : rows) {
    Known& known = known_[row.function];
    // A newer claim has begun since the rows were read.
    if (known.claim > row.claim) continue;
    if (known.claim < row.claim) known = {.claim = row.claim};
    const Claim claim{row.function, row.claim};
    switch (row.state) {
      case ClaimState::kClaimed:
        if (holders.contains(row.function)) {
          // A claim under way is nobody's yet, and was nobody's when a list was asked for before its answer:
          // whoever has the device there, it is not this claim's container.
          known.shown = known.shown || (known.answered.has_value() && known.lists < asked.number);
          known.unused = false;
        } else if (known.shown || (known.missed && *known.missed + booking_ <= asked.at)) {
          known.unused = true;
          findings.unused.push_back(claim);
        } else if (known.answered && *known.answered < asked.checkpoints) {
          if (!known.missed) known.missed = now;
          missing.insert(row.function);
        }
        break;
      case ClaimState::kAttached: {
        if (!row.confirmed || row.attachment->pod_name.empty()) break;
        const bool there = list.pods.contains({row.attachment->pod_namespace, row.attachment->pod_name});
        if (there) {
          known.shown = true;
        } else if (!row.vfio) {
          findings.pod_gone.push_back(claim);
        } else if (known.shown) {
          findings.device_gone.push_back(claim);
        }
        break;
      }
      case ClaimState::kUndoing:
        break;
    }
  }
  for (auto& [function, known] : known_) {
    if (!missing.contains(function)) known.missed.reset();
  }
  return findings;
}

bool ClaimAuditor::StillUnused(const FunctionId& function, int64_t claim) const {
  const auto it = known_.find(function);
  return it != known_.end() && it->second.claim == claim && it->second.unused;
}

Holders HoldersIn(const PodList& list, const DeviceIds& ids) {
  Holders holders;
  for (const HeldDevice& device : list.devices) {
    if (const auto it = ids.find(device.device_id); it != ids.end()) holders.emplace(it->second, device);
  }
  return holders;
}

}  // namespace xpu
