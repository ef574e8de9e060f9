#pragma once

// What every Netlink promises, as tests. Instantiate it for one that is real and one that is fake:
//   INSTANTIATE_TEST_SUITE_P(Fake, NetlinkContract, ::testing::Values(&MakeFakeHarness));

#include <algorithm>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "absl/synchronization/mutex.h"
#include "common/base/event_loop.h"
#include "common/sys/netlink.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace xpu {

// A world of its own in which namespaces can be made.
class NetlinkHarness {
 public:
  virtual ~NetlinkHarness() = default;
  // A namespace with nothing but "lo".
  virtual std::shared_ptr<NetNamespace> NewNamespace() = 0;
  virtual NetlinkFactory& factory() = 0;
};

class NetlinkContract : public ::testing::TestWithParam<std::unique_ptr<NetlinkHarness> (*)()> {
 protected:
  void SetUp() override {
    here_ = harness_->NewNamespace();
    there_ = harness_->NewNamespace();
    netlink_ = Open(here_);
    other_ = Open(there_);
    ASSERT_TRUE(netlink_->CreateVeth("vf0", kMac, "rep0", kPeerMac, nullptr).ok());
    vf_ = Must(*netlink_, "vf0");
    rep_ = Must(*netlink_, "rep0");
  }

  std::unique_ptr<Netlink> Open(const std::shared_ptr<NetNamespace>& ns) {
    auto netlink = harness_->factory().Open(ns);
    EXPECT_TRUE(netlink.ok()) << netlink.status();
    return *std::move(netlink);
  }
  static Link Must(Netlink& netlink, const std::string& name) {
    auto link = netlink.GetLink(name);
    EXPECT_TRUE(link.ok()) << name << ": " << link.status();
    return link.value_or(Link());
  }
  static InterfaceAddress Address(const std::string& text) { return *InterfaceAddress::Parse(text); }
  void Up(Netlink& netlink, int ifindex) {
    LinkChange up;
    up.up = true;
    ASSERT_TRUE(netlink.ChangeLink(ifindex, up).ok());
  }

  const MacAddress kMac = *MacAddress::Parse("02:00:00:00:00:01");
  const MacAddress kPeerMac = *MacAddress::Parse("02:00:00:00:00:02");
  const MacAddress kNewMac = *MacAddress::Parse("02:00:00:00:00:03");
  static constexpr int kNoSuchLink = 4711;

  std::unique_ptr<NetlinkHarness> harness_ = GetParam()();
  std::shared_ptr<NetNamespace> here_;
  std::shared_ptr<NetNamespace> there_;
  std::unique_ptr<Netlink> netlink_;
  std::unique_ptr<Netlink> other_;
  Link vf_;
  Link rep_;
};

TEST_P(NetlinkContract, ReportsAPairOfVethWithTheirEnds) {
  EXPECT_EQ(vf_.kind, "veth");
  EXPECT_EQ(vf_.mac, kMac);
  EXPECT_EQ(vf_.mtu, 1500u);
  EXPECT_FALSE(vf_.up);
  EXPECT_EQ(vf_.parent_device, "");
  EXPECT_EQ(vf_.lower_ifindex, rep_.ifindex);
  EXPECT_EQ(vf_.lower_nsid, -1);
  EXPECT_EQ(rep_.mac, kPeerMac);
  auto links = netlink_->ListLinks();
  ASSERT_TRUE(links.ok());
  std::vector<std::string> names;
  for (const Link& link : *links) names.push_back(link.name);
  EXPECT_THAT(names, ::testing::UnorderedElementsAre("lo", "vf0", "rep0"));
}

TEST_P(NetlinkContract, PutsThePeerIntoAnotherNamespace) {
  ASSERT_TRUE(netlink_->CreateVeth("vf1", kMac, "vf1", kPeerMac, there_).ok());
  const Link peer = Must(*other_, "vf1");
  EXPECT_EQ(peer.mac, kPeerMac);
  const Link self = Must(*netlink_, "vf1");
  EXPECT_EQ(self.lower_ifindex, peer.ifindex);
  EXPECT_GE(self.lower_nsid, 0);
}

