#include "common/loop_rpc/tcp_dial.h"

#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>

#include <cerrno>
#include <cstring>
#include <thread>
#include <utility>

#include "absl/cleanup/cleanup.h"
#include "absl/strings/str_cat.h"
#include "absl/time/time.h"

namespace xpu {
namespace {

// Until the next address is tried beside the one before.
constexpr absl::Duration kNextAddress = absl::Milliseconds(250);

// After these seconds without a word the kernel asks the peer whether it lives, so often and so many times.
constexpr int kKeepIdle = 10;
constexpr int kKeepInterval = 5;
constexpr int kKeepCount = 3;
// How long what was sent may go without the peer's kernel confirming it, in milliseconds.
constexpr int kUserTimeout = 25'000;

void Set(int fd, int level, int option, int value) { setsockopt(fd, level, option, &value, sizeof value); }

UniqueFd MakeSocket(int family) {
  UniqueFd fd(socket(family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, IPPROTO_TCP));
  if (!fd) return fd;
  Set(fd.get(), IPPROTO_TCP, TCP_NODELAY, 1);
  Set(fd.get(), SOL_SOCKET, SO_KEEPALIVE, 1);
  Set(fd.get(), IPPROTO_TCP, TCP_KEEPIDLE, kKeepIdle);
  Set(fd.get(), IPPROTO_TCP, TCP_KEEPINTVL, kKeepInterval);
  Set(fd.get(), IPPROTO_TCP, TCP_KEEPCNT, kKeepCount);
  Set(fd.get(), IPPROTO_TCP, TCP_USER_TIMEOUT, kUserTimeout);
  return fd;
}

}  // namespace

TcpDial::TcpDial(EventLoop& loop, const std::string& host, uint16_t port, Done done)
    : loop_(loop), name_(absl::StrCat(host, " port ", port)), done_(std::move(done)), inbox_(loop) {
  // Numbers need nobody.
  std::vector<Address> addresses;
  if (Resolve(host, port, AI_NUMERICHOST, addresses) == 0) {
    inbox_.post()([this, addresses = std::move(addresses)]() mutable { Resolved(0, std::move(addresses)); });
    return;
  }
  std::thread([this, host, port, post = inbox_.post()] {
    std::vector<Address> resolved;
    const int error = Resolve(host, port, AI_ADDRCONFIG, resolved);
    // Is not done if the object has gone by then.
    post([this, error, resolved = std::move(resolved)]() mutable { Resolved(error, std::move(resolved)); });
  }).detach();
}

int TcpDial::Resolve(const std::string& host, uint16_t port, int flags, std::vector<Address>& addresses) {
  addrinfo hints{};
  hints.ai_socktype = SOCK_STREAM;
  hints.ai_flags = flags | AI_NUMERICSERV;
  addrinfo* list = nullptr;
  const int error = getaddrinfo(host.c_str(), absl::StrCat(port).c_str(), &hints, &list);
  if (error != 0) return error;
  const absl::Cleanup free = [list] { freeaddrinfo(list); };
  for (const addrinfo* info = list; info != nullptr; info = info->ai_next) {
    Address& address = addresses.emplace_back();
    memcpy(&address.storage, info->ai_addr, info->ai_addrlen);
    address.size = info->ai_addrlen;
  }
  return 0;
}

void TcpDial::Resolved(int error, std::vector<Address> addresses) {
  if (error != 0 || addresses.empty()) {
    return Tell(absl::UnavailableError(absl::StrCat(
        name_, ": the name cannot be resolved: ", error == 0 ? "no address" : gai_strerror(error))));
  }
  addresses_ = std::move(addresses);
  attempts_.resize(addresses_.size());
  TryNext();
}

void TcpDial::TryNext() {
  if (next_ == addresses_.size()) return;
  const size_t attempt = next_++;
  const Address& address = addresses_[attempt];
  UniqueFd fd = MakeSocket(address.storage.ss_family);
  if (!fd || (connect(fd.get(), reinterpret_cast<const sockaddr*>(&address.storage), address.size) != 0 &&
              errno != EINPROGRESS)) {
    return Failed(strerror(errno));
  }
  // Also for one that is connected already.
  attempts_[attempt].writable = loop_.OnWritable(fd.get(), [this, attempt] { Writable(attempt); });
  attempts_[attempt].fd = std::move(fd);
  if (next_ < addresses_.size()) pause_ = loop_.After(kNextAddress, [this] { TryNext(); });
}

void TcpDial::Writable(size_t attempt) {
  int error = 0;
  socklen_t size = sizeof error;
  getsockopt(attempts_[attempt].fd.get(), SOL_SOCKET, SO_ERROR, &error, &size);
  attempts_[attempt].writable.Cancel();
  if (error == 0) return Tell(std::move(attempts_[attempt].fd));
  attempts_[attempt].fd.Reset();
  Failed(strerror(error));
}

void TcpDial::Failed(const std::string& why) {
  if (++failed_ == addresses_.size()) return Tell(absl::UnavailableError(absl::StrCat(name_, ": ", why)));
  pause_.Cancel();
  TryNext();
}

void TcpDial::Tell(absl::StatusOr<UniqueFd> connected) {
  const Done done = std::exchange(done_, nullptr);
  attempts_.clear();
  pause_.Cancel();
  // May destroy this object.
  if (done) done(std::move(connected));
}

}  // namespace xpu
