// Any bytes as configuration of the pools: they are read or refused with a message, and what is read can be
// assigned.

#include <cstddef>
#include <cstdint>

#include "absl/strings/string_view.h"
#include "device-plugin/pool_config.h"
#include "device-plugin/pool_selection.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const auto configs = xpu::ParsePoolConfigs(absl::string_view(reinterpret_cast<const char*>(data), size),
                                             {.resource_prefix = "intel.com"});
  if (!configs.ok()) {
    if (configs.status().message().empty()) __builtin_trap();
    return 0;
  }
  const xpu::PluginFunctions functions = {{.id = "0000:86:02.0",
                                           .pf_address = "0000:86:00.0",
                                           .pf_name = "p0",
                                           .vendor = "8086",
                                           .driver = "vfio-pci"},
                                          {.id = "0000:86:00.0-sf88",
                                           .kind = xpu::PluginFunction::Kind::kSf,
                                           .pf_address = "0000:86:00.0",
                                           .pf_name = "p0",
                                           .index = 88,
                                           .auxiliary_device = "mlx5_core.sf.4"}};
  const xpu::PoolAssignment assignment = xpu::AssignFunctions(configs->pools, functions);
  size_t members = 0;
  for (const auto& pool : assignment.members) members += pool.size();
  // Whatever the pools are, each function is in one of them at most.
  if (members > functions.size()) __builtin_trap();
  return 0;
}
