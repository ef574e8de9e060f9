#include "test/bench/cni_pods.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "common/sys/files.h"
#include "common/sys/net_namespaces_real.h"
#include "common/sys/netlink_real.h"

namespace xpu::testing {
namespace {

using ::testing::AllOf;
using ::testing::Each;
using ::testing::Gt;
using ::testing::SizeIs;

constexpr char kPlugins[] = "/usr/lib/cni";

std::vector<std::string> NamesIn(const std::shared_ptr<NetNamespace>& ns) {
  std::vector<std::string> names;
  const auto links = (*NetlinkFactoryReal().Open(ns))->ListLinks();
  for (const Link& link : *links) names.push_back(link.name);
  return names;
}

TEST(VethHostTest, HasAnInterfaceForEachPodAndLeavesNothing) {
  auto host = VethHost::Make(3);
  ASSERT_TRUE(host.ok()) << host.status();
  EXPECT_THAT(NamesIn((*host)->host()), ::testing::UnorderedElementsAre("lo", "vf0", "vf1", "vf2"));
  for (int i = 0; i < 3; ++i) {
    const auto pod = NetNamespacesReal().Open((*host)->PodPath(i));
    ASSERT_TRUE(pod.ok()) << pod.status();
    EXPECT_THAT(NamesIn(*pod), ::testing::ElementsAre("lo"));
  }
  const std::string folder = (*host)->folder();
  *host = nullptr;
  EXPECT_EQ(ListDirectory(folder).status().code(), absl::StatusCode::kNotFound);
}

TEST(TheirPodsTest, AreAttachedAndDetachedAgainAndAgain) {
  auto pods = TheirPods::Make(4, kPlugins);
  ASSERT_TRUE(pods.ok()) << pods.status();
  for (int round = 0; round < 2; ++round) {
    const auto one = (*pods)->AddAndDel();
    ASSERT_TRUE(one.ok()) << one.status();
    EXPECT_THAT(*one, AllOf(SizeIs(2), Each(Gt(0))));
    const auto all = (*pods)->AddAndDelAll();
    ASSERT_TRUE(all.ok()) << all.status();
    EXPECT_THAT(*all, AllOf(SizeIs(2), Each(Gt(0))));
  }
}

TEST(BarePodsTest, AreAttachedAndMovedAgainAndAgain) {
  auto pods =
      BarePods::Make(4, XPU_BARE_ATTACH, {.address = "10.77.0.2/16", .gateway = "10.77.0.1", .mtu = 1400});
  ASSERT_TRUE(pods.ok()) << pods.status();
  for (int round = 0; round < 2; ++round) {
    const auto one = (*pods)->Attach();
    ASSERT_TRUE(one.ok()) << one.status();
    EXPECT_THAT(*one, AllOf(SizeIs(1), Each(Gt(0))));
    for (const auto move : {&BarePods::MoveAllAtOnce, &BarePods::MoveAllInTurn}) {
      const auto all = ((**pods).*move)();
      ASSERT_TRUE(all.ok()) << all.status();
      EXPECT_THAT(*all, AllOf(SizeIs(1), Each(Gt(0))));
    }
  }
}

TEST(BareAttachTest, DoesAllThatAnAddDoes) {
  auto host = VethHost::Make(1);
  ASSERT_TRUE(host.ok()) << host.status();
  const ContainerRuntime runtime({.plugin = XPU_BARE_ATTACH, .net_namespace = (*host)->host()});
  const auto outcome = runtime.Run(
      {.netns = (*host)->PodPath(0), .ifname = "net1", .args = "vf0 10.77.0.2/16 10.77.0.1 1400"});
  ASSERT_TRUE(outcome.ok()) << outcome.status();
  ASSERT_TRUE(outcome->ok()) << outcome->error_output;
  const auto pod = (*NetlinkFactoryReal().Open(*NetNamespacesReal().Open((*host)->PodPath(0))));
  const auto link = pod->GetLink("net1");
  ASSERT_TRUE(link.ok()) << link.status();
  EXPECT_TRUE(link->up);
  EXPECT_EQ(link->mtu, 1400u);
  const auto addresses = pod->ListAddresses(link->ifindex);
  ASSERT_TRUE(addresses.ok()) << addresses.status();
  EXPECT_THAT(*addresses, ::testing::ElementsAre(*InterfaceAddress::Parse("10.77.0.2/16")));
  const auto routes = pod->ListRoutes(link->ifindex);
  ASSERT_TRUE(routes.ok()) << routes.status();
  ASSERT_THAT(*routes, SizeIs(1));
  EXPECT_EQ(routes->front().gateway, *IpAddress::Parse("10.77.0.1"));
  EXPECT_EQ(routes->front().destination.length(), 0);
}

TEST(BareAttachTest, SaysWhatTheKernelRefuses) {
  auto host = VethHost::Make(1);
  ASSERT_TRUE(host.ok()) << host.status();
  const ContainerRuntime runtime({.plugin = XPU_BARE_ATTACH, .net_namespace = (*host)->host()});
  const auto outcome =
      runtime.Run({.netns = (*host)->PodPath(0), .ifname = "lo", .args = "vf0 10.77.0.2/16 10.77.0.1 1400"});
  ASSERT_TRUE(outcome.ok()) << outcome.status();
  EXPECT_EQ(outcome->exit_code, 1);
  EXPECT_EQ(outcome->error_output, "xpu-bare-attach: move: File exists\n");
}

}  // namespace
}  // namespace xpu::testing
