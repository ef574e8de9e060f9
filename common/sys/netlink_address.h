#pragma once

#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "common/sys/netlink.h"
#include "common/sys/netlink_socket.h"

namespace xpu {

// Addresses over rtnetlink(7), with the promises of Netlink's methods of the same names. Errors do
// not say which interface was meant.

absl::Status AddAddress(NetlinkSocket& socket, int ifindex, const InterfaceAddress& address);
absl::Status DeleteAddress(NetlinkSocket& socket, int ifindex, const InterfaceAddress& address);
absl::StatusOr<std::vector<InterfaceAddress>> DumpAddresses(NetlinkSocket& socket, int ifindex);

}  // namespace xpu
