#include "host-agent/podresources/claim_auditor.h"

namespace xpu {

ClaimAuditor::ClaimAuditor(const std::vector<ClaimRow>& left) {
  for (const ClaimRow& row : left) known_[row.function] = {.claim = row.claim, .answered = checkpoints_};
}

void ClaimAuditor::Allocating(const FunctionId& function) { known_.erase(function); }

void ClaimAuditor::Allocated(const FunctionId& function, int64_t claim) {
  known_[function] = {.claim = claim, .answered = checkpoints_};
}

void ClaimAuditor::CheckpointWritten() { ++checkpoints_; }

ClaimAuditor::Findings ClaimAuditor::Listed(uint64_t begun, const PodList& list,
                                            const std::vector<ClaimRow>& rows, const Holders& holders) {
  Findings findings;
  for (const ClaimRow& row : rows) {
    Known& now = known_[row.function];
    // A newer claim has begun since the rows were read.
    if (now.claim > row.claim) continue;
    if (now.claim < row.claim) now = {.claim = row.claim};
    const Claim claim{row.function, row.claim};
    switch (row.state) {
      case ClaimState::kClaimed:
        if (holders.contains(row.function)) {
          // A claim under way is nobody's yet: whoever has the device, it is not this claim's container.
          now.shown = now.answered.has_value();
          now.unused = false;
        } else if (now.shown || (now.answered && *now.answered < begun)) {
          now.unused = true;
          findings.unused.push_back(claim);
        }
        break;
      case ClaimState::kAttached: {
        if (!row.confirmed || row.attachment->pod_name.empty()) break;
        const bool there = list.pods.contains({row.attachment->pod_namespace, row.attachment->pod_name});
        if (there) {
          now.shown = true;
        } else if (!row.vfio) {
          findings.pod_gone.push_back(claim);
        } else if (now.shown) {
          findings.device_gone.push_back(claim);
        }
        break;
      }
      case ClaimState::kUndoing:
        break;
    }
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
