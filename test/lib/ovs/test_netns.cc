#include "test/lib/ovs/test_netns.h"

#include <fcntl.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <poll.h>
#include <sched.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <thread>
#include <utility>

#include "absl/memory/memory.h"
#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "common/base/status_macros.h"

namespace xpu::testing {
namespace {

// IF_OPER_UP of linux/if.h, which net/if.h cannot be included beside.
constexpr uint8_t kOperUp = 6;

}  // namespace

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

absl::Status TestNetns::AwaitUp(const std::string& interface) const {
  struct {
    nlmsghdr header = {.nlmsg_len = sizeof(nlmsghdr) + sizeof(ifinfomsg),
                       .nlmsg_type = RTM_GETLINK,
                       .nlmsg_flags = NLM_F_REQUEST};
    ifinfomsg link = {};
  } question;
  UniqueFd fd;
  Call([&] {
    fd.Reset(socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE));
    const sockaddr_nl address{.nl_family = AF_NETLINK, .nl_groups = RTMGRP_LINK};
    if (bind(fd.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0) fd.Reset();
    question.link.ifi_index = static_cast<int>(if_nametoindex(interface.c_str()));
  });
  if (question.link.ifi_index == 0) return absl::NotFoundError(absl::StrCat("no interface ", interface));
  // The answer and the news come on the same way.
  if (!fd || send(fd.get(), &question, sizeof question, 0) < 0)
    return absl::ErrnoToStatus(errno, "rtnetlink");
  const absl::Time deadline = absl::Now() + absl::Seconds(30);
  while (true) {
    pollfd ready{.fd = fd.get(), .events = POLLIN};
    const int64_t left = absl::ToInt64Milliseconds(deadline - absl::Now());
    if (left <= 0 || poll(&ready, 1, static_cast<int>(left)) == 0) {
      return absl::DeadlineExceededError(absl::StrCat(interface, " has no carrier: is its other end up?"));
    }
    alignas(nlmsghdr) char buffer[32768];
    const ssize_t n = recv(fd.get(), buffer, sizeof buffer, 0);
    if (n < 0) return absl::ErrnoToStatus(errno, "rtnetlink");
    auto rest = static_cast<unsigned>(n);
    for (auto* h = reinterpret_cast<nlmsghdr*>(buffer); NLMSG_OK(h, rest); h = NLMSG_NEXT(h, rest)) {
      auto* link = static_cast<ifinfomsg*>(NLMSG_DATA(h));
      if (h->nlmsg_type != RTM_NEWLINK || link->ifi_index != question.link.ifi_index) continue;
      auto size = static_cast<unsigned>(IFLA_PAYLOAD(h));
      for (rtattr* a = IFLA_RTA(link); RTA_OK(a, size); a = RTA_NEXT(a, size)) {
        if (a->rta_type == IFLA_OPERSTATE && *static_cast<uint8_t*>(RTA_DATA(a)) == kOperUp) {
          return absl::OkStatus();
        }
      }
    }
  }
}

absl::StatusOr<bool> TestNetns::Reaches(const std::string& address,
                                        const std::vector<std::string>& options) const {
  std::vector<std::string> argv = {"ping", "-n", "-q", "-c1", "-w30"};
  argv.insert(argv.end(), options.begin(), options.end());
  argv.push_back(address);
  XPU_ASSIGN_OR_RETURN(const CommandOutput ping, Try(std::move(argv), absl::Seconds(60)));
  // ping(8): 1 is "no answer".
  if (ping.exit_code == 0 || ping.exit_code == 1) return ping.exit_code == 0;
  return absl::InternalError(absl::StrCat("ping ", address, " ended with ", ping.exit_code, ": ", ping.text));
}

absl::Status TestNetns::AddVeth(const std::string& name, const TestNetns& peer,
                                const std::string& peer_name) const {
  XPU_RETURN_IF_ERROR(
      Run({"ip", "link", "add", name, "type", "veth", "peer", "name", peer_name, "netns", peer.path()})
          .status());
  XPU_RETURN_IF_ERROR(Run({"ip", "link", "set", name, "up"}).status());
  XPU_RETURN_IF_ERROR(peer.Run({"ip", "link", "set", peer_name, "up"}).status());
  XPU_RETURN_IF_ERROR(AwaitUp(name));
  return peer.AwaitUp(peer_name);
}

}  // namespace xpu::testing
