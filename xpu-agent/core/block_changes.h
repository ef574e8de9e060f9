#pragma once

#include <string>
#include <vector>

#include "absl/status/status.h"
#include "common/base/ip_address.h"
#include "xpu-agent/core/agent_state.h"

namespace xpu {

// As PortService.SetAddressBlocks says. Changes `state` only if it returns OK.
//   NotFound            no such bridge
//   FailedPrecondition  a port has an address in a block that would go away
absl::Status SetAddressBlocks(AgentState& state, const std::string& bridge, std::vector<IpPrefix> blocks);

}  // namespace xpu
