// The pipeline on the kernel's datapath, whose flows go to tc.

#include "xpu-agent/datapath/offload.h"

#include <algorithm>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "test/component/pipeline/frames.h"
#include "test/component/pipeline/pod.h"
#include "test/lib/ovs/test_ovs.h"
#include "xpu-agent/datapath/ovs/ovs_packet_io.h"
#include "xpu-agent/datapath/ovs/ovs_switch.h"
#include "xpu-agent/datapath/ovs/vswitchd_control.h"
#include "xpu-agent/datapath/switch_observer.h"
#include "xpu-agent/plan/plan_testing.h"
#include "xpu-agent/slowpath/slow_path.h"

namespace xpu::testing {
namespace {

constexpr char kMacA[] = "02:00:00:00:00:0a";
constexpr char kMacB[] = "02:00:00:00:00:0b";
constexpr char kGatewayMac[] = "02:58:50:00:00:01";

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

  // Applies what has changed in the model, without ports that come.
  void Apply() {
    const absl::StatusOr<SwitchSnapshot> snapshot = switch_->Snapshot();
    ASSERT_TRUE(snapshot.ok()) << snapshot.status();
    const ApplyResult result = switch_->Apply(MakePlan(model_, *snapshot));
    ASSERT_TRUE(result.ports.ok()) << result.ports;
    ASSERT_TRUE(result.flows.ok()) << result.flows;
    ASSERT_TRUE(ovs_->Appctl({"revalidator/purge"}).ok());
  }
  // The agent's answers, once they are there: nobody says when it has its connection.
  void StartSlowPath() {
    packets_ = std::make_unique<OvsPacketIo>(
        OvsPacketIoOptions{.openflow_dir = ovs_->openflow_dir(), .bridge = "br-xpu"});
    slow_path_ = std::make_unique<SlowPath>(*packets_, SlowPath::Options{});
    slow_path_->Change(Difference(Model(), model_));
    slow_path_->Start();
    const absl::Time deadline = absl::Now() + absl::Seconds(60);
    for (int i = 0; packets_->counters().received == 0 && absl::Now() < deadline; ++i) {
      a_->Send(UdpFrame({.eth_dst = kGatewayMac,
                         .eth_src = kMacA,
                         .src = "10.0.0.1",
                         .dst = "192.0.2.1",
                         .payload = "lost"}));
      const std::string marker = UdpFrame({.eth_dst = kMacB,
                                           .eth_src = kMacA,
                                           .src = "10.0.0.1",
                                           .dst = "10.0.0.2",
                                           .payload = absl::StrCat("marker ", i)});
      a_->Send(marker);
      ASSERT_TRUE(b_->ReceiveUntil(marker).ok());
    }
    ASSERT_GT(packets_->counters().received, 0u);
  }
  void TearDown() override {
    packets_.reset();
    slow_path_.reset();
  }

