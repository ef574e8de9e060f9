#include "common/loop_rpc/rpc_address.h"

#include <sys/un.h>

#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"

namespace xpu {

absl::StatusOr<RpcAddress> RpcAddress::Parse(absl::string_view text) {
  absl::string_view rest = text;
  if (absl::ConsumePrefix(&rest, "unix:")) {
    if (!absl::StartsWith(rest, "/") || rest.size() >= sizeof(sockaddr_un::sun_path)) {
      return absl::InvalidArgumentError(absl::StrCat("\"", text,
                                                     "\": a socket is unix: and an absolute path of at most ",
                                                     sizeof(sockaddr_un::sun_path) - 1, " characters"));
    }
    return RpcAddress{.socket = std::string(rest)};
  }
  const size_t colon = text.rfind(':');
  absl::string_view host = text.substr(0, colon);
  const bool bracketed = host.size() > 2 && host.front() == '[' && host.back() == ']';
  if (bracketed) host = host.substr(1, host.size() - 2);
  uint32_t port = 0;
  if (colon == absl::string_view::npos || host.empty() || absl::StrContains(host, ':') != bracketed ||
      host.find_first_of("/ []") != absl::string_view::npos ||
      !absl::SimpleAtoi(text.substr(colon + 1), &port) || port == 0 || port > 65535) {
    return absl::InvalidArgumentError(
        absl::StrCat("\"", text, "\" is no address; give unix:/path, HOST:PORT or [IPv6]:PORT"));
  }
  return RpcAddress{.host = std::string(host), .port = static_cast<uint16_t>(port)};
}

std::string RpcAddress::ToString() const {
  if (is_unix()) return absl::StrCat("unix:", socket);
  const bool v6 = absl::StrContains(host, ':');
  return absl::StrCat(v6 ? "[" : "", host, v6 ? "]" : "", ":", port);
}

}  // namespace xpu
