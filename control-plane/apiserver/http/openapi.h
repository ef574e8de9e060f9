#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "common/http/http_server.h"
#include "control-plane/apiserver/store/kind_table.h"
#include "nlohmann/json.hpp"

namespace xpu::apiserver {

// What the kinds look like, for kubectl explain, validation and clients that ask whether a parameter is
// known: /openapi/v2, as JSON and in gnostic's binary form, and /openapi/v3 with one document for each group
// and version. Made when it is asked for, and kept until the kinds change. Not thread-safe.
class OpenApi {
 public:
  explicit OpenApi(const KindTable& kinds) : kinds_(kinds) {}

  // Nothing for URLs that are not its business. NotAcceptable for a form that it has not.
  std::optional<absl::StatusOr<HttpReply>> Answer(const HttpRequest& request);

 private:
  absl::StatusOr<HttpReply> V2(absl::string_view accept);

  const KindTable& kinds_;
  int64_t generation_ = -1;
  std::string v2_json_, v2_binary_;
};

// The documents themselves.
nlohmann::json OpenApiV2(const KindTable& kinds);
nlohmann::json OpenApiV3(const KindTable& kinds, const std::string& group, const std::string& version);
// A document of OpenApiV2() as a message.
std::string ToBinary(const nlohmann::json& v2);

}  // namespace xpu::apiserver
