#include "test/lib/pair/probe.h"

#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/time.h>

#include <cerrno>
#include <cstring>
#include <functional>
#include <memory>
#include <thread>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "common/base/status_macros.h"
#include "common/base/unique_fd.h"
#include "common/sys/in_namespace.h"
#include "common/sys/net_namespaces_real.h"
#include "common/sys/netlink_real.h"
#include "common/sys/process.h"

namespace xpu::testing {
namespace {

absl::Status WithEth0(const std::string& netns,
                      const std::function<absl::Status(Netlink&, int ifindex)>& work) {
  NetNamespacesReal namespaces;
  NetlinkFactoryReal factory;
  XPU_ASSIGN_OR_RETURN(const auto ns, namespaces.Open(netns));
  XPU_ASSIGN_OR_RETURN(const auto netlink, factory.Open(ns));
  XPU_ASSIGN_OR_RETURN(const Link link, netlink->GetLink("eth0"));
  return work(*netlink, link.ifindex);
}

sockaddr_storage SocketAddress(const IpAddress& ip) {
  sockaddr_storage storage{};
  const std::string bytes = ip.ToBytes();
  if (ip.is_v4()) {
    auto& v4 = reinterpret_cast<sockaddr_in&>(storage);
    v4.sin_family = AF_INET;
    memcpy(&v4.sin_addr, bytes.data(), bytes.size());
  } else {
    auto& v6 = reinterpret_cast<sockaddr_in6&>(storage);
    v6.sin6_family = AF_INET6;
    memcpy(&v6.sin6_addr, bytes.data(), bytes.size());
  }
  return storage;
}

// One answer within so many seconds.
absl::StatusOr<bool> PingFor(int seconds, const std::string& netns, const IpAddress& to,
                             const std::string& from) {
  NetNamespacesReal namespaces;
  XPU_ASSIGN_OR_RETURN(const auto ns, namespaces.Open(netns));
  std::vector<std::string> argv = {"ping", to.is_v4() ? "-4" : "-6", "-n", "-q", "-c", "1",
                                   "-w",   absl::StrCat(seconds)};
  if (!from.empty()) argv.insert(argv.end(), {"-I", from});
  argv.push_back(to.ToString());
  XPU_ASSIGN_OR_RETURN(Process ping,
                       Process::Spawn({.argv = argv, .net_namespace = ns, .log_file = "/dev/null"}));
  XPU_ASSIGN_OR_RETURN(const ExitStatus ended, ping.Wait(absl::Now() + absl::Seconds(60)));
  // ping(8): 1 is "no answer", 2 an error such as a source address that is not the pod's.
  if (ended.code == 0 || ended.code == 1) return ended.code == 0;
  return absl::InternalError(absl::StrCat("ping ", to.ToString(), " from ", netns, ": ", ended.ToString()));
}

}  // namespace

absl::StatusOr<bool> Ping(const std::string& netns, const IpAddress& to, const std::string& from) {
  return PingFor(1, netns, to, from);
}

absl::StatusOr<bool> PingUntilAnswered(const std::string& netns, const IpAddress& to) {
  return PingFor(30, netns, to, "");
}

absl::StatusOr<bool> TcpTransfer(const std::string& netns, const std::string& to_netns, const IpAddress& to) {
  NetNamespacesReal namespaces;
  XPU_ASSIGN_OR_RETURN(const auto here, namespaces.Open(netns));
  XPU_ASSIGN_OR_RETURN(const auto there, namespaces.Open(to_netns));
  // Opened inside, used outside: a socket stays in the namespace that it was made in.
  UniqueFd server, client;
  sockaddr_storage address = SocketAddress(to);
  socklen_t length = sizeof address;
  XPU_RETURN_IF_ERROR(InNamespace(there, [&]() -> absl::Status {
    server.Reset(socket(address.ss_family, SOCK_STREAM | SOCK_CLOEXEC, 0));
    if (bind(server.get(), reinterpret_cast<sockaddr*>(&address), length) != 0 ||
        listen(server.get(), 1) != 0 ||
        getsockname(server.get(), reinterpret_cast<sockaddr*>(&address), &length) != 0) {
      return absl::ErrnoToStatus(errno, absl::StrCat("cannot listen on ", to.ToString()));
    }
    return absl::OkStatus();
  }));
  XPU_RETURN_IF_ERROR(InNamespace(here, [&]() -> absl::Status {
    client.Reset(socket(address.ss_family, SOCK_STREAM | SOCK_CLOEXEC, 0));
    return client ? absl::OkStatus() : absl::ErrnoToStatus(errno, "cannot make a socket");
  }));
  const timeval patience{.tv_sec = 30};
  for (const int fd : {server.get(), client.get()}) {
    setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof patience);
    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
  }
  if (connect(client.get(), reinterpret_cast<sockaddr*>(&address), length) != 0) return false;
  const UniqueFd accepted(accept4(server.get(), nullptr, nullptr, SOCK_CLOEXEC));
  if (!accepted) return false;
  setsockopt(accepted.get(), SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);

  static constexpr size_t kBytes = 1 << 20;
  std::thread sender([&] {
    const std::string block(kBytes, 'x');
    for (size_t sent = 0; sent < kBytes;) {
      const ssize_t n = send(client.get(), block.data() + sent, kBytes - sent, MSG_NOSIGNAL);
      if (n <= 0) return;
      sent += static_cast<size_t>(n);
    }
  });
  size_t received = 0;
  char buffer[65536];
  while (received < kBytes) {
    const ssize_t n = recv(accepted.get(), buffer, sizeof buffer, 0);
    if (n <= 0) break;
    received += static_cast<size_t>(n);
  }
  sender.join();
  return received == kBytes;
}

absl::Status SetMac(const std::string& netns, const MacAddress& mac) {
  return WithEth0(netns,
                  [&](Netlink& netlink, int ifindex) { return netlink.ChangeLink(ifindex, {.mac = mac}); });
}

absl::Status AddAddress(const std::string& netns, const InterfaceAddress& address) {
  return WithEth0(netns, [&](Netlink& netlink, int ifindex) { return netlink.AddAddress(ifindex, address); });
}

absl::Status RemoveAddress(const std::string& netns, const InterfaceAddress& address) {
  return WithEth0(netns,
                  [&](Netlink& netlink, int ifindex) { return netlink.DeleteAddress(ifindex, address); });
}

}  // namespace xpu::testing
