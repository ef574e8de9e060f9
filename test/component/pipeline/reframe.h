#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

namespace xpu::testing {

// Turns good frames into others, which are as good to the last checksum but for what an attack wants of them.
// Frames are whole Ethernet frames without tags, IPv4 without options and IPv6 without extension headers.

// Numbers of IPv6 extension headers (RFC 8200, IANA "Internet Protocol Version 6 Parameters").
inline constexpr uint8_t kHopByHop = 0;
inline constexpr uint8_t kRouting = 43;
inline constexpr uint8_t kAuthentication = 51;
inline constexpr uint8_t kDestinationOptions = 60;

// A piece of the payload of an IP packet: `length` octets from `offset`, a multiple of 8. `more`: the flag
// that says so. To the end if `length` is npos. IPv6 gets a fragment header.
std::string Fragment(const std::string& frame, size_t offset, size_t length = std::string::npos,
                     bool more = false);
// The same after an extension header `type`, that is with the frame's own fragmentable part beginning with
// it.
std::string WithExtension(const std::string& frame, uint8_t type, size_t octets = 8);
std::string WithTtl(const std::string& frame, uint8_t ttl);
// An IPv4 packet with options, whose length is a multiple of 4.
std::string WithOptions(const std::string& frame, const std::string& options);
// One more tag of `tpid` right behind the addresses.
std::string WithTag(const std::string& frame, uint16_t tpid, uint16_t vlan);
// `inner`, a whole frame, in VXLAN (RFC 7348) as the payload of a UDP datagram.
std::string Vxlan(uint32_t vni, const std::string& inner);
// An IP packet of `protocol` with that payload, from and to whom `frame` is.
std::string WithPayload(const std::string& frame, uint8_t protocol, const std::string& payload);

}  // namespace xpu::testing
