#pragma once

#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "common/sys/netlink.h"
#include "common/sys/netlink_socket.h"

namespace xpu {

// Routes over rtnetlink(7), with the promises of Netlink's methods of the same names. Errors do not say which
// route or interface was meant.

absl::Status AddRoute(NetlinkSocket& socket, int ifindex, const Route& route);
absl::Status DeleteRoute(NetlinkSocket& socket, int ifindex, const Route& route);
// Netlink::ListRoutes.
absl::StatusOr<std::vector<Route>> DumpRoutes(NetlinkSocket& socket, int ifindex);

}  // namespace xpu
