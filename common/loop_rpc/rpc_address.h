#pragma once

#include <cstdint>
#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace xpu {

// Where a gRPC server is: on a unix socket, or at a host and port.
struct RpcAddress {
  // Path; empty: the other two count.
  std::string socket;
  // A name or a numeric address, without brackets.
  std::string host;
  uint16_t port = 0;

  // "unix:/path", "host:port" or "[v6]:port"; InvalidArgument for anything else.
  static absl::StatusOr<RpcAddress> Parse(absl::string_view text);
  bool is_unix() const { return !socket.empty(); }
  // As Parse() takes it.
  std::string ToString() const;
  friend bool operator==(const RpcAddress&, const RpcAddress&) = default;
};

}  // namespace xpu
