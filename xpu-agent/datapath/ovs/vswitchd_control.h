#pragma once

#include <string>
#include <vector>

#include "absl/status/statusor.h"

namespace xpu {

// Asks the ovs-vswitchd whose files are in `folder` (ovs-vswitchd.pid and ovs-vswitchd.<pid>.ctl, or
// ovs-vswitchd.ctl), as ovs-appctl(8) does, and gives its answer. Blocks until it has answered. Unavailable
// if none runs there, InvalidArgument if it refuses the command.
absl::StatusOr<std::string> AskVswitchd(const std::string& folder, const std::string& command,
                                        const std::vector<std::string>& arguments);

}  // namespace xpu
