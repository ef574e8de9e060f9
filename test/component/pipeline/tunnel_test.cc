// Networks that reach over several cards.
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "test/component/pipeline/cards.h"

namespace xpu::testing {
namespace {

using ::testing::Contains;
using ::testing::Each;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;

constexpr char kMacA[] = "02:00:00:00:00:0a";
constexpr char kMacB[] = "02:00:00:00:00:0b";
constexpr char kMacX[] = "02:00:00:00:00:1a";
constexpr char kMacZ[] = "02:00:00:00:00:1c";

// Network red on cards 0 and 1 with the pods a and b; network blue on cards 0 and 2 with the pods x and z,
// and with the same addresses.
class TunnelTest : public CardsTest {
 protected:
  void SetUp() override {
    CardsTest::SetUp();
    if (HasFatalFailure()) return;
    for (const auto& one : cards_) {
      AddBridge(&one->model, "red", 0x11, {"10.0.0.0/24", "2001:db8::/64"}).vni = 100;
      AddBridge(&one->model, "blue", 0x22, {"10.0.0.0/24", "2001:db8::/64"}).vni = 200;
    }
    a_ = Add(0, "a", kMacA, "red", 1);
    b_ = Add(1, "b", kMacB, "red", 2);
    x_ = Add(0, "x", kMacX, "blue", 1);
    z_ = Add(2, "z", kMacZ, "blue", 3);
    if (HasFailure()) return;
    Connect();
  }
  std::unique_ptr<Pod> Add(int number, const std::string& name, const std::string& mac,
                           const std::string& bridge, int host) {
    auto pod = card(number).AddPod(
        name, mac, bridge, {absl::StrCat("10.0.0.", host, "/24"), absl::StrCat("2001:db8::", host, "/64")});
    EXPECT_TRUE(pod.ok()) << pod.status();
    return pod.ok() ? *std::move(pod) : nullptr;
  }
  static std::string FromAToB(const std::string& text) {
    return Datagram(kMacA, "10.0.0.1", kMacB, "10.0.0.2", text);
  }
  static std::string FromXToZ(const std::string& text) {
    return Datagram(kMacX, "10.0.0.1", kMacZ, "10.0.0.3", text);
  }
  // Frames that came to `to` before a datagram that follows them from `from`.
  static std::vector<std::string> Received(Pod& from, Pod& to, const std::string& datagram) {
    from.Send(datagram);
    auto frames = to.ReceiveUntil(datagram);
    EXPECT_TRUE(frames.ok()) << frames.status();
    return frames.value_or(std::vector<std::string>());
  }

