#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "absl/strings/string_view.h"
#include "common/base/ip_address.h"
#include "common/base/mac_address.h"

namespace xpu::slowpath {

// ICMPv6 types of what hosts ask their link (RFC 4861, 4.1 and 4.3).
inline constexpr uint8_t kRouterSolicitation = 133;
inline constexpr uint8_t kNeighbourSolicitation = 135;

// Who asks, and of a neighbour solicitation for whom.
struct Solicitation {
  MacAddress mac;
  // May be unspecified.
  IpAddress address;
  IpAddress target;
};

// Nothing if the frame is none of this type, or one that must not be taken (RFC 4861, 6.1.1 and 7.1.1).
std::optional<Solicitation> ParseSolicitation(absl::string_view frame, uint8_t type);

// The answer of a router with this MAC, whose address the target is (RFC 4861, 7.2.4). Who has no address yet
// tries the router's (RFC 4862, 5.4.3) and is told as all nodes would be.
std::string BuildNeighbourAdvertisement(const MacAddress& router, const Solicitation& solicitation);

}  // namespace xpu::slowpath
