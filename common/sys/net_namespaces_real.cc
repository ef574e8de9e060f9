#include "common/sys/net_namespaces_real.h"

#include <fcntl.h>
#include <linux/magic.h>
#include <linux/nsfs.h>
#include <net/if.h>
#include <sched.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <system_error>
#include <thread>

#include "absl/strings/str_cat.h"
#include "common/base/status_macros.h"
#include "common/base/unique_fd.h"

namespace xpu {
namespace {

// How a thread names the namespace it is in; /proc/self would be the process's first thread.
constexpr char kThreadNamespace[] = "/proc/thread-self/ns/net";

class NetNamespaceReal final : public NetNamespace {
 public:
  NetNamespaceReal(UniqueFd fd, uint64_t inode) : fd_(std::move(fd)), inode_(inode) {}
  uint64_t inode() const override { return inode_; }
  int fd() const override { return fd_.get(); }

 private:
  UniqueFd fd_;
  uint64_t inode_;
};

absl::StatusOr<std::shared_ptr<NetNamespace>> OpenPath(const std::string& path) {
  // O_NONBLOCK: a path that is wrong may be a pipe or a device, which must not stop us.
  UniqueFd fd(open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY));
  if (!fd) return absl::ErrnoToStatus(errno, absl::StrCat("network namespace ", path));
  const absl::Status wrong = absl::InvalidArgumentError(absl::StrCat(
      path,
      " is not a network namespace; give the path of one, such as /proc/PID/ns/net or /run/netns/NAME"));
  struct statfs filesystem {};
  if (fstatfs(fd.get(), &filesystem) != 0 || filesystem.f_type != NSFS_MAGIC) return wrong;
  if (ioctl(fd.get(), NS_GET_NSTYPE) != CLONE_NEWNET) return wrong;
  struct stat info {};
  if (fstat(fd.get(), &info) != 0) return absl::ErrnoToStatus(errno, absl::StrCat("stat of ", path));
  return std::make_shared<NetNamespaceReal>(std::move(fd), info.st_ino);
}

absl::Status LoopbackUp() {
  UniqueFd socket_fd(socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0));
  if (!socket_fd) return absl::ErrnoToStatus(errno, "socket");
  ifreq request{};
  std::strncpy(request.ifr_name, "lo", IFNAMSIZ - 1);
  request.ifr_flags = IFF_UP;
  if (ioctl(socket_fd.get(), SIOCSIFFLAGS, &request) != 0) {
    return absl::ErrnoToStatus(errno, "cannot bring up the loopback interface");
  }
  return absl::OkStatus();
}

// Runs `work` on a thread in a fresh namespace, which dies with it unless `work` binds or opens it.
template <class Work>
absl::Status InFreshNamespace(Work work) {
  absl::Status status;
  try {
    std::thread thread([&] {
      if (unshare(CLONE_NEWNET) != 0) {
        status = absl::ErrnoToStatus(errno, "cannot make a network namespace (this needs CAP_SYS_ADMIN)");
        return;
      }
      status = LoopbackUp();
      if (status.ok()) status = work();
    });
    thread.join();
  } catch (const std::system_error& error) {
    return absl::ResourceExhaustedError(absl::StrCat("cannot start a thread: ", error.what()));
  }
  return status;
}

}  // namespace

absl::StatusOr<std::shared_ptr<NetNamespace>> NetNamespacesReal::Open(const std::string& path) {
  return OpenPath(path);
}

absl::StatusOr<std::shared_ptr<NetNamespace>> NetNamespacesReal::Current() {
  return OpenPath("/proc/self/ns/net");
}

absl::StatusOr<std::shared_ptr<NetNamespace>> NewNetNamespace() {
  std::shared_ptr<NetNamespace> made;
  XPU_RETURN_IF_ERROR(InFreshNamespace([&]() -> absl::Status {
    XPU_ASSIGN_OR_RETURN(made, OpenPath(kThreadNamespace));
    return absl::OkStatus();
  }));
  return made;
}

absl::Status CreateBoundNamespace(const std::string& path) {
  UniqueFd file(open(path.c_str(), O_RDONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0444));
  if (!file) return absl::ErrnoToStatus(errno, absl::StrCat("cannot make ", path));
  absl::Status status = InFreshNamespace([&]() -> absl::Status {
    if (mount(kThreadNamespace, path.c_str(), "none", MS_BIND, nullptr) != 0) {
      return absl::ErrnoToStatus(errno, absl::StrCat("cannot bind a network namespace at ", path));
    }
    return absl::OkStatus();
  });
  if (!status.ok()) unlink(path.c_str());
  return status;
}

absl::Status RemoveBoundNamespace(const std::string& path) {
  // Detached, because a process may still look at it; more than once, in case it was bound over.
  while (umount2(path.c_str(), MNT_DETACH) == 0) {
  }
  if (errno != EINVAL && errno != ENOENT) return absl::ErrnoToStatus(errno, absl::StrCat("umount of ", path));
  if (unlink(path.c_str()) != 0 && errno != ENOENT) {
    return absl::ErrnoToStatus(errno, absl::StrCat("cannot remove ", path));
  }
  return absl::OkStatus();
}

}  // namespace xpu
