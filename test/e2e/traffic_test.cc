// Traffic at 10,000 packets a second between two pods, while everything around them is killed, cut off, made
// and taken away: not one packet is lost.

#include <signal.h>

#include <iostream>
#include <memory>
#include <string>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "common/sys/files.h"
#include "gtest/gtest.h"
#include "test/lib/ovs/packet_buffers.h"
#include "test/lib/pair/numbered_stream.h"
#include "test/lib/pair/probe.h"
#include "test/lib/pair/sandbox_fixture.h"
#include "xpu-agent/datapath/ovs/vswitchd_control.h"

namespace xpu::testing {
namespace {

// A switch in user space reads its packets in the thread that also waits for the kernel's lock whenever
// anybody on the machine makes or takes away an interface, so its sockets are to keep some seconds of this
// traffic; a card's hardware waits for nobody.
constexpr int kSocketBuffer = 64 << 20;

class TrafficTest : public SandboxTest {
 protected:
  TrafficTest() : SandboxTest({.name = "traffic", .vfs = 8}) {}
  void SetUp() override {
    ASSERT_NO_FATAL_FAILURE(SandboxTest::SetUp());
    ASSERT_NO_FATAL_FAILURE(MakeExampleNetworks());
    auto a = pair_->StartPod({.name = "a", .network = "blue"});
    auto b = pair_->StartPod({.name = "b", .network = "blue"});
    ASSERT_TRUE(a.ok()) << a.status();
    ASSERT_TRUE(b.ok()) << b.status();
    a_ = *std::move(a);
    b_ = *std::move(b);
    ASSERT_TRUE(*PingUntilAnswered(a_.netns, *b_.v4));
    pid_t vswitchd = 0;
    ASSERT_TRUE(absl::SimpleAtoi(
        ReadTrimmed(sandbox_->layout().ovs_dir(0) + "/ovs-vswitchd.pid").value_or(""), &vswitchd));
    const auto enlarged = EnlargePacketBuffers(vswitchd, kSocketBuffer);
    ASSERT_TRUE(enlarged.ok()) << enlarged.status();
    ASSERT_GE(*enlarged, 2) << "one for each port";
    auto stream = NumberedStream::Start({.from_netns = a_.netns, .to_netns = b_.netns, .to = *b_.v4});
    ASSERT_TRUE(stream.ok()) << stream.status();
    stream_ = *std::move(stream);
  }
  void TearDown() override {
    stream_.reset();
    SandboxTest::TearDown();
  }

  void ExpectNothingLost() {
    const NumberedStream::Result result = stream_->Finish();
    std::cout << "sent " << result.sent << " at " << static_cast<int>(result.Rate())
              << " a second, longest silence " << absl::FormatDuration(result.longest_silence) << "\n";
    EXPECT_EQ(result.lost, 0u) << "of " << result.sent;
    EXPECT_EQ(result.doubled, 0u);
    EXPECT_GT(result.sent, 1000u);
  }
  // The agent does what it is asked to, so it is connected to the switch.
  void ExpectWorks(const std::string& bridge) {
    const auto opi = pair_->ConnectAgent();
    ASSERT_TRUE(opi.ok()) << opi.status();
    evpn::LogicalBridgeSpec spec;
    spec.set_vlan_id(900);
    spec.set_vni(900);
    EXPECT_EQ((*opi)->CreateLogicalBridge(bridge, spec).status(), absl::OkStatus());
    EXPECT_EQ((*opi)->DeleteLogicalBridge("logicalBridges/" + bridge), absl::OkStatus());
  }

  Pod a_, b_;
  std::unique_ptr<NumberedStream> stream_;
};

TEST_F(TrafficTest, FlowsOnWhileTheAgentsAreKilledAndStarted) {
  for (int i = 0; i < 5; ++i) {
    for (const char* agent : {"xpu-agent-0", "xpu-host-agent"}) {
      ASSERT_TRUE(sandbox_->Kill(agent, SIGKILL).ok());
      const absl::Status started = sandbox_->Start(agent);
      ASSERT_TRUE(started.ok()) << started;
    }
    ExpectWorks("probe");
  }
  ExpectNothingLost();
}

// Those over which flows come. Without ovsdb-server the daemon does not turn its loop, in which a switch in
// user space that has no threads of its own forwards, so that is not for this sandbox to show.
TEST_F(TrafficTest, FlowsOnWhileTheSwitchsConnectionsAreCut) {
  for (int i = 0; i < 20; ++i) {
    const auto said = AskVswitchd(sandbox_->layout().ovs_dir(0), "bridge/reconnect", {"br-xpu"});
    ASSERT_TRUE(said.ok()) << said.status();
    ExpectWorks("probe");
  }
  ExpectNothingLost();
}

TEST_F(TrafficTest, FlowsOnWhileOthersComeAndChangeAndGo) {
  for (int i = 0; i < 10; ++i) {
    const auto c = pair_->StartPod({.name = absl::StrCat("c", i), .network = "green"});
    const auto d = pair_->StartPod({.name = absl::StrCat("d", i), .network = "blue"});
    ASSERT_TRUE(c.ok()) << c.status();
    ASSERT_TRUE(d.ok()) << d.status();
    const auto opi = pair_->ConnectAgent();
    ASSERT_TRUE(opi.ok()) << opi.status();
    agent::v1::Subnets subnets;
    subnets.set_logical_bridge("logicalBridges/other");
    subnets.add_prefixes("10.99.0.0/24");
    evpn::LogicalBridgeSpec spec;
    spec.set_vlan_id(901);
    spec.set_vni(901);
    EXPECT_EQ((*opi)->CreateLogicalBridge("other", spec).status(), absl::OkStatus());
    for (const char* gateway : {"10.99.0.1", "10.99.0.2"}) {
      subnets.clear_gateways();
      subnets.add_gateways(gateway);
      EXPECT_EQ((*opi)->SetSubnets(subnets).status(), absl::OkStatus());
    }
    EXPECT_EQ((*opi)->DeleteLogicalBridge("logicalBridges/other"), absl::OkStatus());
    EXPECT_EQ(pair_->StopPod(*c), absl::OkStatus());
    EXPECT_EQ(pair_->StopPod(*d), absl::OkStatus());
  }
  ExpectNothingLost();
}

}  // namespace
}  // namespace xpu::testing
