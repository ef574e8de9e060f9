#pragma once

#include <optional>
#include <string>
#include <vector>

#include "absl/strings/string_view.h"

namespace grpc {
class ServerContextBase;
}  // namespace grpc

namespace xpu {

// Who calls, as its certificate says in a SPIFFE ID (spiffe.io, "SPIFFE-ID"), which is a URI among the
// subject alternative names:
//   spiffe://<domain>/card/<card>/host          the host of that card
//   spiffe://<domain>/card/<card>/host/pf/<n>   the host that has that physical function of a card for
//   several spiffe://<domain>/card/<card>/agent         the card's own agent
//   spiffe://<domain>/operator/<name>           who may do everything
struct Caller {
  enum class Role {
    // Root on the card itself, by the unix socket.
    kLocal,
    kOperator,
    kAgent,
    kHost,
    // Signed by the right authority, but for something else.
    kStranger,
  };
  Role role = Role::kStranger;
  // For counters and messages: the URI, "local" or "unnamed".
  std::string identity;
  // Of kHost and kAgent.
  std::string card;
  // Of kHost; nothing: all of the card's.
  std::optional<int> pf;
  friend bool operator==(const Caller&, const Caller&) = default;
};

// `uris` as CallGate::Admit has them. More than one name of those above, or one of another trust domain than
// `trust_domain` (empty: any), is a stranger's.
Caller IdentifyCaller(const std::vector<std::string>& uris, absl::string_view trust_domain);
// The caller of a gRPC call.
Caller CallerOf(const grpc::ServerContextBase& context, absl::string_view trust_domain);

}  // namespace xpu