  std::unique_ptr<TestOvs> ovs_;
  Model model_;
  std::unique_ptr<OvsPacketIo> packets_;
  std::unique_ptr<SlowPath> slow_path_;
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

TEST_F(OffloadTest, TheAgentAdvertisesTheRouterAsThisDatapathCannot) {
  ASSERT_NO_FATAL_FAILURE(StartSlowPath());
  for (const std::string target : {"2001:db8::fe", "fe80::58:50ff:fe00:1"}) {
    const std::string group = SolicitedNode(target);
    a_->Send(IcmpFrame({.eth_dst = GroupMac(group),
                        .eth_src = kMacA,
                        .src = "2001:db8::1",
                        .dst = group,
                        .type = 135,
                        .body = NdBody(0, target, LinkLayerOption(1, kMacA))}));
    const std::string advertisement =
        IcmpFrame({.eth_dst = kMacA,
                   .eth_src = kGatewayMac,
                   .src = target,
                   .dst = "2001:db8::1",
                   .type = 136,
                   .body = NdBody(0xe0000000, target, LinkLayerOption(2, kGatewayMac))});
    EXPECT_TRUE(a_->ReceiveFirst([&](const std::string& frame) { return frame == advertisement; }).ok())
        << target;
  }
}

TEST_F(OffloadTest, ALimitHoldsBothWaysAndWhatItLetsThroughIsOffloaded) {
  // A frame in 8 s, ten at once.
  const RateLimit ten{.rate = 1000, .burst = 80'000};
  const auto pass = [&](int count) {
    int arrived = 0;
    for (int i = 0; i < count; ++i) {
      std::string text = absl::StrCat("limited ", i);
      text.resize(1000 - 14 - 20 - 8, '.');
      a_->Send(UdpFrame(
          {.eth_dst = kMacB, .eth_src = kMacA, .src = "10.0.0.1", .dst = "10.0.0.2", .payload = text}));
    }
    // From b to itself by way of the switch, which answers for a.
    for (int i = 0; i < 2; ++i) {
      b_->Send(ArpFrame({.eth_src = kMacB, .sha = kMacB, .spa = "10.0.0.2", .tpa = "10.0.0.1"}));
      const auto frames = b_->ReceiveUntil(ArpFrame({.eth_dst = kMacB,
                                                     .eth_src = kMacA,
                                                     .op = 2,
                                                     .sha = kMacA,
                                                     .spa = "10.0.0.1",
                                                     .tha = kMacB,
                                                     .tpa = "10.0.0.2"}));
      EXPECT_TRUE(frames.ok()) << frames.status();
      for (const std::string& frame : frames.value_or(std::vector<std::string>())) {
        if (frame.find("limited") != std::string::npos) ++arrived;
      }
    }
    return arrived;
  };
  EXPECT_EQ(pass(40), 40);
  model_.ports["rep-a"].bandwidth.egress = ten;
  ASSERT_NO_FATAL_FAILURE(Apply());
  // tc has a bucket of its own beside the datapath's, through which the first packets go.
  const int sent = pass(40);
  EXPECT_GE(sent, 9);
  EXPECT_LE(sent, 21);
  EXPECT_LE(pass(40), 3);
  const auto dump = AskVswitchd(ovs_->openflow_dir(), "dpctl/dump-flows", {"--names", "-m"});
  ASSERT_TRUE(dump.ok()) << dump.status();
  const std::vector<std::string> flows = absl::StrSplit(*dump, '\n');
  EXPECT_TRUE(std::any_of(flows.begin(), flows.end(), [](const std::string& flow) {
    return absl::StrContains(flow, "in_port(rep-a)") && absl::StrContains(flow, "meter(") &&
           absl::StrContains(flow, "dp:tc");
  })) << *dump;
  model_.ports["rep-a"].bandwidth = {};
  model_.ports["rep-b"].bandwidth.ingress = ten;
  ASSERT_NO_FATAL_FAILURE(Apply());
  const int got = pass(40);
  EXPECT_GE(got, 9);
  EXPECT_LE(got, 21);
  EXPECT_LE(pass(40), 3);
}

TEST_F(OffloadTest, TheKernelForwardsOnWithoutOvsdbServer) {
  const auto pass = [&](int i) {
    const std::string frame = UdpFrame({.eth_dst = kMacB,
                                        .eth_src = kMacA,
                                        .src = "10.0.0.1",
                                        .dst = "10.0.0.2",
                                        .payload = absl::StrCat("without ", i)});
    a_->Send(frame);
    return b_->ReceiveUntil(frame).status();
  };
  ASSERT_EQ(pass(0), absl::OkStatus());
  ovs_->KillOvsdbServer();
  ASSERT_TRUE(observer_.AwaitUnavailable());
  for (int i = 1; i < 20; ++i) ASSERT_EQ(pass(i), absl::OkStatus()) << i;
  ASSERT_EQ(ovs_->StartOvsdbServer(), absl::OkStatus());
  EXPECT_TRUE(observer_.AwaitReady());
}

}  // namespace
}  // namespace xpu::testing
