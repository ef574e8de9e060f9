#include "control-plane/apiserver/http/body.h"

#include "absl/strings/str_cat.h"
#include "common/json/strict_json.h"
#include "control-plane/apiserver/store/api_error.h"

namespace xpu::apiserver {
namespace {

using nlohmann::json;

constexpr size_t kMaxBytes = 3 << 20;

}  // namespace

absl::StatusOr<json> ParseBody(const std::string& body) {
  if (body.size() > kMaxBytes) {
    return RequestTooLarge(absl::StrCat("the body has ", body.size(), " octets; at most ", kMaxBytes));
  }
  absl::StatusOr<json> parsed = ParseStrictJson(body);
  if (!parsed.ok()) return BadRequest(absl::StrCat("the body is not JSON: ", parsed.status().message()));
  return parsed;
}

}  // namespace xpu::apiserver