TEST_P(NetlinkContract, RefusesAVethWhoseNameIsTaken) {
  EXPECT_TRUE(absl::IsAlreadyExists(netlink_->CreateVeth("vf0", kMac, "new", kPeerMac, nullptr)));
  EXPECT_TRUE(absl::IsAlreadyExists(netlink_->CreateVeth("new", kMac, "vf0", kPeerMac, nullptr)));
  EXPECT_TRUE(absl::IsNotFound(netlink_->GetLink("new").status()));
}

TEST_P(NetlinkContract, SaysWhatIsNotThere) {
  EXPECT_TRUE(absl::IsNotFound(netlink_->GetLink("nothing").status()));
  EXPECT_THAT(netlink_->GetLink("nothing").status().message(), ::testing::HasSubstr("nothing"));
  EXPECT_TRUE(absl::IsInvalidArgument(netlink_->GetLink("").status()));
  EXPECT_TRUE(absl::IsNotFound(netlink_->GetLinkByIndex(kNoSuchLink).status()));
  EXPECT_TRUE(absl::IsNotFound(netlink_->DeleteLink(kNoSuchLink)));
  EXPECT_TRUE(absl::IsNotFound(netlink_->ListAddresses(kNoSuchLink).status()));
  EXPECT_TRUE(absl::IsNotFound(netlink_->AddAddress(kNoSuchLink, Address("10.0.0.1/24"))));
  EXPECT_TRUE(absl::IsNotFound(netlink_->DeleteAddress(kNoSuchLink, Address("10.0.0.1/24"))));
  EXPECT_TRUE(absl::IsNotFound(netlink_->AddRoute(kNoSuchLink, Route{*IpPrefix::Parse("10.0.0.0/24"), {}})));
  LinkChange change;
  change.mtu = 1400;
  EXPECT_TRUE(absl::IsNotFound(netlink_->ChangeLink(kNoSuchLink, change)));
}

TEST_P(NetlinkContract, APeekTellsWhichInterfaceItIsAndNoMore) {
  LinkChange change;
  change.mtu = 1400;
  change.alias = "p0v0";
  change.up = true;
  ASSERT_TRUE(netlink_->ChangeLink(vf_.ifindex, change).ok());
  const auto link = netlink_->PeekLink("vf0");
  ASSERT_TRUE(link.ok()) << link.status();
  EXPECT_EQ(link->ifindex, vf_.ifindex);
  EXPECT_EQ(link->name, "vf0");
  EXPECT_EQ(link->mac, kMac);
  EXPECT_EQ(link->mtu, 1400u);
  EXPECT_TRUE(link->up);
  EXPECT_EQ(link->alias, "");
  EXPECT_FALSE(link->carrier);
  EXPECT_TRUE(netlink_->PeekLink("lo").ok());
  EXPECT_TRUE(absl::IsNotFound(other_->PeekLink("vf0").status()));
  EXPECT_TRUE(absl::IsNotFound(netlink_->PeekLink("a-name-that-no-interface-may-have").status()));
  EXPECT_THAT(netlink_->PeekLink("nothing").status().message(), ::testing::HasSubstr("nothing"));
  EXPECT_TRUE(absl::IsInvalidArgument(netlink_->PeekLink("").status()));
}

TEST_P(NetlinkContract, ChangesSeveralThingsAtOnce) {
  LinkChange change;
  change.name = "net1";
  change.mac = kNewMac;
  change.mtu = 1400;
  change.alias = "p0v0";
  change.up = true;
  const absl::Status status = netlink_->ChangeLink(vf_.ifindex, change);
  ASSERT_TRUE(status.ok()) << status;
  const Link link = Must(*netlink_, "net1");
  EXPECT_EQ(link.ifindex, vf_.ifindex);
  EXPECT_EQ(link.mac, kNewMac);
  EXPECT_EQ(link.mtu, 1400u);
  EXPECT_EQ(link.alias, "p0v0");
  EXPECT_TRUE(link.up);
}

