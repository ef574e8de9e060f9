#include "control-plane/sandbox/named_namespace.h"

#include <fcntl.h>
#include <linux/if.h>
#include <sched.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <thread>

#include "absl/strings/str_cat.h"
#include "common/base/unique_fd.h"

namespace xpu {
namespace {

absl::Status RaiseLoopback() {
  UniqueFd fd(socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0));
  ifreq request{};
  strcpy(request.ifr_name, "lo");
  request.ifr_flags = IFF_UP | IFF_RUNNING;
  if (!fd || ioctl(fd.get(), SIOCSIFFLAGS, &request) != 0) {
    return absl::ErrnoToStatus(errno, "cannot raise the loopback interface");
  }
  return absl::OkStatus();
}

// On a thread that ends with it, so that nothing else is left in the new namespace.
absl::Status UnshareAndBind(const std::string& path) {
  if (unshare(CLONE_NEWNET) != 0) return absl::ErrnoToStatus(errno, "cannot make a network namespace");
  if (absl::Status status = RaiseLoopback(); !status.ok()) return status;
  if (mount("/proc/thread-self/ns/net", path.c_str(), nullptr, MS_BIND, nullptr) != 0) {
    return absl::ErrnoToStatus(errno, absl::StrCat("cannot bind a network namespace at ", path));
  }
  return absl::OkStatus();
}

}  // namespace

absl::Status MakeNamedNamespace(const std::string& path) {
  UniqueFd file(open(path.c_str(), O_RDONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0444));
  if (!file) return absl::ErrnoToStatus(errno, absl::StrCat("cannot make ", path));
  absl::Status status;
  std::thread([&] { status = UnshareAndBind(path); }).join();
  if (!status.ok()) unlink(path.c_str());
  return status;
}

absl::Status RemoveNamedNamespace(const std::string& path) {
  // EINVAL: nothing is mounted there.
  if (umount2(path.c_str(), MNT_DETACH) != 0 && errno != EINVAL && errno != ENOENT) {
    return absl::ErrnoToStatus(errno, absl::StrCat("cannot unbind the namespace at ", path));
  }
  if (unlink(path.c_str()) != 0 && errno != ENOENT) {
    return absl::ErrnoToStatus(errno, absl::StrCat("cannot remove ", path));
  }
  return absl::OkStatus();
}

}  // namespace xpu
