#include "control-plane/apiserver/http/reply.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "common/json/json_text.h"
#include "control-plane/apiserver/http/body.h"
#include "control-plane/apiserver/http/kube_protobuf.h"
#include "control-plane/apiserver/store/api_error.h"

namespace xpu::apiserver {

using nlohmann::json;

HttpReply TextReply(int code, std::string text) {
  HttpReply reply;
  reply.code = code;
  reply.body = std::move(text);
  reply.body.push_back('\n');
  return reply;
}

HttpReply JsonReply(int code, const json& body) { return TextReply(code, JsonText(body)); }

HttpReply ErrorReply(const absl::Status& error) {
  const json status = StatusObject(error);
  HttpReply reply = JsonReply(status["code"], status);
  if (reply.code == 401) reply.headers.emplace_back("WWW-Authenticate", "Bearer realm=\"xpu-apiserver\"");
  if (reply.code == 429) {
    reply.headers.emplace_back("Retry-After",
                               absl::StrCat(status["details"]["retryAfterSeconds"].get<int64_t>()));
  }
  return reply;
}

absl::StatusOr<json> JsonBody(const HttpRequest& request) {
  if (request.content_type == kKubeProtobuf) return FromKubeProtobuf(request.body);
  if (!request.content_type.empty() && request.content_type != "application/json") {
    return UnsupportedMediaType(absl::StrCat("the body's media type is \"", request.content_type,
                                             "\"; taken here: application/json"));
  }
  return ParseBody(request.body);
}

}  // namespace xpu::apiserver