  std::unique_ptr<Pod> a_, b_, x_, z_;
};

TEST_F(TunnelTest, CarriesFramesUnchangedBetweenCards) {
  EXPECT_THAT(Received(*a_, *b_, FromAToB("hello")), IsEmpty());
  const std::string v6 = Datagram(kMacB, "2001:db8::2", kMacA, "2001:db8::1", "back");
  EXPECT_THAT(Received(*b_, *a_, v6), IsEmpty());
  EXPECT_THAT(Received(*x_, *z_, FromXToZ("the other network")), IsEmpty());
}

TEST_F(TunnelTest, AnswersForAddressesOfOtherCardsWithoutAskingThem) {
  a_->Send(ArpFrame({.eth_src = kMacA, .sha = kMacA, .spa = "10.0.0.1", .tpa = "10.0.0.2"}));
  const auto answer =
      a_->ReceiveFirst([](const std::string& frame) { return frame.size() >= 42 && frame[21] == 2; });
  ASSERT_TRUE(answer.ok()) << answer.status();
  EXPECT_EQ(answer->substr(22, 6), Mac(kMacB).ToBytes());
  a_->Send(FromAToB("after the question"));
  const auto seen = card(0).underlay().SeenUntil("after the question");
  ASSERT_TRUE(seen.ok()) << seen.status();
  EXPECT_THAT(*seen, Each(Not(HasSubstr(Mac(kMacA).ToBytes()))));
}

TEST_F(TunnelTest, ASolicitationThatACardCannotAnswerIsTheOwnersOnAnotherCard) {
  // As on the kernel's datapath; the other card could answer, but not into the tunnel.
  card(0).abilities = SwitchAbilities{.advertise_neighbours = false};
  ASSERT_NO_FATAL_FAILURE(card(0).Apply());
  const std::string group = SolicitedNode("2001:db8::2");
  const std::string solicitation = IcmpFrame({.eth_dst = GroupMac(group),
                                              .eth_src = kMacA,
                                              .src = "2001:db8::1",
                                              .dst = group,
                                              .type = 135,
                                              .body = NdBody(0, "2001:db8::2", LinkLayerOption(1, kMacA))});
  a_->Send(solicitation);
  ASSERT_TRUE(b_->ReceiveUntil(solicitation).ok());
  const std::string advertisement =
      IcmpFrame({.eth_dst = kMacA,
                 .eth_src = kMacB,
                 .src = "2001:db8::2",
                 .dst = "2001:db8::1",
                 .type = 136,
                 .body = NdBody(0x60000000, "2001:db8::2", LinkLayerOption(2, kMacB))});
  b_->Send(advertisement);
  ASSERT_TRUE(a_->ReceiveUntil(advertisement).ok());
}

TEST_F(TunnelTest, SendsAGroupOnlyToCardsThatHaveAPortInTheNetwork) {
  const std::string announcement =
      ArpFrame({.eth_src = kMacA, .op = 1, .sha = kMacA, .spa = "10.0.0.1", .tpa = "10.0.0.1"});
  a_->Send(announcement);
  a_->Send(FromAToB("marker of red"));
  const auto frames = b_->ReceiveUntil(FromAToB("marker of red"));
  ASSERT_TRUE(frames.ok()) << frames.status();
  EXPECT_THAT(*frames, Contains(announcement));
  // The way to card 2 is open, and nothing of it was on it.
  x_->Send(FromXToZ("marker of blue"));
  const auto seen = card(2).underlay().SeenUntil("marker of blue");
  ASSERT_TRUE(seen.ok()) << seen.status();
  // The fabric itself floods what is for a card that it has not seen yet.
  for (const std::string& frame : *seen) {
    EXPECT_NE(frame.substr(0, 6), Mac(card(2).underlay_mac()).ToBytes());
  }
}

TEST_F(TunnelTest, TakesFromATunnelOnlyWhatIsThatCardsToSend) {
  LabCard& target = card(1);
  const auto inject = [&](const std::string& vtep, uint32_t vni, const std::string& frame) {
    target.underlay().Send(Encapsulated(vtep, target, vni, frame));
  };
  const std::string good = FromAToB("good");
  // Another card, one that is nobody's, another network, one that nobody has.
  inject("192.0.2.3", 100, FromAToB("other card"));
  inject("192.0.2.77", 100, FromAToB("stranger"));
  inject("192.0.2.1", 200, FromAToB("other network"));
  inject("192.0.2.1", 999, FromAToB("no network"));
  // The right card, with what its port does not have.
  inject("192.0.2.1", 100, Datagram(kMacX, "10.0.0.1", kMacB, "10.0.0.2", "other mac"));
  inject("192.0.2.1", 100, Datagram(kMacA, "10.0.0.9", kMacB, "10.0.0.2", "other address"));
  inject("192.0.2.1", 100, Datagram(kMacB, "10.0.0.2", kMacB, "10.0.0.2", "as the port itself"));
  inject("192.0.2.1", 100,
         ArpFrame(
             {.eth_src = kMacA, .op = 2, .sha = kMacA, .spa = "10.0.0.9", .tha = kMacB, .tpa = "10.0.0.2"}));
  inject("192.0.2.1", 100, Tagged(FromAToB("tagged"), 5));
  inject("192.0.2.1", 100, good);
  const auto frames = b_->ReceiveUntil(good);
  ASSERT_TRUE(frames.ok()) << frames.status();
  EXPECT_THAT(*frames, IsEmpty());
}

TEST_F(TunnelTest, NeverSendsFromATunnelIntoATunnel) {
  // To the port of card 0 itself, by way of card 1, and to all.
  const std::string from_a_to_a = Datagram(kMacA, "10.0.0.1", kMacA, "10.0.0.1", "round");
  const std::string to_all = ArpFrame({.eth_src = kMacA, .sha = kMacA, .spa = "10.0.0.1", .tpa = "10.0.0.1"});
  const std::string question =
      ArpFrame({.eth_src = kMacA, .sha = kMacA, .spa = "10.0.0.1", .tpa = "10.0.0.2"});
  for (const std::string& frame : {from_a_to_a, to_all, question}) {
    card(1).underlay().Send(Encapsulated("192.0.2.1", card(1), 100, frame));
  }
  // All that card 1 sends after these is the marker.
  const std::string marker = Datagram(kMacB, "10.0.0.2", kMacA, "10.0.0.1", "marker");
  EXPECT_THAT(Received(*b_, *a_, marker), IsEmpty());
}

TEST_F(TunnelTest, APodCannotSpeakToTunnelEnds) {
  const std::string inner = FromAToB("injected");
  for (const auto& one : cards_) {
    a_->Send(UdpFrame({.eth_dst = one->underlay_mac(),
                       .eth_src = kMacA,
                       .src = "10.0.0.1",
                       .dst = one->vtep(),
                       .dst_port = 4789,
                       .payload = std::string("\x08\0\0\0\0\0\x64\0", 8) + inner}));
  }
  EXPECT_THAT(Received(*a_, *b_, FromAToB("honest")), IsEmpty());
  const auto seen = card(0).underlay().SeenUntil("honest");
  ASSERT_TRUE(seen.ok()) << seen.status();
  // Tunnel ends may ask for each other meanwhile.
  EXPECT_THAT(*seen, Each(Not(HasSubstr("injected"))));
}

TEST_F(TunnelTest, FollowsAPortThatMovesAndDropsACardThatGoes) {
  EXPECT_THAT(Received(*a_, *b_, FromAToB("before")), IsEmpty());
  // b's pod is on card 2 now.
  card(1).model.ports.clear();
  card(1).model.representors.clear();
  auto moved = Add(2, "b2", kMacB, "red", 2);
  Connect();
  EXPECT_THAT(Received(*a_, *moved, FromAToB("after the move")), IsEmpty());
  card(0).model.remote_ports.clear();
  card(0).Apply();
  // What came to card 2 is still there to be seen: the next may not be.
  ASSERT_TRUE(card(0).underlay().SeenUntil("after the move").ok());
  a_->Send(FromAToB("to a card that is gone"));
  auto y = Add(0, "y", "02:00:00:00:00:1b", "red", 9);
  ASSERT_TRUE(y != nullptr);
  card(0).Apply();
  const std::string marker = Datagram(kMacA, "10.0.0.1", "02:00:00:00:00:1b", "10.0.0.9", "marker");
  EXPECT_THAT(Received(*a_, *y, marker), IsEmpty());
  Connect();
  a_->Send(FromAToB("connected again"));
  const auto seen = card(0).underlay().SeenUntil("connected again");
  ASSERT_TRUE(seen.ok()) << seen.status();
  for (const std::string& frame : *seen) EXPECT_FALSE(absl::StrContains(frame, "card that is gone"));
}

}  // namespace
}  // namespace xpu::testing
