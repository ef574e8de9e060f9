#pragma once

#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "device-plugin/plugin_function.h"
#include "device-plugin/pool_config.h"

namespace xpu {

// Which of `available` to give to a container that is to have `count` devices, those of `must_include` among
// them. They come from one NUMA node if that can be (from that of `must_include`), else from as few as
// possible; on a node the policy decides:
//   packed  from as few physical functions as possible, the one with the fewest free functions that suffices
//   spread  in turns from all physical functions, the one with the most free functions first
// The same holds for the choice between nodes that suffice. A pure function; the same question gets the same
// answer.
//
// InvalidArgument if that cannot be: fewer available than asked for, more to include than asked for, or one
// of these not available.
absl::StatusOr<std::vector<std::string>> PreferAllocation(const PoolMembers& members, AllocatePolicy policy,
                                                          const std::vector<std::string>& available,
                                                          const std::vector<std::string>& must_include,
                                                          int count);

}  // namespace xpu
