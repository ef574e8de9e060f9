#pragma once

#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "device-plugin/device_board.h"

namespace xpu {

// Which of `available` to give to a container that is to have `count` devices, those of `must_include` among
// them. Devices of one card are preferred, then of one NUMA node; among cards that suffice the one with the
// most free functions is taken, so that containers spread. A pure function; the same question gets the same
// answer.
//
// InvalidArgument if that cannot be: fewer available than asked for, more to include than asked for, or one
// of these not available.
absl::StatusOr<std::vector<std::string>> PreferAllocation(const PluginDevices& devices,
                                                          const std::vector<std::string>& available,
                                                          const std::vector<std::string>& must_include,
                                                          int count);

}  // namespace xpu