TEST_P(NetlinkContract, LeavesAloneWhatIsNotSet) {
  Up(*netlink_, vf_.ifindex);
  LinkChange change;
  change.alias = "one";
  ASSERT_TRUE(netlink_->ChangeLink(vf_.ifindex, change).ok());
  const Link link = Must(*netlink_, "vf0");
  EXPECT_EQ(link.mac, kMac);
  EXPECT_EQ(link.mtu, 1500u);
  EXPECT_TRUE(link.up);
  change.alias = "";
  ASSERT_TRUE(netlink_->ChangeLink(vf_.ifindex, change).ok());
  EXPECT_EQ(Must(*netlink_, "vf0").alias, "");
}

TEST_P(NetlinkContract, RenamesAnInterfaceThatIsUpAndKeepsItUp) {
  Up(*netlink_, vf_.ifindex);
  LinkChange change;
  change.name = "renamed";
  ASSERT_TRUE(netlink_->ChangeLink(vf_.ifindex, change).ok());
  EXPECT_TRUE(Must(*netlink_, "renamed").up);
}

TEST_P(NetlinkContract, CarrierNeedsBothEndsUp) {
  Up(*netlink_, vf_.ifindex);
  EXPECT_FALSE(Must(*netlink_, "vf0").carrier);
  Up(*netlink_, rep_.ifindex);
  EXPECT_TRUE(Must(*netlink_, "vf0").carrier);
}

TEST_P(NetlinkContract, MovesRenamesAndReaddressesInOneChange) {
  LinkChange change;
  change.net_namespace = there_;
  change.name = "net1";
  change.mac = kNewMac;
  change.mtu = 1400;
  change.alias = "p0v0";
  change.up = true;
  const absl::Status status = netlink_->ChangeLink(vf_.ifindex, change);
  ASSERT_TRUE(status.ok()) << status;
  EXPECT_TRUE(absl::IsNotFound(netlink_->GetLink("vf0").status()));
  const Link link = Must(*other_, "net1");
  EXPECT_EQ(link.mac, kNewMac);
  EXPECT_EQ(link.mtu, 1400u);
  EXPECT_EQ(link.alias, "p0v0");
  EXPECT_TRUE(link.up);
  EXPECT_EQ(Must(*netlink_, "rep0").lower_ifindex, link.ifindex);
}

TEST_P(NetlinkContract, AMoveTakesAddressesAwayAndTheInterfaceDown) {
  Up(*netlink_, vf_.ifindex);
  ASSERT_TRUE(netlink_->AddAddress(vf_.ifindex, Address("10.0.0.5/24")).ok());
  LinkChange change;
  change.net_namespace = there_;
  ASSERT_TRUE(netlink_->ChangeLink(vf_.ifindex, change).ok());
  const Link link = Must(*other_, "vf0");
  EXPECT_FALSE(link.up);
  EXPECT_THAT(*other_->ListAddresses(link.ifindex), ::testing::IsEmpty());
}

TEST_P(NetlinkContract, AMoveToANameThatIsTakenLeavesEverythingAsItWas) {
  ASSERT_TRUE(other_->CreateVeth("net1", kMac, "net1peer", kPeerMac, nullptr).ok());
  Up(*netlink_, vf_.ifindex);
  LinkChange change;
  change.net_namespace = there_;
  change.name = "net1";
  change.mac = kNewMac;
  change.mtu = 1400;
  const absl::Status status = netlink_->ChangeLink(vf_.ifindex, change);
  EXPECT_TRUE(absl::IsAlreadyExists(status)) << status;
  const Link link = Must(*netlink_, "vf0");
  EXPECT_EQ(link.mac, kMac);
  EXPECT_EQ(link.mtu, 1500u);
  EXPECT_TRUE(link.up);
  EXPECT_EQ(other_->ListLinks()->size(), 3u);
}

