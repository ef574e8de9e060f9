#pragma once

#include <string>

#include "absl/status/statusor.h"
#include "common/base/unique_fd.h"

namespace xpu {

struct ListeningSocket {
  UniqueFd fd;
  // "unix:/run/x.sock", "127.0.0.1:8001", "[::1]:8001".
  std::string endpoint;
  // To be unlinked at the end; empty for TCP.
  std::string path;
};

// A non-blocking socket that listens; see HttpServer::Listen.
absl::StatusOr<ListeningSocket> OpenListener(const std::string& endpoint);

}  // namespace xpu
