#pragma once

#include <sys/socket.h>

#include <functional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "common/base/event_loop.h"
#include "common/base/loop_inbox.h"
#include "common/base/unique_fd.h"

namespace xpu {

// One attempt to connect over TCP, on a loop and without blocking it. A name is resolved on a thread of its
// own, which outlives this object if it must. Addresses are tried in their order, each a little after the one
// before, and the first that answers is taken (RFC 8305).
//
// What is connected is looked after by the kernel alone: a peer that vanished without a word ends the
// connection within half a minute, and this process does not wake for it.
class TcpDial {
 public:
  // An error is Unavailable and names the host. Called once, on the loop, and not within the constructor;
  // it may destroy this object, after which it is not called.
  using Done = std::function<void(absl::StatusOr<UniqueFd> connected)>;

  TcpDial(EventLoop& loop, const std::string& host, uint16_t port, Done done);
  TcpDial(const TcpDial&) = delete;
  TcpDial& operator=(const TcpDial&) = delete;

 private:
  struct Address {
    sockaddr_storage storage{};
    socklen_t size = 0;
  };
  struct Attempt {
    UniqueFd fd;
    EventLoop::Handle writable;
  };
  // What getaddrinfo() says; its error, or 0.
  static int Resolve(const std::string& host, uint16_t port, int flags, std::vector<Address>& addresses);
  void Resolved(int error, std::vector<Address> addresses);
  void TryNext();
  void Writable(size_t attempt);
  void Failed(const std::string& why);
  void Tell(absl::StatusOr<UniqueFd> connected);

  EventLoop& loop_;
  const std::string name_;
  Done done_;
  std::vector<Address> addresses_;
  size_t next_ = 0;
  std::vector<Attempt> attempts_;
  size_t failed_ = 0;
  EventLoop::Handle pause_;
  LoopInbox inbox_;
};

}  // namespace xpu
