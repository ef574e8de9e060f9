// Pods that use their kernels, as they do in life.
#include <linux/if_addr.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include <cstring>

#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "test/component/pipeline/lab.h"
#include "test/component/pipeline/tcp.h"

namespace xpu::testing {
namespace {

using ::testing::HasSubstr;

class ReachabilityTest : public PipelineTest {
 protected:
  void SetUp() override {
    ASSERT_NO_FATAL_FAILURE(PipelineTest::SetUp());
    for (const char* name : {"a", "b", "c", "x", "y"}) {
      ASSERT_EQ(pod(name).UseKernel({Ip4Of(name) + "/24", Ip6Of(name) + "/64"}), absl::OkStatus());
    }
  }
  void Ping(const std::string& from, const std::string& address) {
    const absl::StatusOr<bool> reached = pod(from).netns().Reaches(address);
    ASSERT_TRUE(reached.ok()) << reached.status();
    EXPECT_TRUE(*reached) << from << " to " << address;
  }
};

// What the pod's kernel says of its IPv6 addresses from now on (rtnetlink(7)).
UniqueFd AddressEvents(Pod& pod) {
  UniqueFd fd;
  pod.netns().Call([&] {
    fd.Reset(socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE));
    const sockaddr_nl address{.nl_family = AF_NETLINK, .nl_groups = RTMGRP_IPV6_IFADDR};
    const timeval deadline{.tv_sec = 30};
    EXPECT_EQ(bind(fd.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address), 0);
    EXPECT_EQ(setsockopt(fd.get(), SOL_SOCKET, SO_RCVTIMEO, &deadline, sizeof deadline), 0);
  });
  return fd;
}

// Waits until the kernel says that another node has `address`; false after 30 s.
bool IsFoundDuplicate(const UniqueFd& events, const IpAddress& address) {
  alignas(nlmsghdr) char buffer[8192];
  while (true) {
    const ssize_t n = recv(events.get(), buffer, sizeof buffer, 0);
    if (n < 0) return false;
    auto left = static_cast<unsigned>(n);
    for (auto* h = reinterpret_cast<nlmsghdr*>(buffer); NLMSG_OK(h, left); h = NLMSG_NEXT(h, left)) {
      if (h->nlmsg_type != RTM_NEWADDR) continue;
      auto* message = static_cast<ifaddrmsg*>(NLMSG_DATA(h));
      uint32_t flags = message->ifa_flags;
      std::string of;
      auto size = static_cast<unsigned>(IFA_PAYLOAD(h));
      for (rtattr* a = IFA_RTA(message); RTA_OK(a, size); a = RTA_NEXT(a, size)) {
        if (a->rta_type == IFA_ADDRESS) of.assign(static_cast<char*>(RTA_DATA(a)), RTA_PAYLOAD(a));
        if (a->rta_type == IFA_FLAGS) std::memcpy(&flags, RTA_DATA(a), sizeof flags);
      }
      if (of == address.ToBytes() && (flags & IFA_F_DADFAILED) != 0) return true;
    }
  }
}

TEST_F(ReachabilityTest, PodsOfOneNetworkReachEachOther) {
  Ping("a", Ip4Of("b"));
  Ping("b", Ip4Of("c"));
  Ping("a", Ip6Of("b"));
  Ping("c", Ip6Of("a"));
  Ping("a", LinkLocalOf("c") + "%eth0");
  EXPECT_EQ(OverTcp(pod("a"), pod("b"), Ip4Of("b")), "hello");
  EXPECT_EQ(OverTcp(pod("b"), pod("a"), Ip6Of("a")), "hello");
}

TEST_F(ReachabilityTest, TheSameAddressIsAnotherPodInAnotherNetwork) {
  Ping("a", Ip4Of("b"));
  Ping("x", Ip4Of("y"));
  const auto red = pod("a").netns().Run({"ip", "neigh", "show", Ip4Of("b"), "dev", "eth0"});
  const auto blue = pod("x").netns().Run({"ip", "neigh", "show", Ip4Of("y"), "dev", "eth0"});
  ASSERT_TRUE(red.ok() && blue.ok());
  EXPECT_THAT(*red, HasSubstr(MacOf("b")));
  EXPECT_THAT(*blue, HasSubstr(MacOf("y")));
}

TEST_F(ReachabilityTest, TheKernelBelievesTheSwitchsAnswers) {
  Ping("a", Ip4Of("b"));
  Ping("a", Ip6Of("b"));
  for (const std::string& address : {Ip4Of("b"), Ip6Of("b")}) {
    const auto neighbour = pod("a").netns().Run({"ip", "neigh", "show", address, "dev", "eth0"});
    ASSERT_TRUE(neighbour.ok());
    // Reachable: the advertisement came as a solicited one.
    EXPECT_THAT(*neighbour, HasSubstr("lladdr " + MacOf("b") + " REACHABLE")) << address;
  }
}

TEST_F(ReachabilityTest, AnAddressThatAnotherPodHasIsFoundToBeADuplicate) {
  for (const char* setting : {"accept_dad=1", "dad_transmits=1"}) {
    ASSERT_TRUE(pod("a").netns().Run({"sysctl", "-qw", absl::StrCat("net.ipv6.conf.eth0.", setting)}).ok());
  }
  const UniqueFd events = AddressEvents(pod("a"));
  ASSERT_TRUE(pod("a").netns().Run({"ip", "address", "add", Ip6Of("b") + "/64", "dev", "eth0"}).ok());
  EXPECT_TRUE(IsFoundDuplicate(events, Ip(Ip6Of("b"))));
}

}  // namespace
}  // namespace xpu::testing
