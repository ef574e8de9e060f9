#pragma once

#include <cstdint>
#include <string>

#include "absl/strings/string_view.h"
#include "common/base/ip_address.h"
#include "common/base/mac_address.h"

namespace xpu::slowpath {

// Takes fields in network byte order off the front of some octets. What goes beyond the end reads as zero or
// empty and makes ok() false for good, so that a parser asks once, at its end.
class WireReader {
 public:
  explicit WireReader(absl::string_view bytes) : bytes_(bytes) {}

  uint8_t U8() { return static_cast<uint8_t>(Number(1)); }
  uint16_t U16() { return static_cast<uint16_t>(Number(2)); }
  uint32_t U32() { return Number(4); }
  // A view into what is read.
  absl::string_view Bytes(size_t size);
  MacAddress Mac();
  IpAddress Ip(IpFamily family);

  bool ok() const { return ok_; }
  absl::string_view rest() const { return bytes_; }

 private:
  uint32_t Number(size_t size);

  absl::string_view bytes_;
  bool ok_ = true;
};

// Puts fields in network byte order at the end of a string.
class WireWriter {
 public:
  WireWriter& U8(uint8_t value);
  WireWriter& U16(uint16_t value);
  WireWriter& U32(uint32_t value);
  WireWriter& Bytes(absl::string_view bytes);
  WireWriter& Zeros(size_t count);
  WireWriter& Mac(const MacAddress& mac) { return Bytes(mac.ToBytes()); }
  WireWriter& Ip(const IpAddress& address) { return Bytes(address.ToBytes()); }
  // Names as RFC 1035, 3.1 has them, uncompressed.
  WireWriter& DomainName(absl::string_view name);

  const std::string& bytes() const { return bytes_; }
  size_t size() const { return bytes_.size(); }

 private:
  std::string bytes_;
};

// The internet checksum (RFC 1071) of octets that hold zero, or the checksum itself, where it belongs: in the
// latter case 0 says that it is right.
uint16_t InternetChecksum(absl::string_view bytes);

// EtherTypes and protocols of IP.
inline constexpr uint16_t kTypeIpv4 = 0x0800;
inline constexpr uint16_t kTypeIpv6 = 0x86dd;
inline constexpr uint8_t kProtocolIcmp = 1;
inline constexpr uint8_t kProtocolUdp = 17;
inline constexpr uint8_t kProtocolIcmp6 = 58;

// A frame without tags. The views are into what was parsed.
struct Ethernet {
  MacAddress dst;
  MacAddress src;
  uint16_t type = 0;
  absl::string_view payload;
};

// An IPv4 packet whose header is sound (RFC 1812, 5.2.2): version, lengths, checksum.
struct Ipv4 {
  IpAddress src;
  IpAddress dst;
  uint8_t protocol = 0;
  bool dont_fragment = false;
  // Not the first of its fragments.
  bool later_fragment = false;
  bool more_fragments = false;
  // The packet without Ethernet's padding, and what follows its header; as far as it was captured.
  absl::string_view packet;
  absl::string_view payload;
};

// An IPv6 packet and its first header that is no extension header.
struct Ipv6 {
  IpAddress src;
  IpAddress dst;
  uint8_t hop_limit = 0;
  // Of the payload; if extension headers are cut off or unknown, that of the first such one.
  uint8_t protocol = 0;
  bool later_fragment = false;
  absl::string_view packet;
  absl::string_view payload;
};

// False if it is none, or malformed. Packets may be cut off at their end, not within a header of IP.
bool Parse(absl::string_view bytes, Ethernet* frame);
bool Parse(absl::string_view bytes, Ipv4* packet);
bool Parse(absl::string_view bytes, Ipv6* packet);

// Frames to send, with all checksums.
struct IpHeader {
  MacAddress eth_dst;
  MacAddress eth_src;
  // Both of one family.
  IpAddress src;
  IpAddress dst;
  // TTL.
  uint8_t hop_limit = 64;
  uint8_t traffic_class = 0;
};
std::string UdpFrame(const IpHeader& header, uint16_t src_port, uint16_t dst_port, absl::string_view payload);
// ICMP or ICMPv6, as the addresses say. `message` has zero where the checksum belongs.
std::string IcmpFrame(const IpHeader& header, std::string message);

}  // namespace xpu::slowpath
