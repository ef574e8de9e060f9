#include "xpu-agent/slowpath/slow_path.h"

#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "xpu-agent/datapath/fake_packet_io.h"
#include "xpu-agent/plan/pipeline.h"
#include "xpu-agent/slowpath/model_testing.h"

namespace xpu::slowpath {
namespace {

using pipeline::PacketOpcode;

class FixedClock : public Clock {
 public:
  absl::Time Now() override { return absl::FromUnixSeconds(1'000'000); }
};

PacketIn Discover(uint32_t xid = 1) {
  DhcpMessage message{.xid = xid, .mac = kMacA, .options = {{53, "\x01"}}};
  return Packet(PacketOpcode::kDhcp, kRed, 1, message.Frame());
}

bool IsAdvertisement(const PacketOut& packet) {
  return packet.bytes.size() > 54 && packet.bytes.substr(12, 2) == Hex("86dd") &&
         static_cast<uint8_t>(packet.bytes[54]) == 134;
}

// Without networks that advertise, so that what is sent is known.
Model QuietModel() {
  Model model = TwoRoutedNetworks();
  model.svis.clear();
  return model;
}

TEST(SlowPathTest, AnswersWhatTheSwitchBringsAsTheModelSays) {
  FakePacketIo packets;
  SlowPath slow_path(packets, {});
  slow_path.Start();
  slow_path.Change(Difference(Model(), QuietModel()));
  packets.Deliver(Discover());
  const std::vector<PacketOut> sent = packets.TakeSent(1);
  ASSERT_EQ(sent.size(), 1u);
  EXPECT_EQ(ReadDhcpAnswer(sent[0].bytes).yiaddr, Ip("10.0.0.1"));
  Model moved = QuietModel();
  moved.ports["a"].addresses = {InterfaceAddress::Parse("10.0.0.77/24").value()};
  slow_path.Change(Difference(QuietModel(), moved));
  packets.Deliver(Discover());
  const std::vector<PacketOut> then = packets.TakeSent(1);
  ASSERT_EQ(then.size(), 1u);
  EXPECT_EQ(ReadDhcpAnswer(then[0].bytes).yiaddr, Ip("10.0.0.77"));
}

TEST(SlowPathTest, AdvertisesNewNetworksByItselfAndToHostsThatAsk) {
  FakePacketIo packets;
  SlowPath slow_path(packets, {});
  slow_path.Start();
  slow_path.Change(Difference(Model(), TwoRoutedNetworks()));
  const std::vector<PacketOut> first = packets.TakeSent(2);
  ASSERT_EQ(first.size(), 2u);
  for (const PacketOut& packet : first) {
    EXPECT_TRUE(IsAdvertisement(packet));
    EXPECT_EQ(packet.table, pipeline::Table::kOutput);
    EXPECT_EQ(packet.regs[1], pipeline::Destination::kAll);
  }
  EXPECT_THAT((std::set<uint64_t>{first[0].metadata, first[1].metadata}),
              ::testing::ElementsAre(kRed, kBlue));
  const std::string solicitation = IcmpFrame({.eth_dst = Mac("33:33:00:00:00:02"),
                                              .eth_src = Mac(kMacA),
                                              .src = Ip("fe80::a"),
                                              .dst = Ip("ff02::2"),
                                              .hop_limit = 255},
                                             Hex("8500000000000000"));
  packets.Deliver(Packet(PacketOpcode::kRouterSolicitation, kRed, 1, solicitation));
  const std::vector<PacketOut> answer = packets.TakeSent(1);
  ASSERT_EQ(answer.size(), 1u);
  EXPECT_TRUE(IsAdvertisement(answer[0]));
  EXPECT_EQ(answer[0].metadata, kRed);
  EXPECT_EQ(answer[0].regs[1], 1u);
  EXPECT_EQ(answer[0].bytes.substr(0, 6), Mac(kMacA).ToBytes());
}

TEST(SlowPathTest, AFloodIsDroppedAndCounted) {
  FakePacketIo packets;
  FixedClock clock;
  SlowPath slow_path(packets, {.max_waiting = 8, .clock = &clock});
  slow_path.Start();
  slow_path.Change(Difference(Model(), QuietModel()));
  packets.Hold();
  packets.Deliver(Discover());
  packets.AwaitHeld();
  // The thread is busy with that one.
  for (int i = 0; i < 100; ++i) packets.Deliver(Discover());
  EXPECT_EQ(slow_path.counters().dropped, 92u);
  packets.Release();
  EXPECT_EQ(packets.TakeSent(9).size(), 9u);
}

TEST(SlowPathTest, WhatAPortSendsTooMuchOfIsNotAnswered) {
  FakePacketIo packets;
  FixedClock clock;
  SlowPath slow_path(packets, {.clock = &clock});
  slow_path.Start();
  slow_path.Change(Difference(Model(), QuietModel()));
  for (int i = 0; i < 200; ++i) packets.Deliver(Discover());
  // After all of them, another port.
  DhcpMessage message{.xid = 99, .mac = kMacB, .options = {{53, "\x01"}}};
  packets.Deliver(Packet(PacketOpcode::kDhcp, kBlue, 2, message.Frame()));
  const auto most = static_cast<size_t>(Responder::kMessageBurst);
  const std::vector<PacketOut> sent = packets.TakeSent(most + 1);
  ASSERT_EQ(sent.size(), most + 1);
  EXPECT_EQ(ReadDhcpAnswer(sent.back().bytes).xid, 99u);
}

TEST(SlowPathTest, WhatComesAfterItHasGoneIsDropped) {
  FakePacketIo packets;
  {
    SlowPath slow_path(packets, {});
    slow_path.Start();
    slow_path.Change(Difference(Model(), QuietModel()));
  }
  packets.Deliver(Discover());
  EXPECT_EQ(packets.counters().sent, 0u);
}

}  // namespace
}  // namespace xpu::slowpath