TEST_P(NetlinkContract, ARefusedPartUndoesTheOthers) {
  LinkChange change;
  change.mac = kNewMac;
  change.name = "rep0";
  EXPECT_TRUE(absl::IsAlreadyExists(netlink_->ChangeLink(vf_.ifindex, change)));
  EXPECT_EQ(Must(*netlink_, "vf0").mac, kMac);
  LinkChange bad_mtu;
  bad_mtu.net_namespace = there_;
  bad_mtu.mac = kNewMac;
  bad_mtu.mtu = 12;
  EXPECT_TRUE(absl::IsInvalidArgument(netlink_->ChangeLink(vf_.ifindex, bad_mtu)));
  EXPECT_EQ(Must(*netlink_, "vf0").mac, kMac);
}

TEST_P(NetlinkContract, RefusesNamesAndMacsThatNoInterfaceMayHave) {
  LinkChange name;
  name.name = "a/b";
  EXPECT_TRUE(absl::IsInvalidArgument(netlink_->ChangeLink(vf_.ifindex, name)));
  LinkChange mac;
  mac.mac = *MacAddress::Parse("01:00:5e:00:00:01");
  EXPECT_TRUE(absl::IsInvalidArgument(netlink_->ChangeLink(vf_.ifindex, mac)));
}

TEST_P(NetlinkContract, DeletingOneEndOfAVethTakesTheOtherAlong) {
  LinkChange change;
  change.net_namespace = there_;
  ASSERT_TRUE(netlink_->ChangeLink(vf_.ifindex, change).ok());
  ASSERT_TRUE(netlink_->DeleteLink(rep_.ifindex).ok());
  EXPECT_TRUE(absl::IsNotFound(netlink_->GetLink("rep0").status()));
  EXPECT_TRUE(absl::IsNotFound(other_->GetLink("vf0").status()));
}

TEST_P(NetlinkContract, AddsAndRemovesAddressesOfBothFamilies) {
  Up(*netlink_, vf_.ifindex);
  for (const char* text : {"10.0.0.5/24", "2001:db8::5/64"}) {
    ASSERT_TRUE(netlink_->AddAddress(vf_.ifindex, Address(text)).ok()) << text;
    EXPECT_TRUE(netlink_->AddAddress(vf_.ifindex, Address(text)).ok()) << "again " << text;
  }
  EXPECT_THAT(*netlink_->ListAddresses(vf_.ifindex),
              ::testing::ElementsAre(Address("10.0.0.5/24"), Address("2001:db8::5/64")));
  EXPECT_TRUE(absl::IsAlreadyExists(netlink_->AddAddress(vf_.ifindex, Address("2001:db8::5/48"))));
  for (const char* text : {"10.0.0.5/24", "2001:db8::5/64"}) {
    ASSERT_TRUE(netlink_->DeleteAddress(vf_.ifindex, Address(text)).ok()) << text;
    EXPECT_TRUE(netlink_->DeleteAddress(vf_.ifindex, Address(text)).ok()) << "again " << text;
  }
  EXPECT_THAT(*netlink_->ListAddresses(vf_.ifindex), ::testing::IsEmpty());
}

TEST_P(NetlinkContract, AddsRoutesOnceAndRefusesASecondForTheDestination) {
  Up(*netlink_, vf_.ifindex);
  Up(*netlink_, rep_.ifindex);
  ASSERT_TRUE(netlink_->AddAddress(vf_.ifindex, Address("10.0.0.5/24")).ok());
  ASSERT_TRUE(netlink_->AddAddress(vf_.ifindex, Address("2001:db8::5/64")).ok());
  const Route v4{*IpPrefix::Parse("0.0.0.0/0"), *IpAddress::Parse("10.0.0.1")};
  const Route v6{*IpPrefix::Parse("::/0"), *IpAddress::Parse("2001:db8::1")};
  const Route direct{*IpPrefix::Parse("192.0.2.0/24"), std::nullopt};
  for (const Route& route : {v4, v6, direct}) {
    const absl::Status status = netlink_->AddRoute(vf_.ifindex, route);
    EXPECT_TRUE(status.ok()) << status;
    EXPECT_TRUE(netlink_->AddRoute(vf_.ifindex, route).ok());
  }
  const Route other{v4.destination, *IpAddress::Parse("10.0.0.2")};
  EXPECT_TRUE(absl::IsAlreadyExists(netlink_->AddRoute(vf_.ifindex, other)));
}

