#include "common/sys/announce.h"

#include <arpa/inet.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <poll.h>
#include <sys/socket.h>

#include <string>

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

  Announcer announcer_;
  std::shared_ptr<NetNamespace> here_;
  std::shared_ptr<NetNamespace> there_;
  std::unique_ptr<Netlink> netlink_;
  int ifindex_ = 0;
  int peer_ifindex_ = 0;
};

TEST_F(AnnounceOnAWire, TheOtherEndReceivesBothFrames) {
  Up();
  UniqueFd listener;
  ASSERT_TRUE(InNamespace(there_, [&]() -> absl::Status {
                listener.Reset(socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC, htons(ETH_P_ALL)));
                return absl::OkStatus();
              }).ok());
  sockaddr_ll address{};
  address.sll_family = AF_PACKET;
  address.sll_protocol = htons(ETH_P_ALL);
  address.sll_ifindex = peer_ifindex_;
  ASSERT_EQ(bind(listener.get(), reinterpret_cast<sockaddr*>(&address), sizeof(address)), 0);

  const absl::Status status = announcer_.Announce(here_, ifindex_, kMac, {kV4, kV6});
  ASSERT_TRUE(status.ok()) << status;

  // The kernels at both ends talk IPv6 to each other too, so others may be between.
  std::vector<std::string> wanted = {ArpAnnouncement(kMac, kV4), UnsolicitedAdvertisement(kMac, kV6)};
  const absl::Time deadline = absl::Now() + absl::Seconds(20);
  while (!wanted.empty()) {
    pollfd readable{listener.get(), POLLIN, 0};
    ASSERT_TRUE(PollUntil(&readable, 1, deadline, "a frame").ok());
    char frame[2048];
    const ssize_t got = recv(listener.get(), frame, sizeof(frame), 0);
    ASSERT_GT(got, 0);
    std::erase(wanted, std::string(frame, static_cast<size_t>(got)));
  }
}

TEST_F(AnnounceOnAWire, SaysWhenTheInterfaceIsDownOrGone) {
  const absl::Status down = announcer_.Announce(here_, ifindex_, kMac, {kV4});
  EXPECT_TRUE(absl::IsFailedPrecondition(down)) << down;
  ASSERT_TRUE(netlink_->DeleteLink(ifindex_).ok());
  const absl::Status gone = announcer_.Announce(here_, ifindex_, kMac, {kV4});
  EXPECT_TRUE(absl::IsNotFound(gone)) << gone;
  EXPECT_THAT(gone.message(), ::testing::HasSubstr("10.0.0.5"));
  EXPECT_TRUE(announcer_.Announce(here_, ifindex_, kMac, {}).ok()) << "nothing to tell";
}

TEST_F(AnnounceOnAWire, LeavesNoSocketOpen) {
  Up();
  const auto open_files = [] { return ListDirectory("/proc/self/fd")->size(); };
  const size_t before = open_files();
  {
    Announcer announcer;
    for (int i = 0; i < 10; ++i) ASSERT_TRUE(announcer.Announce(here_, ifindex_, kMac, {kV4}).ok());
  }
  EXPECT_EQ(open_files(), before);
}

}  // namespace
}  // namespace xpu
