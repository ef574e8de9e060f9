// Changes of one port, while others have traffic.
#include <atomic>
#include <thread>

#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "test/component/pipeline/lab.h"

namespace xpu::testing {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

class ChangeTest : public PipelineTest {};

TEST_F(ChangeTest, LosesNothingOfOthersWhenPortsComeAndGo) {
  std::atomic<bool> done{false};
  std::atomic<int> sent{0};
  absl::Status lost;
  // Each frame is awaited before the next is sent, so that a full queue is never the reason for a loss.
  std::thread traffic([&] {
    while (!done && lost.ok()) {
      const std::string frame = UdpFrame({.eth_dst = MacOf("b"),
                                          .eth_src = MacOf("a"),
                                          .src = Ip4Of("a"),
                                          .dst = Ip4Of("b"),
                                          .payload = absl::StrCat("traffic ", sent++)});
      pod("a").Send(frame);
      lost = pod("b").ReceiveUntil(frame).status();
    }
  });
  const BridgePort c = model_.ports["rep-c"];
  for (int i = 0; i < 5; ++i) {
    model_.ports.erase("rep-c");
    ApplyModel();
    model_.ports["rep-c"] = c;
    ApplyModel();
    model_.ports["rep-c"].mac = Mac("02:00:00:00:00:cc");
    ApplyModel();
    model_.ports["rep-c"].logical_bridges.clear();
    ApplyModel();
  }
  done = true;
  traffic.join();
  EXPECT_TRUE(lost.ok()) << lost << " after " << sent << " frames";
  EXPECT_GT(sent, 20);
}

TEST_F(ChangeTest, StopsAPortThatIsTakenOutOfItsNetwork) {
  EXPECT_THAT(ReachedBy("c", Datagram("c", "a")), ElementsAre("a"));
  model_.ports["rep-c"].logical_bridges.clear();
  Apply();
  EXPECT_THAT(Arrived("b", "a"), IsEmpty());
  const std::string late = Datagram("c", "a");
  pod("c").Send(late);
  // Twice, so that the switch has polled the port in between.
  EXPECT_THAT(Arrived("b", "a"), IsEmpty());
  EXPECT_THAT(Arrived("b", "a"), IsEmpty());
  // Its address is no longer known.
  pod("a").Send(ArpFrame({.eth_src = MacOf("a"), .sha = MacOf("a"), .spa = Ip4Of("a"), .tpa = Ip4Of("c")}));
  EXPECT_THAT(Arrived("a", "a"), IsEmpty());
}

TEST_F(ChangeTest, FollowsAChangeOfTheMac) {
  const std::string old_mac = MacOf("b");
  ASSERT_EQ(pod("b").SetMac("02:00:00:00:00:bb"), absl::OkStatus());
  model_.ports["rep-b"].mac = Mac(MacOf("b"));
  Apply();
  Udp udp{
      .eth_dst = MacOf("b"), .eth_src = MacOf("a"), .src = Ip4Of("a"), .dst = Ip4Of("b"), .payload = "new"};
  EXPECT_THAT(ReachedBy("a", UdpFrame(udp)), ElementsAre("b"));
  udp.eth_dst = old_mac;
  EXPECT_THAT(ReachedBy("a", UdpFrame(udp)), IsEmpty());
  udp = {.eth_dst = MacOf("a"), .eth_src = old_mac, .src = Ip4Of("b"), .dst = Ip4Of("a"), .payload = "old"};
  EXPECT_THAT(ReachedBy("b", UdpFrame(udp)), IsEmpty());
}

TEST_F(ChangeTest, LetsAnAddressThroughForAsLongAsThePortHasIt) {
  const Udp udp{.eth_dst = MacOf("c"),
                .eth_src = MacOf("b"),
                .src = "10.9.0.5",
                .dst = Ip4Of("c"),
                .payload = "second address"};
  EXPECT_THAT(ReachedBy("b", UdpFrame(udp)), IsEmpty());
  model_.bridges["red"].prefixes.push_back(IpPrefix::Parse("10.9.0.0/16").value());
  model_.ports["rep-b"].addresses.push_back(InterfaceAddress::Parse("10.9.0.5/16").value());
  Apply();
  EXPECT_THAT(ReachedBy("b", UdpFrame(udp)), ElementsAre("c"));
  model_.ports["rep-b"].addresses.pop_back();
  Apply();
  EXPECT_THAT(ReachedBy("b", UdpFrame(udp)), IsEmpty());
}

}  // namespace
}  // namespace xpu::testing