TEST_P(NetlinkContract, ListsTheRoutesThatWereAddedAndRemovesThem) {
  Up(*netlink_, vf_.ifindex);
  Up(*netlink_, rep_.ifindex);
  ASSERT_TRUE(netlink_->AddAddress(vf_.ifindex, Address("10.0.0.5/24")).ok());
  ASSERT_TRUE(netlink_->AddAddress(vf_.ifindex, Address("2001:db8::5/64")).ok());
  EXPECT_THAT(*netlink_->ListRoutes(vf_.ifindex), ::testing::IsEmpty()) << "the kernel's own are left out";
  std::vector<Route> routes(5);
  routes[0].destination = *IpPrefix::Parse("0.0.0.0/0");
  routes[0].gateway = *IpAddress::Parse("10.0.0.1");
  routes[1] = routes[0];
  routes[1].metric = 50;
  routes[1].source = *IpAddress::Parse("10.0.0.5");
  routes[2].destination = *IpPrefix::Parse("192.0.2.0/24");
  routes[2].mtu = 1300;
  routes[2].advmss = 1200;
  routes[3].destination = *IpPrefix::Parse("198.51.100.0/24");
  routes[3].scope = 0;
  routes[3].table = 1000;
  routes[4].destination = *IpPrefix::Parse("2001:db8:1::/48");
  routes[4].gateway = *IpAddress::Parse("2001:db8::1");
  const auto is_there = [&](const Route& route) {
    const std::vector<Route> there = *netlink_->ListRoutes(vf_.ifindex);
    return std::count_if(there.begin(), there.end(),
                         [&](const Route& found) { return IsRoute(found, route); });
  };
  for (const Route& route : routes) {
    const absl::Status status = netlink_->AddRoute(vf_.ifindex, route);
    ASSERT_TRUE(status.ok()) << status;
    EXPECT_TRUE(netlink_->AddRoute(vf_.ifindex, route).ok()) << "again";
    EXPECT_EQ(is_there(route), 1) << route.destination.ToString();
  }
  EXPECT_EQ(netlink_->ListRoutes(vf_.ifindex)->size(), routes.size());
  EXPECT_THAT(*netlink_->ListRoutes(rep_.ifindex), ::testing::IsEmpty());
  for (const Route& route : routes) {
    const absl::Status status = netlink_->DeleteRoute(vf_.ifindex, route);
    EXPECT_TRUE(status.ok()) << status;
    EXPECT_EQ(is_there(route), 0) << route.destination.ToString();
    EXPECT_TRUE(netlink_->DeleteRoute(vf_.ifindex, route).ok()) << "again";
  }
  EXPECT_THAT(*netlink_->ListRoutes(vf_.ifindex), ::testing::IsEmpty());
  EXPECT_TRUE(absl::IsNotFound(netlink_->ListRoutes(kNoSuchLink).status()));
  EXPECT_TRUE(netlink_->DeleteRoute(kNoSuchLink, routes[0]).ok());
}

TEST_P(NetlinkContract, ARouteIsRemovedByWhatIsSetOfIt) {
  Up(*netlink_, vf_.ifindex);
  ASSERT_TRUE(netlink_->AddAddress(vf_.ifindex, Address("10.0.0.5/24")).ok());
  Route route;
  route.destination = *IpPrefix::Parse("192.0.2.0/24");
  route.gateway = *IpAddress::Parse("10.0.0.1");
  route.metric = 100;
  ASSERT_TRUE(netlink_->AddRoute(vf_.ifindex, route).ok());
  Route other = route;
  other.metric = 200;
  EXPECT_TRUE(netlink_->DeleteRoute(vf_.ifindex, other).ok());
  EXPECT_EQ(netlink_->ListRoutes(vf_.ifindex)->size(), 1u) << "of another metric";
  const Route destination_alone{route.destination};
  EXPECT_TRUE(netlink_->DeleteRoute(vf_.ifindex, destination_alone).ok());
  EXPECT_THAT(*netlink_->ListRoutes(vf_.ifindex), ::testing::IsEmpty());
}

