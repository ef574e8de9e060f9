// One Network on three cards: it works like one switch, and a card that goes is dropped.

#include <arpa/inet.h>
#include <linux/if_packet.h>
#include <net/ethernet.h>
#include <net/if.h>
#include <sched.h>
#include <signal.h>
#include <sys/socket.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <thread>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "common/api/api.h"
#include "common/base/status_macros.h"
#include "common/base/unique_fd.h"
#include "common/sys/files.h"
#include "common/sys/net_namespaces_real.h"
#include "control-plane/sandbox/sandbox.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "test/lib/pair/leftovers.h"
#include "test/lib/pair/pair.h"
#include "test/lib/pair/probe.h"
#include "xpu-agent/datapath/ovs/ovs_switch.h"
#include "xpu-agent/datapath/switch_observer.h"
#include "xpu/api/v1alpha1/card.pb.h"

namespace xpu::testing {
namespace {

constexpr int kCards = 3;

// Tunnelled frames that are sent towards a card, seen on the fabric's end of its underlay port.
class UnderlayTap {
 public:
  static absl::StatusOr<std::unique_ptr<UnderlayTap>> Open(const Sandbox& sandbox, int card) {
    auto tap = std::make_unique<UnderlayTap>();
    NetNamespacesReal namespaces;
    XPU_ASSIGN_OR_RETURN(const auto ns, namespaces.Open(sandbox.layout().netns("fabric")));
    absl::Status status;
    std::thread([&] {
      if (setns(ns->fd(), CLONE_NEWNET) != 0) {
        status = absl::ErrnoToStatus(errno, "setns");
        return;
      }
      tap->socket_.Reset(socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, htons(ETH_P_ALL)));
      const sockaddr_ll address{
          .sll_family = AF_PACKET,
          .sll_protocol = htons(ETH_P_ALL),
          .sll_ifindex = static_cast<int>(if_nametoindex(absl::StrCat("underlay", card).c_str()))};
      if (bind(tap->socket_.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0)
        status = absl::ErrnoToStatus(errno, "packet socket on the underlay");
    }).join();
    XPU_RETURN_IF_ERROR(status);
    tap->vtep_ = IpAddress::Parse(SandboxLayout::vtep(card))->ToBytes();
    return tap;
  }

  // How many there were since the last call.
  int Count() {
    int tunnelled = 0;
    while (true) {
      char frame[4096];
      sockaddr_ll from{};
      socklen_t length = sizeof from;
      const ssize_t n =
          recvfrom(socket_.get(), frame, sizeof frame, 0, reinterpret_cast<sockaddr*>(&from), &length);
      if (n < 0) return tunnelled;
      constexpr int kTo = 14 + 16, kUdpPort = 14 + 20 + 2;
      if (from.sll_pkttype != PACKET_OUTGOING || n < kUdpPort + 2 || frame[12] != 8 || frame[23] != 17)
        continue;
      // The fabric itself floods what is for a card that it has not seen yet.
      if (std::string(frame + kTo, 4) != vtep_) continue;
      const int port = static_cast<uint8_t>(frame[kUdpPort]) << 8 | static_cast<uint8_t>(frame[kUdpPort + 1]);
      tunnelled += port == 4789 ? 1 : 0;
    }
  }

