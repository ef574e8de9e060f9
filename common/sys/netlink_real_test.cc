// What only the kernel's side has: namespaces of threads, its words, its overruns.

#include "common/sys/netlink_real.h"

#include <set>
#include <string>

#include "common/base/event_loop.h"
#include "common/sys/files.h"
#include "common/sys/in_namespace.h"
#include "common/sys/net_namespaces_real.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace xpu {
namespace {

const MacAddress kMac({2, 0, 0, 0, 0, 1});
const MacAddress kPeerMac({2, 0, 0, 0, 0, 2});

std::string ThreadNamespace() { return *ReadSymlink("/proc/thread-self/ns/net"); }

TEST(NetlinkReal, TheCallingThreadStaysWhereItIs) {
  const std::string before = ThreadNamespace();
  auto ns = NewNetNamespace();
  ASSERT_TRUE(ns.ok()) << ns.status();
  auto netlink = NetlinkFactoryReal().Open(*ns);
  ASSERT_TRUE(netlink.ok());
  std::string inside;
  ASSERT_TRUE(InNamespace(*ns, [&] {
                inside = ThreadNamespace();
                return absl::OkStatus();
              }).ok());
  EXPECT_EQ(inside, absl::StrCat("net:[", (*ns)->inode(), "]"));
  EXPECT_EQ(ThreadNamespace(), before);
  EXPECT_EQ((*netlink)->ListLinks()->size(), 1u);
}

TEST(NetlinkReal, WithoutANamespaceItIsTheProcesss) {
  auto netlink = NetlinkFactoryReal().Open(nullptr);
  ASSERT_TRUE(netlink.ok());
  EXPECT_EQ((*netlink)->GetLink("lo")->ifindex, 1);
}

TEST(NetlinkReal, ErrorsCarryWhatWasAskedAndTheKernelsWords) {
  auto ns = NewNetNamespace();
  auto netlink = NetlinkFactoryReal().Open(*ns);
  ASSERT_TRUE((*netlink)->CreateVeth("a", kMac, "b", kPeerMac, nullptr).ok());
  const int ifindex = (*netlink)->GetLink("a")->ifindex;
  LinkChange change;
  change.mtu = 12;
  const absl::Status status = (*netlink)->ChangeLink(ifindex, change);
  EXPECT_THAT(status.message(), ::testing::HasSubstr(absl::StrCat("interface ", ifindex, ": MTU 12")));
  EXPECT_THAT(status.message(), ::testing::HasSubstr("mtu less than device minimum"));
}

TEST(NetlinkReal, AnIpv6AddressIsUsableAtOnce) {
  auto ns = NewNetNamespace();
  auto netlink = NetlinkFactoryReal().Open(*ns);
  ASSERT_TRUE((*netlink)->CreateVeth("a", kMac, "b", kPeerMac, nullptr).ok());
  const int ifindex = (*netlink)->GetLink("a")->ifindex;
  LinkChange up;
  up.up = true;
  ASSERT_TRUE((*netlink)->ChangeLink(ifindex, up).ok());
  ASSERT_TRUE((*netlink)->AddAddress(ifindex, *InterfaceAddress::Parse("2001:db8::5/64")).ok());
  std::string addresses;
  ASSERT_TRUE(InNamespace(*ns, [&]() -> absl::Status {
                addresses = ReadFile("/proc/thread-self/net/if_inet6").value_or("");
                return absl::OkStatus();
              }).ok());
  // address, ifindex, length, scope, flags: 0x02 no detection, 0x80 permanent, 0x40 would be tentative.
  EXPECT_THAT(addresses, ::testing::ContainsRegex("20010db8000000000000000000000005 [0-9a-f]+ 40 00 82 +a"));
}

TEST(NetlinkReal, TheMonitorRecoversFromAnOverrun) {
  auto ns = NewNetNamespace();
  auto netlink = NetlinkFactoryReal().Open(*ns);
  ASSERT_TRUE((*netlink)->CreateVeth("old", kMac, "oldpeer", kPeerMac, nullptr).ok());
  EventLoop loop;
  std::set<std::string> there;
  bool overrun_done = false;
  auto monitor = (*netlink)->MonitorLinks(loop, [&](const Link& link, bool gone) {
    if (gone) {
      there.erase(link.name);
    } else {
      there.insert(link.name);
    }
    if (overrun_done && there == std::set<std::string>{"lo", "new", "newpeer"}) loop.Stop();
  });
  ASSERT_TRUE(monitor.ok());
  // On the loop, so that nobody reads while it overruns: first of all it tells what is there.
  loop.Post([&] {
    ASSERT_TRUE(there.contains("old"));
    const int ifindex = (*netlink)->GetLink("oldpeer")->ifindex;
    // The kernel charges some 2 KiB for each message and allows twice the 4 MiB that were asked for.
    LinkChange change;
    for (uint32_t i = 0; i < 12000; ++i) {
      change.mtu = 1000 + i % 2;
      ASSERT_TRUE((*netlink)->ChangeLink(ifindex, change).ok());
    }
    ASSERT_TRUE((*netlink)->DeleteLink(ifindex).ok());
    ASSERT_TRUE((*netlink)->CreateVeth("new", kMac, "newpeer", kPeerMac, nullptr).ok());
    overrun_done = true;
  });
  const EventLoop::Handle deadline = loop.After(absl::Seconds(60), [&] { loop.Stop(); });
  loop.Run();
  EXPECT_THAT(there, ::testing::ElementsAre("lo", "new", "newpeer"));
}

}  // namespace
}  // namespace xpu
