#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>

#include "absl/time/time.h"
#include "xpu-agent/datapath/packet_io.h"

namespace xpu {

struct OvsPacketIoOptions {
  // Where ovs-vswitchd makes the OpenFlow sockets of its bridges, <bridge>.mgmt.
  std::string openflow_dir = "/var/run/openvswitch";
  std::string bridge = "br-xpu";
  // Packets a second that the bridge's flows may send to controllers, and how many at once: what is above is
  // dropped in the datapath (the bridge's "controller" meter), before it costs ovs-vswitchd anything.
  uint32_t rate = 2000;
  uint32_t burst = 500;
  // Packets that wait to be sent.
  size_t max_queued = 1024;
  // For ovs-vswitchd to answer when connecting.
  absl::Duration deadline = absl::Seconds(15);
};

// Packets of a bridge of Open vSwitch, over an OpenFlow connection and on a thread of their own. The bridge
// and the daemon may come, go and restart at any time.
class OvsPacketIo : public PacketIo {
 public:
  explicit OvsPacketIo(OvsPacketIoOptions options);
  // Ends the thread.
  ~OvsPacketIo() override;

  void Start(std::function<void(PacketIn packet)> handler) override;
  void Send(PacketOut packet) override;
  Counters counters() const override;

 private:
  class Thread;
  std::unique_ptr<Thread> thread_;
};

}  // namespace xpu
