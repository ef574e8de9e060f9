#include "test/component/pipeline/tcp.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include <cerrno>
#include <cstring>

#include "absl/strings/match.h"
#include "common/base/unique_fd.h"

namespace xpu::testing {
namespace {

// A TCP socket of the pod, with a deadline of 30 s on each call.
UniqueFd TcpSocket(Pod& pod) {
  UniqueFd fd;
  pod.netns().Call([&] { fd.Reset(socket(AF_INET6, SOCK_STREAM | SOCK_CLOEXEC, 0)); });
  const timeval deadline{.tv_sec = 30};
  // A second listener comes while the first one's connection is still in TIME_WAIT.
  const int on = 1;
  setsockopt(fd.get(), SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
  setsockopt(fd.get(), SOL_SOCKET, SO_RCVTIMEO, &deadline, sizeof deadline);
  setsockopt(fd.get(), SOL_SOCKET, SO_SNDTIMEO, &deadline, sizeof deadline);
  return fd;
}

}  // namespace

std::string OverTcp(Pod& from, Pod& to, const std::string& address) {
  sockaddr_in6 where{.sin6_family = AF_INET6, .sin6_port = htons(5000)};
  const UniqueFd listener = TcpSocket(to);
  if (bind(listener.get(), reinterpret_cast<sockaddr*>(&where), sizeof where) != 0 ||
      listen(listener.get(), 1) != 0) {
    return std::string("listen: ") + std::strerror(errno);
  }
  // IPv4 as a mapped address.
  inet_pton(AF_INET6, absl::StrContains(address, ':') ? address.c_str() : ("::ffff:" + address).c_str(),
            &where.sin6_addr);
  const UniqueFd client = TcpSocket(from);
  if (connect(client.get(), reinterpret_cast<sockaddr*>(&where), sizeof where) != 0 ||
      send(client.get(), "hello", 5, 0) != 5) {
    return std::string("connect: ") + std::strerror(errno);
  }
  const UniqueFd server(accept(listener.get(), nullptr, nullptr));
  char buffer[16];
  const ssize_t n = recv(server.get(), buffer, sizeof buffer, 0);
  return n < 0 ? std::string("recv: ") + std::strerror(errno) : std::string(buffer, n);
}

}  // namespace xpu::testing
