// What the fake world does beyond the contracts of its seams.

#include "common/sys/fake/fake_kernel.h"

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace xpu {
namespace {

TEST(FakeKernel, HardwareComesBackWhenItsNamespaceDies) {
  FakeKernel kernel;
  kernel.AddCard({0, 3, 0, 0}, "p0", 8);
  FakePciBus bus(kernel);
  ASSERT_TRUE(bus.SetNumVfs({0, 3, 0, 0}, 1).ok());
  auto pod = kernel.AddNamespace("/netns/pod");
  FakeNetlinkFactory factory(kernel);
  auto root = *factory.Open(nullptr);
  const Link vf = *root->GetLink("p0v0");
  EXPECT_EQ(vf.parent_device, "0000:03:00.2");
  LinkChange move;
  move.net_namespace = pod;
  move.name = "p0";  // taken in the root namespace
  ASSERT_TRUE(root->ChangeLink(vf.ifindex, move).ok());
  EXPECT_THAT(bus.Get({0, 3, 0, 2})->netdevs, ::testing::IsEmpty());

  move.net_namespace.reset();
  kernel.RemoveNamespace("/netns/pod");
  EXPECT_EQ(kernel.FindLink(vf.mac)->ns_inode, pod->inode()) << "a handle is still open";
  pod.reset();
  EXPECT_EQ(kernel.FindLink(vf.mac)->ns_inode, kernel.root()->inode());
  EXPECT_THAT(bus.Get({0, 3, 0, 2})->netdevs, ::testing::ElementsAre(::testing::StartsWith("dev")));
}

TEST(FakeKernel, VethVanishesWithItsNamespace) {
  FakeKernel kernel;
  FakeNetlinkFactory factory(kernel);
  auto root = *factory.Open(nullptr);
  const MacAddress mac({2, 0, 0, 0, 0, 1});
  ASSERT_TRUE(root->CreateVeth("a", mac, "b", mac, kernel.AddNamespace("/netns/pod")).ok());
  ASSERT_TRUE(root->GetLink("a").ok());
  kernel.RemoveNamespace("/netns/pod");
  EXPECT_TRUE(absl::IsNotFound(root->GetLink("a").status()));
}

TEST(FakeKernel, AnInterfaceHasCarrierWhileItIsUpAndPluggedIn) {
  FakeKernel kernel;
  const MacAddress mac = *MacAddress::Parse("02:00:00:00:00:01");
  kernel.AddLink(kernel.root(), "p0", mac, /*up=*/true);
  EXPECT_TRUE(kernel.FindLink(mac)->link.carrier);
  kernel.PlugCable(mac, false);
  EXPECT_FALSE(kernel.FindLink(mac)->link.carrier);
  EXPECT_TRUE(kernel.FindLink(mac)->link.up);
  kernel.PlugCable(mac, true);
  EXPECT_TRUE(kernel.FindLink(mac)->link.carrier);
}

TEST(FakeKernel, EverySeamFailsAsPlanned) {
  FakeKernel kernel;
  FakePciBus bus(kernel);
  FakeNetNamespaces namespaces(kernel);
  FakeNetlinkFactory factory(kernel);
  auto netlink = *factory.Open(nullptr);
  kernel.faults().FailAllAfter(0, absl::UnavailableError("lost"));
  EXPECT_TRUE(absl::IsUnavailable(bus.List().status()));
  EXPECT_TRUE(absl::IsUnavailable(bus.Get({}).status()));
  EXPECT_TRUE(absl::IsUnavailable(bus.SetNumVfs({}, 1)));
  EXPECT_TRUE(absl::IsUnavailable(namespaces.Open("/x").status()));
  EXPECT_TRUE(absl::IsUnavailable(namespaces.Current().status()));
  EXPECT_TRUE(absl::IsUnavailable(factory.Open(nullptr).status()));
  EXPECT_TRUE(absl::IsUnavailable(netlink->ListLinks().status()));
  EXPECT_TRUE(absl::IsUnavailable(netlink->ChangeLink(1, {})));
  EXPECT_TRUE(absl::IsUnavailable(netlink->AddAddress(1, {})));
}

TEST(FakeKernel, AFunctionThatIsPulledTakesItsInterfacesAlong) {
  FakeKernel kernel;
  kernel.AddCard({0, 3, 0, 0}, "p0", 8);
  FakePciBus bus(kernel);
  ASSERT_TRUE(bus.SetNumVfs({0, 3, 0, 0}, 2).ok());
  kernel.RemovePciFunction({0, 3, 0, 3});
  EXPECT_EQ(bus.List()->size(), 2u);
  FakeNetlinkFactory factory(kernel);
  EXPECT_TRUE(absl::IsNotFound((*factory.Open(nullptr))->GetLink("p0v1").status()));
}

}  // namespace
}  // namespace xpu
