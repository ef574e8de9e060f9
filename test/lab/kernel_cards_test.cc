// One network on three cards whose switches are the kernel's datapath: its tunnel port, and tc behind it.

#include <string>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "test/component/pipeline/cards.h"
#include "xpu-agent/datapath/offload.h"
#include "xpu-agent/datapath/ovs/vswitchd_control.h"

namespace xpu::testing {
namespace {

class KernelCardsTest : public CardsTest {
 protected:
  CardDatapath Datapath() const override { return CardDatapath::kKernel; }
  void SetUp() override {
    ASSERT_NO_FATAL_FAILURE(CardsTest::SetUp());
    for (int i = 0; i < kCards; ++i) {
      AddBridge(&card(i).model, "red", 0x11, {"10.0.0.0/24", "2001:db8::/64"}).vni = 5001;
      auto pod = card(i).AddPod(absl::StrCat("p", i), MacOf(i), "red", {Ip4Of(i) + "/24", Ip6Of(i) + "/64"});
      ASSERT_TRUE(pod.ok()) << pod.status();
      pods_.push_back(*std::move(pod));
    }
    for (const auto& one : cards_) ASSERT_NO_FATAL_FAILURE(one->Apply());
    ASSERT_NO_FATAL_FAILURE(Connect());
  }
  static std::string MacOf(int i) { return absl::StrCat("02:00:00:00:00:0", i + 1); }
  static std::string Ip4Of(int i) { return absl::StrCat("10.0.0.", i + 1); }
  static std::string Ip6Of(int i) { return absl::StrCat("2001:db8::", i + 1); }
  std::string Frame(int from, int to, bool v6, const std::string& text) {
    return Datagram(MacOf(from), v6 ? Ip6Of(from) : Ip4Of(from), MacOf(to), v6 ? Ip6Of(to) : Ip4Of(to), text);
  }

  std::vector<std::unique_ptr<Pod>> pods_;
};

TEST_F(KernelCardsTest, CarryFramesBetweenCardsUnchangedAndByTc) {
  for (int round = 0; round < 10; ++round) {
    for (int from = 0; from < kCards; ++from) {
      for (int to = 0; to < kCards; ++to) {
        if (from == to) continue;
        for (const bool v6 : {false, true}) {
          const std::string frame =
              Frame(from, to, v6, absl::StrCat(from, " to ", to, v6 ? " v6 " : " v4 ", round));
          pods_[from]->Send(frame);
          const auto arrived = pods_[to]->ReceiveUntil(frame);
          ASSERT_TRUE(arrived.ok()) << from << " to " << to << " " << arrived.status();
        }
      }
    }
  }
  // What goes into the tunnel, and what comes out of it.
  const auto dump = AskVswitchd(card(0).ovs().openflow_dir(), "dpctl/dump-flows", {"--names", "-m"});
  ASSERT_TRUE(dump.ok()) << dump.status();
  auto ports = ParseOffload(*dump);
  EXPECT_GE(ports["rep-p0"].reasons["is in the kernel's tc, but not in hardware"], 2u) << *dump;
  EXPECT_GE(ports["vxlan_sys_4789"].reasons["is in the kernel's tc, but not in hardware"], 2u) << *dump;
}

TEST_F(KernelCardsTest, SendABroadcastToEveryCardOnceAndAnswerArpThemselves) {
  const std::string broadcast = UdpFrame({.eth_dst = kBroadcast,
                                          .eth_src = MacOf(0),
                                          .src = Ip4Of(0),
                                          .dst = "255.255.255.255",
                                          .payload = "to all"});
  pods_[0]->Send(broadcast);
  for (int to = 1; to < kCards; ++to) EXPECT_TRUE(pods_[to]->ReceiveUntil(broadcast).ok()) << to;
  for (int to = 1; to < kCards; ++to) {
    const std::string last = Frame(0, to, false, "after it");
    pods_[0]->Send(last);
    const auto between = pods_[to]->ReceiveUntil(last);
    ASSERT_TRUE(between.ok()) << between.status();
    EXPECT_THAT(*between, ::testing::Not(::testing::Contains(broadcast)));
  }
  pods_[0]->Send(ArpFrame({.eth_src = MacOf(0), .sha = MacOf(0), .spa = Ip4Of(0), .tpa = Ip4Of(2)}));
  EXPECT_TRUE(pods_[0]
                  ->ReceiveUntil(ArpFrame({.eth_dst = MacOf(0),
                                           .eth_src = MacOf(2),
                                           .op = 2,
                                           .sha = MacOf(2),
                                           .spa = Ip4Of(2),
                                           .tha = MacOf(0),
                                           .tpa = Ip4Of(0)}))
                  .ok());
}

TEST_F(KernelCardsTest, ASolicitationReachesItsOwnerOnAnotherCard) {
  const std::string group = SolicitedNode(Ip6Of(1));
  const std::string solicitation = IcmpFrame({.eth_dst = GroupMac(group),
                                              .eth_src = MacOf(0),
                                              .src = Ip6Of(0),
                                              .dst = group,
                                              .type = 135,
                                              .body = NdBody(0, Ip6Of(1), LinkLayerOption(1, MacOf(0)))});
  pods_[0]->Send(solicitation);
  EXPECT_TRUE(pods_[1]->ReceiveUntil(solicitation).ok());
}

}  // namespace
}  // namespace xpu::testing
