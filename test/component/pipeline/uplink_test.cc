// Networks of VLANs, which go on beyond the card's physical port.
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "test/component/pipeline/cards.h"

namespace xpu::testing {
namespace {

using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::Not;

constexpr char kMacA[] = "02:00:00:00:00:0a";
constexpr char kMacB[] = "02:00:00:00:00:0b";
constexpr char kMacC[] = "02:00:00:00:00:0c";
// A host of the LAN.
constexpr char kMacOut[] = "02:00:00:00:0f:01";
constexpr char kIpOut[] = "10.1.0.99";

// VLAN 100 with the pods a and c on card 0 and b on card 1.
class UplinkTest : public CardsTest {
 protected:
  void SetUp() override {
    CardsTest::SetUp();
    if (HasFatalFailure()) return;
    for (const auto& one : cards_) one->model.uplink = Representor{"uplink", 1000};
    a_ = AddToVlan(0, "a", kMacA, 100, "10.1.0.1/24");
    c_ = AddToVlan(0, "c", kMacC, 100, "10.1.0.3/24");
    b_ = AddToVlan(1, "b", kMacB, 100, "10.1.0.2/24");
    if (HasFailure()) return;
    for (const auto& one : cards_) one->Apply();
  }
  std::unique_ptr<Pod> AddToVlan(int number, const std::string& name, const std::string& mac, uint16_t vlan,
                                 const std::string& address) {
    auto pod = card(number).AddPod(name, mac, "", {address});
    EXPECT_TRUE(pod.ok()) << pod.status();
    if (!pod.ok()) return nullptr;
    BridgePort& port = card(number).model.ports.at("rep-" + name);
    port.logical_bridges.clear();
    port.vlan = vlan;
    return *std::move(pod);
  }
  // From a host of the LAN, as it is in VLAN 100.
  static std::string FromOutside(const std::string& to_mac, const std::string& to, const std::string& text) {
    return Datagram(kMacOut, kIpOut, to_mac, to, text);
  }
  // Frames that came to a from outside before an honest one.
  std::vector<std::string> ReceivedByA(const std::vector<std::string>& sent) {
    for (const std::string& frame : sent) card(0).lan().Send(frame);
    const std::string last = FromOutside(kMacA, "10.1.0.1", absl::StrCat("honest ", ++sent_));
    card(0).lan().Send(Tagged(last, 100));
    auto frames = a_->ReceiveUntil(last);
    EXPECT_TRUE(frames.ok()) << frames.status();
    return frames.value_or(std::vector<std::string>());
  }
  // What a sent to the LAN before a datagram that follows.
  std::vector<std::string> SeenOnLan() {
    const std::string text = absl::StrCat("follows ", ++sent_);
    a_->Send(Datagram(kMacA, "10.1.0.1", kMacOut, kIpOut, text));
    auto frames = card(0).lan().SeenUntil(text);
    EXPECT_TRUE(frames.ok()) << frames.status();
    return frames.value_or(std::vector<std::string>());
  }

