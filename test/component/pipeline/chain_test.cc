// Network functions: programs of their own between a network's ports on a card and whoever is beyond.
#include <algorithm>

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
using ::testing::ResultOf;

constexpr char kMacA[] = "02:00:00:00:00:0a";
constexpr char kMacB[] = "02:00:00:00:00:0b";
constexpr char kMacC[] = "02:00:00:00:00:0c";
constexpr char kMacOut[] = "02:00:00:00:0f:01";
constexpr char kIpOut[] = "10.1.0.99";

// A Linux bridge between two interfaces, in a namespace of its own.
struct BridgeFunction {
  std::unique_ptr<TestNetns> netns;
  // What passes its two interfaces.
  std::unique_ptr<Wire> in, out;
  NetworkFunction function;

  // Stops or starts to forward, as a program that dies.
  void SetRunning(bool running) {
    ASSERT_TRUE(netns->Run({"ip", "link", "set", "br0", running ? "up" : "down"}).ok());
  }
};

class ChainTest : public CardsTest {
 protected:
  void SetUp() override {
    CardsTest::SetUp();
    if (HasFatalFailure()) return;
    for (const auto& one : cards_) one->model.uplink = Representor{"uplink", 1000};
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
  // A function that is in nobody's way yet.
  std::unique_ptr<BridgeFunction> MakeFunction(int number, const std::string& name, int n) {
    auto made = std::make_unique<BridgeFunction>();
    auto netns = TestNetns::Create();
    EXPECT_TRUE(netns.ok()) << netns.status();
    if (!netns.ok()) return nullptr;
    made->netns = *std::move(netns);
    const auto run = [&](const std::vector<std::string>& command) {
      const auto result = made->netns->Run(command);
      EXPECT_TRUE(result.ok()) << result.status();
    };
    run({"sysctl", "-qw", "net.ipv6.conf.default.disable_ipv6=1"});
    run({"ip", "link", "add", "br0", "up", "type", "bridge", "mcast_snooping", "0"});
    Model& model = card(number).model;
    made->function.id = name;
    for (const bool input : {true, false}) {
      const std::string side = input ? "in" : "out";
      const std::string id = absl::StrCat(name, "-", side);
      EXPECT_EQ(card(number).ovs().netns().AddVeth(id, *made->netns, side), absl::OkStatus());
      run({"ip", "link", "set", side, "master", "br0", "up"});
      const std::string mac = absl::StrCat("02:00:00:00:f", n, ":0", input ? 1 : 2);
      AddUnboundPort(&model, id, static_cast<uint32_t>(model.ports.size() + 1), mac, "");
      NetworkFunctionPort& port = input ? made->function.input : made->function.output;
      port = {.port = id, .mac = Mac(mac)};
      auto wire = Wire::Open(*made->netns, side);
      EXPECT_TRUE(wire.ok()) << wire.status();
      if (wire.ok()) (input ? made->in : made->out) = *std::move(wire);
    }
    return made;
  }
  void Insert(int number, const NetworkFunction& function) {
    card(number).model.network_functions.insert_or_assign(function.id, function);
  }
  void Apply() { ASSERT_NO_FATAL_FAILURE(card(0).Apply()); }

  static std::string ToOutside(const std::string& text) {
    return Datagram(kMacA, "10.1.0.1", kMacOut, kIpOut, text);
  }
  static std::string FromOutside(const std::string& text) {
    return Datagram(kMacOut, kIpOut, kMacA, "10.1.0.1", text);
  }
  static std::vector<std::string> SeenUntil(Wire& wire, const std::string& text) {
    const auto frames = wire.SeenUntil(text);
    EXPECT_TRUE(frames.ok()) << frames.status();
    return frames.value_or(std::vector<std::string>());
  }
  static void ExpectReceives(Pod& pod, const std::string& frame) {
    const auto frames = pod.ReceiveUntil(frame);
    EXPECT_TRUE(frames.ok()) << frames.status();
  }
};

// VLAN 100 with the pods a and c on card 0, behind the function fw.
class UplinkChainTest : public ChainTest {
 protected:
  void SetUp() override {
    ChainTest::SetUp();
    if (HasFatalFailure()) return;
    a_ = AddToVlan(0, "a", kMacA, 100, "10.1.0.1/24");
    c_ = AddToVlan(0, "c", kMacC, 100, "10.1.0.3/24");
    fw_ = MakeFunction(0, "fw", 1);
    ASSERT_FALSE(HasFailure());
    fw_->function.vlan = 100;
    Insert(0, fw_->function);
    Apply();
  }
  // What a sent to the LAN before a datagram that follows.
  std::vector<std::string> SeenOnLan() {
    const std::string text = absl::StrCat("follows ", ++sent_);
    a_->Send(ToOutside(text));
    return SeenUntil(card(0).lan(), text);
  }
  // What came to a from outside before a datagram that follows.
  std::vector<std::string> ReceivedByA() {
    const std::string last = FromOutside(absl::StrCat("honest ", ++sent_));
    card(0).lan().Send(Tagged(last, 100));
    const auto frames = a_->ReceiveUntil(last);
    EXPECT_TRUE(frames.ok()) << frames.status();
    return frames.value_or(std::vector<std::string>());
  }

