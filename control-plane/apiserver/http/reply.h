#pragma once

#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "common/http/http_server.h"
#include "nlohmann/json.hpp"

namespace xpu::apiserver {

// What is JSON already.
HttpReply TextReply(int code, std::string text);
HttpReply JsonReply(int code, const nlohmann::json& body);
// The Status object of an error (api_error.h), with the headers that go with it.
HttpReply ErrorReply(const absl::Status& error);
// The body of a request as JSON; UnsupportedMediaType for another sort. An absent Content-Type is JSON's.
absl::StatusOr<nlohmann::json> JsonBody(const HttpRequest& request);

}  // namespace xpu::apiserver
