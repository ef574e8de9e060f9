#include "common/sys/uevent.h"

#include <linux/netlink.h>
#include <sys/socket.h>

#include <cerrno>

#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"
#include "common/base/status_macros.h"
#include "common/sys/in_namespace.h"

namespace xpu {
namespace {

// The group in which the kernel speaks; udev passes its own version on in another.
constexpr unsigned kKernelGroup = 1;

}  // namespace

std::optional<Uevent> ParseUevent(absl::string_view message) {
  if (message.empty() || message.back() != '\0') return std::nullopt;
  message.remove_suffix(1);
  Uevent event;
  bool first = true;
  for (absl::string_view part : absl::StrSplit(message, '\0')) {
    if (std::exchange(first, false)) {
      if (!absl::StrContains(part, '@')) return std::nullopt;
      continue;
    }
    if (absl::ConsumePrefix(&part, "ACTION=")) event.action = std::string(part);
    if (absl::ConsumePrefix(&part, "DEVPATH=")) event.device_path = std::string(part);
    if (absl::ConsumePrefix(&part, "SUBSYSTEM=")) event.subsystem = std::string(part);
  }
  if (event.action.empty() || event.device_path.empty() || event.subsystem.empty()) return std::nullopt;
  return event;
}

absl::StatusOr<UeventSocket> UeventSocket::Open(const std::shared_ptr<NetNamespace>& ns) {
  UniqueFd fd;
  XPU_RETURN_IF_ERROR(InNamespace(ns, [&]() -> absl::Status {
    fd.Reset(socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, NETLINK_KOBJECT_UEVENT));
    return fd ? absl::OkStatus() : absl::ErrnoToStatus(errno, "cannot open a socket for the kernel's events");
  }));
  // Room for some thousand events, as when a card with all its functions comes or goes. FORCE needs
  // CAP_NET_ADMIN; without it the usual room must do.
  const int room = 4 * 1024 * 1024;
  setsockopt(fd.get(), SOL_SOCKET, SO_RCVBUFFORCE, &room, sizeof(room));
  sockaddr_nl local{};
  local.nl_family = AF_NETLINK;
  local.nl_groups = kKernelGroup;
  if (bind(fd.get(), reinterpret_cast<sockaddr*>(&local), sizeof(local)) != 0) {
    return absl::ErrnoToStatus(errno, "cannot listen to the kernel's events");
  }
  return UeventSocket(std::move(fd));
}

absl::Status UeventSocket::ReceivePending(absl::FunctionRef<void(const Uevent& event)> receive) {
  for (;;) {
    sockaddr_nl from{};
    iovec part{buffer_.data(), buffer_.size()};
    msghdr message{};
    message.msg_name = &from;
    message.msg_namelen = sizeof(from);
    message.msg_iov = &part;
    message.msg_iovlen = 1;
    const ssize_t got = recvmsg(fd_.get(), &message, MSG_DONTWAIT);
    if (got < 0 && errno == EINTR) continue;
    if (got < 0 && (errno == EAGAIN || errno == EWOULDBLOCK)) return absl::OkStatus();
    if (got < 0 && errno == ENOBUFS) return absl::DataLossError("the kernel dropped messages");
    if (got < 0) return absl::ErrnoToStatus(errno, "cannot receive the kernel's events");
    // Any process with the right to may send to the group; the kernel's port is 0, and nobody else's.
    if (from.nl_pid != 0 || from.nl_groups != kKernelGroup || (message.msg_flags & MSG_TRUNC) != 0) continue;
    const auto event = ParseUevent({buffer_.data(), static_cast<size_t>(got)});
    if (event) receive(*event);
  }
}

}  // namespace xpu
