// A pod that means harm, at each place where a port can be: in a VLAN of the uplink, on a trunk, in a network
// that goes on through tunnels, and in one with a router. Nothing of what it forges crosses to anybody: not
// to the pod beside it, not to the LAN, not to another card, not to another network.
#include <algorithm>
#include <functional>
#include <memory>

#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "test/component/pipeline/cards.h"
#include "test/component/pipeline/reframe.h"

namespace xpu::testing {
namespace {

using ::testing::IsEmpty;

constexpr char kMacA[] = "02:00:00:00:00:0a";
constexpr char kMacB[] = "02:00:00:00:00:0b";
constexpr char kMacC[] = "02:00:00:00:00:0c";
constexpr char kMacX[] = "02:00:00:00:00:1a";
constexpr char kMacOut[] = "02:00:00:00:0f:01";
constexpr char kNobody[] = "02:00:00:00:00:77";
constexpr char kRouter[] = "02:58:50:00:00:01";
constexpr char kIpA[] = "10.1.0.1";
constexpr char kIpC[] = "10.1.0.3";
constexpr char kIp6A[] = "2001:db8:1::1";
constexpr char kIp6C[] = "2001:db8:1::3";
constexpr char kLinkLocalA[] = "fe80::ff:fe00:a";
constexpr uint32_t kOverride = 0x20000000;
constexpr uint16_t kVlan = 100;

enum class Place { kUplink, kTrunk, kTunnel, kRouter };

struct Attack {
  std::string name;
  std::string frame;
};

// What a forges, as a port in one network sends it: without a tag. `to` is the MAC that it is sent to.
std::vector<Attack> Attacks(const std::string& to) {
  std::vector<Attack> attacks;
  const auto add = [&](const std::string& name, const std::string& frame) {
    attacks.push_back({name, frame});
  };
  const auto udp = [&](Udp udp) {
    if (udp.eth_dst.empty()) udp.eth_dst = to;
    if (udp.eth_src.empty()) udp.eth_src = kMacA;
    if (udp.src.empty()) udp.src = kIpA;
    if (udp.dst.empty()) udp.dst = kIpC;
    if (udp.payload.empty()) udp.payload = std::string(64, 'x');
    return UdpFrame(udp);
  };
  const auto icmp6 = [&](uint8_t type, const std::string& src, const std::string& dst,
                         const std::string& body, uint8_t hops = 255) {
    return IcmpFrame({.eth_dst = to,
                      .eth_src = kMacA,
                      .src = src,
                      .dst = dst,
                      .type = type,
                      .body = body,
                      .hop_limit = hops});
  };
  // MAC.
  for (const char* mac : {kMacC, kMacB, kMacOut, kNobody, kRouter, "03:00:00:00:00:0a", "00:00:00:00:00:00"})
    add(absl::StrCat("mac ", mac), udp({.eth_src = mac}));
  // Addresses.
  for (const char* address : {kIpC, "10.1.0.254", "10.1.0.9", "203.0.113.1", "0.0.0.0", "127.0.0.1"})
    add(absl::StrCat("address ", address), udp({.src = address}));
  for (const char* address : {kIp6C, "2001:db8:1::fe", "2001:db8:ffff::1", "::1", "fe80::ff:fe00:c"})
    add(absl::StrCat("address ", address), udp({.src = address, .dst = kIp6C}));
  // ARP.
  const Arp arp = {
      .eth_dst = to, .eth_src = kMacA, .op = 2, .sha = kMacA, .spa = kIpC, .tha = to, .tpa = kIpA};
  add("arp of another's address", ArpFrame(arp));
  Arp forged = arp;
  forged.spa = "10.1.0.254";
  add("arp of the router", ArpFrame(forged));
  forged = arp;
  forged.spa = kIpA;
  forged.sha = kMacC;
  add("arp with another's mac inside", ArpFrame(forged));
  forged.op = 1;
  forged.eth_dst = kBroadcast;
  add("arp request with another's mac inside", ArpFrame(forged));
  // Neighbour discovery.
  add("advertisement of another's address",
      icmp6(136, kIp6A, kIp6C, NdBody(kOverride, kIp6C, LinkLayerOption(2, kMacA))));
  add("advertisement with another's mac",
      icmp6(136, kIp6A, kIp6C, NdBody(kOverride, kIp6A, LinkLayerOption(2, kMacC))));
  add("advertisement from afar",
      icmp6(136, kIp6A, kIp6C, NdBody(kOverride, kIp6A, LinkLayerOption(2, kMacA)), 254));
  add("solicitation with another's mac",
      icmp6(135, kIp6A, kIp6C, NdBody(0, kIp6C, LinkLayerOption(1, kMacC))));
  // Routers and DHCP servers.
  const std::string advertisement = icmp6(134, kLinkLocalA, kAllNodes, std::string(12, '\0'));
  add("router advertisement", advertisement);
  add("redirect", icmp6(137, kLinkLocalA, kIp6C, NdBody(0, kIp6C, "") + Ip(kIp6A).ToBytes()));
  add("redirect of IPv4", IcmpFrame({.eth_dst = to,
                                     .eth_src = kMacA,
                                     .src = kIpA,
                                     .dst = kIpC,
                                     .type = 5,
                                     .body = std::string(4, '\x0a') + std::string(28, '\0')}));
  const std::string offer = udp({.src_port = 67, .dst_port = 68});
  const std::string offer6 = udp({.src = kIp6A, .dst = kIp6C, .src_port = 547, .dst_port = 546});
  add("dhcp answer", offer);
  add("dhcp answer from another port", udp({.src_port = 1067, .dst_port = 68}));
  add("dhcpv6 answer", offer6);
  // VLANs.
  const std::string honest = udp({});
  for (const uint16_t vlan : {uint16_t{0}, uint16_t{7}, uint16_t{200}, uint16_t{4094}}) {
    add(absl::StrCat("tag ", vlan), WithTag(honest, 0x88a8, vlan));
    add(absl::StrCat("two tags, ", vlan), WithTag(WithTag(honest, 0x8100, vlan), 0x8100, 7));
  }
  // Fragments and headers that hide.
  add("first fragment of a dhcp answer", Fragment(offer, 0, 32, true));
  add("first fragment too short", Fragment(offer, 0, 4, true));
  add("atomic fragment of a router advertisement", Fragment(advertisement, 0));
  add("cut router advertisement", Fragment(advertisement, 0, 8, true));
  add("dhcpv6 answer behind a header", WithExtension(offer6, kDestinationOptions));
  add("router advertisement behind headers",
      WithExtension(WithExtension(advertisement, kRouting), kHopByHop));
  // Hops: a router's business where there is one, and there nothing that has come too far goes on.
  add("no hops left, from another's address", WithTtl(udp({.src = kIpC}), 0));
  // Bridges' own.
  add("spanning tree", Mac("01:80:c2:00:00:00").ToBytes() + Mac(kMacA).ToBytes() + std::string("\0\x26", 2) +
                           std::string(38, '\x42'));
  // A tunnel's packet to a card's tunnel end, by the MAC of whoever may take it there.
  for (const char* mac : {kRouter, kMacOut, kBroadcast})
    add(absl::StrCat("tunnel injection by ", mac),
        udp({.eth_dst = mac, .src = "192.0.2.2", .dst = "192.0.2.1", .dst_port = 4789, .payload = honest}));
  return attacks;
}

class AttackPlacesTest : public CardsTest, public ::testing::WithParamInterface<Place> {
 protected:
  // Where something would arrive: sends an honest datagram there and says what came before it.
  struct Watched {
    std::string name;
    std::function<absl::StatusOr<std::vector<std::string>>()> before_honest;
  };

