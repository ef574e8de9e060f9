#include "common/sys/netlink_socket.h"

#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <sys/socket.h>

#include <cerrno>
#include <cstring>

#include "absl/strings/str_cat.h"
#include "common/base/status_macros.h"
#include "common/sys/in_namespace.h"

namespace xpu {
namespace {

// Where messages are received. On the stack, as sockets live long and messages do not, and not initialised:
// most of it is never written to, and so takes no memory.
struct Buffer {
  // Larger than any message that the kernel sends without being asked for statistics of VFs.
  static constexpr size_t kSize = 128 * 1024;
  alignas(nlmsghdr) char bytes[kSize];
};

// Errnos that absl has no fitting code for.
absl::StatusCode CodeOf(int error) {
  switch (error) {
    case EADDRNOTAVAIL:  // removal of an address that is not there
      return absl::StatusCode::kUnavailable;
    case ENETDOWN:     // the interface of a route
    case ENETUNREACH:  // the gateway of a route
    case EHOSTUNREACH:
      return absl::StatusCode::kFailedPrecondition;
    default:
      return absl::ErrnoToStatusCode(error);
  }
}

// `header` is that of an NLMSG_ERROR message; error 0 is an acknowledgement.
absl::Status StatusOf(const nlmsghdr* header) {
  const auto* error = static_cast<const nlmsgerr*>(nlmsg_data(header));
  if (error->error == 0) return absl::OkStatus();
  const int number = -error->error;
  std::string words = std::strerror(number);
  if ((header->nlmsg_flags & NLM_F_ACK_TLVS) != 0) {
    // The request comes back behind nlmsgerr, only its header if it was capped; then the attributes.
    int skip = static_cast<int>(sizeof(nlmsgerr));
    if ((header->nlmsg_flags & NLM_F_CAPPED) == 0) {
      skip += NLMSG_ALIGN(static_cast<int>(error->msg.nlmsg_len - sizeof(nlmsghdr)));
    }
    const NetlinkAttributes<NLMSGERR_ATTR_MAX> attributes(header, skip);
    if (attributes.Has(NLMSGERR_ATTR_MSG))
      absl::StrAppend(&words, ": ", attributes.String(NLMSGERR_ATTR_MSG));
  }
  return absl::Status(CodeOf(number), words);
}

}  // namespace

static_assert(NETLINK_ROUTE == 0, "the default of Open");

absl::StatusOr<NetlinkSocket> NetlinkSocket::Open(const std::shared_ptr<NetNamespace>& ns, int protocol) {
  UniqueFd fd;
  XPU_RETURN_IF_ERROR(InNamespace(ns, [&]() -> absl::Status {
    fd.Reset(socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, protocol));
    return fd ? absl::OkStatus() : absl::ErrnoToStatus(errno, "cannot open a netlink socket");
  }));
  const int on = 1;
  // Kernels that do not know these options do without.
  setsockopt(fd.get(), SOL_NETLINK, NETLINK_EXT_ACK, &on, sizeof(on));
  setsockopt(fd.get(), SOL_NETLINK, NETLINK_CAP_ACK, &on, sizeof(on));
  setsockopt(fd.get(), SOL_NETLINK, NETLINK_GET_STRICT_CHK, &on, sizeof(on));
  sockaddr_nl local{};
  local.nl_family = AF_NETLINK;
  if (bind(fd.get(), reinterpret_cast<sockaddr*>(&local), sizeof(local)) != 0) {
    return absl::ErrnoToStatus(errno, "cannot bind a netlink socket");
  }
  return NetlinkSocket(std::move(fd));
}

absl::Status NetlinkSocket::Execute(NetlinkMessage& request) {
  return Ask(request, [](const nlmsghdr*) {});
}

absl::Status NetlinkSocket::Ask(NetlinkMessage& request, Receiver receive) {
  XPU_RETURN_IF_ERROR(Send(request, NLM_F_ACK));
  return ReceiveAnswer(receive);
}

absl::Status NetlinkSocket::Dump(NetlinkMessage& request, Receiver receive) {
  XPU_RETURN_IF_ERROR(Send(request, NLM_F_DUMP));
  return ReceiveAnswer(receive);
}

absl::Status NetlinkSocket::Send(NetlinkMessage& request, int flags) {
  nlmsghdr* header = request.header();
  header->nlmsg_flags |= static_cast<uint16_t>(flags);
  header->nlmsg_seq = ++sequence_;
  ssize_t sent;
  do {
    sent = send(fd_.get(), header, header->nlmsg_len, 0);
  } while (sent < 0 && errno == EINTR);
  return sent < 0 ? absl::ErrnoToStatus(errno, "cannot send to the kernel") : absl::OkStatus();
}

absl::Status NetlinkSocket::ReceiveAnswer(Receiver receive) {
  bool interrupted = false;
  Buffer buffer;
  for (;;) {
    const ssize_t got = recv(fd_.get(), buffer.bytes, Buffer::kSize, 0);
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return absl::ErrnoToStatus(errno, "cannot receive from the kernel");
    int left = static_cast<int>(got);
    for (auto* header = reinterpret_cast<nlmsghdr*>(buffer.bytes); nlmsg_ok(header, left);
         header = nlmsg_next(header, &left)) {
      if (header->nlmsg_seq != sequence_) continue;  // the rest of an answer that nobody waited for
      if ((header->nlmsg_flags & NLM_F_DUMP_INTR) != 0) interrupted = true;
      if (header->nlmsg_type == NLMSG_ERROR) return StatusOf(header);
      if (header->nlmsg_type == NLMSG_DONE) {
        return interrupted ? absl::AbortedError("the table changed while it was read") : absl::OkStatus();
      }
      if (header->nlmsg_type >= NLMSG_MIN_TYPE) receive(header);
    }
  }
}

absl::Status NetlinkSocket::Subscribe(unsigned group) {
  // Enough for some thousand changes at once. FORCE needs CAP_NET_ADMIN; without it the usual room must do.
  const int room = 4 * 1024 * 1024;
  setsockopt(fd_.get(), SOL_SOCKET, SO_RCVBUFFORCE, &room, sizeof(room));
  if (setsockopt(fd_.get(), SOL_NETLINK, NETLINK_ADD_MEMBERSHIP, &group, sizeof(group)) != 0) {
    return absl::ErrnoToStatus(errno, "cannot listen to the kernel's news of interfaces");
  }
  return absl::OkStatus();
}

absl::Status NetlinkSocket::ReceivePending(Receiver receive) {
  Buffer buffer;
  for (;;) {
    const ssize_t got = recv(fd_.get(), buffer.bytes, Buffer::kSize, MSG_DONTWAIT);
    if (got < 0 && errno == EINTR) continue;
    if (got < 0 && (errno == EAGAIN || errno == EWOULDBLOCK)) return absl::OkStatus();
    if (got < 0 && errno == ENOBUFS) return absl::DataLossError("the kernel dropped messages");
    if (got < 0) return absl::ErrnoToStatus(errno, "cannot receive from the kernel");
    int left = static_cast<int>(got);
    for (auto* header = reinterpret_cast<nlmsghdr*>(buffer.bytes); nlmsg_ok(header, left);
         header = nlmsg_next(header, &left)) {
      if (header->nlmsg_type >= NLMSG_MIN_TYPE) receive(header);
    }
  }
}

}  // namespace xpu
