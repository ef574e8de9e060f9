// The pipeline where DPDK drives the ports (type "dpdk"): the planner's ports and flows, put there by the
// agent's Switch, on an ovs-vswitchd with DPDK, whose devices stand on the pods' interfaces.
#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "test/component/pipeline/lab.h"

namespace xpu::testing {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;

class DpdkTest : public PipelineTest {
 protected:
  absl::StatusOr<std::unique_ptr<TestOvs>> StartOvs() const override { return TestOvs::StartWithDpdk(); }
  // As with --dpdk-device, but that an interface of the kernel stands for each of the card's functions.
  void ChangeModel() override {
    int number = 0;
    const auto representors = model_.representors;
    for (const auto& [id, representor] : representors)
      model_.representors[id].dpdk_devargs = TestOvs::DpdkDevice(number++, representor.interface);
  }

  Udp Honest(const std::string& payload) {
    return {.eth_dst = MacOf("b"),
            .eth_src = MacOf("a"),
            .src = Ip4Of("a"),
            .dst = Ip4Of("b"),
            .payload = payload};
  }
};

TEST_F(DpdkTest, CarriesFramesWithinTheirNetwork) {
  for (const auto& [id, representor] : model_.representors) {
    EXPECT_EQ(
        ovs().Vsctl({"get", "interface", representor.interface, "type", "ofport", "error"}).value_or(""),
        absl::StrCat("dpdk\n", representor.ofport, "\n[]\n"));
  }
  EXPECT_THAT(ReachedBy("a", Datagram("a", "b")), ElementsAre("b"));
  EXPECT_THAT(ReachedBy("b", Datagram("b", "a")), ElementsAre("a"));
  EXPECT_THAT(ReachedBy("y", Datagram("y", "x")), ElementsAre("x"));
  EXPECT_THAT(ReachedBy("a", UdpFrame(Honest(std::string(1400, 'x')))), ElementsAre("b"));
  const std::string to_all = UdpFrame({.eth_dst = kBroadcast,
                                       .eth_src = MacOf("a"),
                                       .src = Ip4Of("a"),
                                       .dst = "10.0.0.255",
                                       .payload = "to all"});
  EXPECT_THAT(ReachedBy("a", to_all), ElementsAre("b", "c"));
  const std::string over = UdpFrame({.eth_dst = MacOf("x"),
                                     .eth_src = MacOf("b"),
                                     .src = Ip4Of("b"),
                                     .dst = Ip4Of("x"),
                                     .payload = "over"});
  EXPECT_THAT(ReachedBy("b", over), IsEmpty());
}

TEST_F(DpdkTest, DropsWhatIsNotTheSendersOwn) {
  EXPECT_THAT(ReachedBy("a", UdpFrame(Honest("honest"))), ElementsAre("b"));
  Udp mac = Honest("another's MAC");
  mac.eth_src = MacOf("c");
  EXPECT_THAT(ReachedBy("a", UdpFrame(mac)), IsEmpty());
  Udp address = Honest("another's address");
  address.src = Ip4Of("c");
  EXPECT_THAT(ReachedBy("a", UdpFrame(address)), IsEmpty());
  Udp address6 = Honest("another's IPv6 address");
  address6.src = Ip6Of("c");
  address6.dst = Ip6Of("b");
  EXPECT_THAT(ReachedBy("a", UdpFrame(address6)), IsEmpty());
  const Arp honest = {.eth_src = MacOf("a"), .sha = MacOf("a"), .spa = Ip4Of("a"), .tpa = Ip4Of("a")};
  EXPECT_THAT(ReachedBy("a", ArpFrame(honest)), ElementsAre("b", "c"));
  Arp claim = honest;
  claim.spa = claim.tpa = Ip4Of("c");
  EXPECT_THAT(ReachedBy("a", ArpFrame(claim)), IsEmpty());
  // A port without a network.
  EXPECT_THAT(
      ReachedBy(
          "z",
          UdpFrame({.eth_dst = MacOf("a"), .eth_src = MacOf("z"), .src = "10.0.0.9", .dst = Ip4Of("a")})),
      IsEmpty());
}

TEST_F(DpdkTest, TakesADeviceOffAndOpensItAgain) {
  const Representor b = model_.representors.at("rep-b");
  model_.representors.erase("rep-b");
  ASSERT_NO_FATAL_FAILURE(Apply());
  EXPECT_THAT(ovs().Vsctl({"list-ports", "br-xpu"}).value_or("rep-b"), Not(HasSubstr("rep-b")));
  model_.representors["rep-b"] = b;
  ASSERT_NO_FATAL_FAILURE(Apply());
  EXPECT_THAT(ReachedBy("a", Datagram("a", "b")), ElementsAre("b"));
}

TEST_F(DpdkTest, IsThereAgainAfterOvsVswitchdWasKilled) {
  ovs().KillVswitchd();
  ASSERT_NO_FATAL_FAILURE(AwaitLoss());
  ASSERT_EQ(ovs().StartVswitchd(), absl::OkStatus()) << ovs().VswitchdLog();
  ASSERT_NO_FATAL_FAILURE(Apply());
  EXPECT_THAT(ReachedBy("a", Datagram("a", "b")), ElementsAre("b"));
}

}  // namespace
}  // namespace xpu::testing
