// Who gets a frame: the owner of its destination, all of the network, or nobody.
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "gmock/gmock.h"
#include "test/component/pipeline/lab.h"

namespace xpu::testing {
namespace {

using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::Not;

class SwitchingTest : public PipelineTest {
 protected:
  // A datagram of `from` to all of its network.
  std::string Broadcast(const std::string& from) {
    return UdpFrame({.eth_dst = kBroadcast,
                     .eth_src = MacOf(from),
                     .src = Ip4Of(from),
                     .dst = "10.0.0.255",
                     .payload = "to all"});
  }
  // Frames that the switch sent to a port so far.
  std::string SentTo(const std::string& representor) {
    auto stats = ovs().Ofctl({"dump-ports", "br-xpu", representor});
    EXPECT_TRUE(stats.ok()) << stats.status();
    const size_t at = stats->find("tx pkts=");
    return at == std::string::npos ? *stats : stats->substr(at, stats->find(',', at) - at);
  }
};

TEST_F(SwitchingTest, SendsKnownUnicastToItsOwnerOnly) {
  EXPECT_THAT(ReachedBy("a", Datagram("a", "b")), ElementsAre("b"));
  EXPECT_THAT(ReachedBy("c", Datagram("c", "a")), ElementsAre("a"));
  EXPECT_THAT(ReachedBy("y", Datagram("y", "x")), ElementsAre("x"));
}

TEST_F(SwitchingTest, DropsUnicastToNobody) {
  EXPECT_THAT(ReachedBy("a", UdpFrame({.eth_dst = "02:00:00:00:00:99",
                                       .eth_src = MacOf("a"),
                                       .src = Ip4Of("a"),
                                       .dst = "10.0.0.99"})),
              IsEmpty());
}

TEST_F(SwitchingTest, NeverCrossesNetworks) {
  const std::string frame = UdpFrame({.eth_dst = MacOf("x"),
                                      .eth_src = MacOf("b"),
                                      .src = Ip4Of("b"),
                                      .dst = Ip4Of("x"),
                                      .payload = "over"});
  EXPECT_THAT(ReachedBy("b", frame), IsEmpty());
  const std::string back = UdpFrame({.eth_dst = MacOf("c"),
                                     .eth_src = MacOf("x"),
                                     .src = Ip4Of("x"),
                                     .dst = Ip4Of("c"),
                                     .payload = "back"});
  EXPECT_THAT(ReachedBy("x", back), IsEmpty());
}

TEST_F(SwitchingTest, FloodsBroadcastAndMulticastWithinTheNetwork) {
  EXPECT_THAT(ReachedBy("a", Broadcast("a")), ElementsAre("b", "c"));
  EXPECT_THAT(ReachedBy("x", Broadcast("x")), ElementsAre("y"));
  EXPECT_THAT(ReachedBy("b", UdpFrame({.eth_dst = GroupMac("ff02::fb"),
                                       .eth_src = MacOf("b"),
                                       .src = Ip6Of("b"),
                                       .dst = "ff02::fb",
                                       .payload = "mdns"})),
              ElementsAre("a", "c"));
}

TEST_F(SwitchingTest, NeverSendsAFrameBack) { EXPECT_THAT(ReachedBy("a", Datagram("a", "a")), IsEmpty()); }

TEST_F(SwitchingTest, PassesNothingOfAnIsolatedPort) {
  for (const std::string& frame :
       {Broadcast("a"), Datagram("a", "b"),
        UdpFrame({.eth_dst = kBroadcast, .eth_src = MacOf("z"), .src = "10.0.0.9", .dst = "10.0.0.255"}),
        UdpFrame({.eth_dst = MacOf("a"), .eth_src = MacOf("z"), .src = "10.0.0.9", .dst = "10.0.0.1"}),
        ArpFrame({.eth_src = MacOf("z"), .sha = MacOf("z"), .spa = "10.0.0.9", .tpa = "10.0.0.1"})}) {
    EXPECT_THAT(ReachedBy("z", frame), IsEmpty());
  }
  EXPECT_THAT(ReachedBy("a", Broadcast("a")), ElementsAre("b", "c"));
  EXPECT_EQ(SentTo("rep-z"), "tx pkts=0");
  EXPECT_NE(SentTo("rep-b"), "tx pkts=0");
}

TEST_F(SwitchingTest, CarriesEachNetworkOfATrunkInItsVlan) {
  model_.bridges["red"].vlan_id = 10;
  model_.bridges["blue"].vlan_id = 20;
  BridgePort& trunk = model_.ports["rep-z"];
  trunk.type = BridgePortType::kTrunk;
  trunk.logical_bridges = {"red", "blue"};
  Apply();
  const auto is = [](const std::string& frame) {
    return [frame](const std::string& f) { return f == frame; };
  };

  // Into the trunk, tagged.
  pod("a").Send(Broadcast("a"));
  EXPECT_TRUE(pod("z").ReceiveFirst(is(Tagged(Broadcast("a"), 10))).ok());
  pod("y").Send(Broadcast("y"));
  EXPECT_TRUE(pod("z").ReceiveFirst(is(Tagged(Broadcast("y"), 20))).ok());
  const std::string to_trunk =
      UdpFrame({.eth_dst = MacOf("z"), .eth_src = MacOf("x"), .src = Ip4Of("x"), .dst = "10.0.0.9"});
  pod("x").Send(to_trunk);
  EXPECT_TRUE(pod("z").ReceiveFirst(is(Tagged(to_trunk, 20))).ok());

  // Out of it, each tag into its network and no other.
  const std::string frame =
      UdpFrame({.eth_dst = kBroadcast, .eth_src = MacOf("z"), .src = "10.0.0.9", .dst = "10.0.0.255"});
  pod("z").Send(Tagged(frame, 10));
  for (const char* name : {"a", "b", "c"}) EXPECT_THAT(Arrived("z", name), Contains(frame)) << name;
  for (const char* name : {"x", "y"}) EXPECT_THAT(Arrived("z", name), Not(Contains(frame))) << name;
  pod("z").Send(Tagged(frame, 20));
  for (const char* name : {"x", "y"}) EXPECT_THAT(Arrived("z", name), Contains(frame)) << name;
  for (const char* name : {"a", "b", "c"}) EXPECT_THAT(Arrived("z", name), Not(Contains(frame))) << name;
  for (const std::string& unknown : {frame, Tagged(frame, 30), Tagged(frame, 0)}) {
    EXPECT_THAT(ReachedBy("z", unknown), IsEmpty());
  }

  // Answers go back in the VLAN that the question came in.
  pod("z").Send(
      Tagged(ArpFrame({.eth_src = MacOf("z"), .sha = MacOf("z"), .spa = "10.0.0.9", .tpa = "10.0.0.1"}), 20));
  EXPECT_TRUE(pod("z")
                  .ReceiveFirst(is(Tagged(ArpFrame({.eth_dst = MacOf("z"),
                                                    .eth_src = MacOf("x"),
                                                    .op = 2,
                                                    .sha = MacOf("x"),
                                                    .spa = "10.0.0.1",
                                                    .tha = MacOf("z"),
                                                    .tpa = "10.0.0.9"}),
                                          20)))
                  .ok());
  const std::string source = "2001:db8::9";
  const std::string target = Ip6Of("b");
  pod("z").Send(Tagged(IcmpFrame({.eth_dst = GroupMac(SolicitedNode(target)),
                                  .eth_src = MacOf("z"),
                                  .src = source,
                                  .dst = SolicitedNode(target),
                                  .type = 135,
                                  .body = NdBody(0, target, LinkLayerOption(1, MacOf("z")))}),
                       10));
  EXPECT_TRUE(pod("z")
                  .ReceiveFirst(is(
                      Tagged(IcmpFrame({.eth_dst = MacOf("z"),
                                        .eth_src = MacOf("b"),
                                        .src = target,
                                        .dst = source,
                                        .type = 136,
                                        .body = NdBody(0x60000000, target, LinkLayerOption(2, MacOf("b")))}),
                             10)))
                  .ok());
}

TEST_F(SwitchingTest, TakesTheLongestListOfPorts) {
  // One in each part that there can be.
  constexpr uint32_t kParts = 0xfeff / 64;
  Model crowd;
  AddBridge(&crowd, "red", 0x33, {});
  for (uint32_t i = 0; i < kParts; ++i) {
    AddUnboundPort(&crowd, absl::StrCat("p", i), i * 64 + 63,
                   absl::StrFormat("02:00:00:01:%02x:%02x", i >> 8, i & 255), "red");
  }
  SwitchPlan plan;
  for (auto& [key, actions] : CompileFlows(crowd, AllOfports(crowd))) {
    if (key.table == 80 && key.match.find("metadata=0x33") != std::string::npos)
      plan.flow_puts[key] = actions;
  }
  ASSERT_EQ(plan.flow_puts.size(), 2 * (kParts + 1));
  const ApplyResult result = sw().Apply(plan);
  ASSERT_TRUE(result.flows.ok()) << result.flows;
  const auto snapshot = sw().Snapshot();
  ASSERT_TRUE(snapshot.ok()) << snapshot.status();
  for (const auto& [key, actions] : plan.flow_puts) {
    ASSERT_TRUE(snapshot->flows.contains(key)) << key.match;
    EXPECT_EQ(snapshot->flows.at(key), actions);
  }
}

}  // namespace
}  // namespace xpu::testing
