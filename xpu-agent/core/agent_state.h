#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>

#include "common/opi/claims.h"
#include "xpu-agent/ipam/ipam.h"
#include "xpu-agent/model/model.h"

namespace xpu {

// All that the agent knows and must not forget when it restarts. Which representors there are is found out
// again.
struct AgentState {
  Model model;
  // By id of the bridge port; stay when the port goes.
  std::map<std::string, ClaimMark> claims;
  // Highest network key that was given (LogicalBridge::network_key).
  uint32_t last_network_key = 0;
  // By id of the bridge: where the last addresses came from. Forgotten by a restart.
  std::map<std::string, AllocationCursor> cursors;
  friend bool operator==(const AgentState&, const AgentState&) = default;
};

// What is to be written to get from one state to another. Nothing: the object goes.
struct StateChange {
  std::map<std::string, std::optional<LogicalBridge>> bridges;
  std::map<std::string, std::optional<BridgePort>> ports;
  std::map<std::string, ClaimMark> claims;
  std::optional<uint32_t> last_network_key;

  bool empty() const {
    return bridges.empty() && ports.empty() && claims.empty() && !last_network_key.has_value();
  }
};
StateChange Diff(const AgentState& before, const AgentState& after);

}  // namespace xpu
