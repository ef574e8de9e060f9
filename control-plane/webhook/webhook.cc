#include "control-plane/webhook/webhook.h"

#include <memory>

#include "absl/strings/str_cat.h"
#include "common/base/status_macros.h"
#include "common/http/http_server.h"
#include "common/rpc/tls_credentials.h"
#include "control-plane/webhook/admission_review.h"
#include "nlohmann/json.hpp"
#include "spdlog/spdlog.h"

namespace xpu::webhook {
namespace {

using nlohmann::json;

// An object of etcd has 1.5 MiB at most, and a review has two.
constexpr size_t kMaxBody = size_t{8} << 20;

HttpReply Plain(int code, const std::string& text) {
  HttpReply reply;
  reply.code = code;
  reply.content_type = "text/plain; charset=utf-8";
  reply.body = text;
  return reply;
}

HttpReply Handle(const HttpRequest& request) {
  const std::string path = request.path.size() == 1 ? request.path[0] : "";
  if (path == "healthz") return Plain(200, "ok");
  if (path != "validate") return Plain(404, "there is /validate and /healthz\n");
  if (request.method != "POST") return Plain(405, "an AdmissionReview is posted\n");
  // Without exceptions: anybody who can connect can send anything.
  const absl::StatusOr<json> answer = Review(json::parse(request.body, nullptr, /*allow_exceptions=*/false));
  if (!answer.ok()) return Plain(400, absl::StrCat(answer.status().message(), "\n"));
  HttpReply reply;
  reply.body = answer->dump(-1, ' ', false, json::error_handler_t::replace);
  return reply;
}

}  // namespace

absl::Status RunWebhook(const WebhookOptions& options, const WebhookDeps& deps) {
  const bool asks_who = !options.client_ca.empty();
  // Without an authority for clients, something that is PEM stands in for it and is not used.
  XPU_ASSIGN_OR_RETURN(const std::shared_ptr<TlsCredentials> credentials,
                       TlsCredentials::Load({.certificate = options.certificate,
                                             .key = options.key,
                                             .ca = asks_who ? options.client_ca : options.certificate}));
  XPU_RETURN_IF_ERROR(credentials->Follow(deps.loop));
  HttpServer server(deps.loop, {.max_body_bytes = kMaxBody}, [asks_who](const HttpRequest& request) {
    if (asks_who && request.peer.certificate != HttpPeer::Certificate::kGood) {
      return Plain(403, "only the API server may ask, with its certificate\n");
    }
    return Handle(request);
  });
  const auto use = [&] {
    const std::shared_ptr<const TlsPem> pem = credentials->pem();
    return server.SetTls(
        {.certificate = pem->certificate, .key = pem->key, .client_ca = asks_who ? pem->ca : ""});
  };
  XPU_RETURN_IF_ERROR(use());
  const auto renewed = TlsCredentials::Subscribe(credentials, [&] {
    if (const absl::Status used = use(); !used.ok()) spdlog::error("{}", std::string(used.message()));
  });
  XPU_ASSIGN_OR_RETURN(const std::string endpoint, server.Listen(absl::StrCat("tls:", options.listen)));
  deps.loop.Post([&] {
    spdlog::info("serving on {}", endpoint);
    deps.serving(endpoint);
  });
  deps.loop.Run();
  return absl::OkStatus();
}

}  // namespace xpu::webhook
