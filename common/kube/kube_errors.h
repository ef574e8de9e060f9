#pragma once

#include <optional>
#include <string>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "nlohmann/json.hpp"

namespace xpu {

// The API's Status object (Kubernetes API reference, meta/v1 Status) as an absl status of the code that
// ResourceStore's contract says, with the server's message.
absl::Status FromKubeStatus(const nlohmann::json& status);

// The same for an HTTP response whose code is not 2xx; `body` need not be a Status. `request` is said where
// the server gave no words of its own, `retry_after` kept for RetryAfter.
absl::Status FromHttpError(int code, const std::string& body, const std::string& request,
                           std::optional<absl::Duration> retry_after = std::nullopt);

// How long the server asks to be left alone before the request is made again, if it said so.
std::optional<absl::Duration> RetryAfter(const absl::Status& status);

}  // namespace xpu
