#pragma once

#include <cstdint>

namespace xpu::pipeline {

// The pipeline's tables; the gaps are for stages to come (policy, services).
//
//   metadata  key of the network
//   reg0      ingress port
//   reg1      where the packet goes: an OpenFlow port, or one of the words below
//   reg2      key of the VRF while the packet is being routed, or once another card has routed it, otherwise
//   0 reg3      while it is being routed: 1 if it is larger than the next network takes reg4      in a
//   network with a chain: which way the packet has come, see Way
struct Table {
  static constexpr uint8_t kClassify = 0;
  static constexpr uint8_t kChain = 5;
  static constexpr uint8_t kGuard = 10;
  static constexpr uint8_t kRoutedGuard = 12;
  static constexpr uint8_t kRoute = 50;
  static constexpr uint8_t kSize = 52;
  static constexpr uint8_t kNeighbour = 55;
  static constexpr uint8_t kSwitch = 60;
  // To the agent; reg1 says what for (PacketOpcode).
  static constexpr uint8_t kToAgent = 70;
  static constexpr uint8_t kOutput = 80;
};

// Values of reg1 above every port number. The bits above them are the number of a part of a list of ports, 0
// for the whole.
struct Destination {
  // Back to the ingress port.
  static constexpr uint32_t kSender = 0x10001;
  // Back to the ingress port, after the packet's neighbour solicitation was made into an advertisement.
  static constexpr uint32_t kSenderOfSolicitation = 0x10002;
  // All ports of the network but the ingress port.
  static constexpr uint32_t kAll = 0x10003;
  // Those whose addresses are not known.
  static constexpr uint32_t kUnbound = 0x10004;
  // As kSenderOfSolicitation, for an address of a router.
  static constexpr uint32_t kSenderOfSolicitationForRouter = 0x10005;
  static constexpr uint32_t kPartShift = 20;
};

// Values of reg4. Of a packet from a port of this card that has met no function it is 0.
struct Way {
  // Came out of the chain towards those beyond.
  static constexpr uint32_t kLeft = 1;
  // Came out of the chain towards the network's ports.
  static constexpr uint32_t kArrived = 2;
  // Is from the uplink, another card or the router, and has met no function of this network.
  static constexpr uint32_t kFromBeyond = 3;
};

// Ports whose numbers differ only in these low bits share a part of a list.
inline constexpr int kPartBits = 6;

// ICMPv6 types (RFC 4861, 2710, 3810) and the ICMPv4 redirect (RFC 792).
inline constexpr uint8_t kMldReport = 131;
inline constexpr uint8_t kMld2Report = 143;
inline constexpr uint8_t kRouterSolicitation = 133;
inline constexpr uint8_t kRouterAdvertisement = 134;
inline constexpr uint8_t kNeighbourSolicitation = 135;
inline constexpr uint8_t kNeighbourAdvertisement = 136;
inline constexpr uint8_t kIcmp6Redirect = 137;
inline constexpr uint8_t kIcmpRedirect = 5;
inline constexpr uint8_t kEchoRequest = 8;
inline constexpr uint8_t kIcmp6EchoRequest = 128;
// Flags of a router's advertisement (RFC 4861, 4.4) as the switch prints the 32 bits after the checksum.
inline constexpr char kRouterOverride[] = "2684354560";
inline constexpr char kRouterSolicitedOverride[] = "3758096384";
inline constexpr uint16_t kDhcpServerPort = 67;
inline constexpr uint16_t kDhcpClientPort = 68;
inline constexpr uint16_t kDhcp6ServerPort = 547;
inline constexpr uint16_t kDhcp6ClientPort = 546;
inline constexpr uint16_t kArpRequest = 1;
// ND is only valid with the hop limit that no router can have touched (RFC 4861, 7.1).
inline constexpr uint8_t kNdHopLimit = 255;

}  // namespace xpu::pipeline