  std::unique_ptr<Pod> a_, c_;
  std::unique_ptr<BridgeFunction> fw_;
  int sent_ = 0;
};

TEST_F(UplinkChainTest, CrossesTheFunctionBothWaysAndUnchanged) {
  a_->Send(ToOutside("out"));
  SeenUntil(*fw_->in, "out");
  SeenUntil(*fw_->out, "out");
  a_->Send(ToOutside("out again"));
  EXPECT_THAT(SeenOnLan(), Contains(Tagged(ToOutside("out again"), 100)));
  card(0).lan().Send(Tagged(FromOutside("back"), 100));
  ExpectReceives(*a_, FromOutside("back"));
  SeenUntil(*fw_->out, "back");
  SeenUntil(*fw_->in, "back");
}

TEST_F(UplinkChainTest, FromPortToPortThereIsAStraightWay) {
  const std::string near = Datagram(kMacA, "10.1.0.1", kMacC, "10.1.0.3", "on this card");
  a_->Send(near);
  ExpectReceives(*c_, near);
  a_->Send(ToOutside("marker"));
  EXPECT_THAT(SeenUntil(*fw_->in, "marker"), Not(Contains(near)));
}

TEST_F(UplinkChainTest, GroupsAndQuestionsCrossItOnce) {
  const std::string question = ArpFrame({.eth_src = kMacA, .sha = kMacA, .spa = "10.1.0.1", .tpa = kIpOut});
  a_->Send(question);
  const auto seen = SeenOnLan();
  EXPECT_EQ(std::count(seen.begin(), seen.end(), Tagged(question, 100)), 1);
  const std::string answer = ArpFrame({.eth_dst = kMacA,
                                       .eth_src = kMacOut,
                                       .op = 2,
                                       .sha = kMacOut,
                                       .spa = kIpOut,
                                       .tha = kMacA,
                                       .tpa = "10.1.0.1"});
  const std::string group = Datagram(kMacOut, kIpOut, kBroadcast, "10.1.0.255", "for all");
  card(0).lan().Send(Tagged(answer, 100));
  card(0).lan().Send(Tagged(group, 100));
  const auto received = ReceivedByA();
  EXPECT_THAT(received, Contains(answer));
  EXPECT_EQ(std::count(received.begin(), received.end(), group), 1);
  // A port's group reaches the other ports at once, and the LAN through the function; nobody twice.
  const std::string all = Datagram(kMacA, "10.1.0.1", kBroadcast, "10.1.0.255", "from a to all");
  a_->Send(all);
  const auto on_lan = SeenOnLan();
  EXPECT_EQ(std::count(on_lan.begin(), on_lan.end(), Tagged(all, 100)), 1);
  const std::string near = Datagram(kMacA, "10.1.0.1", kMacC, "10.1.0.3", "after it");
  a_->Send(near);
  const auto at_c = c_->ReceiveUntil(near);
  ASSERT_TRUE(at_c.ok()) << at_c.status();
  EXPECT_EQ(std::count(at_c->begin(), at_c->end(), all), 1);
}

TEST_F(UplinkChainTest, NothingPassesByAFunctionThatIsDead) {
  fw_->SetRunning(false);
  a_->Send(ToOutside("while it is dead"));
  SeenUntil(*fw_->in, "while it is dead");
  card(0).lan().Send(Tagged(FromOutside("while it is dead, back"), 100));
  SeenUntil(*fw_->out, "while it is dead, back");
  // It is taken out of the way, and what comes now goes straight on.
  card(0).model.network_functions.erase("fw");
  Apply();
  EXPECT_THAT(
      SeenOnLan(),
      Each(Not(ResultOf([](const std::string& frame) { return absl::StrContains(frame, "while it is dead"); },
                        true))));
  EXPECT_THAT(ReceivedByA(), IsEmpty());
  a_->Send(ToOutside("past it"));
  EXPECT_THAT(SeenOnLan(), Contains(Tagged(ToOutside("past it"), 100)));
}

TEST_F(UplinkChainTest, NothingPassesWhileAPortOfItIsMissing) {
  const Model whole = card(0).model;
  const auto expect_closed = [&](const char* what) {
    SCOPED_TRACE(what);
    ASSERT_NO_FATAL_FAILURE(Apply());
    a_->Send(ToOutside(what));
    card(0).lan().Send(Tagged(FromOutside(what), 100));
    // From port to port it is as ever.
    const std::string near = Datagram(kMacA, "10.1.0.1", kMacC, "10.1.0.3", what);
    a_->Send(near);
    ExpectReceives(*c_, near);
    // The card itself answers whoever asks for a, which shows that all before the question is through.
    card(0).lan().Send(
        Tagged(ArpFrame({.eth_src = kMacOut, .sha = kMacOut, .spa = kIpOut, .tpa = "10.1.0.1"}), 100));
    const std::string reply = ArpFrame({.eth_dst = kMacOut,
                                        .eth_src = kMacA,
                                        .op = 2,
                                        .sha = kMacA,
                                        .spa = "10.1.0.1",
                                        .tha = kMacOut,
                                        .tpa = kIpOut});
    EXPECT_THAT(SeenUntil(card(0).lan(), Tagged(reply, 100)), IsEmpty());
    card(0).model = whole;
    ASSERT_NO_FATAL_FAILURE(Apply());
    EXPECT_THAT(SeenOnLan(), IsEmpty());
    EXPECT_THAT(ReceivedByA(), IsEmpty());
    c_->Send(Datagram(kMacC, "10.1.0.3", kMacA, "10.1.0.1", what));
    ExpectReceives(*a_, Datagram(kMacC, "10.1.0.3", kMacA, "10.1.0.1", what));
  };
  card(0).model.representors.erase("fw-out");
  expect_closed("the interface is gone");
  card(0).model.ports.erase("fw-in");
  expect_closed("the port was deleted");
  card(0).model.ports["fw-in"].claim = 8;
  expect_closed("the port is another pod's");
}

TEST_F(UplinkChainTest, WhatComesOutOfItMustBeOfWhoIsBehindIt) {
  // Towards the LAN: only frames of the pods, as these may send them.
  fw_->out->Send(Datagram("02:00:00:00:00:77", "10.1.0.7", kMacOut, kIpOut, "a mac of nobody"));
  fw_->out->Send(Datagram(kMacA, "10.1.0.7", kMacOut, kIpOut, "not an address of a"));
  fw_->out->Send(Datagram("02:00:00:00:f1:02", "10.1.0.8", kMacOut, kIpOut, "the function itself"));
  fw_->out->Send(Tagged(ToOutside("with a tag"), 100));
  fw_->out->Send(ArpFrame({.eth_src = kMacA, .sha = kMacA, .spa = "10.1.0.3", .tpa = kIpOut}));
  fw_->out->Send(UdpFrame({.eth_dst = kBroadcast,
                           .eth_src = kMacA,
                           .src = "10.1.0.1",
                           .dst = "255.255.255.255",
                           .src_port = 67,
                           .dst_port = 68}));
  EXPECT_THAT(SeenOnLan(), IsEmpty());
  // Not to the ports either: these meet directly.
  const std::string astray = Datagram(kMacA, "10.1.0.1", kMacC, "10.1.0.3", "astray");
  fw_->out->Send(astray);
  // Towards the ports: nobody else is one of them, and nothing goes on.
  fw_->in->Send(Datagram(kMacC, "10.1.0.3", kMacA, "10.1.0.1", "as c"));
  fw_->in->Send(Datagram(kMacOut, "10.1.0.3", kMacA, "10.1.0.1", "with the address of c"));
  fw_->in->Send(ArpFrame({.eth_dst = kMacA,
                          .eth_src = kMacOut,
                          .op = 2,
                          .sha = kMacOut,
                          .spa = "10.1.0.3",
                          .tha = kMacA,
                          .tpa = "10.1.0.1"}));
  fw_->in->Send(Tagged(FromOutside("tagged"), 7));
  fw_->in->Send(Datagram("02:00:00:00:00:78", "10.1.0.9", kMacOut, kIpOut, "out by the way in"));
  EXPECT_THAT(ReceivedByA(), IsEmpty());
  EXPECT_THAT(SeenOnLan(), IsEmpty());
  const std::string near = Datagram(kMacA, "10.1.0.1", kMacC, "10.1.0.3", "to c");
  a_->Send(near);
  const auto at_c = c_->ReceiveUntil(near);
  ASSERT_TRUE(at_c.ok()) << at_c.status();
  EXPECT_THAT(*at_c, Not(Contains(astray)));
}

TEST_F(UplinkChainTest, SeveralAreCrossedInTheirOrder) {
  const auto ids = MakeFunction(0, "ids", 2);
  ASSERT_FALSE(HasFailure());
  ids->function.position = 5;
  ids->function.vlan = 100;
  Insert(0, ids->function);
  Apply();
  a_->Send(ToOutside("through both"));
  for (Wire* wire : {fw_->in.get(), fw_->out.get(), ids->in.get(), ids->out.get(), &card(0).lan()})
    SeenUntil(*wire, "through both");
  card(0).lan().Send(Tagged(FromOutside("and back"), 100));
  ExpectReceives(*a_, FromOutside("and back"));
  for (Wire* wire : {ids->out.get(), ids->in.get(), fw_->out.get(), fw_->in.get()})
    SeenUntil(*wire, "and back");
  // The one at the uplink is dead: what is sent still comes as far as to it, and not by it.
  ids->SetRunning(false);
  a_->Send(ToOutside("as far as the second"));
  SeenUntil(*ids->in, "as far as the second");
  card(0).model.network_functions.erase("ids");
  Apply();
  EXPECT_THAT(SeenOnLan(), IsEmpty());
}

TEST_F(ChainTest, OneForAllVlansTellsThemApartByTheirTags) {
  const auto a = AddToVlan(0, "a", kMacA, 100, "10.1.0.1/24");
  // The same address in another network.
  const auto other = AddToVlan(0, "o", kMacB, 200, "10.1.0.1/24");
  const auto fw = MakeFunction(0, "fw", 1);
  ASSERT_FALSE(HasFailure());
  Insert(0, fw->function);
  Apply();
  const auto from_other = [](const std::string& text) {
    return Datagram(kMacB, "10.1.0.1", kMacOut, kIpOut, text);
  };
  // Each with a marker of its own: what two ports send may overtake each other.
  a->Send(ToOutside("of 100"));
  a->Send(ToOutside("marker of 100"));
  for (Wire* const place : {fw->in.get(), &card(0).lan()}) {
    EXPECT_THAT(SeenUntil(*place, "marker of 100"), Contains(Tagged(ToOutside("of 100"), 100)));
  }
  other->Send(from_other("of 200"));
  other->Send(from_other("marker of 200"));
  for (Wire* const place : {fw->in.get(), &card(0).lan()}) {
    EXPECT_THAT(SeenUntil(*place, "marker of 200"), Contains(Tagged(from_other("of 200"), 200)));
  }
  card(0).lan().Send(Tagged(Datagram(kMacOut, kIpOut, kMacB, "10.1.0.1", "wrong vlan"), 100));
  card(0).lan().Send(Tagged(FromOutside("right vlan"), 100));
  ExpectReceives(*a, FromOutside("right vlan"));
  for (Wire* const side : {fw->in.get(), fw->out.get()}) {
    EXPECT_THAT(SeenUntil(*side, "right vlan"), Not(Contains(HasSubstr("wrong vlan"))));
  }
  // The function cannot bring a frame into another network: there the sender is nobody's.
  fw->out->Send(Tagged(ToOutside("moved to 200"), 200));
  a->Send(ToOutside("marker 2"));
  EXPECT_THAT(SeenUntil(card(0).lan(), "marker 2"), IsEmpty());
}

TEST_F(ChainTest, StandsBetweenAPortAndTheOtherCards) {
  for (const auto& one : cards_)
    AddBridge(&one->model, "red", 0x11, {"10.0.0.0/24", "2001:db8::/64"}).vni = 100;
  auto a = card(0).AddPod("a", kMacA, "red", {"10.0.0.1/24", "2001:db8::1/64"});
  auto b = card(1).AddPod("b", kMacB, "red", {"10.0.0.2/24", "2001:db8::2/64"});
  ASSERT_TRUE(a.ok() && b.ok());
  const auto fw = MakeFunction(0, "fw", 1);
  ASSERT_FALSE(HasFailure());
  fw->function.logical_bridge = "red";
  Insert(0, fw->function);
  Connect();
  const std::string there = Datagram(kMacA, "10.0.0.1", kMacB, "10.0.0.2", "there");
  (*a)->Send(there);
  ExpectReceives(**b, there);
  SeenUntil(*fw->in, "there");
  SeenUntil(*fw->out, "there");
  const std::string back = Datagram(kMacB, "2001:db8::2", kMacA, "2001:db8::1", "back");
  (*b)->Send(back);
  ExpectReceives(**a, back);
  SeenUntil(*fw->out, "back");
  SeenUntil(*fw->in, "back");
  // An announcement crosses it once, and comes to the other card once.
  const std::string announcement =
      ArpFrame({.eth_src = kMacA, .sha = kMacA, .spa = "10.0.0.1", .tpa = "10.0.0.1"});
  (*a)->Send(announcement);
  const std::string last = Datagram(kMacA, "10.0.0.1", kMacB, "10.0.0.2", "last");
  (*a)->Send(last);
  const auto at_b = (*b)->ReceiveUntil(last);
  ASSERT_TRUE(at_b.ok()) << at_b.status();
  EXPECT_EQ(std::count(at_b->begin(), at_b->end(), announcement), 1);
  // Router advertisements and DHCP servers are none of a network without an uplink.
  fw->in->Send(IcmpFrame({.eth_dst = kAllNodesMac,
                          .eth_src = kMacB,
                          .src = "fe80::ff:fe00:b",
                          .dst = kAllNodes,
                          .type = 134,
                          .body = std::string(12, '\0')}));
  (*b)->Send(back);
  const auto at_a = (*a)->ReceiveUntil(back);
  ASSERT_TRUE(at_a.ok()) << at_a.status();
  EXPECT_THAT(*at_a, IsEmpty());
}

}  // namespace
}  // namespace xpu::testing
