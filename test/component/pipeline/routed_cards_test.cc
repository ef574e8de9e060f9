// Networks of one VRF that are on different cards.
#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "test/component/pipeline/cards.h"

namespace xpu::testing {
namespace {

using ::testing::IsEmpty;

constexpr char kRouter[] = "02:58:50:00:00:01";
constexpr char kMacA[] = "02:00:00:00:00:0a";
constexpr char kMacB[] = "02:00:00:00:00:0b";
constexpr char kMacC[] = "02:00:00:00:00:0c";
constexpr char kMacX[] = "02:00:00:00:00:1a";
constexpr char kMacY[] = "02:00:00:00:00:1b";

// Two tenants with the same addresses, each with two networks in a VRF of its own:
//
//   card 0   a of red     x of red2
//   card 1   b of blue
//   card 2   c of red     y of blue2
//
// No card has both networks of a tenant.
class RoutedCardsTest : public CardsTest {
 protected:
  void SetUp() override {
    CardsTest::SetUp();
    if (HasFatalFailure()) return;
    for (const auto& one : cards_) {
      Model& model = one->model;
      for (const int tenant : {1, 2}) {
        const std::string suffix = tenant == 1 ? "" : "2";
        const std::string red = "red" + suffix, blue = "blue" + suffix, vrf = absl::StrCat("tenant", tenant);
        AddVrf(&model, vrf, tenant);
        AddBridge(&model, red, 0x10 + tenant, {"10.0.0.0/24", "2001:db8::/64"}).vni = 100 * tenant;
        AddBridge(&model, blue, 0x20 + tenant, {"10.1.0.0/24", "2001:db8:1::/64"}).vni = 100 * tenant + 1;
        AddSvi(&model, red, vrf, red, {"10.0.0.254/24", "2001:db8::fe/64"});
        AddSvi(&model, blue, vrf, blue, {"10.1.0.254/24", "2001:db8:1::fe/64"});
      }
    }
    a_ = Add(0, "a", kMacA, "red", "10.0.0.1", "2001:db8::1");
    b_ = Add(1, "b", kMacB, "blue", "10.1.0.2", "2001:db8:1::2");
    c_ = Add(2, "c", kMacC, "red", "10.0.0.3", "2001:db8::3");
    x_ = Add(0, "x", kMacX, "red2", "10.0.0.1", "2001:db8::1");
    y_ = Add(2, "y", kMacY, "blue2", "10.1.0.2", "2001:db8:1::2");
    ASSERT_FALSE(HasFailure());
    Connect();
  }
  std::unique_ptr<Pod> Add(int number, const std::string& name, const std::string& mac,
                           const std::string& bridge, const std::string& v4, const std::string& v6) {
    auto pod = card(number).AddPod(name, mac, bridge, {v4 + "/24", v6 + "/64"});
    EXPECT_TRUE(pod.ok()) << pod.status();
    return pod.ok() ? *std::move(pod) : nullptr;
  }
  static std::string Sent(const std::string& mac, const std::string& from, const std::string& to,
                          const std::string& text) {
    return UdpFrame({.eth_dst = kRouter, .eth_src = mac, .src = from, .dst = to, .payload = text});
  }
  static std::string Routed(const std::string& mac, const std::string& from, const std::string& to,
                            const std::string& text) {
    return UdpFrame(
        {.eth_dst = mac, .eth_src = kRouter, .src = from, .dst = to, .payload = text, .hop_limit = 63});
  }
  static std::string AToB(const std::string& text) { return Sent(kMacA, "10.0.0.1", "10.1.0.2", text); }
  static std::string AtB(const std::string& text) { return Routed(kMacB, "10.0.0.1", "10.1.0.2", text); }
  // What came to b before a datagram that follows from a.
  std::vector<std::string> ReceivedByB() {
    const std::string text = absl::StrCat("follows ", ++sent_);
    a_->Send(AToB(text));
    const auto frames = b_->ReceiveUntil(AtB(text));
    EXPECT_TRUE(frames.ok()) << frames.status();
    return frames.value_or(std::vector<std::string>());
  }

