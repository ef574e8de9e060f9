#include "common/sys/in_namespace.h"

#include <sched.h>

#include <cerrno>
#include <system_error>
#include <thread>

namespace xpu {

absl::Status InNamespace(const std::shared_ptr<NetNamespace>& ns, const std::function<absl::Status()>& work) {
  if (ns == nullptr) return work();
  absl::Status status;
  try {
    std::thread thread([&] {
      if (setns(ns->fd(), CLONE_NEWNET) != 0) {
        status = absl::ErrnoToStatus(errno, "cannot enter the network namespace (this needs CAP_SYS_ADMIN)");
        return;
      }
      status = work();
    });
    thread.join();
  } catch (const std::system_error& error) {
    return absl::ResourceExhaustedError(std::string("cannot start a thread: ") + error.what());
  }
  return status;
}

}  // namespace xpu
