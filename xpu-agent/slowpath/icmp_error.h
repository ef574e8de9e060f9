#pragma once

#include <cstdint>
#include <string>

#include "absl/strings/string_view.h"
#include "common/base/ip_address.h"
#include "common/base/mac_address.h"

namespace xpu::slowpath {

// Why a router could not bring a packet on.
enum class IcmpError {
  kTimeExceeded,
  // No subnet has the destination.
  kNetUnreachable,
  // Its subnet is there, the host is not.
  kHostUnreachable,
  kTooBig,
};

// Who says so: the router as the sender of the packet sees it.
struct ErrorSource {
  MacAddress mac;
  // Of the family of the packet.
  IpAddress address;
  // For kTooBig: what the next link takes, in bytes of layer 3.
  uint32_t mtu = 0;
};

// The message about `frame`, to its sender (RFC 792, 1191, 1812; RFC 4443). Empty if there must be none:
// about errors and redirects, about later fragments, to or from what is not one host (broadcast, multicast,
// unspecified), about what cannot be parsed; or if there is none: an IPv4 packet that may be fragmented is
// not too big, so nothing is said of it.
std::string BuildIcmpError(IcmpError error, const ErrorSource& source, absl::string_view frame);

}  // namespace xpu::slowpath
