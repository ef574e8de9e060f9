#include <sys/socket.h>
#include <sys/un.h>

#include <cerrno>
#include <cstring>
#include <string>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "common/base/status_macros.h"
#include "common/sys/poll_until.h"
#include "common/sys/process.h"

namespace xpu {

absl::StatusOr<ReadinessSocket> ReadinessSocket::Make(const std::string& path) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  if (path.size() >= sizeof(address.sun_path)) {
    return absl::InvalidArgumentError(
        absl::StrCat("the path of the socket ", path, " is longer than ", sizeof(address.sun_path) - 1,
                     " bytes, which is all a unix socket may have; use a shorter folder"));
  }
  std::memcpy(address.sun_path, path.data(), path.size());
  UniqueFd fd(socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  if (!fd) return absl::ErrnoToStatus(errno, "cannot make a socket");
  unlink(path.c_str());
  if (bind(fd.get(), reinterpret_cast<sockaddr*>(&address), sizeof(address)) != 0) {
    return absl::ErrnoToStatus(errno, absl::StrCat("cannot bind ", path));
  }
  return ReadinessSocket(path, std::move(fd));
}

ReadinessSocket::ReadinessSocket(ReadinessSocket&& other) noexcept
    : path_(std::move(other.path_)), fd_(std::move(other.fd_)) {
  other.path_.clear();
}

ReadinessSocket::~ReadinessSocket() {
  if (!path_.empty()) unlink(path_.c_str());
}

absl::Status ReadinessSocket::Wait(Process& process, absl::Time deadline) {
  for (;;) {
    pollfd events[] = {{fd_.get(), POLLIN, 0}, {process.pidfd(), POLLIN, 0}};
    XPU_RETURN_IF_ERROR(PollUntil(events, 2, deadline, "the process to say that it is ready"));
    // What it said before it ended counts: read first.
    char message[4096];
    const ssize_t got = recv(fd_.get(), message, sizeof(message), 0);
    if (got > 0) {
      for (absl::string_view line :
           absl::StrSplit(absl::string_view(message, static_cast<size_t>(got)), '\n')) {
        if (line == "READY=1") return absl::OkStatus();
      }
      continue;
    }
    if ((events[1].revents & POLLIN) != 0) {
      XPU_ASSIGN_OR_RETURN(const ExitStatus ended, process.Wait());
      return absl::AbortedError(absl::StrCat("the process ended before it was ready: ", ended.ToString()));
    }
  }
}

}  // namespace xpu
