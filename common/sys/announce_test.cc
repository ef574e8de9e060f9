#include "common/sys/announce.h"

#include <arpa/inet.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <poll.h>
#include <sys/socket.h>

#include <algorithm>
#include <string>
#include <vector>

#include "absl/strings/escaping.h"
#include "absl/time/clock.h"
#include "common/base/unique_fd.h"
#include "common/sys/files.h"
#include "common/sys/in_namespace.h"
#include "common/sys/net_namespaces_real.h"
#include "common/sys/netlink_real.h"
#include "common/sys/poll_until.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace xpu {
namespace {

const MacAddress kMac({2, 0, 0, 0, 0, 1});
const MacAddress kPeerMac({2, 0, 0, 0, 0, 2});
const IpAddress kV4 = *IpAddress::Parse("10.0.0.5");
const IpAddress kOther = *IpAddress::Parse("10.0.0.6");
const IpAddress kV6 = *IpAddress::Parse("2001:db8::5");

TEST(Announce, TheArpFrameIsAnAnnouncement) {
  EXPECT_EQ(absl::BytesToHexString(ArpAnnouncement(kMac, kV4)),
            "ffffffffffff0200000000010806"
            "0001080006040001"
            "0200000000010a000005"
            "0000000000000a000005");
}

TEST(Announce, TheAdvertisementOverridesAndHasARightChecksum) {
  // The checksum was computed with another program.
  EXPECT_EQ(absl::BytesToHexString(UnsolicitedAdvertisement(kMac, kV6)),
            "33330000000102000000000186dd"
            "6000000000203aff20010db8000000000000000000000005ff020000000000000000000000000001"
            "8800f92220000000"
            "20010db8000000000000000000000005"
            "0201020000000001");
}

class AnnounceOnAWire : public ::testing::Test {
 protected:
  void SetUp() override {
    here_ = *NewNetNamespace();
    there_ = *NewNetNamespace();
    netlink_ = *NetlinkFactoryReal().Open(here_);
    auto other = *NetlinkFactoryReal().Open(there_);
    ASSERT_TRUE(netlink_->CreateVeth("vf", kMac, "rep", kPeerMac, there_).ok());
    ifindex_ = netlink_->GetLink("vf")->ifindex;
    peer_ifindex_ = other->GetLink("rep")->ifindex;
    LinkChange up;
    up.up = true;
    ASSERT_TRUE(other->ChangeLink(peer_ifindex_, up).ok());
  }
  void Up() {
    LinkChange up;
    up.up = true;
    ASSERT_TRUE(netlink_->ChangeLink(ifindex_, up).ok());
  }

  Announcement Of(const std::vector<IpAddress>& addresses) const {
    return {.ns = here_,
            .netns_path = "/proc/self/fd/" + std::to_string(here_->fd()),
            .ifindex = ifindex_,
            .mac = kMac,
            .addresses = addresses};
  }
  // Hears what comes to the other end from now on.
  void Listen() {
    ASSERT_TRUE(InNamespace(there_, [&]() -> absl::Status {
                  listener_.Reset(socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC, htons(ETH_P_ALL)));
                  return absl::OkStatus();
                }).ok());
    sockaddr_ll address{};
    address.sll_family = AF_PACKET;
    address.sll_protocol = htons(ETH_P_ALL);
    address.sll_ifindex = peer_ifindex_;
    ASSERT_EQ(bind(listener_.get(), reinterpret_cast<sockaddr*>(&address), sizeof(address)), 0);
  }
  // The announcements that come until `count` of `last` have. The kernels at both ends talk IPv6 to each
  // other too, so others may be between.
  std::vector<std::string> HearUntil(const std::string& last, int count) {
    std::vector<std::string> heard;
    const absl::Time deadline = absl::Now() + absl::Seconds(20);
    while (std::count(heard.begin(), heard.end(), last) < count) {
      pollfd readable{listener_.get(), POLLIN, 0};
      if (!PollUntil(&readable, 1, deadline, "a frame").ok()) break;
      char bytes[2048];
      const ssize_t got = recv(listener_.get(), bytes, sizeof(bytes), 0);
      if (got <= 0) break;
      const std::string frame(bytes, static_cast<size_t>(got));
      for (const IpAddress& ip : {kV4, kOther, kV6}) {
        if (frame == (ip.is_v4() ? ArpAnnouncement(kMac, ip) : UnsolicitedAdvertisement(kMac, ip)))
          heard.push_back(frame);
      }
    }
    return heard;
  }

