// The pipeline on the kernel's datapath, whose flows go to tc.

#include "xpu-agent/datapath/offload.h"

#include <map>
#include <memory>
#include <string>

#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "test/component/pipeline/frames.h"
#include "test/component/pipeline/pod.h"
#include "test/lib/ovs/test_ovs.h"
#include "xpu-agent/datapath/ovs/ovs_switch.h"
#include "xpu-agent/datapath/ovs/vswitchd_control.h"
#include "xpu-agent/datapath/switch_observer.h"
#include "xpu-agent/plan/plan_testing.h"

namespace xpu::testing {
namespace {

constexpr char kMacA[] = "02:00:00:00:00:0a";
constexpr char kMacB[] = "02:00:00:00:00:0b";

class OffloadTest : public ::testing::Test {
 protected:
  void SetUp() override {
    auto ovs = TestOvs::Start();
    ASSERT_TRUE(ovs.ok()) << ovs.status();
    ovs_ = *std::move(ovs);
    AddBridge(&model_, "red", 0x11, {"10.0.0.0/24", "2001:db8::/64"});
    AddVrf(&model_, "all", 1);
    AddSvi(&model_, "red", "all", "red", {"10.0.0.254/24", "2001:db8::fe/64"});
    a_ = AddPod("rep-a", 1, kMacA);
    b_ = AddPod("rep-b", 2, kMacB);
    ASSERT_TRUE(a_ != nullptr && b_ != nullptr);
    switch_ = std::make_unique<OvsSwitch>(
        OvsSwitchOptions{.ovsdb_remote = ovs_->remote(),
                         .openflow_dir = ovs_->openflow_dir(),
                         .bridge = "br-xpu",
                         .datapath_type = "system",
                         .settings = {{"hw-offload", "true"}, {"tc-policy", "skip_hw"}},
                         .owner = "offload-test"});
    observer_.Start(*switch_);
    ASSERT_TRUE(observer_.AwaitReady());
    for (int round = 0; round < 4; ++round) {
      const absl::StatusOr<SwitchSnapshot> snapshot = switch_->Snapshot();
      ASSERT_TRUE(snapshot.ok()) << snapshot.status();
      EXPECT_FALSE(snapshot->abilities.advertise_neighbours);
      const SwitchPlan plan = MakePlan(model_, *snapshot);
      if (plan.empty()) return;
      const ApplyResult result = switch_->Apply(plan);
      ASSERT_TRUE(result.ports.ok()) << result.ports;
      ASSERT_TRUE(result.flows.ok()) << result.flows;
    }
  }
  std::unique_ptr<Pod> AddPod(const std::string& name, uint32_t ofport, const std::string& mac) {
    auto pod = Pod::Create(name, mac, ovs_->netns());
    EXPECT_TRUE(pod.ok()) << pod.status();
    if (!pod.ok()) return nullptr;
    AddBoundPort(&model_, name, ofport, mac, "red",
                 {absl::StrCat("10.0.0.", ofport, "/24"), absl::StrCat("2001:db8::", ofport, "/64")});
    return *std::move(pod);
  }
  std::map<std::string, PortOffload> Offload() {
    const auto dump = AskVswitchd(ovs_->openflow_dir(), "dpctl/dump-flows", {"--names", "-m"});
    EXPECT_TRUE(dump.ok()) << dump.status();
    std::printf("%s\n", dump.value_or("").c_str());
    return ParseOffload(dump.value_or(""));
  }

  std::unique_ptr<TestOvs> ovs_;
  Model model_;
  std::unique_ptr<Pod> a_, b_;
  SwitchObserver observer_;
  std::unique_ptr<OvsSwitch> switch_;
};

TEST_F(OffloadTest, TrafficBetweenPodsIsOffloadedAndWhatIsNotIsCountedWithItsReason) {
  for (int i = 0; i < 20; ++i) {
    for (const bool v6 : {false, true}) {
      const std::string there = UdpFrame({.eth_dst = kMacB,
                                          .eth_src = kMacA,
                                          .src = v6 ? "2001:db8::1" : "10.0.0.1",
                                          .dst = v6 ? "2001:db8::2" : "10.0.0.2",
                                          .payload = absl::StrCat("there ", i)});
      a_->Send(there);
      ASSERT_TRUE(b_->ReceiveUntil(there).ok()) << i;
    }
    const std::string back = UdpFrame({.eth_dst = kMacA,
                                       .eth_src = kMacB,
                                       .src = "10.0.0.2",
                                       .dst = "10.0.0.1",
                                       .payload = absl::StrCat("back ", i)});
    b_->Send(back);
    ASSERT_TRUE(a_->ReceiveUntil(back).ok()) << i;
  }
  a_->Send(ArpFrame({.eth_src = kMacA, .sha = kMacA, .spa = "10.0.0.1", .tpa = "10.0.0.2"}));
  ASSERT_TRUE(
      a_->ReceiveFirst([](const std::string& frame) { return frame.size() >= 42 && frame[21] == 2; }).ok());
  // Who is asked for by neighbour discovery answers, as this datapath cannot.
  const std::string group = SolicitedNode("2001:db8::2");
  const std::string solicitation = IcmpFrame({.eth_dst = GroupMac(group),
                                              .eth_src = kMacA,
                                              .src = "2001:db8::1",
                                              .dst = group,
                                              .type = 135,
                                              .body = NdBody(0, "2001:db8::2", LinkLayerOption(1, kMacA))});
  a_->Send(solicitation);
  ASSERT_TRUE(b_->ReceiveUntil(solicitation).ok());
  const auto ports = Offload();
  ASSERT_TRUE(ports.contains("rep-a") && ports.contains("rep-b"));
  // There is no hardware behind a veth pair: tc has them.
  const std::string in_tc = "is in the kernel's tc, but not in hardware";
  auto a = ports.at("rep-a").reasons, b = ports.at("rep-b").reasons;
  EXPECT_GE(a[in_tc], 2u) << "IPv4 and IPv6";
  EXPECT_GE(b[in_tc], 1u);
  EXPECT_GE(a["goes to the agent or to ovs-vswitchd"], 1u) << "the answer to ARP";
}

}  // namespace
}  // namespace xpu::testing