  void SetUp() override {
    CardsTest::SetUp();
    if (HasFatalFailure()) return;
    switch (GetParam()) {
      case Place::kUplink:
        return SetUpUplink();
      case Place::kTrunk:
        return SetUpTrunk();
      case Place::kTunnel:
        return SetUpTunnel(false);
      case Place::kRouter:
        return SetUpTunnel(true);
    }
  }
  std::unique_ptr<Pod> Add(int number, const std::string& name, const std::string& mac,
                           const std::string& bridge, const std::vector<std::string>& addresses) {
    auto pod = card(number).AddPod(name, mac, bridge, addresses);
    EXPECT_TRUE(pod.ok()) << pod.status();
    return pod.ok() ? *std::move(pod) : nullptr;
  }
  static std::vector<std::string> AddressesOf(const std::string& v4, const std::string& v6) {
    return {v4 + "/24", v6 + "/64"};
  }
  void AddAAndC(const std::string& bridge) {
    a_ = Add(0, "a", kMacA, bridge, AddressesOf(kIpA, kIp6A));
    c_ = Add(0, "c", kMacC, bridge, AddressesOf(kIpC, kIp6C));
  }

  void SetUpUplink() {
    card(0).model.uplink = Representor{"uplink", 1000};
    AddAAndC("");
    ASSERT_FALSE(HasFailure());
    for (const char* id : {"rep-a", "rep-c"}) {
      card(0).model.ports.at(id).logical_bridges.clear();
      card(0).model.ports.at(id).vlan = kVlan;
    }
    card(0).Apply();
    WatchPod(c_.get(), kMacC, kIpC);
    WatchLan();
  }
  void SetUpTrunk() {
    card(0).model.uplink = Representor{"uplink", 1000};
    AddBridge(&card(0).model, "lan", 0x31, {}).vlan_id = kVlan;
    AddBridge(&card(0).model, "other", 0x32, {}).vlan_id = 200;
    AddAAndC("lan");
    x_ = Add(0, "x", kMacX, "other", AddressesOf("10.1.0.9", "2001:db8:1::9"));
    ASSERT_FALSE(HasFailure());
    BridgePort& port = card(0).model.ports.at("rep-a");
    port.type = BridgePortType::kTrunk;
    port.logical_bridges = {"lan", "other"};
    card(0).Apply();
    tag_ = kVlan;
    WatchPod(c_.get(), kMacC, kIpC);
    WatchLan();
    watched_.push_back({"the trunk's other network", [this] {
                          const std::string last = Datagram(kMacA, kIpA, kMacX, "10.1.0.9", Text());
                          a_->Send(Tagged(last, 200));
                          return x_->ReceiveUntil(last);
                        }});
  }
  void SetUpTunnel(bool routed) {
    for (const auto& one : cards_) {
      Model& model = one->model;
      AddBridge(&model, "red", 0x11, {"10.1.0.0/24", "2001:db8:1::/64"}).vni = 100;
      if (!routed) continue;
      AddBridge(&model, "blue", 0x22, {"10.2.0.0/24", "2001:db8:2::/64"}).vni = 200;
      AddVrf(&model, "tenant", 1);
      AddSvi(&model, "red", "tenant", "red", {"10.1.0.254/24", "2001:db8:1::fe/64"});
      AddSvi(&model, "blue", "tenant", "blue", {"10.2.0.254/24", "2001:db8:2::fe/64"});
    }
    AddAAndC("red");
    b_ = Add(1, "b", kMacB, "red", AddressesOf("10.1.0.2", "2001:db8:1::2"));
    if (routed) x_ = Add(0, "x", kMacX, "blue", AddressesOf("10.2.0.1", "2001:db8:2::1"));
    ASSERT_FALSE(HasFailure());
    Connect();
    WatchPod(c_.get(), kMacC, kIpC);
    watched_.push_back({"the underlay or the pod on the other card", [this] {
                          const std::string text = Text();
                          const std::string last = Datagram(kMacA, kIpA, kMacB, "10.1.0.2", text);
                          a_->Send(last);
                          auto seen = card(0).underlay().SeenUntil(text);
                          const auto at_b = b_->ReceiveUntil(last);
                          if (!seen.ok() || !at_b.ok()) return at_b.ok() ? seen : at_b;
                          std::erase_if(*seen, [this](const std::string& f) { return IsOfTunnelEnds(f); });
                          seen->insert(seen->end(), at_b->begin(), at_b->end());
                          return seen;
                        }});
    if (!routed) return;
    watched_.push_back(
        {"the next network", [this] {
           const std::string text = Text();
           a_->Send(UdpFrame(
               {.eth_dst = kRouter, .eth_src = kMacA, .src = kIpA, .dst = "10.2.0.1", .payload = text}));
           return x_->ReceiveUntil(UdpFrame({.eth_dst = kMacX,
                                             .eth_src = kRouter,
                                             .src = kIpA,
                                             .dst = "10.2.0.1",
                                             .payload = text,
                                             .hop_limit = 63}));
         }});
  }