 private:
  UniqueFd socket_;
  // In network order.
  std::string vtep_;
};

class CardsTest : public ::testing::Test {
 protected:
  void SetUp() override {
    auto sandbox = Sandbox::Up(
        {.name = "cards", .cards = kCards, .vfs = 2, .dir = folder_.path() + "/s", .bin_dir = XPU_BIN_DIR});
    ASSERT_TRUE(sandbox.ok()) << sandbox.status();
    sandbox_ = std::make_unique<Sandbox>(*std::move(sandbox));
    auto pair = Pair::Connect(*sandbox_);
    ASSERT_TRUE(pair.ok()) << pair.status();
    pair_ = *std::move(pair);
    ASSERT_TRUE(pair_->AwaitDevices(2 * kCards).ok());
    const auto applied = pair_->Xpuctl({"apply", "-f", XPU_SOURCE_DIR "/examples/networks.yaml"});
    ASSERT_TRUE(applied.ok()) << applied.status();
    const absl::Status ready = pair_->WaitUntilNetworksReady(absl::Now() + absl::Seconds(30));
    ASSERT_TRUE(ready.ok()) << ready;
    const auto before = CountLeftovers(*pair_);
    ASSERT_TRUE(before.ok()) << before.status();
    before_ = *before;
  }
  void TearDown() override {
    pair_.reset();
    EXPECT_TRUE(Sandbox::Down(folder_.path() + "/s").ok());
  }

  // Which card the pod's function is of.
  static int CardOf(const Pod& pod) {
    for (int card = 0; card < kCards; ++card) {
      const std::string pf = SandboxLayout::pf_address(card);
      if (absl::StartsWith(pod.device, pf.substr(0, pf.rfind(':')))) return card;
    }
    return -1;
  }
  // Starts pods until every function of every card is used; the kubelet chooses the functions.
  void StartPods(const std::string& network) {
    for (int i = 0; i < 2 * kCards; ++i) {
      auto pod = pair_->StartPod({.name = absl::StrCat("p", i), .network = network});
      ASSERT_TRUE(pod.ok()) << pod.status();
      ASSERT_GE(CardOf(*pod), 0) << pod->device;
      pods_[CardOf(*pod)].push_back(*pod);
    }
    for (int card = 0; card < kCards; ++card) ASSERT_EQ(pods_[card].size(), 2u) << card;
  }
  void StopPods() {
    for (const auto& [card, pods] : pods_) {
      for (const Pod& pod : pods) EXPECT_TRUE(pair_->StopPod(pod).ok()) << pod.name;
    }
    const absl::Status released = WaitUntilReleased(*pair_, absl::Now() + absl::Seconds(30));
    EXPECT_TRUE(released.ok()) << released;
  }

  // The switch of a card as its agent sees it, without changing anything.
  std::unique_ptr<OvsSwitch> SwitchOf(int card) {
    return std::make_unique<OvsSwitch>(OvsSwitchOptions{.ovsdb_remote = sandbox_->layout().ovsdb(card),
                                                        .openflow_dir = sandbox_->layout().ovs_dir(card),
                                                        .bridge = "br-xpu",
                                                        .datapath_type = "netdev",
                                                        .owner = SandboxLayout::card_name(card)});
  }
  static bool SendsTo(const SwitchSnapshot& snapshot, const std::string& vtep) {
    const std::string action = absl::StrCat("set_field:", vtep, "->tun_dst");
    return std::any_of(snapshot.flows.begin(), snapshot.flows.end(),
                       [&](const auto& flow) { return absl::StrContains(flow.second, action); });
  }

  // Waits until a card sends frames to another, which follows from resources and so comes after the ADD.
  void AwaitSendsTo(int from, int to) {
    SwitchObserver observer;
    const std::unique_ptr<OvsSwitch> its_switch = SwitchOf(from);
    observer.Start(*its_switch);
    EXPECT_TRUE(observer.AwaitSnapshot([&](const SwitchSnapshot& s) {
      return SendsTo(s, SandboxLayout::vtep(to));
    })) << from
        << " to " << to;
  }

  static const ResourceKind& Cards() { return api::KindOf<api::v1alpha1::Card>().resource; }

