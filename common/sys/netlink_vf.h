#pragma once

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "common/sys/netlink_socket.h"
#include "common/sys/vf_settings.h"

namespace xpu {

// What a physical function keeps for its VFs, over rtnetlink(7): IFLA_VFINFO_LIST of if_link.h. Errors do not
// say which VF of which interface was meant.

// Netlink::GetVf.
absl::StatusOr<VfSettings> QueryVf(NetlinkSocket& socket, int pf_ifindex, int vf);
// Netlink::SetVf.
absl::Status ChangeVf(NetlinkSocket& socket, int pf_ifindex, int vf, const VfSettings& settings);

// The messages, for these and for tests.
NetlinkMessage GetVfMessage(int pf_ifindex);
// `settings` has both rates or none.
NetlinkMessage SetVfMessage(int pf_ifindex, int vf, const VfSettings& settings);
// Of the RTM_NEWLINK that answers GetVfMessage; with the errors of Netlink::GetVf.
absl::StatusOr<VfSettings> ParseVf(const nlmsghdr* message, int vf);

}  // namespace xpu
