#pragma once

#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "common/base/unique_fd.h"

namespace xpu {

// Stream sockets at a path, non-blocking and closed on exec.

// A listening socket. A stale one at `path` is replaced; the new one is for root only (0600).
// FailedPrecondition if another process serves there, or what is there is no socket.
absl::StatusOr<UniqueFd> ListenOnUnixSocket(const std::string& path);

// Connects at once or not at all: Unavailable if nobody takes the connection. InvalidArgument for a path that
// is too long for a socket.
absl::StatusOr<UniqueFd> ConnectToUnixSocket(const std::string& path);

}  // namespace xpu