  // The second word follows soon.
  Announcer announcer_{{.interval = absl::Milliseconds(20)}};
  UniqueFd listener_;
  std::shared_ptr<NetNamespace> here_;
  std::shared_ptr<NetNamespace> there_;
  std::unique_ptr<Netlink> netlink_;
  int ifindex_ = 0;
  int peer_ifindex_ = 0;
};

TEST_F(AnnounceOnAWire, TheOtherEndReceivesEachFrameTwice) {
  Up();
  for (const char* address : {"10.0.0.5/24", "2001:db8::5/64"})
    ASSERT_TRUE(netlink_->AddAddress(ifindex_, *InterfaceAddress::Parse(address)).ok());
  Listen();
  const absl::Status status = announcer_.Announce(Of({kV4, kV6}));
  ASSERT_TRUE(status.ok()) << status;
  const std::string arp = ArpAnnouncement(kMac, kV4), advertisement = UnsolicitedAdvertisement(kMac, kV6);
  EXPECT_THAT(HearUntil(advertisement, 2), ::testing::ElementsAre(arp, advertisement, arp, advertisement));
}

TEST_F(AnnounceOnAWire, WhatIsNoLongerSoIsNotSaidAgain) {
  Up();
  const std::string first = ArpAnnouncement(kMac, kV4), other = ArpAnnouncement(kMac, kOther);
  ASSERT_TRUE(netlink_->AddAddress(ifindex_, *InterfaceAddress::Parse("10.0.0.6/24")).ok());
  Listen();
  // The interface never had the first, and the second of the other comes after what would be its second.
  ASSERT_TRUE(announcer_.Announce(Of({kV4})).ok());
  ASSERT_TRUE(announcer_.Announce(Of({kOther})).ok());
  EXPECT_THAT(HearUntil(other, 2), ::testing::ElementsAre(first, other, other));
  // With another MAC they are another's.
  const MacAddress mac({2, 0, 0, 0, 0, 9});
  LinkChange change;
  change.mac = mac;
  ASSERT_TRUE(announcer_.Announce(Of({kOther})).ok());
  ASSERT_TRUE(netlink_->ChangeLink(ifindex_, change).ok());
  EXPECT_THAT(HearUntil(other, 1), ::testing::ElementsAre(other));
}

TEST_F(AnnounceOnAWire, HoldsNoNamespaceOpenForTheSecondWord) {
  Up();
  Announcer patient({.interval = absl::Hours(1)});
  const std::weak_ptr<NetNamespace> held = here_;
  ASSERT_TRUE(patient.Announce(Of({kV4})).ok());
  netlink_.reset();
  here_.reset();
  EXPECT_TRUE(held.expired());
}

TEST_F(AnnounceOnAWire, SaysWhenTheInterfaceIsDownOrGone) {
  const absl::Status down = announcer_.Announce(Of({kV4}));
  EXPECT_TRUE(absl::IsFailedPrecondition(down)) << down;
  ASSERT_TRUE(netlink_->DeleteLink(ifindex_).ok());
  const absl::Status gone = announcer_.Announce(Of({kV4}));
  EXPECT_TRUE(absl::IsNotFound(gone)) << gone;
  EXPECT_THAT(gone.message(), ::testing::HasSubstr("10.0.0.5"));
  EXPECT_TRUE(announcer_.Announce(Of({})).ok()) << "nothing to tell";
}

TEST_F(AnnounceOnAWire, LeavesNoSocketOpen) {
  Up();
  const auto open_files = [] { return ListDirectory("/proc/self/fd")->size(); };
  const size_t before = open_files();
  {
    Announcer announcer;
    for (int i = 0; i < 10; ++i) ASSERT_TRUE(announcer.Announce(Of({kV4})).ok());
  }
  EXPECT_EQ(open_files(), before);
}

}  // namespace
}  // namespace xpu
