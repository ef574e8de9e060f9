#include "test/lib/ovs/test_netns.h"

#include <fcntl.h>
#include <sched.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <thread>
#include <utility>

#include "absl/memory/memory.h"
#include "absl/strings/str_cat.h"
#include "common/base/status_macros.h"

namespace xpu::testing {

absl::StatusOr<std::unique_ptr<TestNetns>> TestNetns::Create() {
  UniqueFd fd;
  int error = 0;
  // A thread of its own, as unshare() changes the thread that calls it for good.
  std::thread([&] {
    if (unshare(CLONE_NEWNET) != 0) {
      error = errno;
      return;
    }
    fd.Reset(open("/proc/thread-self/ns/net", O_RDONLY | O_CLOEXEC));
    if (!fd) error = errno;
  }).join();
  if (error != 0) return absl::ErrnoToStatus(error, "a new network namespace (are we root?)");
  auto ns = absl::WrapUnique(new TestNetns(std::move(fd)));
  XPU_RETURN_IF_ERROR(ns->Run({"ip", "link", "set", "lo", "up"}).status());
  return ns;
}

std::string TestNetns::path() const { return absl::StrCat("/proc/", getpid(), "/fd/", fd()); }

absl::StatusOr<std::string> TestNetns::Run(std::vector<std::string> argv, absl::Duration timeout) const {
  return CheckedCommand({.argv = std::move(argv), .netns_fd = fd()}, timeout);
}

absl::StatusOr<CommandOutput> TestNetns::Try(std::vector<std::string> argv, absl::Duration timeout) const {
  return RunCommand({.argv = std::move(argv), .netns_fd = fd()}, timeout);
}

void TestNetns::Call(const std::function<void()>& work) const {
  std::thread([&] {
    if (setns(fd(), CLONE_NEWNET) != 0) std::abort();
    work();
  }).join();
}

absl::Status TestNetns::AddVeth(const std::string& name, const TestNetns& peer,
                                const std::string& peer_name) const {
  XPU_RETURN_IF_ERROR(
      Run({"ip", "link", "add", name, "type", "veth", "peer", "name", peer_name, "netns", peer.path()})
          .status());
  XPU_RETURN_IF_ERROR(Run({"ip", "link", "set", name, "up"}).status());
  return peer.Run({"ip", "link", "set", peer_name, "up"}).status();
}

}  // namespace xpu::testing
