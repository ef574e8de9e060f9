#pragma once

#include <cstdint>
#include <string>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "grpcpp/server_context.h"
#include "grpcpp/support/server_callback.h"

namespace xpu {

// What the services need of a gRPC call.

// How long to try before the client's own deadline strikes; infinite if it has none.
absl::Duration PatienceOf(const grpc::CallbackServerContext& context);

// The number in metadata "xpu-claim", 0 if there is none. InvalidArgument if it is none or there are several.
absl::StatusOr<int64_t> ClaimOf(const grpc::CallbackServerContext& context);

// Finishes at once.
grpc::ServerUnaryReactor* Refuse(grpc::CallbackServerContext* context, const absl::Status& status);

// An id nobody else has: 32 hexadecimal digits.
std::string RandomId();

}  // namespace xpu
