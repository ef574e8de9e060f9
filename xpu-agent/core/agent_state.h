#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>

#include "common/opi/claims.h"
#include "xpu-agent/core/port_index.h"
#include "xpu-agent/ipam/ipam.h"
#include "xpu-agent/model/model.h"
#include "xpu-agent/model/model_change.h"

namespace xpu {

// All that the agent knows and must not forget when it restarts; a copy costs the same however much that is.
// Which representors there are is found out again. A state and its copies belong to one thread.
struct AgentState {
  Model model;
  // By id of the bridge port; stay when the port goes.
  SharedMap<ClaimMark> claims;
  // Highest keys that were given (LogicalBridge::network_key, Vrf::vrf_key).
  uint32_t last_network_key = 0;
  uint32_t last_vrf_key = 0;
  // By id of the bridge: where the last addresses came from. Forgotten by a restart.
  SharedMap<AllocationCursor> cursors;
  // Whom the card's vendor plugin works for, as dpu-operator's daemon has said (PluginRole).
  std::optional<std::string> plugin_identifier = {};
  // Of model.ports.
  SharedPortIndex port_index = {};
  friend bool operator==(const AgentState&, const AgentState&) = default;
};

// What is to be written to get from one state to another.
struct StateChange {
  // Of the objects that are stored.
  ModelChange model;
  std::map<std::string, ClaimMark> claims;
  std::optional<uint32_t> last_network_key;
  std::optional<uint32_t> last_vrf_key;
  std::optional<std::string> plugin_identifier;

  bool empty() const;
  friend bool operator==(const StateChange&, const StateChange&) = default;
};
StateChange Diff(const AgentState& before, const AgentState& after);

}  // namespace xpu
