#include "common/http/listener.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

#include <cerrno>
#include <cstring>

#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "common/base/ip_address.h"
#include "common/base/status_macros.h"

namespace xpu {
namespace {

constexpr int kBacklog = 128;

absl::Status Errno(const std::string& endpoint, absl::string_view what) {
  int code = errno;
  std::string message = absl::StrCat("cannot listen on ", endpoint, ": ", what, ": ", strerror(code));
  if (code == EADDRINUSE) return absl::FailedPreconditionError(message);
  return absl::UnavailableError(message);
}

absl::StatusOr<UniqueFd> NewSocket(const std::string& endpoint, int family) {
  UniqueFd fd(socket(family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
  if (!fd) return Errno(endpoint, "socket");
  return fd;
}

// A server that was killed leaves its socket behind; one that runs answers.
absl::Status RemoveStale(const std::string& endpoint, const sockaddr_un& address) {
  struct stat info;
  if (lstat(address.sun_path, &info) != 0) return absl::OkStatus();
  if (!S_ISSOCK(info.st_mode)) {
    return absl::FailedPreconditionError(
        absl::StrCat("cannot listen on ", endpoint, ": there is something else; move it away"));
  }
  XPU_ASSIGN_OR_RETURN(UniqueFd probe, NewSocket(endpoint, AF_UNIX));
  bool refused = connect(probe.get(), reinterpret_cast<const sockaddr*>(&address), sizeof(address)) != 0 &&
                 errno == ECONNREFUSED;
  if (!refused) {
    return absl::FailedPreconditionError(
        absl::StrCat("cannot listen on ", endpoint, ": another process does; stop it or take another path"));
  }
  return unlink(address.sun_path) == 0 ? absl::OkStatus() : Errno(endpoint, "unlink");
}

absl::StatusOr<ListeningSocket> ListenUnix(const std::string& endpoint, const std::string& path) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  if (path.empty() || path.size() >= sizeof(address.sun_path)) {
    return absl::InvalidArgumentError(absl::StrCat("cannot listen on ", endpoint,
                                                   ": a socket's path has 1 to ",
                                                   sizeof(address.sun_path) - 1, " octets"));
  }
  memcpy(address.sun_path, path.data(), path.size());
  XPU_RETURN_IF_ERROR(RemoveStale(endpoint, address));
  XPU_ASSIGN_OR_RETURN(UniqueFd fd, NewSocket(endpoint, AF_UNIX));
  if (bind(fd.get(), reinterpret_cast<sockaddr*>(&address), sizeof(address)) != 0)
    return Errno(endpoint, "bind");
  // Before anybody can connect.
  if (chmod(path.c_str(), 0600) != 0) return Errno(endpoint, "chmod");
  if (listen(fd.get(), kBacklog) != 0) return Errno(endpoint, "listen");
  return ListeningSocket{std::move(fd), endpoint, path};
}

bool IsLoopback(const IpAddress& ip) {
  static const IpPrefix& v4 = *new IpPrefix(*IpPrefix::Parse("127.0.0.0/8"));
  return ip.is_v4() ? v4.Contains(ip) : ip.value() == 1;
}

absl::StatusOr<ListeningSocket> ListenTcp(const std::string& endpoint, bool anywhere) {
  size_t colon = endpoint.rfind(':');
  uint32_t port = 0;
  if (colon == std::string::npos || !absl::SimpleAtoi(endpoint.substr(colon + 1), &port) || port > 65535) {
    return absl::InvalidArgumentError(absl::StrCat("cannot listen on \"", endpoint,
                                                   "\": it must be unix:PATH, ADDRESS:PORT or "
                                                   "tls:ADDRESS:PORT, such as 127.0.0.1:8001"));
  }
  absl::string_view host = absl::string_view(endpoint).substr(0, colon);
  absl::ConsumePrefix(&host, "tls:");
  bool brackets = absl::ConsumePrefix(&host, "[") && absl::ConsumeSuffix(&host, "]");
  absl::StatusOr<IpAddress> ip = IpAddress::Parse(host);
  if (!ip.ok() || ip->is_v6() != brackets || (!anywhere && !IsLoopback(*ip))) {
    return absl::InvalidArgumentError(absl::StrCat(
        "cannot listen on \"", endpoint,
        "\": without TLS only addresses of the loopback, 127.0.0.1 or [::1], as whoever reaches it may do "
        "everything; elsewhere tls:ADDRESS:PORT"));
  }
  sockaddr_storage storage{};
  socklen_t length = 0;
  if (ip->is_v4()) {
    auto* v4 = reinterpret_cast<sockaddr_in*>(&storage);
    v4->sin_family = AF_INET;
    v4->sin_port = htons(port);
    memcpy(&v4->sin_addr, ip->ToBytes().data(), 4);
    length = sizeof(*v4);
  } else {
    auto* v6 = reinterpret_cast<sockaddr_in6*>(&storage);
    v6->sin6_family = AF_INET6;
    v6->sin6_port = htons(port);
    memcpy(&v6->sin6_addr, ip->ToBytes().data(), 16);
    length = sizeof(*v6);
  }
  XPU_ASSIGN_OR_RETURN(UniqueFd fd, NewSocket(endpoint, storage.ss_family));
  int on = 1;
  setsockopt(fd.get(), SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
  // Handed on to connections (tcp(7)): a reply is written in parts, and the last is not to wait until the
  // client has confirmed the first.
  setsockopt(fd.get(), IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
  auto* address = reinterpret_cast<sockaddr*>(&storage);
  if (bind(fd.get(), address, length) != 0) return Errno(endpoint, "bind");
  if (listen(fd.get(), kBacklog) != 0) return Errno(endpoint, "listen");
  if (getsockname(fd.get(), address, &length) != 0) return Errno(endpoint, "getsockname");
  // The port is at the same place in both families.
  uint16_t bound = ntohs(reinterpret_cast<sockaddr_in*>(&storage)->sin_port);
  return ListeningSocket{std::move(fd), absl::StrCat(endpoint.substr(0, colon), ":", bound), ""};
}

}  // namespace

absl::StatusOr<ListeningSocket> OpenListener(const std::string& endpoint) {
  absl::string_view path = endpoint;
  if (absl::ConsumePrefix(&path, "unix:")) return ListenUnix(endpoint, std::string(path));
  return ListenTcp(endpoint, absl::StartsWith(endpoint, "tls:"));
}

}  // namespace xpu
