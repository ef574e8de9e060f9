#pragma once

#include "absl/status/status.h"

namespace xpu {

// Tells whoever started the process that it now serves: sends "READY=1" to the socket that NOTIFY_SOCKET
// names (sd_notify(3)). Does nothing, with OK, where that is not set. Safe from any thread.
absl::Status NotifyReady();

}  // namespace xpu
