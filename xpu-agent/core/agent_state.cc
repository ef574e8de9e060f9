#include "xpu-agent/core/agent_state.h"

#include "absl/strings/str_cat.h"
#include "xpu-agent/core/kinds.h"

namespace xpu {
namespace {

// Both maps are sorted: one walk over the two.
template <typename T>
void DiffMaps(const std::map<std::string, T>& before, const std::map<std::string, T>& after,
              std::map<std::string, std::optional<T>>* change) {
  auto b = before.begin();
  auto a = after.begin();
  while (b != before.end() || a != after.end()) {
    if (a == after.end() || (b != before.end() && b->first < a->first)) {
      change->emplace(b->first, std::nullopt);
      ++b;
    } else if (b == before.end() || a->first < b->first) {
      change->emplace(a->first, a->second);
      ++a;
    } else {
      if (!(a->second == b->second)) change->emplace(a->first, a->second);
      ++a;
      ++b;
    }
  }
}

}  // namespace

std::string RemotePortName(absl::string_view id) { return absl::StrCat("remotePorts/", id); }

bool StateChange::empty() const {
  bool same = claims.empty() && !last_network_key.has_value() && !last_vrf_key.has_value();
  ForEachKind([&](const auto& kind) { same = same && (this->*kind.changes).empty(); });
  return same;
}

StateChange Diff(const AgentState& before, const AgentState& after) {
  StateChange change;
  ForEachKind([&](const auto& kind) {
    DiffMaps(before.model.*kind.objects, after.model.*kind.objects, &(change.*kind.changes));
  });
  for (const auto& [port, mark] : after.claims) {
    auto it = before.claims.find(port);
    if (it == before.claims.end() || !(it->second == mark)) change.claims.emplace(port, mark);
  }
  if (before.last_network_key != after.last_network_key) change.last_network_key = after.last_network_key;
  if (before.last_vrf_key != after.last_vrf_key) change.last_vrf_key = after.last_vrf_key;
  return change;
}

}  // namespace xpu