  // Whether it is ARP that a tunnel end speaks by itself.
  bool IsOfTunnelEnds(const std::string& frame) const {
    return frame.substr(12, 2) == "\x08\x06" &&
           std::any_of(cards_.begin(), cards_.end(), [&](const std::unique_ptr<LabCard>& one) {
             return frame.substr(6, 6) == Mac(one->underlay_mac()).ToBytes();
           });
  }

  void WatchPod(Pod* pod, const std::string& mac, const std::string& ip) {
    watched_.push_back({"the pod " + mac, [this, pod, mac, ip] {
                          const std::string last = Datagram(kMacA, kIpA, mac, ip, Text());
                          SendAsA(last);
                          return pod->ReceiveUntil(last);
                        }});
  }
  void WatchLan() {
    watched_.push_back({"the LAN", [this] {
                          const std::string text = Text();
                          SendAsA(Datagram(kMacA, kIpA, kMacOut, "10.1.0.99", text));
                          return card(0).lan().SeenUntil(text);
                        }});
  }
  std::string Text() { return absl::StrCat("honest ", ++texts_); }
  // As a's port has its network: with its tag on a trunk.
  void SendAsA(const std::string& frame) { a_->Send(tag_ == 0 ? frame : Tagged(frame, tag_)); }
  void ExpectNothingArrived(const std::string& what) {
    for (const Watched& watched : watched_) {
      const auto frames = watched.before_honest();
      ASSERT_TRUE(frames.ok()) << what << ": " << frames.status();
      EXPECT_THAT(*frames, IsEmpty()) << what << " reached " << watched.name;
    }
  }

