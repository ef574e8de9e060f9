#pragma once

#include <string>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"

namespace xpu {

// What an error of gRPC says beside its code and its words: the trailer grpc-status-details-bin, a serialised
// google.rpc.Status. Payloads of an absl::Status that are messages ("type.googleapis.com/...") go along in
// it, and those of InvalidArgument with the fields that are wrong (bad_request.h).

// Empty if there is nothing more to say.
std::string StatusDetails(const absl::Status& status);

// The status with what `details` say as payloads; as it is if they are malformed.
absl::Status WithDetails(absl::Status status, absl::string_view details);

}  // namespace xpu
