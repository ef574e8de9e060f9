#pragma once

#include "absl/status/status.h"

namespace xpu::testing {

// Waits until the kernel has done what earlier calls have left to it, so that the next one is not charged for
// it: two RCU grace periods (membarrier(2), MEMBARRIER_CMD_GLOBAL), each followed by a request that needs the
// lock of rtnetlink, which the kernel's own work on links holds while it waits for grace periods too.
absl::Status LetKernelRest();

}  // namespace xpu::testing