  std::unique_ptr<Pod> a_, b_, c_, x_;
  std::vector<Watched> watched_;
  uint16_t tag_ = 0;
  int texts_ = 0;
};

std::string NameOf(const ::testing::TestParamInfo<Place>& info) {
  static constexpr const char* kNames[] = {"Uplink", "Trunk", "Tunnel", "Router"};
  return kNames[static_cast<int>(info.param)];
}
INSTANTIATE_TEST_SUITE_P(Places, AttackPlacesTest,
                         ::testing::Values(Place::kUplink, Place::kTrunk, Place::kTunnel, Place::kRouter),
                         &NameOf);

TEST_P(AttackPlacesTest, NothingForgedCrosses) {
  ExpectNothingArrived("nothing");
  for (const char* to : {kMacC, kBroadcast, kMacB, kMacOut, kRouter}) {
    for (const Attack& attack : Attacks(to)) {
      SCOPED_TRACE(attack.name);
      SendAsA(attack.frame);
    }
    // Which one it was is found out only if one has arrived.
    ASSERT_NO_FATAL_FAILURE(ExpectNothingArrived(absl::StrCat("something for ", to)));
    if (!HasFailure()) continue;
    for (const Attack& attack : Attacks(to)) {
      SendAsA(attack.frame);
      ASSERT_NO_FATAL_FAILURE(ExpectNothingArrived(absl::StrCat(attack.name, " for ", to)));
    }
    return;
  }
}

TEST_P(AttackPlacesTest, NoTagLeadsIntoAnotherNetwork) {
  const std::string frame = Datagram(kMacA, kIpA, kBroadcast, "10.1.0.255", "by its tag");
  for (const uint16_t vlan : {uint16_t{1}, uint16_t{99}, kVlan, uint16_t{200}, uint16_t{4094}}) {
    // A trunk's own.
    if (tag_ != 0 && (vlan == kVlan || vlan == 200)) continue;
    a_->Send(Tagged(frame, vlan));
    a_->Send(Tagged(Tagged(frame, vlan), kVlan));
    a_->Send(Tagged(Tagged(frame, kVlan), vlan));
    a_->Send(WithTag(frame, 0x88a8, vlan));
  }
  // A trunk's untagged frames are nobody's.
  if (tag_ != 0) a_->Send(frame);
  ExpectNothingArrived("a tag");
}

}  // namespace
}  // namespace xpu::testing
