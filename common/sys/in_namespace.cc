#include "common/sys/in_namespace.h"

#include <fcntl.h>
#include <sched.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <system_error>
#include <thread>
#include <utility>

#include "common/base/unique_fd.h"

namespace xpu {
namespace {

absl::Status Enter(const NetNamespace& ns) {
  if (setns(ns.fd(), CLONE_NEWNET) == 0) return absl::OkStatus();
  return absl::ErrnoToStatus(errno, "cannot enter the network namespace (this needs CAP_SYS_ADMIN)");
}

absl::Status OnOtherThread(const NetNamespace& ns, const std::function<absl::Status()>& work) {
  absl::Status status;
  try {
    std::thread thread([&] {
      status = Enter(ns);
      if (status.ok()) status = work();
    });
    thread.join();
  } catch (const std::system_error& error) {
    return absl::ResourceExhaustedError(std::string("cannot start a thread: ") + error.what());
  }
  return status;
}

// Comes back to where the thread was.
class WayBack {
 public:
  explicit WayBack(UniqueFd home) : home_(std::move(home)) {}
  ~WayBack() {
    if (setns(home_.get(), CLONE_NEWNET) == 0) return;
    // The kernel refuses this to nobody who could leave. What else this thread did would be done to a pod.
    std::perror("cannot come back from a network namespace");
    std::abort();
  }
  WayBack(const WayBack&) = delete;
  WayBack& operator=(const WayBack&) = delete;

 private:
  const UniqueFd home_;
};

}  // namespace

absl::Status InNamespace(const std::shared_ptr<NetNamespace>& ns, const std::function<absl::Status()>& work) {
  if (ns == nullptr) return work();
  if (gettid() == getpid()) return OnOtherThread(*ns, work);
  UniqueFd home(open("/proc/thread-self/ns/net", O_RDONLY | O_CLOEXEC));
  if (!home) return absl::ErrnoToStatus(errno, "cannot open the thread's own network namespace");
  if (absl::Status entered = Enter(*ns); !entered.ok()) return entered;
  const WayBack back(std::move(home));
  return work();
}

}  // namespace xpu
