#include "xpu-agent/core/agent_state.h"

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

StateChange Diff(const AgentState& before, const AgentState& after) {
  StateChange change;
  DiffMaps(before.model.bridges, after.model.bridges, &change.bridges);
  DiffMaps(before.model.ports, after.model.ports, &change.ports);
  for (const auto& [port, mark] : after.claims) {
    auto it = before.claims.find(port);
    if (it == before.claims.end() || !(it->second == mark)) change.claims.emplace(port, mark);
  }
  if (before.last_network_key != after.last_network_key) change.last_network_key = after.last_network_key;
  return change;
}

}  // namespace xpu
