#include "common/loop_rpc/unix_socket.h"

#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "absl/strings/str_cat.h"
#include "common/base/status_macros.h"

namespace xpu {
namespace {

// As many as the kernel lets wait; whoever comes when it is full waits too.
constexpr int kBacklog = SOMAXCONN;

absl::StatusOr<sockaddr_un> AddressOf(const std::string& path) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  if (path.size() >= sizeof address.sun_path) {
    return absl::InvalidArgumentError(absl::StrCat("\"", path, "\": the path of a socket has ",
                                                   sizeof address.sun_path - 1, " characters at most"));
  }
  memcpy(address.sun_path, path.data(), path.size());
  return address;
}

UniqueFd MakeSocket() { return UniqueFd(socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0)); }

}  // namespace

absl::StatusOr<UniqueFd> ConnectToUnixSocket(const std::string& path) {
  XPU_ASSIGN_OR_RETURN(const sockaddr_un address, AddressOf(path));
  UniqueFd fd = MakeSocket();
  if (!fd || connect(fd.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0) {
    return absl::UnavailableError(absl::StrCat("nobody serves on ", path, ": ", strerror(errno)));
  }
  return fd;
}

absl::StatusOr<UniqueFd> ListenOnUnixSocket(const std::string& path) {
  XPU_ASSIGN_OR_RETURN(const sockaddr_un address, AddressOf(path));
  struct stat info {};
  if (lstat(path.c_str(), &info) == 0) {
    if (!S_ISSOCK(info.st_mode)) {
      return absl::FailedPreconditionError(absl::StrCat(path, " is there and is no socket; move it away"));
    }
    const UniqueFd probe = MakeSocket();
    // A backlog that is full says that somebody is there.
    if (connect(probe.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0 ||
        errno == EAGAIN) {
      return absl::FailedPreconditionError(
          absl::StrCat(path, " is in use by another process; stop that one first"));
    }
    // Left over from a process that was killed.
    unlink(path.c_str());
  }
  UniqueFd fd = MakeSocket();
  // Before anybody can connect; the umask is the whole process's.
  if (!fd || fchmod(fd.get(), 0600) != 0 ||
      bind(fd.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0 ||
      chmod(path.c_str(), 0600) != 0 || listen(fd.get(), kBacklog) != 0) {
    return absl::FailedPreconditionError(absl::StrCat("cannot serve on ", path, ": ", strerror(errno)));
  }
  return fd;
}

}  // namespace xpu