TEST_P(NetlinkContract, RefusesARouteThatCannotWork) {
  const Route route{*IpPrefix::Parse("0.0.0.0/0"), *IpAddress::Parse("10.9.9.1")};
  EXPECT_TRUE(absl::IsFailedPrecondition(netlink_->AddRoute(vf_.ifindex, route))) << "while it is down";
  Up(*netlink_, vf_.ifindex);
  EXPECT_TRUE(absl::IsFailedPrecondition(netlink_->AddRoute(vf_.ifindex, route))) << "no way to the gateway";
  const Route mixed{*IpPrefix::Parse("::/0"), *IpAddress::Parse("10.9.9.1")};
  EXPECT_TRUE(absl::IsInvalidArgument(netlink_->AddRoute(vf_.ifindex, mixed)));
}

TEST_P(NetlinkContract, TheMonitorTellsWhatIsThereAndThenWhatHappens) {
  EventLoop loop;
  absl::Mutex mu;
  std::map<std::string, Link> seen;  // guarded by mu
  std::unique_ptr<Netlink::Monitor> monitor;
  std::thread thread([&] { loop.Run(); });
  loop.PostAndWait([&] {
    auto started = netlink_->MonitorLinks(loop, [&](const Link& link, bool gone) {
      absl::MutexLock lock(&mu);
      std::erase_if(seen, [&](const auto& entry) { return entry.second.ifindex == link.ifindex; });
      if (!gone) seen[link.name] = link;
    });
    ASSERT_TRUE(started.ok()) << started.status();
    monitor = *std::move(started);
  });
  const auto wait_for = [&](std::vector<std::string> names) {
    std::sort(names.begin(), names.end());
    const auto reached = [&] {
      std::vector<std::string> have;
      for (const auto& [name, link] : seen) have.push_back(name);
      return have == names;
    };
    absl::MutexLock lock(&mu);
    return mu.AwaitWithTimeout(absl::Condition(&reached), absl::Seconds(20));
  };
  EXPECT_TRUE(wait_for({"lo", "vf0", "rep0"}));

  LinkChange rename;
  rename.name = "renamed";
  EXPECT_TRUE(netlink_->ChangeLink(vf_.ifindex, rename).ok());
  EXPECT_TRUE(wait_for({"lo", "renamed", "rep0"}));

  LinkChange move;
  move.net_namespace = there_;
  EXPECT_TRUE(netlink_->ChangeLink(vf_.ifindex, move).ok());
  EXPECT_TRUE(wait_for({"lo", "rep0"}));

  move.net_namespace = here_;
  EXPECT_TRUE(other_->ChangeLink(Must(*other_, "renamed").ifindex, move).ok());
  EXPECT_TRUE(wait_for({"lo", "renamed", "rep0"}));

  EXPECT_TRUE(netlink_->DeleteLink(rep_.ifindex).ok());
  EXPECT_TRUE(wait_for({"lo"}));

  loop.PostAndWait([&] { monitor.reset(); });
  loop.Stop();
  thread.join();
}

TEST_P(NetlinkContract, AMonitorThatIsGoneTellsNothing) {
  EventLoop loop;
  int told = 0;
  auto monitor = netlink_->MonitorLinks(loop, [&](const Link&, bool) { ++told; });
  ASSERT_TRUE(monitor.ok());
  monitor->reset();
  Up(*netlink_, vf_.ifindex);
  loop.Stop();
  loop.Run();
  EXPECT_EQ(told, 0);
}

}  // namespace xpu
