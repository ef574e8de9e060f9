// How much of a port passes, counted in packets. The switch's clock stands still, so that what a token bucket
// lets through follows from the time that the test gives it and from nothing else.
#include <algorithm>

#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "test/component/pipeline/lab.h"
#include "xpu-agent/plan/port_meters.h"

namespace xpu::testing {
namespace {

// Frames of 1,000 octets.
constexpr size_t kFrame = 1000;
constexpr uint64_t kFrameBits = 8000;
// Fewer than the switch takes from a port in one go.
constexpr int kMany = 30;

class RateLimitTest : public PipelineTest {
 protected:
  TestOvs::Clock Clock() const override { return TestOvs::Clock::kStoppable; }
  void SetUp() override {
    ASSERT_NO_FATAL_FAILURE(PipelineTest::SetUp());
    ASSERT_TRUE(ovs().Appctl({"time/stop"}).ok());
  }

  void Warp(int milliseconds) { ASSERT_TRUE(ovs().Appctl({"time/warp", absl::StrCat(milliseconds)}).ok()); }
  Bandwidth& BandwidthOf(const std::string& pod) { return model_.ports["rep-" + pod].bandwidth; }

  std::string Frame(const std::string& from, const std::string& to_mac, const std::string& to_ip) {
    std::string text = absl::StrCat("frame ", next_++);
    text.resize(kFrame - 14 - 20 - 8, '.');
    return UdpFrame(
        {.eth_dst = to_mac, .eth_src = MacOf(from), .src = Ip4Of(from), .dst = to_ip, .payload = text});
  }
  std::string Frame(const std::string& from, const std::string& to) {
    return Frame(from, MacOf(to), Ip4Of(to));
  }

  // How many of the frames reach `to`, which asks for an address last: the switch answers that itself, past
  // all meters, and when two rounds of `other` to `peer` have shown that the frames are through.
  int CountArrived(const std::string& to, const std::vector<std::string>& frames) {
    const std::string other = to == "a" ? "b" : "a";
    const std::string peer = to == "c" ? "b" : "c";
    for (int i = 0; i < 2; ++i) {
      const std::string marker =
          ArpFrame({.eth_src = MacOf(other), .sha = MacOf(other), .spa = Ip4Of(other), .tpa = Ip4Of(peer)});
      pod(other).Send(marker);
      const auto seen = pod(other).ReceiveUntil(ArpAnswer(peer, other));
      EXPECT_TRUE(seen.ok()) << seen.status();
    }
    pod(to).Send(ArpFrame({.eth_src = MacOf(to), .sha = MacOf(to), .spa = Ip4Of(to), .tpa = Ip4Of(other)}));
    const auto arrived = pod(to).ReceiveUntil(ArpAnswer(other, to));
    EXPECT_TRUE(arrived.ok()) << arrived.status();
    if (!arrived.ok()) return -1;
    return static_cast<int>(std::count_if(arrived->begin(), arrived->end(), [&](const std::string& frame) {
      return std::find(frames.begin(), frames.end(), frame) != frames.end();
    }));
  }
  int Pass(const std::string& from, const std::string& to, int count) {
    std::vector<std::string> frames;
    for (int i = 0; i < count; ++i) frames.push_back(Frame(from, to));
    for (const std::string& frame : frames) pod(from).Send(frame);
    return CountArrived(to, frames);
  }

