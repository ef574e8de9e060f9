#pragma once

#include <chrono>
#include <string>
#include <string_view>

#include "common/base/grpc_wire.h"

namespace xpu {

// How a call ended.
enum class CallEnd {
  kAnswered,     // the server gave a status, OK or not
  kUnreachable,  // nothing was asked: no server there, or it refused before it looked at the call
  kBroken,       // the connection ended or made no sense; the call may have had its effect
  kTimedOut,     // the same, and the deadline is over
};

struct CallReply {
  CallEnd end = CallEnd::kBroken;
  // If answered: the code (https://grpc.io/docs/guides/status-codes), the message and, with code 0, the
  // response.
  int status = 0;
  std::string message;
  std::string response;
  // If not answered: what happened, for people.
  std::string why;
};

// One unary gRPC call on a connection of its own, as gRPC over HTTP/2 defines it
// (https://github.com/grpc/grpc/blob/master/doc/PROTOCOL-HTTP2.md), in the clear over the unix socket at
// `socket`.
//   method    "/package.Service/Method"
//   request   the serialised message
//   deadline  of all of it, connecting included; the server is told
// Responses are limited to kMaxResponse.
CallReply CallUnary(const std::string& socket, std::string_view method, std::string_view request,
                    std::chrono::steady_clock::time_point deadline);

inline constexpr size_t kMaxResponse = kGrpcMaxMessage;

}  // namespace xpu
