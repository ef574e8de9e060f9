#pragma once

// What every PacketIo must do. A test program includes this once and says which ones it runs on, as in
// switch_contract.h.

#include <algorithm>
#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "xpu-agent/datapath/packet_io.h"

namespace xpu {

class PacketIoHarness {
 public:
  virtual ~PacketIoHarness() = default;
  // Not started yet.
  virtual PacketIo& io() = 0;
  // Flows of `table` that send every packet to the agent.
  virtual void Punt(uint8_t table) = 0;
  // The switch goes; and comes back without what Punt() has made.
  virtual void Disconnect() = 0;
  virtual void Connect() = 0;
};

using PacketIoHarnessFactory = std::function<std::unique_ptr<PacketIoHarness>()>;

class PacketIoContract : public ::testing::TestWithParam<PacketIoHarnessFactory> {
 protected:
  static constexpr uint8_t kTable = 30;

  void SetUp() override {
    harness_ = GetParam()();
    ASSERT_NE(harness_, nullptr);
    io().Start([this](PacketIn packet) {
      absl::MutexLock lock(&mutex_);
      received_.push_back(std::move(packet));
    });
  }
  // Before what the handler uses.
  void TearDown() override { harness_.reset(); }

  PacketIo& io() { return harness_->io(); }

  static PacketOut Packet(const std::string& content) {
    // A frame of a type that nobody knows, padded to the least that Ethernet has.
    std::string bytes("\x02\x00\x00\x00\x00\x0b\x02\x00\x00\x00\x00\x0a\x88\xb5", 14);
    bytes += content;
    bytes.resize(std::max<size_t>(bytes.size(), 60), '\0');
    return {.table = kTable, .metadata = 0x1000007, .regs = {3, 0x10003, 9, 0}, .bytes = bytes};
  }
  // Sends `packet` until it comes back, as nobody says when there is a connection.
  PacketIn SendUntilBack(const PacketOut& packet) {
    for (int i = 0; i < 1000; ++i) {
      io().Send(packet);
      absl::MutexLock lock(&mutex_);
      const auto back = [&]() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
        return !received_.empty() && received_.back().bytes == packet.bytes;
      };
      if (mutex_.AwaitWithTimeout(absl::Condition(&back), absl::Milliseconds(50))) {
        return received_.back();
      }
    }
    ADD_FAILURE() << "nothing came back";
    return {};
  }
  std::vector<std::string> ReceivedBytes() {
    absl::MutexLock lock(&mutex_);
    std::vector<std::string> bytes;
    for (const PacketIn& packet : received_) bytes.push_back(packet.bytes);
    return bytes;
  }

  std::unique_ptr<PacketIoHarness> harness_;
  absl::Mutex mutex_;
  std::vector<PacketIn> received_ ABSL_GUARDED_BY(mutex_);
};

TEST_P(PacketIoContract, BringsAPacketThroughThePipelineAndBack) {
  harness_->Punt(kTable);
  const PacketOut sent = Packet("there and back");
  const PacketIn back = SendUntilBack(sent);
  EXPECT_EQ(back.table, kTable);
  EXPECT_EQ(back.metadata, sent.metadata);
  EXPECT_EQ(back.regs, sent.regs);
  EXPECT_EQ(back.bytes, sent.bytes);
  EXPECT_GE(io().counters().sent, 1u);
  EXPECT_GE(io().counters().received, 1u);
}

TEST_P(PacketIoContract, KeepsTheOrder) {
  harness_->Punt(kTable);
  SendUntilBack(Packet("first"));
  std::vector<std::string> wanted;
  for (int i = 0; i < 20; ++i) {
    wanted.push_back(Packet("number " + std::to_string(i)).bytes);
    io().Send(Packet("number " + std::to_string(i)));
  }
  SendUntilBack(Packet("last"));
  std::vector<std::string> received = ReceivedBytes();
  std::erase_if(received, [](const std::string& bytes) { return bytes.find("number") == std::string::npos; });
  EXPECT_EQ(received, wanted);
}

TEST_P(PacketIoContract, DropsAndCountsWithoutASwitchAndGoesOnWithOne) {
  harness_->Punt(kTable);
  SendUntilBack(Packet("before"));
  harness_->Disconnect();
  const uint64_t dropped = io().counters().dropped;
  io().Send(Packet("meanwhile"));
  harness_->Connect();
  harness_->Punt(kTable);
  SendUntilBack(Packet("after"));
  EXPECT_GT(io().counters().dropped, dropped);
  EXPECT_THAT(ReceivedBytes(), ::testing::Not(::testing::Contains(Packet("meanwhile").bytes)));
}

}  // namespace xpu