 private:
  std::string ArpAnswer(const std::string& owner, const std::string& asker) {
    return ArpFrame({.eth_dst = MacOf(asker),
                     .eth_src = MacOf(owner),
                     .op = 2,
                     .sha = MacOf(owner),
                     .spa = Ip4Of(owner),
                     .tha = MacOf(asker),
                     .tpa = Ip4Of(asker)});
  }
  int next_ = 0;
};

TEST_F(RateLimitTest, WithoutALimitAllPasses) { EXPECT_EQ(Pass("b", "c", kMany), kMany); }

TEST_F(RateLimitTest, APortSendsItsRateAndItsBurstAndNoMore) {
  // A frame a millisecond, ten at once.
  BandwidthOf("b").egress = {.rate = kFrameBits * 1000, .burst = kFrameBits * 10};
  Apply();
  EXPECT_EQ(Pass("b", "c", kMany), 10);
  EXPECT_EQ(Pass("b", "c", kMany), 0);
  Warp(4);
  EXPECT_EQ(Pass("b", "c", kMany), 4);
  int passed = 0;
  for (int i = 0; i < 10; ++i) {
    Warp(7);
    passed += Pass("b", "c", kMany);
  }
  EXPECT_EQ(passed, 70);
  // Not more for having waited.
  Warp(5000);
  EXPECT_EQ(Pass("b", "c", kMany), 10);
  // The other way, and of others, nothing is limited; but what b itself asks is.
  Warp(1);
  EXPECT_EQ(Pass("c", "b", kMany), kMany);
  EXPECT_EQ(Pass("a", "c", kMany), kMany);
}

TEST_F(RateLimitTest, APortGetsItsRateAndItsBurstAndNoMoreWhoeverSends) {
  BandwidthOf("c").ingress = {.rate = kFrameBits * 1000, .burst = kFrameBits * 10};
  Apply();
  EXPECT_EQ(Pass("a", "c", 6), 6);
  EXPECT_EQ(Pass("b", "c", kMany), 4);
  Warp(3);
  EXPECT_EQ(Pass("a", "c", kMany), 3);
  EXPECT_EQ(Pass("c", "a", kMany), kMany);
  EXPECT_EQ(Pass("a", "b", kMany), kMany);
}

TEST_F(RateLimitTest, WhatAPodAsksForCountsBesideWhatOperatorsSetAndTheSmallerOfBoth) {
  model_.ports["rep-b"].pod_bandwidth = {.ingress = {.rate = kFrameBits * 1000, .burst = kFrameBits * 4},
                                         .egress = {.rate = kFrameBits * 1000, .burst = kFrameBits * 10}};
  Apply();
  EXPECT_EQ(Pass("b", "c", kMany), 10);
  // What b itself asks is limited, too.
  Warp(1);
  EXPECT_EQ(Pass("a", "b", kMany), 4);
  BandwidthOf("b").egress = {.rate = kFrameBits * 2000, .burst = kFrameBits * 5};
  Apply();
  Warp(1000);
  EXPECT_EQ(Pass("b", "c", kMany), 5);
  Warp(2);
  EXPECT_EQ(Pass("b", "c", kMany), 2);
}

TEST_F(RateLimitTest, ABroadcastCountsForEachOfItsReceiversAlone) {
  BandwidthOf("b").ingress = {.rate = kFrameBits * 1000, .burst = kFrameBits * 3};
  BandwidthOf("c").ingress = {.rate = kFrameBits * 1000, .burst = kFrameBits * 8};
  Apply();
  std::vector<std::string> frames;
  for (int i = 0; i < 20; ++i) frames.push_back(Frame("a", kBroadcast, "255.255.255.255"));
  for (const std::string& frame : frames) pod("a").Send(frame);
  EXPECT_EQ(CountArrived("c", frames), 8);
  EXPECT_EQ(CountArrived("b", frames), 3);
}

TEST_F(RateLimitTest, ALimitThatChangesChangesNoFlowAndLosesNothing) {
  BandwidthOf("b").egress = {.rate = kFrameBits * 1000, .burst = kFrameBits * 10};
  Apply();
  const uint64_t flow_mods = sw().counters().flow_mods;
  BandwidthOf("b").egress = {.rate = kFrameBits * 2000, .burst = kFrameBits * 20};
  Apply();
  EXPECT_EQ(sw().counters().flow_mods, flow_mods);
  Warp(1000);
  EXPECT_EQ(Pass("b", "c", kMany), 20);
  Warp(2);
  EXPECT_EQ(Pass("b", "c", kMany), 4);
  BandwidthOf("b") = {};
  Apply();
  EXPECT_EQ(Pass("b", "c", kMany), kMany);
  EXPECT_FALSE(sw().Snapshot()->meters.contains(pipeline::MeterId(pipeline::MeterUse::kEgress, 2)));
}

TEST_F(RateLimitTest, WhatIsRefusedCountsAndReachesNobody) {
  BandwidthOf("b").egress = {.rate = kFrameBits * 1000, .burst = kFrameBits * 10};
  Apply();
  std::vector<std::string> forged;
  for (int i = 0; i < 10; ++i) {
    std::string frame = Frame("b", "c");
    frame.replace(6, 6, Mac(MacOf("a")).ToBytes());
    forged.push_back(frame);
    pod("b").Send(frame);
  }
  EXPECT_EQ(CountArrived("c", forged), 0);
  EXPECT_EQ(Pass("b", "c", kMany), 0);
}

}  // namespace
}  // namespace xpu::testing