  std::unique_ptr<Pod> a_, b_, c_, x_, y_;
  int sent_ = 0;
};

TEST_F(RoutedCardsTest, APacketReachesANetworkThatItsCardHasNoPortOf) {
  a_->Send(AToB("there"));
  EXPECT_TRUE(b_->ReceiveUntil(AtB("there")).ok());
  b_->Send(Sent(kMacB, "10.1.0.2", "10.0.0.1", "back"));
  EXPECT_TRUE(a_->ReceiveUntil(Routed(kMacA, "10.1.0.2", "10.0.0.1", "back")).ok());
  b_->Send(Sent(kMacB, "2001:db8:1::2", "2001:db8::3", "to the third card"));
  EXPECT_TRUE(c_->ReceiveUntil(Routed(kMacC, "2001:db8:1::2", "2001:db8::3", "to the third card")).ok());
}

TEST_F(RoutedCardsTest, TenantsWithTheSameAddressesStayApart) {
  x_->Send(Sent(kMacX, "10.0.0.1", "10.1.0.2", "of the second tenant"));
  EXPECT_TRUE(y_->ReceiveUntil(Routed(kMacY, "10.0.0.1", "10.1.0.2", "of the second tenant")).ok());
  EXPECT_THAT(ReceivedByB(), IsEmpty());
  a_->Send(AToB("of the first tenant"));
  EXPECT_TRUE(b_->ReceiveUntil(AtB("of the first tenant")).ok());
  x_->Send(Sent(kMacX, "10.0.0.1", "10.1.0.2", "last"));
  const auto at_y = y_->ReceiveUntil(Routed(kMacY, "10.0.0.1", "10.1.0.2", "last"));
  ASSERT_TRUE(at_y.ok()) << at_y.status();
  EXPECT_THAT(*at_y, IsEmpty());
}

TEST_F(RoutedCardsTest, TheRouterAnswersAtItsAddressesInAllNetworksOfTheVrf) {
  const std::string body("\0\1\0\1ping", 8);
  a_->Send(IcmpFrame({.eth_dst = kRouter,
                      .eth_src = kMacA,
                      .src = "10.0.0.1",
                      .dst = "10.1.0.254",
                      .type = 8,
                      .body = body,
                      .hop_limit = 64}));
  EXPECT_TRUE(a_->ReceiveUntil(IcmpFrame({.eth_dst = kMacA,
                                          .eth_src = kRouter,
                                          .src = "10.1.0.254",
                                          .dst = "10.0.0.1",
                                          .type = 0,
                                          .body = body,
                                          .hop_limit = 64}))
                  .ok());
}

TEST_F(RoutedCardsTest, WhatACardSaysThatItHasRoutedMustBeFromOneOfItsPorts) {
  LabCard& target = card(1);
  // VNI 101 is blue's.
  const auto inject = [&](int from, uint32_t vni, const std::string& frame) {
    target.underlay().Send(Encapsulated(card(from).vtep(), target, vni, frame));
  };
  const auto routed = [](const std::string& src, const std::string& text) {
    return Routed(kMacB, src, "10.1.0.2", text);
  };
  inject(0, 101, routed("10.0.0.3", "a port of card 2"));
  inject(0, 101, routed("10.0.0.9", "nobody's"));
  inject(0, 101, routed("203.0.113.1", "of no network of the VRF"));
  inject(0, 101, routed("10.1.0.2", "b itself"));
  inject(0, 101, routed("10.0.0.254", "the router"));
  inject(2, 101, routed("10.0.0.1", "a port of card 0"));
  target.underlay().Send(Encapsulated("192.0.2.77", target, 101, routed("10.0.0.1", "no card")));
  // Not by the router's MAC: it has no port in the network.
  inject(0, 101, Datagram(kMacA, "10.0.0.1", kMacB, "10.1.0.2", "a port of another network"));
  inject(0, 101,
         ArpFrame({.eth_src = kRouter,
                   .op = 2,
                   .sha = kRouter,
                   .spa = "10.1.0.254",
                   .tha = kMacB,
                   .tpa = "10.1.0.2"}));
  // Another tenant's network with the same addresses.
  inject(0, 201, routed("10.0.0.1", "the other tenant"));
  EXPECT_THAT(ReceivedByB(), IsEmpty());
  inject(0, 101, routed("10.0.0.1", "as it should be"));
  EXPECT_TRUE(b_->ReceiveUntil(routed("10.0.0.1", "as it should be")).ok());
}

TEST_F(RoutedCardsTest, ACardWithoutAPortInTheVrfTakesNothingOfIt) {
  card(1).model.ports.erase("rep-b");
  card(1).model.representors.erase("rep-b");
  Connect();
  card(1).underlay().Send(Encapsulated(card(0).vtep(), card(1), 101, AtB("too late")));
  auto again = Add(1, "d", kMacB, "blue2", "10.1.0.3", "2001:db8:1::3");
  ASSERT_NE(again, nullptr);
  Connect();
  x_->Send(Sent(kMacX, "10.0.0.1", "10.1.0.3", "last"));
  const auto frames = again->ReceiveUntil(Routed(kMacB, "10.0.0.1", "10.1.0.3", "last"));
  ASSERT_TRUE(frames.ok()) << frames.status();
  EXPECT_THAT(*frames, IsEmpty());
}

}  // namespace
}  // namespace xpu::testing