  std::unique_ptr<Pod> a_, b_, c_;
  int sent_ = 0;
};

TEST_F(UplinkTest, JoinsPodsOfAVlanOnSeveralCardsWithItsTag) {
  const std::string datagram = Datagram(kMacA, "10.1.0.1", kMacB, "10.1.0.2", "to the other card");
  a_->Send(datagram);
  const auto frames = b_->ReceiveUntil(datagram);
  ASSERT_TRUE(frames.ok()) << frames.status();
  EXPECT_THAT(SeenOnLan(), Contains(Tagged(datagram, 100)));
  // What is on this card stays on it.
  const std::string near = Datagram(kMacA, "10.1.0.1", kMacC, "10.1.0.3", "on this card");
  a_->Send(near);
  ASSERT_TRUE(c_->ReceiveUntil(near).ok());
  EXPECT_THAT(SeenOnLan(), IsEmpty());
}

TEST_F(UplinkTest, CarriesQuestionsAndGroupsBothWays) {
  const std::string question = ArpFrame({.eth_src = kMacA, .sha = kMacA, .spa = "10.1.0.1", .tpa = kIpOut});
  a_->Send(question);
  EXPECT_THAT(SeenOnLan(), ElementsAre(Tagged(question, 100)));
  const std::string answer = ArpFrame({.eth_dst = kMacA,
                                       .eth_src = kMacOut,
                                       .op = 2,
                                       .sha = kMacOut,
                                       .spa = kIpOut,
                                       .tha = kMacA,
                                       .tpa = "10.1.0.1"});
  const std::string group = Datagram(kMacOut, kIpOut, kBroadcast, "10.1.0.255", "for all");
  EXPECT_THAT(ReceivedByA({Tagged(answer, 100), Tagged(group, 100)}), ElementsAre(answer, group));
  // For an address that is here, the card answers, with the tag.
  card(0).lan().Send(
      Tagged(ArpFrame({.eth_src = kMacOut, .sha = kMacOut, .spa = kIpOut, .tpa = "10.1.0.1"}), 100));
  const std::string reply = ArpFrame({.eth_dst = kMacOut,
                                      .eth_src = kMacA,
                                      .op = 2,
                                      .sha = kMacA,
                                      .spa = "10.1.0.1",
                                      .tha = kMacOut,
                                      .tpa = kIpOut});
  EXPECT_THAT(ReceivedByA({}), IsEmpty());
  EXPECT_THAT(SeenOnLan(), Contains(Tagged(reply, 100)));
}

TEST_F(UplinkTest, LetsRoutersAndDhcpServersOfTheLanSpeak) {
  const std::string offer = UdpFrame({.eth_dst = kMacA,
                                      .eth_src = kMacOut,
                                      .src = kIpOut,
                                      .dst = "255.255.255.255",
                                      .src_port = 67,
                                      .dst_port = 68,
                                      .payload = "offer"});
  const std::string advertisement = IcmpFrame({.eth_dst = kAllNodesMac,
                                               .eth_src = kMacOut,
                                               .src = "fe80::ff:fe00:f01",
                                               .dst = kAllNodes,
                                               .type = 134,
                                               .body = std::string(12, '\0')});
  EXPECT_THAT(ReceivedByA({Tagged(offer, 100), Tagged(advertisement, 100)}),
              ElementsAre(offer, advertisement));
}

TEST_F(UplinkTest, KeepsOutOtherVlansAndWhatPretendsToBeOfThisCard) {
  const std::string frame = FromOutside(kMacA, "10.1.0.1", "not for a");
  EXPECT_THAT(ReceivedByA({frame, Tagged(frame, 101), Tagged(Tagged(frame, 7), 100),
                           Tagged(Datagram(kMacC, "10.1.0.99", kMacA, "10.1.0.1", "mac of c"), 100),
                           Tagged(Datagram(kMacOut, "10.1.0.3", kMacA, "10.1.0.1", "address of c"), 100),
                           Tagged(ArpFrame({.eth_dst = kMacA,
                                            .eth_src = kMacOut,
                                            .op = 2,
                                            .sha = kMacOut,
                                            .spa = "10.1.0.3",
                                            .tha = kMacA,
                                            .tpa = "10.1.0.1"}),
                                  100)}),
              IsEmpty());
}

TEST_F(UplinkTest, NothingButItsVlanLeavesTheCard) {
  const std::string stray =
      Datagram(kMacA, "10.1.0.9", kMacOut, kIpOut, "from an address that is not its own");
  a_->Send(stray);
  a_->Send(Tagged(Datagram(kMacA, "10.1.0.1", kMacOut, kIpOut, "with a tag of its own"), 101));
  a_->Send(Datagram("02:00:00:00:00:77", "10.1.0.1", kMacOut, kIpOut, "from another mac"));
  EXPECT_THAT(SeenOnLan(), IsEmpty());
  // A network with a VNI reaches other cards by tunnels only, whatever VLAN id it has on trunks.
  AddBridge(&card(0).model, "red", 0x11, {"10.0.0.0/24"}).vni = 100;
  card(0).model.bridges["red"].vlan_id = 200;
  auto red = card(0).AddPod("red", "02:00:00:00:00:1a", "red", {"10.0.0.1/24"});
  ASSERT_TRUE(red.ok()) << red.status();
  card(0).Apply();
  (*red)->Send(ArpFrame(
      {.eth_src = "02:00:00:00:00:1a", .sha = "02:00:00:00:00:1a", .spa = "10.0.0.1", .tpa = "10.0.0.1"}));
  EXPECT_THAT(SeenOnLan(), IsEmpty());
}

TEST_F(UplinkTest, ABridgeWithoutVniGoesOnInItsVlanAndATrunkBringsItThere) {
  AddBridge(&card(0).model, "lan300", 0x33, {}).vlan_id = 300;
  AddBridge(&card(0).model, "lan301", 0x34, {}).vlan_id = 301;
  constexpr char kTrunkMac[] = "02:00:00:00:00:2a";
  auto trunk = Pod::Create("rep-trunk", kTrunkMac, card(0).ovs().netns());
  ASSERT_TRUE(trunk.ok()) << trunk.status();
  BridgePort& port = AddUnboundPort(&card(0).model, "rep-trunk", 50, kTrunkMac, "lan300");
  port.type = BridgePortType::kTrunk;
  port.logical_bridges = {"lan300", "lan301"};
  card(0).Apply();
  const std::string datagram = Datagram(kTrunkMac, "10.3.0.1", kMacOut, "10.3.0.2", "out of the trunk");
  (*trunk)->Send(datagram);
  (*trunk)->Send(Tagged(datagram, 302));
  (*trunk)->Send(Tagged(Tagged(datagram, 300), 301));
  (*trunk)->Send(Tagged(datagram, 300));
  const auto before = card(0).lan().SeenUntil("out of the trunk");
  ASSERT_TRUE(before.ok()) << before.status();
  EXPECT_THAT(SeenOnLan(), IsEmpty()) << "only the last of them leaves";
  const std::string back = Datagram(kMacOut, "10.3.0.2", kTrunkMac, "10.3.0.1", "back");
  card(0).lan().Send(Tagged(back, 100));
  card(0).lan().Send(Tagged(back, 301));
  const auto received = (*trunk)->ReceiveUntil(Tagged(back, 301));
  ASSERT_TRUE(received.ok()) << received.status();
  EXPECT_THAT(*received, Not(Contains(Tagged(back, 100))));
}

}  // namespace
}  // namespace xpu::testing
