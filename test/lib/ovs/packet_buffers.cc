#include "test/lib/ovs/packet_buffers.h"

#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <filesystem>
#include <string>

#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "common/base/unique_fd.h"

namespace xpu::testing {

absl::StatusOr<int> EnlargePacketBuffers(pid_t pid, int bytes) {
  const UniqueFd process(static_cast<int>(syscall(SYS_pidfd_open, pid, 0)));
  if (!process) return absl::ErrnoToStatus(errno, absl::StrCat("process ", pid));
  int enlarged = 0;
  std::error_code error;
  for (const auto& entry : std::filesystem::directory_iterator(absl::StrCat("/proc/", pid, "/fd"), error)) {
    // It may close some meanwhile.
    std::error_code gone;
    const std::string what = std::filesystem::read_symlink(entry.path(), gone).string();
    int number = 0;
    if (gone || !absl::StartsWith(what, "socket:") ||
        !absl::SimpleAtoi(entry.path().filename().string(), &number)) {
      continue;
    }
    const UniqueFd copy(static_cast<int>(syscall(SYS_pidfd_getfd, process.get(), number, 0)));
    int domain = 0;
    socklen_t size = sizeof(domain);
    if (!copy || getsockopt(copy.get(), SOL_SOCKET, SO_DOMAIN, &domain, &size) != 0 || domain != AF_PACKET) {
      continue;
    }
    if (setsockopt(copy.get(), SOL_SOCKET, SO_RCVBUFFORCE, &bytes, sizeof(bytes)) != 0) {
      return absl::ErrnoToStatus(errno, "SO_RCVBUFFORCE");
    }
    ++enlarged;
  }
  if (error) return absl::InternalError(absl::StrCat("descriptors of ", pid, ": ", error.message()));
  return enlarged;
}

}  // namespace xpu::testing
