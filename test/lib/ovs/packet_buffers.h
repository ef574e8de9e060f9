#pragma once

#include <sys/types.h>

#include "absl/status/statusor.h"

namespace xpu::testing {

// Gives the packet sockets that process `pid` has now a receive buffer of `bytes`, and returns how many there
// are. A switch in user space gets its packets through such sockets, and what it does not read in time is
// lost once they are full, which by default is after 30 ms of 10,000 packets a second. Needs root.
absl::StatusOr<int> EnlargePacketBuffers(pid_t pid, int bytes);

}  // namespace xpu::testing
