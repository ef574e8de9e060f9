#include "common/base/notify.h"

#include <sys/socket.h>
#include <sys/un.h>

#include <cerrno>
#include <cstddef>
#include <cstdlib>
#include <cstring>

#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "common/base/unique_fd.h"

namespace xpu {

absl::Status NotifyReady() {
  const char* path = getenv("NOTIFY_SOCKET");
  if (path == nullptr || *path == '\0') return absl::OkStatus();

  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  const size_t length = strlen(path);
  if ((path[0] != '/' && path[0] != '@') || length >= sizeof address.sun_path) {
    return absl::InvalidArgumentError(
        absl::StrCat("NOTIFY_SOCKET is ", path, ": neither a path nor an abstract name"));
  }
  memcpy(address.sun_path, path, length);
  if (path[0] == '@') address.sun_path[0] = '\0';  // abstract namespace, unix(7)

  UniqueFd fd(socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0));
  static constexpr absl::string_view kReady = "READY=1\n";
  if (!fd ||
      sendto(fd.get(), kReady.data(), kReady.size(), MSG_NOSIGNAL, reinterpret_cast<sockaddr*>(&address),
             static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + length)) < 0) {
    return absl::ErrnoToStatus(errno, absl::StrCat("cannot tell ", path, " that the process is ready"));
  }
  return absl::OkStatus();
}

}  // namespace xpu
