#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "common/base/ip_address.h"
#include "common/base/mac_address.h"

namespace xpu::testing {

// Builders of frames, valid to the last checksum unless asked for otherwise, so that a frame that is dropped
// is dropped for the one thing that is wrong with it. All are whole Ethernet frames without FCS.

inline constexpr char kBroadcast[] = "ff:ff:ff:ff:ff:ff";
inline constexpr char kAllNodesMac[] = "33:33:00:00:00:01";
inline constexpr char kAllNodes[] = "ff02::1";

MacAddress Mac(const std::string& text);
IpAddress Ip(const std::string& text);

std::string Ethernet(const std::string& dst, const std::string& src, uint16_t type,
                     const std::string& payload);
// The same frame with an 802.1Q tag.
std::string Tagged(const std::string& frame, uint16_t vlan);

struct Arp {
  std::string eth_dst = kBroadcast;
  std::string eth_src;
  uint16_t op = 1;
  std::string sha;
  std::string spa;
  std::string tha = "00:00:00:00:00:00";
  std::string tpa;
};
std::string ArpFrame(const Arp& arp);

// A UDP datagram over IPv4 or IPv6, as the addresses say.
struct Udp {
  std::string eth_dst;
  std::string eth_src;
  std::string src;
  std::string dst;
  uint16_t src_port = 4000;
  uint16_t dst_port = 4001;
  std::string payload;
  uint8_t hop_limit = 64;
};
std::string UdpFrame(const Udp& udp);

// ICMP over IPv4 or ICMPv6, as the addresses say.
struct Icmp {
  std::string eth_dst;
  std::string eth_src;
  std::string src;
  std::string dst;
  uint8_t type = 0;
  uint8_t code = 0;
  // What follows the checksum.
  std::string body;
  uint8_t hop_limit = 255;
};
std::string IcmpFrame(const Icmp& icmp);

// Bodies of ICMPv6 messages. `flags` are the 32 bits before the target; `option` as LinkLayerOption gives it.
std::string NdBody(uint32_t flags, const std::string& target, const std::string& option);
// 1: source, 2: target link-layer address.
std::string LinkLayerOption(uint8_t type, const std::string& mac);

// The group that a neighbour solicitation for `target` goes to, and its MAC.
std::string SolicitedNode(const std::string& target);
std::string GroupMac(const std::string& group);

// The checksum that an ICMPv6 frame without extension headers should have is the one it has.
bool Icmp6ChecksumIsRight(const std::string& frame);

}  // namespace xpu::testing
