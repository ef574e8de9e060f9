#pragma once

#include <cstdint>
#include <vector>

#include "absl/status/status.h"
#include "common/base/ip_address.h"
#include "xpu-agent/model/model.h"

namespace xpu {

// First and last address of a prefix that an interface may have.
struct AddressRange {
  IpAddress first;
  IpAddress last;
  bool Contains(const IpAddress& address) const { return first <= address && address <= last; }
};

// Leaves out network and broadcast address of IPv4 and the subnet-router anycast address of IPv6 (RFC
// 4291, 2.6.1), except in prefixes that are too long to have them: /31 and /32 (RFC 3021), /127 (RFC 6164)
// and /128.
AddressRange AssignableRange(const IpPrefix& prefix);

// Whether a logical bridge can have these, all together. InvalidArgument says which one it cannot have and
// why: a prefix that interfaces have no addresses in (multicast, loopback, link-local and the like), prefixes
// that overlap, a gateway in no prefix or on an address that no interface may have, an MTU (bytes of layer 3)
// below what IP needs (576, with IPv6 1280) or above 9216.
absl::Status ValidateSubnets(const std::vector<IpPrefix>& prefixes, const std::vector<IpAddress>& gateways,
                             uint32_t mtu);

// Whether hosts of a network can be told this: at most 8 servers, each the address of one host; domains as
// hosts have them (letters, digits, '-' and '_', 253 octets), at most 6 to search in, which DHCP and router
// advertisements must have room for. InvalidArgument says what cannot be.
absl::Status ValidateDns(const DnsOptions& dns);

}  // namespace xpu
