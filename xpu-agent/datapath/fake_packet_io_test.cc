#include "xpu-agent/datapath/fake_packet_io.h"

#include "xpu-agent/datapath/packet_io_contract.h"

namespace xpu {
namespace {

class FakeHarness : public PacketIoHarness {
 public:
  PacketIo& io() override { return io_; }
  void Punt(uint8_t table) override { io_.Punt(table); }
  void Disconnect() override { io_.Disconnect(); }
  void Connect() override { io_.Connect(); }

 private:
  FakePacketIo io_;
};

INSTANTIATE_TEST_SUITE_P(Fake, PacketIoContract,
                         ::testing::Values([] { return std::make_unique<FakeHarness>(); }));

TEST(FakePacketIoTest, HandsOverWhatTheSwitchBringsAndShowsWhatWasSent) {
  FakePacketIo io;
  std::vector<PacketIn> received;
  io.Start([&](PacketIn packet) { received.push_back(std::move(packet)); });
  io.Deliver({.metadata = 5, .bytes = "in"});
  ASSERT_EQ(received.size(), 1u);
  EXPECT_EQ(received[0].bytes, "in");
  io.Send({.table = 80, .bytes = "out"});
  EXPECT_THAT(io.TakeSent(1), ::testing::ElementsAre(PacketOut{.table = 80, .bytes = "out"}));
  EXPECT_EQ(received.size(), 1u);
}

}  // namespace
}  // namespace xpu
