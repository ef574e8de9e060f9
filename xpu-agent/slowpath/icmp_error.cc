#include "xpu-agent/slowpath/icmp_error.h"

#include <algorithm>

#include "xpu-agent/slowpath/wire.h"

namespace xpu::slowpath {
namespace {

// Errors are whole packets of at most so many octets (RFC 1812, 4.3.2.3; RFC 4443, 2.4 c).
constexpr size_t kMostIpv4 = 576;
constexpr size_t kMostIpv6 = 1280;
constexpr size_t kIpv4AndIcmp = 20 + 8;
constexpr size_t kIpv6AndIcmp = 40 + 8;
// Precedence "internetwork control" (RFC 1812, 4.3.2.5).
constexpr uint8_t kInternetworkControl = 0xc0;
constexpr uint8_t kIcmp6Redirect = 137;

struct TypeAndCode {
  uint8_t type;
  uint8_t code;
};

TypeAndCode OfIpv4(IcmpError error) {
  switch (error) {
    case IcmpError::kTimeExceeded:
      return {11, 0};
    case IcmpError::kNetUnreachable:
      return {3, 0};
    case IcmpError::kHostUnreachable:
      return {3, 1};
    case IcmpError::kTooBig:
      return {3, 4};
  }
  return {3, 0};
}

TypeAndCode OfIpv6(IcmpError error) {
  switch (error) {
    case IcmpError::kTimeExceeded:
      return {3, 0};
    case IcmpError::kNetUnreachable:
      return {1, 0};
    case IcmpError::kHostUnreachable:
      return {1, 3};
    case IcmpError::kTooBig:
      return {2, 0};
  }
  return {1, 0};
}

// Of ICMPv4: everything that is neither a request nor a reply.
bool IsErrorOrRedirect4(uint8_t type) {
  for (const uint8_t query : {0, 8, 9, 10, 13, 14, 15, 16, 17, 18, 42, 43}) {
    if (type == query) return false;
  }
  return true;
}

// Addresses of one host: 0.0.0.0/8 and the reserved class E are none either.
bool IsHost4(const IpAddress& address) {
  const uint32_t first = static_cast<uint32_t>(address.value()) >> 24;
  return address.IsUnicast() && first != 0 && first < 224;
}

std::string About(IcmpError error, const ErrorSource& source, const Ethernet& frame, const Ipv4& packet) {
  if (!IsHost4(packet.src) || !packet.dst.IsUnicast() || packet.later_fragment) return "";
  if (packet.protocol == kProtocolIcmp &&
      (packet.payload.empty() || IsErrorOrRedirect4(static_cast<uint8_t>(packet.payload[0])))) {
    return "";
  }
  if (error == IcmpError::kTooBig && !packet.dont_fragment) return "";
  const auto [type, code] = OfIpv4(error);
  const uint32_t mtu = error == IcmpError::kTooBig ? std::min<uint32_t>(source.mtu, 0xffff) : 0;
  WireWriter message;
  message.U8(type).U8(code).U16(0).U32(mtu).Bytes(packet.packet.substr(0, kMostIpv4 - kIpv4AndIcmp));
  return IcmpFrame({.eth_dst = frame.src,
                    .eth_src = source.mac,
                    .src = source.address,
                    .dst = packet.src,
                    .traffic_class = kInternetworkControl},
                   message.bytes());
}

std::string About(IcmpError error, const ErrorSource& source, const Ethernet& frame, const Ipv6& packet) {
  if (!packet.src.IsUnicast() || !packet.dst.IsUnicast()) return "";
  if (packet.protocol == kProtocolIcmp6 && !packet.later_fragment) {
    if (packet.payload.empty()) return "";
    const uint8_t type = static_cast<uint8_t>(packet.payload[0]);
    if (type < 128 || type == kIcmp6Redirect) return "";
  }
  const auto [type, code] = OfIpv6(error);
  WireWriter message;
  message.U8(type).U8(code).U16(0).U32(error == IcmpError::kTooBig ? source.mtu : 0);
  message.Bytes(packet.packet.substr(0, kMostIpv6 - kIpv6AndIcmp));
  return IcmpFrame({.eth_dst = frame.src, .eth_src = source.mac, .src = source.address, .dst = packet.src},
                   message.bytes());
}

}  // namespace

std::string BuildIcmpError(IcmpError error, const ErrorSource& source, absl::string_view frame) {
  Ethernet ethernet;
  if (!Parse(frame, &ethernet) || !ethernet.src.IsUnicast() || !ethernet.dst.IsUnicast()) return "";
  if (ethernet.type == kTypeIpv4 && source.address.is_v4()) {
    Ipv4 packet;
    return Parse(ethernet.payload, &packet) ? About(error, source, ethernet, packet) : "";
  }
  if (ethernet.type == kTypeIpv6 && source.address.is_v6()) {
    Ipv6 packet;
    return Parse(ethernet.payload, &packet) ? About(error, source, ethernet, packet) : "";
  }
  return "";
}

}  // namespace xpu::slowpath
