#include "xpu-agent/core/memory_model_store.h"

#include "xpu-agent/core/kinds.h"

namespace xpu {
namespace {

template <typename T>
void Put(const std::map<std::string, std::optional<T>>& change, SharedMap<T>* objects) {
  for (const auto& [id, object] : change) {
    if (object.has_value()) {
      (*objects)[id] = *object;
    } else {
      objects->erase(id);
    }
  }
}

}  // namespace

void MemoryModelStore::FailWrite(int n, const absl::Status& status) {
  absl::MutexLock lock(&mu_);
  fail_in_ = n;
  write_failure_ = status;
}

void MemoryModelStore::FailLoad(const absl::Status& status) {
  absl::MutexLock lock(&mu_);
  load_failure_ = status;
}

absl::StatusOr<AgentState> MemoryModelStore::Load() {
  absl::MutexLock lock(&mu_);
  if (!load_failure_.ok()) return load_failure_;
  return state_;
}

absl::Status MemoryModelStore::Write(const StateChange& change) {
  absl::MutexLock lock(&mu_);
  if (fail_in_ > 0 && --fail_in_ == 0) return write_failure_;
  ForEachKind([this, &change](const auto& kind) ABSL_NO_THREAD_SAFETY_ANALYSIS {
    Put(change.model.*kind.changes, &(state_.model.*kind.objects));
  });
  for (const auto& [port, mark] : change.claims) state_.claims[port] = mark;
  if (change.last_network_key.has_value()) state_.last_network_key = *change.last_network_key;
  if (change.last_vrf_key.has_value()) state_.last_vrf_key = *change.last_vrf_key;
  if (change.plugin_identifier.has_value()) state_.plugin_identifier = change.plugin_identifier;
  return absl::OkStatus();
}

}  // namespace xpu
