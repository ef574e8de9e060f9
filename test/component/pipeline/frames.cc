#include "test/component/pipeline/frames.h"

#include <netinet/in.h>

namespace xpu::testing {
namespace {

constexpr uint16_t kTypeIp = 0x0800;
constexpr uint16_t kTypeArp = 0x0806;
constexpr uint16_t kTypeIpv6 = 0x86dd;
constexpr size_t kEthernetHeader = 14;
constexpr size_t kIpv6Header = 40;

std::string Be16(uint16_t value) { return {static_cast<char>(value >> 8), static_cast<char>(value & 0xff)}; }
std::string Be32(uint32_t value) {
  return Be16(static_cast<uint16_t>(value >> 16)) + Be16(static_cast<uint16_t>(value & 0xffff));
}

// The Internet checksum (RFC 1071).
uint16_t Checksum(std::string bytes) {
  if (bytes.size() % 2 != 0) bytes.push_back('\0');
  uint32_t sum = 0;
  for (size_t i = 0; i < bytes.size(); i += 2) {
    sum += static_cast<uint8_t>(bytes[i]) << 8 | static_cast<uint8_t>(bytes[i + 1]);
  }
  while (sum >> 16 != 0) sum = (sum & 0xffff) + (sum >> 16);
  return static_cast<uint16_t>(~sum);
}

std::string PseudoHeader(const IpAddress& src, const IpAddress& dst, uint8_t protocol, size_t length) {
  return src.ToBytes() + dst.ToBytes() + Be32(static_cast<uint32_t>(length)) + Be32(protocol);
}

// `payload` has its checksum in place.
std::string IpFrame(const std::string& eth_dst, const std::string& eth_src, const IpAddress& src,
                    const IpAddress& dst, uint8_t protocol, uint8_t hop_limit, const std::string& payload) {
  if (src.is_v6()) {
    const std::string header = Be32(0x60000000) + Be16(static_cast<uint16_t>(payload.size())) +
                               static_cast<char>(protocol) + static_cast<char>(hop_limit) + src.ToBytes() +
                               dst.ToBytes();
    return Ethernet(eth_dst, eth_src, kTypeIpv6, header + payload);
  }
  const auto header = [&](uint16_t checksum) {
    return Be16(0x4500) + Be16(static_cast<uint16_t>(20 + payload.size())) + Be32(0x00004000) +
           static_cast<char>(hop_limit) + static_cast<char>(protocol) + Be16(checksum) + src.ToBytes() +
           dst.ToBytes();
  };
  return Ethernet(eth_dst, eth_src, kTypeIp, header(Checksum(header(0))) + payload);
}

}  // namespace

MacAddress Mac(const std::string& text) { return MacAddress::Parse(text).value(); }
IpAddress Ip(const std::string& text) { return IpAddress::Parse(text).value(); }

std::string Ethernet(const std::string& dst, const std::string& src, uint16_t type,
                     const std::string& payload) {
  return Mac(dst).ToBytes() + Mac(src).ToBytes() + Be16(type) + payload;
}

std::string Tagged(const std::string& frame, uint16_t vlan) {
  return frame.substr(0, 12) + Be16(0x8100) + Be16(vlan) + frame.substr(12);
}

std::string ArpFrame(const Arp& arp) {
  return Ethernet(arp.eth_dst, arp.eth_src, kTypeArp,
                  Be16(1) + Be16(kTypeIp) + Be16(0x0604) + Be16(arp.op) + Mac(arp.sha).ToBytes() +
                      Ip(arp.spa).ToBytes() + Mac(arp.tha).ToBytes() + Ip(arp.tpa).ToBytes());
}

std::string UdpFrame(const Udp& udp) {
  const IpAddress src = Ip(udp.src);
  const IpAddress dst = Ip(udp.dst);
  const auto datagram = [&](uint16_t checksum) {
    return Be16(udp.src_port) + Be16(udp.dst_port) + Be16(static_cast<uint16_t>(8 + udp.payload.size())) +
           Be16(checksum) + udp.payload;
  };
  const std::string bare = datagram(0);
  const uint16_t checksum = Checksum(PseudoHeader(src, dst, IPPROTO_UDP, bare.size()) + bare);
  return IpFrame(udp.eth_dst, udp.eth_src, src, dst, IPPROTO_UDP, udp.hop_limit, datagram(checksum));
}

std::string IcmpFrame(const Icmp& icmp) {
  const IpAddress src = Ip(icmp.src);
  const IpAddress dst = Ip(icmp.dst);
  const auto message = [&](uint16_t checksum) {
    return std::string{static_cast<char>(icmp.type), static_cast<char>(icmp.code)} + Be16(checksum) +
           icmp.body;
  };
  const std::string bare = message(0);
  const auto protocol = static_cast<uint8_t>(src.is_v6() ? int{IPPROTO_ICMPV6} : int{IPPROTO_ICMP});
  const std::string pseudo = src.is_v6() ? PseudoHeader(src, dst, protocol, bare.size()) : "";
  return IpFrame(icmp.eth_dst, icmp.eth_src, src, dst, protocol, icmp.hop_limit,
                 message(Checksum(pseudo + bare)));
}

std::string NdBody(uint32_t flags, const std::string& target, const std::string& option) {
  return Be32(flags) + Ip(target).ToBytes() + option;
}

std::string LinkLayerOption(uint8_t type, const std::string& mac) {
  return std::string{static_cast<char>(type), 1} + Mac(mac).ToBytes();
}

std::string SolicitedNode(const std::string& target) {
  return IpAddress(IpFamily::kV6, Ip("ff02::1:ff00:0").value() | (Ip(target).value() & 0xffffff)).ToString();
}

std::string GroupMac(const std::string& group) {
  return MacAddress::FromBytes("\x33\x33" + Ip(group).ToBytes().substr(12)).value().ToString();
}

bool Icmp6ChecksumIsRight(const std::string& frame) {
  if (frame.size() < kEthernetHeader + kIpv6Header) return false;
  const std::string message = frame.substr(kEthernetHeader + kIpv6Header);
  const std::string addresses = frame.substr(kEthernetHeader + 8, 32);
  return Checksum(addresses + Be32(static_cast<uint32_t>(message.size())) + Be32(IPPROTO_ICMPV6) + message) ==
         0;
}

}  // namespace xpu::testing
