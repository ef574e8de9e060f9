#include "xpu-agent/datapath/fake_packet_io.h"

#include <optional>
#include <utility>

namespace xpu {

void FakePacketIo::Start(std::function<void(PacketIn packet)> handler) {
  absl::MutexLock lock(&mutex_);
  handler_ = std::move(handler);
}

void FakePacketIo::Send(PacketOut packet) {
  std::optional<PacketIn> back;
  {
    absl::MutexLock lock(&mutex_);
    if (!connected_) {
      ++counters_.dropped;
      return;
    }
    ++counters_.sent;
    if (punts_.contains(packet.table)) {
      back = PacketIn{.table = packet.table,
                      .in_port = 0xfffffffd,  // OFPP_CONTROLLER
                      .metadata = packet.metadata,
                      .regs = packet.regs,
                      .bytes = packet.bytes};
    }
    sent_.push_back(std::move(packet));
    ++held_;
    const auto may_go = [this]() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) { return !hold_; };
    mutex_.Await(absl::Condition(&may_go));
    --held_;
  }
  if (back.has_value()) Deliver(*std::move(back));
}

PacketIo::Counters FakePacketIo::counters() const {
  absl::MutexLock lock(&mutex_);
  return counters_;
}

void FakePacketIo::Deliver(PacketIn packet) {
  std::function<void(PacketIn)> handler;
  {
    absl::MutexLock lock(&mutex_);
    if (!connected_ || handler_ == nullptr) return;
    ++counters_.received;
    handler = handler_;
  }
  handler(std::move(packet));
}

void FakePacketIo::Punt(uint8_t table) {
  absl::MutexLock lock(&mutex_);
  punts_.insert(table);
}

void FakePacketIo::Disconnect() {
  absl::MutexLock lock(&mutex_);
  connected_ = false;
}

void FakePacketIo::Connect() {
  absl::MutexLock lock(&mutex_);
  connected_ = true;
}

void FakePacketIo::Hold() {
  absl::MutexLock lock(&mutex_);
  hold_ = true;
}

void FakePacketIo::AwaitHeld() {
  absl::MutexLock lock(&mutex_);
  const auto held = [this]() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) { return hold_ && held_ > 0; };
  mutex_.Await(absl::Condition(&held));
}

void FakePacketIo::Release() {
  absl::MutexLock lock(&mutex_);
  hold_ = false;
}

std::vector<PacketOut> FakePacketIo::TakeSent(size_t count) {
  absl::MutexLock lock(&mutex_);
  const auto enough = [&]() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) { return sent_.size() >= count; };
  mutex_.AwaitWithTimeout(absl::Condition(&enough), absl::Seconds(10));
  return std::exchange(sent_, {});
}

}  // namespace xpu
