#pragma once

#include <array>
#include <cstdint>
#include <functional>
#include <string>

namespace xpu {

// The registers that go with a packet to the agent and back: reg0, reg1 and so on.
inline constexpr int kPacketRegisters = 4;

// A packet that a flow has sent to the agent.
struct PacketIn {
  // Of the flow.
  uint8_t table = 0;
  // OpenFlow port.
  uint32_t in_port = 0;
  uint64_t metadata = 0;
  std::array<uint32_t, kPacketRegisters> regs{};
  // The whole Ethernet frame, as the flows have left it.
  std::string bytes;
  friend bool operator==(const PacketIn&, const PacketIn&) = default;
};

// A packet of the agent that enters the pipeline.
struct PacketOut {
  uint8_t table = 0;
  uint64_t metadata = 0;
  std::array<uint32_t, kPacketRegisters> regs{};
  // A whole Ethernet frame without FCS.
  std::string bytes;
  friend bool operator==(const PacketOut&, const PacketOut&) = default;
};

// Packets between the switch's flows and the agent, apart from the changes of the flows: neither delays the
// other. Real: an OpenFlow connection of its own. While there is no connection nothing comes and what is sent
// is dropped, as on a wire; packets are never kept for later.
class PacketIo {
 public:
  virtual ~PacketIo() = default;

  // Called once, before anything else. `handler` gets every packet whose controller action has the id
  // kPacketControllerId, one at a time, on a thread of this object; it must not block. It may be called until
  // the object is gone.
  virtual void Start(std::function<void(PacketIn packet)> handler) = 0;

  // Has `packet` enter the pipeline, as coming from no port. From any thread; does not wait. What finds no
  // room or no connection is dropped and counted.
  virtual void Send(PacketOut packet) = 0;

  struct Counters {
    // Handed to the handler.
    uint64_t received = 0;
    uint64_t sent = 0;
    // Packets that were to be sent.
    uint64_t dropped = 0;
  };
  virtual Counters counters() const = 0;
};

// The id in controller actions that are meant for the agent: "controller(id=30832)". No other
// connection to the switch gets what these send.
inline constexpr uint16_t kPacketControllerId = 0x7870;

}  // namespace xpu
