#pragma once

#include <string>
#include <vector>

#include "device-plugin/plugin_function.h"
#include "device-plugin/pool_config.h"

namespace xpu {

struct PoolAssignment {
  // For each pool its functions, in their order.
  std::vector<PoolMembers> members;
  // For each two pools that both select functions one sentence that names both, how many functions, and one
  // of them. Such a function is in the first of them.
  std::vector<std::string> overlaps;
};

// Which functions belong to which pool. A pure function.
PoolAssignment AssignFunctions(const std::vector<PoolConfig>& pools, const PluginFunctions& functions);

}  // namespace xpu
