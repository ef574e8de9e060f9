#include "xpu-agent/datapath/ovs/ovs_packet_io.h"

#include "absl/strings/str_cat.h"
#include "test/lib/ovs/test_ovs.h"
#include "xpu-agent/datapath/packet_io_contract.h"

namespace xpu {
namespace {

constexpr char kBridge[] = "br-xpu";

class OvsHarness : public PacketIoHarness {
 public:
  OvsHarness() {
    auto ovs = testing::TestOvs::Start();
    if (!ovs.ok()) {
      ADD_FAILURE() << ovs.status();
      return;
    }
    ovs_ = *std::move(ovs);
    EXPECT_EQ(ovs_->AddBridge(kBridge), absl::OkStatus());
    io_ = std::make_unique<OvsPacketIo>(
        OvsPacketIoOptions{.openflow_dir = ovs_->openflow_dir(), .bridge = kBridge});
  }
  PacketIo& io() override { return *io_; }
  void Punt(uint8_t table) override {
    const auto done =
        ovs_->Ofctl({"add-flow", kBridge,
                     absl::StrCat("table=", table, ",actions=controller(id=", kPacketControllerId, ")")});
    EXPECT_TRUE(done.ok()) << done.status();
  }
  void Disconnect() override { ovs_->KillVswitchd(); }
  void Connect() override { EXPECT_EQ(ovs_->StartVswitchd(), absl::OkStatus()); }
  testing::TestOvs& ovs() { return *ovs_; }

 private:
  std::unique_ptr<testing::TestOvs> ovs_;
  std::unique_ptr<OvsPacketIo> io_;
};

INSTANTIATE_TEST_SUITE_P(Ovs, PacketIoContract,
                         ::testing::Values([] { return std::make_unique<OvsHarness>(); }));

class OvsPacketIoTest : public PacketIoContract {
 protected:
  OvsHarness& harness() { return static_cast<OvsHarness&>(*harness_); }
};

INSTANTIATE_TEST_SUITE_P(Ovs, OvsPacketIoTest,
                         ::testing::Values([] { return std::make_unique<OvsHarness>(); }));

TEST_P(OvsPacketIoTest, LimitsWhatTheFlowsMaySend) {
  harness_->Punt(kTable);
  SendUntilBack(Packet("set up"));
  const auto meters = harness().ovs().Ofctl({"dump-meters", kBridge});
  ASSERT_TRUE(meters.ok()) << meters.status();
  EXPECT_THAT(*meters, ::testing::HasSubstr("meter=controller pktps burst"));
  EXPECT_THAT(*meters, ::testing::HasSubstr("rate=2000 burst_size=500"));
}

TEST_P(OvsPacketIoTest, DoesNotGetWhatIsForOtherControllers) {
  harness_->Punt(kTable);
  SendUntilBack(Packet("set up"));
  const auto done = harness().ovs().Ofctl({"add-flow", kBridge, "table=31,actions=controller(id=5)"});
  ASSERT_TRUE(done.ok()) << done.status();
  PacketOut other = Packet("for another");
  other.table = 31;
  io().Send(other);
  SendUntilBack(Packet("after it"));
  EXPECT_THAT(ReceivedBytes(), ::testing::Not(::testing::Contains(other.bytes)));
}

}  // namespace
}  // namespace xpu
