#include "xpu-agent/access/caller.h"

#include <grpc/grpc_security_constants.h>

#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"
#include "grpcpp/server_context.h"

namespace xpu {
namespace {

// Nothing for a URI that is no name of ours.
std::optional<Caller> Parse(const std::string& uri, absl::string_view trust_domain) {
  absl::string_view rest = uri;
  if (!absl::ConsumePrefix(&rest, "spiffe://")) return std::nullopt;
  const std::vector<std::string> parts = absl::StrSplit(rest, '/');
  for (const std::string& part : parts) {
    if (part.empty()) return std::nullopt;
  }
  if (!trust_domain.empty() && parts[0] != trust_domain) return std::nullopt;
  Caller caller{.identity = uri};
  if (parts.size() == 3 && parts[1] == "operator") {
    caller.role = Caller::Role::kOperator;
    return caller;
  }
  if (parts.size() < 4 || parts[1] != "card") return std::nullopt;
  caller.card = parts[2];
  if (parts.size() == 4 && parts[3] == "agent") {
    caller.role = Caller::Role::kAgent;
    return caller;
  }
  if (parts[3] != "host") return std::nullopt;
  caller.role = Caller::Role::kHost;
  if (parts.size() == 4) return caller;
  int pf = 0;
  if (parts.size() != 6 || parts[4] != "pf" || !absl::SimpleAtoi(parts[5], &pf) || pf < 0)
    return std::nullopt;
  caller.pf = pf;
  return caller;
}

}  // namespace

Caller IdentifyCaller(const std::vector<std::string>& uris, absl::string_view trust_domain) {
  std::optional<Caller> found;
  for (const std::string& uri : uris) {
    std::optional<Caller> caller = Parse(uri, trust_domain);
    if (!caller.has_value()) continue;
    if (found.has_value()) return {.role = Caller::Role::kStranger, .identity = found->identity};
    found = std::move(caller);
  }
  if (found.has_value()) return *std::move(found);
  return {.role = Caller::Role::kStranger, .identity = uris.empty() ? "unnamed" : uris.front()};
}

Caller CallerOf(const grpc::ServerContextBase& context, absl::string_view trust_domain) {
  // Nobody else can open the socket (0600), and TCP is never served without mTLS.
  if (absl::StartsWith(context.peer(), "unix:")) return {.role = Caller::Role::kLocal, .identity = "local"};
  std::vector<std::string> uris;
  for (const grpc::string_ref& uri :
       context.auth_context()->FindPropertyValues(GRPC_PEER_URI_PROPERTY_NAME)) {
    uris.emplace_back(uri.data(), uri.size());
  }
  return IdentifyCaller(uris, trust_domain);
}

}  // namespace xpu
