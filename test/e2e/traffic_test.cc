// Traffic at 10,000 packets a second between two pods, while everything around them is killed, cut off, made
// and taken away: not one packet is lost.

#include <signal.h>

#include <iostream>
#include <memory>
#include <string>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "common/sys/files.h"
#include "control-plane/sandbox/sandbox.h"
#include "gtest/gtest.h"
#include "test/lib/pair/numbered_stream.h"
#include "test/lib/pair/pair.h"
#include "test/lib/pair/probe.h"
#include "xpu-agent/datapath/ovs/vswitchd_control.h"

namespace xpu::testing {
namespace {

// Sockets that are made while it lives keep some seconds of this traffic instead of 30 ms. A switch in user
// space gets its packets through such sockets, and reads them in the thread that also waits for the kernel's
// lock whenever anybody on the machine makes or takes away an interface; a card's hardware waits for nobody.
class LargeSocketBuffers {
 public:
  LargeSocketBuffers() : before_(ReadTrimmed(kSetting).value()) {
    EXPECT_EQ(WriteExisting(kSetting, "67108864"), absl::OkStatus());
  }
  ~LargeSocketBuffers() { EXPECT_EQ(WriteExisting(kSetting, before_), absl::OkStatus()); }

 private:
  // There is only one for the whole machine.
  static constexpr char kSetting[] = "/proc/sys/net/core/rmem_default";
  const std::string before_;
};

class TrafficTest : public ::testing::Test {
 protected:
  void SetUp() override {
    auto buffers = std::make_unique<LargeSocketBuffers>();
    auto sandbox =
        Sandbox::Up({.name = "traffic", .vfs = 8, .dir = folder_.path() + "/s", .bin_dir = XPU_BIN_DIR});
    ASSERT_TRUE(sandbox.ok()) << sandbox.status();
    sandbox_ = std::make_unique<Sandbox>(*std::move(sandbox));
    auto pair = Pair::Connect(*sandbox_);
    ASSERT_TRUE(pair.ok()) << pair.status();
    pair_ = *std::move(pair);
    ASSERT_TRUE(pair_->Xpuctl({"apply", "-f", XPU_SOURCE_DIR "/examples/networks.yaml"}).ok());
    ASSERT_TRUE(pair_->WaitUntilNetworksReady(absl::Now() + absl::Seconds(30)).ok());
    auto a = pair_->StartPod({.name = "a", .network = "blue"});
    auto b = pair_->StartPod({.name = "b", .network = "blue"});
    ASSERT_TRUE(a.ok()) << a.status();
    ASSERT_TRUE(b.ok()) << b.status();
    a_ = *std::move(a);
    b_ = *std::move(b);
    ASSERT_TRUE(*Ping(a_.netns, *b_.v4));
    buffers.reset();
    auto stream = NumberedStream::Start({.from_netns = a_.netns, .to_netns = b_.netns, .to = *b_.v4});
    ASSERT_TRUE(stream.ok()) << stream.status();
    stream_ = *std::move(stream);
  }
  void TearDown() override {
    stream_.reset();
    pair_.reset();
    EXPECT_TRUE(Sandbox::Down(folder_.path() + "/s").ok());
  }

  void ExpectNothingLost() {
    const NumberedStream::Result result = stream_->Finish();
    std::cout << "sent " << result.sent << " at " << static_cast<int>(result.Rate())
              << " a second, longest silence " << absl::FormatDuration(result.longest_silence) << "\n";
    EXPECT_EQ(result.lost, 0u) << "of " << result.sent;
    EXPECT_EQ(result.doubled, 0u);
    EXPECT_GT(result.Rate(), 8000) << "the machine is too busy for this test to say anything";
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

  TemporaryDirectory folder_ = *TemporaryDirectory::Make();
  std::unique_ptr<Sandbox> sandbox_;
  std::unique_ptr<Pair> pair_;
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
