#include "common/sys/netlink_link.h"

#include <linux/if.h>
#include <linux/if_arp.h>
#include <linux/if_link.h>
#include <linux/rtnetlink.h>
#include <linux/sockios.h>
#include <linux/veth.h>
#include <sys/ioctl.h>

#include <cerrno>
#include <cstring>
#include <utility>

#include "common/base/status_macros.h"

namespace xpu {
namespace {

// Interfaces that come and go while a dump runs make it inconsistent; more tries than this mean a storm.
constexpr int kDumpTries = 20;

NetlinkMessage GetLinkMessage(int ifindex) {
  ifinfomsg header{};
  header.ifi_index = ifindex;
  NetlinkMessage request(RTM_GETLINK, 0, header);
  request.PutU32(IFLA_EXT_MASK, RTEXT_FILTER_SKIP_STATS);
  return request;
}

}  // namespace

bool ParseLink(const nlmsghdr* message, Link& link) {
  if (message->nlmsg_type != RTM_NEWLINK && message->nlmsg_type != RTM_DELLINK) return false;
  if (message->nlmsg_len < NLMSG_LENGTH(sizeof(ifinfomsg))) return false;
  const auto* header = static_cast<const ifinfomsg*>(nlmsg_data(message));
  if (header->ifi_family != AF_UNSPEC) return false;
  const NetlinkAttributes<IFLA_MAX> attributes(message, sizeof(ifinfomsg));

  link = Link();
  link.ifindex = header->ifi_index;
  link.up = (header->ifi_flags & IFF_UP) != 0;
  link.carrier = (header->ifi_flags & IFF_LOWER_UP) != 0;
  link.name = attributes.String(IFLA_IFNAME);
  link.alias = attributes.String(IFLA_IFALIAS);
  link.mtu = attributes.U32(IFLA_MTU);
  link.parent_device = attributes.String(IFLA_PARENT_DEV_NAME);
  // Interfaces that are no Ethernet have addresses of other lengths; those stay zero.
  if (auto mac = MacAddress::FromBytes(attributes.Bytes(IFLA_ADDRESS)); mac.ok()) link.mac = *mac;
  if (attributes.Has(IFLA_LINKINFO)) {
    link.kind = NetlinkAttributes<IFLA_INFO_MAX>(attributes.Get(IFLA_LINKINFO)).String(IFLA_INFO_KIND);
  }
  link.lower_ifindex = static_cast<int>(attributes.U32(IFLA_LINK));
  if (attributes.Has(IFLA_LINK_NETNSID))
    link.lower_nsid = static_cast<int>(attributes.U32(IFLA_LINK_NETNSID));
  return true;
}

absl::StatusOr<std::vector<Link>> DumpLinks(NetlinkSocket& socket) {
  absl::Status status;
  for (int tries = 0; tries < kDumpTries; ++tries) {
    std::vector<Link> links;
    NetlinkMessage request = GetLinkMessage(0);
    status = socket.Dump(request, [&](const nlmsghdr* message) {
      if (Link link; ParseLink(message, link)) links.push_back(std::move(link));
    });
    if (status.ok()) return links;
    if (!absl::IsAborted(status)) break;
  }
  return Annotate(status, "list of interfaces");
}

absl::StatusOr<Link> QueryLink(NetlinkSocket& socket, const std::string& name, int ifindex) {
  NetlinkMessage request = GetLinkMessage(name.empty() ? ifindex : 0);
  if (!name.empty()) request.PutString(IFLA_IFNAME, name);
  Link found;
  XPU_RETURN_IF_ERROR(socket.Ask(request, [&](const nlmsghdr* message) {
    if (Link link; ParseLink(message, link)) found = std::move(link);
  }));
  if (found.ifindex == 0) return absl::InternalError("the kernel's answer names no interface");
  return found;
}

absl::StatusOr<Link> PeekAtLink(int fd, const std::string& name) {
  ifreq request{};
  const auto ask = [&](unsigned long what) -> absl::Status {
    if (name.size() >= sizeof(request.ifr_name))
      return absl::NotFoundError("no interface has so long a name");
    memset(&request, 0, sizeof(request));
    memcpy(request.ifr_name, name.data(), name.size());
    // netdevice(7): under RCU, while rtnetlink answers under its lock.
    return ioctl(fd, what, &request) == 0 ? absl::OkStatus()
                                          : absl::ErrnoToStatus(errno, std::strerror(errno));
  };
  Link link;
  link.name = name;
  XPU_RETURN_IF_ERROR(ask(SIOCGIFINDEX));
  link.ifindex = request.ifr_ifindex;
  XPU_RETURN_IF_ERROR(ask(SIOCGIFHWADDR));
  if (request.ifr_hwaddr.sa_family == ARPHRD_ETHER) {
    XPU_ASSIGN_OR_RETURN(link.mac, MacAddress::FromBytes({request.ifr_hwaddr.sa_data, 6}));
  }
  XPU_RETURN_IF_ERROR(ask(SIOCGIFMTU));
  link.mtu = static_cast<uint32_t>(request.ifr_mtu);
  XPU_RETURN_IF_ERROR(ask(SIOCGIFFLAGS));
  link.up = (request.ifr_flags & IFF_UP) != 0;
  // Each was asked of the name.
  XPU_RETURN_IF_ERROR(ask(SIOCGIFINDEX));
  if (request.ifr_ifindex != link.ifindex) return absl::NotFoundError("replaced by another while looked at");
  return link;
}

absl::StatusOr<Link> PeekAtLink(int fd, int ifindex) {
  ifreq request{};
  request.ifr_ifindex = ifindex;
  if (ioctl(fd, SIOCGIFNAME, &request) != 0) return absl::ErrnoToStatus(errno, std::strerror(errno));
  absl::StatusOr<Link> link = PeekAtLink(fd, std::string(request.ifr_name));
  if (link.ok() && link->ifindex != ifindex)
    return absl::NotFoundError("another has its name since it was looked at");
  return link;
}

NetlinkMessage ChangeLinkMessage(int ifindex, const LinkChange& change) {
  ifinfomsg header{};
  header.ifi_index = ifindex;
  if (change.up) {
    header.ifi_change = IFF_UP;
    header.ifi_flags = *change.up ? IFF_UP : 0;
  }
  NetlinkMessage request(RTM_NEWLINK, 0, header);
  if (change.net_namespace != nullptr) {
    request.PutU32(IFLA_NET_NS_FD, static_cast<uint32_t>(change.net_namespace->fd()));
  }
  if (change.name) request.PutString(IFLA_IFNAME, *change.name);
  if (change.mac) request.PutBytes(IFLA_ADDRESS, change.mac->ToBytes());
  if (change.mtu) request.PutU32(IFLA_MTU, *change.mtu);
  // Without a closing zero, so that an empty alias takes the old one away.
  if (change.alias) request.PutBytes(IFLA_IFALIAS, *change.alias);
  return request;
}

NetlinkMessage CreateVethMessage(const std::string& name, const MacAddress& mac, const std::string& peer_name,
                                 const MacAddress& peer_mac,
                                 const std::shared_ptr<NetNamespace>& peer_namespace) {
  NetlinkMessage request(RTM_NEWLINK, NLM_F_CREATE | NLM_F_EXCL, ifinfomsg{});
  request.PutString(IFLA_IFNAME, name);
  request.PutBytes(IFLA_ADDRESS, mac.ToBytes());
  nlattr* info = request.Open(IFLA_LINKINFO);
  request.PutString(IFLA_INFO_KIND, "veth");
  nlattr* data = request.Open(IFLA_INFO_DATA);
  nlattr* peer = request.Open(VETH_INFO_PEER);
  request.PutHeader(ifinfomsg{});
  request.PutString(IFLA_IFNAME, peer_name);
  request.PutBytes(IFLA_ADDRESS, peer_mac.ToBytes());
  if (peer_namespace != nullptr) {
    request.PutU32(IFLA_NET_NS_FD, static_cast<uint32_t>(peer_namespace->fd()));
  }
  request.Close(peer);
  request.Close(data);
  request.Close(info);
  return request;
}

}  // namespace xpu
