#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "absl/strings/string_view.h"
#include "common/base/ip_address.h"
#include "common/base/mac_address.h"

namespace xpu::slowpath {

// A router's constants (RFC 4861, 6.2.1), in seconds.
inline constexpr int kMaxRouterInterval = 600;
inline constexpr int kMinRouterInterval = 200;
inline constexpr uint16_t kRouterLifetime = 3 * kMaxRouterInterval;

// What the router of a link says of it.
struct RouterAdvertisement {
  MacAddress router;
  // Those of the link. Hosts neither form addresses of them (no autonomous flag) nor ask DHCPv6 for any (no
  // managed flag): an address is given to the port, and the switch lets no other pass.
  std::vector<IpPrefix> prefixes;
  uint32_t mtu = 1500;
  // Those of IPv4 are left out.
  std::vector<IpAddress> dns_servers;
  std::vector<std::string> search;
};

// Who asks.
struct RouterSolicitation {
  MacAddress mac;
  // May be unspecified.
  IpAddress address;
};

// Nothing if it is none, or one that a router must not take (RFC 4861, 6.1.1).
std::optional<RouterSolicitation> ParseRouterSolicitation(absl::string_view frame);

// For all hosts of the link; with `to` for that one only.
std::string BuildRouterAdvertisement(const RouterAdvertisement& advertisement,
                                     const std::optional<RouterSolicitation>& to);

}  // namespace xpu::slowpath
