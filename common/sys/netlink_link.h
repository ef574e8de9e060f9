#pragma once

#include <memory>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "common/sys/netlink.h"
#include "common/sys/netlink_socket.h"

namespace xpu {

// Links as rtnetlink(7) writes them: what NetlinkReal and its monitor share.

// Of an RTM_NEWLINK or RTM_DELLINK message. False if it is not about an interface itself (bridges send such
// messages about their ports too).
bool ParseLink(const nlmsghdr* message, Link& link);

// Every interface of the socket's namespace.
absl::StatusOr<std::vector<Link>> DumpLinks(NetlinkSocket& socket);

// One interface, by `name` or, if that is empty, by `ifindex`; an error does not say which was asked for.
absl::StatusOr<Link> QueryLink(NetlinkSocket& socket, const std::string& name, int ifindex);

// The interface `name` in the namespace of the socket `fd`, with no more than Netlink::PeekLink tells of it.
absl::StatusOr<Link> PeekAtLink(int fd, const std::string& name);
// The same by its index. NotFound also where it is being renamed.
absl::StatusOr<Link> PeekAtLink(int fd, int ifindex);

// RTM_NEWLINK that changes the interface as `change` says.
NetlinkMessage ChangeLinkMessage(int ifindex, const LinkChange& change);

// RTM_NEWLINK that makes a pair of veth.
NetlinkMessage CreateVethMessage(const std::string& name, const MacAddress& mac, const std::string& peer_name,
                                 const MacAddress& peer_mac,
                                 const std::shared_ptr<NetNamespace>& peer_namespace);

}  // namespace xpu