  TemporaryDirectory folder_ = *TemporaryDirectory::Make();
  std::unique_ptr<Sandbox> sandbox_;
  std::unique_ptr<Pair> pair_;
  Leftovers before_;
  std::map<int, std::vector<Pod>> pods_;
};

TEST_F(CardsTest, ANetworkOnThreeCardsWorksLikeOneSwitch) {
  ASSERT_NO_FATAL_FAILURE(StartPods("blue"));
  for (int from = 0; from < kCards; ++from) {
    for (int to = 0; to < kCards; ++to) {
      if (from != to) AwaitSendsTo(from, to);
    }
  }
  std::set<IpAddress> addresses;
  for (const auto& [card, pods] : pods_) {
    for (const Pod& pod : pods) {
      EXPECT_TRUE(addresses.insert(*pod.v4).second) << pod.v4->ToString() << " twice";
      EXPECT_TRUE(addresses.insert(*pod.v6).second) << pod.v6->ToString() << " twice";
      EXPECT_EQ(pod.result["interfaces"][0].value("mtu", 1500), 1500);
    }
  }
  for (int from = 0; from < kCards; ++from) {
    for (int to = 0; to < kCards; ++to) {
      const Pod &a = pods_[from][0], &b = pods_[to][1];
      EXPECT_TRUE(*PingUntilAnswered(a.netns, *b.v4)) << from << " to " << to;
      EXPECT_TRUE(*PingUntilAnswered(a.netns, *b.v6)) << from << " to " << to;
    }
  }
  EXPECT_TRUE(*TcpTransfer(pods_[0][0].netns, pods_[1][0].netns, *pods_[1][0].v4));
  EXPECT_TRUE(*TcpTransfer(pods_[2][0].netns, pods_[0][1].netns, *pods_[0][1].v6));
  StopPods();
  const auto after = CountLeftovers(*pair_);
  ASSERT_TRUE(after.ok()) << after.status();
  EXPECT_EQ(*after, before_) << "before: " << before_.ToString() << "\nafter:  " << after->ToString();
}

TEST_F(CardsTest, ACardWithoutAPortInTheNetworkHearsNothingOfIt) {
  // Pods in blue on whatever card they come, until two cards have one; the third has none.
  std::set<int> in_blue;
  for (int i = 0; i < 2 * kCards && in_blue.size() < 2; ++i) {
    auto pod = pair_->StartPod({.name = absl::StrCat("p", i), .network = "blue"});
    ASSERT_TRUE(pod.ok()) << pod.status();
    in_blue.insert(CardOf(*pod));
    pods_[CardOf(*pod)].push_back(*pod);
  }
  ASSERT_EQ(in_blue.size(), 2u);
  const int one = *in_blue.begin(), other = *in_blue.rbegin(), third = 3 - one - other;
  const Pod &a = pods_[one][0], &b = pods_[other][0];
  const absl::Time started = absl::Now();
  AwaitSendsTo(one, other);
  AwaitSendsTo(other, one);
  std::printf("cards know of each other %s after the ADD\n",
              absl::FormatDuration(absl::Now() - started).c_str());
  EXPECT_TRUE(*PingUntilAnswered(a.netns, *b.v4));
  auto near = UnderlayTap::Open(*sandbox_, other);
  auto far = UnderlayTap::Open(*sandbox_, third);
  ASSERT_TRUE(near.ok() && far.ok());
  // What pods send by themselves to groups, above all a new one that announces itself.
  EXPECT_TRUE(*PingUntilAnswered(a.netns, *b.v4));
  EXPECT_TRUE(*PingUntilAnswered(b.netns, *a.v6));
  auto late = pair_->StartPod({.name = "late", .network = "green"});
  ASSERT_TRUE(late.ok()) << late.status();
  pods_[CardOf(*late)].push_back(*late);
  EXPECT_TRUE(*PingUntilAnswered(a.netns, *b.v6));
  EXPECT_GT((*near)->Count(), 0);
  EXPECT_EQ((*far)->Count(), 0);
  StopPods();
}

TEST_F(CardsTest, NetworksOfADomainReachEachOtherAlsoIfNoCardHasBoth) {
  const auto applied = pair_->Xpuctl({"apply", "-f", XPU_SOURCE_DIR "/examples/routed.yaml"});
  ASSERT_TRUE(applied.ok()) << applied.status();
  ASSERT_EQ(pair_->WaitUntilNetworksReady(absl::Now() + absl::Seconds(30)), absl::OkStatus());
  const auto front = pair_->StartPod({.name = "front", .network = "web"});
  ASSERT_TRUE(front.ok()) << front.status();
  const int near = CardOf(*front);
  pods_[near].push_back(*front);
  // On whatever cards they come, until one is on another.
  std::optional<Pod> back;
  std::vector<Pod> on_the_same;
  for (int i = 0; i < 2 * kCards - 1 && !back.has_value(); ++i) {
    const auto pod = pair_->StartPod({.name = absl::StrCat("back", i), .network = "store"});
    ASSERT_TRUE(pod.ok()) << pod.status();
    if (CardOf(*pod) == near) {
      on_the_same.push_back(*pod);
    } else {
      back = *pod;
    }
  }
  ASSERT_TRUE(back.has_value());
  for (const Pod& pod : on_the_same) ASSERT_TRUE(pair_->StopPod(pod).ok()) << pod.name;
  const int far = CardOf(*back);
  pods_[far].push_back(*back);
  AwaitSendsTo(near, far);
  AwaitSendsTo(far, near);
  // The first packet between two cards asks the underlay for the other one, and is lost.
  EXPECT_TRUE(*PingUntilAnswered(front->netns, *back->v4));
  EXPECT_TRUE(*PingUntilAnswered(back->netns, *front->v4));
  EXPECT_TRUE(*TcpTransfer(front->netns, back->netns, *back->v4));
  if (front->v6.has_value() && back->v6.has_value()) {
    EXPECT_TRUE(*PingUntilAnswered(front->netns, *back->v6));
  }
  StopPods();
}

TEST_F(CardsTest, ACardThatIsGoneIsDroppedAndOneThatIsBackIsHeardAgain) {
  ASSERT_NO_FATAL_FAILURE(StartPods("blue"));
  const Pod &a = pods_[0][0], &c = pods_[2][0];
  EXPECT_TRUE(*PingUntilAnswered(a.netns, *c.v4));
  // The card's agent is dead; the switch goes on, until somebody says that the card is gone.
  ASSERT_TRUE(sandbox_->Kill("xpu-agent-2", SIGKILL).ok());
  EXPECT_TRUE(*PingUntilAnswered(a.netns, *c.v4));
  const std::string vtep = SandboxLayout::vtep(2);
  SwitchObserver observer;
  const std::unique_ptr<OvsSwitch> near = SwitchOf(0);
  observer.Start(*near);
  ASSERT_TRUE(observer.AwaitReady());
  ASSERT_TRUE(observer.AwaitSnapshot([&](const SwitchSnapshot& s) { return SendsTo(s, vtep); }));
  const absl::Time deleted = absl::Now();
  ASSERT_TRUE(pair_->store().Delete(Cards(), {"", SandboxLayout::card_name(2)}).ok());
  ASSERT_TRUE(observer.AwaitSnapshot([&](const SwitchSnapshot& s) { return !SendsTo(s, vtep); }));
  const absl::Duration took = absl::Now() - deleted;
  std::printf("dropped %s after the card was deleted\n", absl::FormatDuration(took).c_str());
  EXPECT_TRUE(*PingUntilAnswered(a.netns, *pods_[1][0].v4));
  ASSERT_TRUE(sandbox_->Start("xpu-agent-2").ok());
  ASSERT_TRUE(observer.AwaitSnapshot([&](const SwitchSnapshot& s) { return SendsTo(s, vtep); }));
  EXPECT_TRUE(*PingUntilAnswered(a.netns, *c.v4));
  EXPECT_TRUE(*PingUntilAnswered(c.netns, *a.v6));
  StopPods();
}

}  // namespace
}  // namespace xpu::testing
