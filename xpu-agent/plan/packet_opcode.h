#pragma once

#include <cstdint>

namespace xpu::pipeline {

// reg1 of what the flows send to the agent: what is to be done with the packet. It has the metadata and the
// other registers that pipeline.h describes.
enum class PacketOpcode : uint8_t {
  // From a bound port to a DHCP server.
  kDhcp = 1,
  kRouterSolicitation = 2,
  // The router cannot bring it on; metadata is the network that it came from, reg2 the routing domain.
  kTimeExceeded = 3,
  kNetUnreachable = 4,
  kHostUnreachable = 5,
  // The network that the destination lies in takes only smaller ones.
  kTooBig = 6,
  // For an address of the router.
  kNeighbourSolicitation = 7,
};

}  // namespace xpu::pipeline
