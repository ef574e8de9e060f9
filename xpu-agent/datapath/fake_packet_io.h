#pragma once

#include <functional>
#include <set>
#include <string>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include "xpu-agent/datapath/packet_io.h"

namespace xpu {

// Packets in memory. Connected from the start. Safe from any thread; handlers are called on the thread that
// brings the packet.
class FakePacketIo : public PacketIo {
 public:
  FakePacketIo() = default;

  void Start(std::function<void(PacketIn packet)> handler) override;
  void Send(PacketOut packet) override;
  Counters counters() const override;

  // A packet comes from the switch.
  void Deliver(PacketIn packet);
  // The flows of `table` send every packet back to the agent.
  void Punt(uint8_t table);
  void Disconnect();
  void Connect();
  // Send() acts but does not return before Release(). AwaitHeld() waits until one is at that point.
  void Hold();
  void AwaitHeld();
  void Release();
  // Waits until `count` packets were sent since the last call, and returns them; fewer if that takes longer
  // than 10 s.
  std::vector<PacketOut> TakeSent(size_t count);

 private:
  mutable absl::Mutex mutex_;
  std::function<void(PacketIn)> handler_ ABSL_GUARDED_BY(mutex_);
  bool connected_ ABSL_GUARDED_BY(mutex_) = true;
  bool hold_ ABSL_GUARDED_BY(mutex_) = false;
  int held_ ABSL_GUARDED_BY(mutex_) = 0;
  std::set<uint8_t> punts_ ABSL_GUARDED_BY(mutex_);
  std::vector<PacketOut> sent_ ABSL_GUARDED_BY(mutex_);
  Counters counters_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace xpu
