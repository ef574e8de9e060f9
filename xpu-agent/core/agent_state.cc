#include "xpu-agent/core/agent_state.h"

#include "absl/strings/str_cat.h"
#include "xpu-agent/core/kinds.h"

namespace xpu {
std::string RemotePortName(absl::string_view id) { return absl::StrCat("remotePorts/", id); }

std::string NetworkFunctionName(absl::string_view id) { return absl::StrCat("networkFunctions/", id); }

bool StateChange::empty() const {
  bool same = claims.empty() && !last_network_key.has_value() && !last_vrf_key.has_value() &&
              !plugin_identifier.has_value();
  ForEachKind([&](const auto& kind) { same = same && (model.*kind.changes).empty(); });
  return same;
}

StateChange Diff(const AgentState& before, const AgentState& after) {
  StateChange change;
  ForEachKind([&](const auto& kind) {
    change.model.*kind.changes = DifferenceOf(before.model.*kind.objects, after.model.*kind.objects);
  });
  SharedMap<ClaimMark>::Compare(before.claims, after.claims,
                                [&change](const std::string& port, const ClaimMark*, const ClaimMark* now) {
                                  if (now != nullptr) change.claims.emplace(port, *now);
                                });
  if (before.last_network_key != after.last_network_key) change.last_network_key = after.last_network_key;
  if (before.last_vrf_key != after.last_vrf_key) change.last_vrf_key = after.last_vrf_key;
  if (before.plugin_identifier != after.plugin_identifier) change.plugin_identifier = after.plugin_identifier;
  return change;
}

}  // namespace xpu
