#include "xpu-agent/slowpath/wire.h"

#include <algorithm>
#include <array>

#include "absl/strings/str_split.h"

namespace xpu::slowpath {
namespace {

constexpr size_t kIpv4Header = 20;
constexpr size_t kIpv6Header = 40;
constexpr uint16_t kDontFragment = 0x4000;
constexpr uint16_t kMoreFragments = 0x2000;
constexpr uint16_t kFragmentOffset = 0x1fff;
// Extension headers (RFC 8200, 4): hop-by-hop options, routing, fragment, destination options.
constexpr uint8_t kHopByHop = 0;
constexpr uint8_t kRouting = 43;
constexpr uint8_t kFragment = 44;
constexpr uint8_t kDestinationOptions = 60;

void PutU16(std::string* bytes, size_t offset, uint16_t value) {
  (*bytes)[offset] = static_cast<char>(value >> 8);
  (*bytes)[offset + 1] = static_cast<char>(value & 0xff);
}

std::string IpFrame(const IpHeader& header, uint8_t protocol, absl::string_view payload) {
  WireWriter frame;
  frame.Mac(header.eth_dst).Mac(header.eth_src);
  if (header.src.is_v6()) {
    frame.U16(kTypeIpv6)
        .U32(0x6000'0000u | static_cast<uint32_t>(header.traffic_class) << 20)
        .U16(static_cast<uint16_t>(payload.size()))
        .U8(protocol)
        .U8(header.hop_limit);
    return frame.Ip(header.src).Ip(header.dst).Bytes(payload).bytes();
  }
  WireWriter ip;
  // Not fragmented and never to be, so that the identification may be zero (RFC 6864, 4.1).
  ip.U8(0x45).U8(header.traffic_class).U16(static_cast<uint16_t>(kIpv4Header + payload.size()));
  ip.U16(0).U16(kDontFragment).U8(header.hop_limit).U8(protocol).U16(0).Ip(header.src).Ip(header.dst);
  std::string bytes = ip.bytes();
  PutU16(&bytes, 10, InternetChecksum(bytes));
  return frame.U16(kTypeIpv4).Bytes(bytes).Bytes(payload).bytes();
}

// What the checksum of a transport covers besides itself (RFC 768, RFC 8200 section 8.1).
std::string PseudoHeader(const IpHeader& header, uint8_t protocol, size_t size) {
  WireWriter pseudo;
  pseudo.Ip(header.src).Ip(header.dst);
  if (header.src.is_v6()) return pseudo.U32(static_cast<uint32_t>(size)).Zeros(3).U8(protocol).bytes();
  return pseudo.U8(0).U8(protocol).U16(static_cast<uint16_t>(size)).bytes();
}

}  // namespace

uint32_t WireReader::Number(size_t size) {
  uint32_t value = 0;
  for (const char c : Bytes(size)) value = value << 8 | static_cast<uint8_t>(c);
  return value;
}

absl::string_view WireReader::Bytes(size_t size) {
  if (size > bytes_.size()) {
    ok_ = false;
    bytes_ = {};
    return {};
  }
  const absl::string_view taken = bytes_.substr(0, size);
  bytes_.remove_prefix(size);
  return taken;
}

MacAddress WireReader::Mac() { return MacAddress::FromBytes(Bytes(6)).value_or(MacAddress()); }

IpAddress WireReader::Ip(IpFamily family) {
  return IpAddress::FromBytes(Bytes(family == IpFamily::kV4 ? 4 : 16)).value_or(IpAddress(family, 0));
}

WireWriter& WireWriter::U8(uint8_t value) {
  bytes_.push_back(static_cast<char>(value));
  return *this;
}

WireWriter& WireWriter::U16(uint16_t value) {
  return U8(static_cast<uint8_t>(value >> 8)).U8(static_cast<uint8_t>(value & 0xff));
}

WireWriter& WireWriter::U32(uint32_t value) {
  return U16(static_cast<uint16_t>(value >> 16)).U16(static_cast<uint16_t>(value & 0xffff));
}

WireWriter& WireWriter::Bytes(absl::string_view bytes) {
  bytes_.append(bytes.data(), bytes.size());
  return *this;
}

WireWriter& WireWriter::Zeros(size_t count) {
  bytes_.append(count, '\0');
  return *this;
}

WireWriter& WireWriter::DomainName(absl::string_view name) {
  for (const absl::string_view label : absl::StrSplit(name, '.', absl::SkipEmpty())) {
    const absl::string_view fits = label.substr(0, 63);
    U8(static_cast<uint8_t>(fits.size())).Bytes(fits);
  }
  return U8(0);
}

uint16_t InternetChecksum(absl::string_view bytes) {
  uint64_t sum = 0;
  for (size_t i = 0; i < bytes.size(); ++i) {
    sum += static_cast<uint64_t>(static_cast<uint8_t>(bytes[i])) << (i % 2 == 0 ? 8 : 0);
  }
  while (sum > 0xffff) sum = (sum & 0xffff) + (sum >> 16);
  return static_cast<uint16_t>(~sum & 0xffff);
}

bool Parse(absl::string_view bytes, Ethernet* frame) {
  WireReader reader(bytes);
  frame->dst = reader.Mac();
  frame->src = reader.Mac();
  frame->type = reader.U16();
  frame->payload = reader.rest();
  return reader.ok();
}

bool Parse(absl::string_view bytes, Ipv4* packet) {
  WireReader reader(bytes);
  const uint8_t version_and_length = reader.U8();
  const size_t header = static_cast<size_t>(version_and_length & 0xf) * 4;
  reader.U8();
  const size_t total = reader.U16();
  reader.U16();
  const uint16_t fragment = reader.U16();
  reader.U8();
  packet->protocol = reader.U8();
  reader.U16();
  packet->src = reader.Ip(IpFamily::kV4);
  packet->dst = reader.Ip(IpFamily::kV4);
  if (!reader.ok() || version_and_length >> 4 != 4 || header < kIpv4Header || total < header ||
      bytes.size() < header || InternetChecksum(bytes.substr(0, header)) != 0) {
    return false;
  }
  packet->dont_fragment = (fragment & kDontFragment) != 0;
  packet->more_fragments = (fragment & kMoreFragments) != 0;
  packet->later_fragment = (fragment & kFragmentOffset) != 0;
  packet->packet = bytes.substr(0, std::min(total, bytes.size()));
  packet->payload = packet->packet.substr(header);
  return true;
}

bool Parse(absl::string_view bytes, Ipv6* packet) {
  WireReader reader(bytes);
  const uint8_t version = static_cast<uint8_t>(reader.U32() >> 28);
  const size_t length = reader.U16();
  packet->protocol = reader.U8();
  packet->hop_limit = reader.U8();
  packet->src = reader.Ip(IpFamily::kV6);
  packet->dst = reader.Ip(IpFamily::kV6);
  if (!reader.ok() || version != 6) return false;
  packet->packet = bytes.substr(0, std::min(kIpv6Header + length, bytes.size()));
  packet->payload = packet->packet.substr(kIpv6Header);
  packet->later_fragment = false;
  for (;;) {
    const uint8_t type = packet->protocol;
    if (type != kHopByHop && type != kRouting && type != kFragment && type != kDestinationOptions) break;
    WireReader extension(packet->payload);
    const uint8_t next = extension.U8();
    const uint8_t units = extension.U8();
    const uint16_t fragment = extension.U16();
    extension.Bytes(type == kFragment ? 4 : 4 + static_cast<size_t>(units) * 8);
    if (!extension.ok()) break;
    packet->protocol = next;
    packet->payload = extension.rest();
    // The offset is in the upper 13 bits.
    packet->later_fragment = type == kFragment && fragment >> 3 != 0;
    if (packet->later_fragment) break;
  }
  return true;
}

std::string UdpFrame(const IpHeader& header, uint16_t src_port, uint16_t dst_port,
                     absl::string_view payload) {
  WireWriter udp;
  udp.U16(src_port).U16(dst_port).U16(static_cast<uint16_t>(8 + payload.size())).U16(0).Bytes(payload);
  std::string bytes = udp.bytes();
  const uint16_t sum = InternetChecksum(PseudoHeader(header, kProtocolUdp, bytes.size()) + bytes);
  // Zero would say that there is none.
  PutU16(&bytes, 6, sum == 0 ? 0xffff : sum);
  return IpFrame(header, kProtocolUdp, bytes);
}

std::string IcmpFrame(const IpHeader& header, std::string message) {
  if (message.size() < 4) message.resize(4, '\0');
  const bool v6 = header.src.is_v6();
  const std::string pseudo = v6 ? PseudoHeader(header, kProtocolIcmp6, message.size()) : "";
  PutU16(&message, 2, InternetChecksum(pseudo + message));
  return IpFrame(header, v6 ? kProtocolIcmp6 : kProtocolIcmp, message);
}

}  // namespace xpu::slowpath
