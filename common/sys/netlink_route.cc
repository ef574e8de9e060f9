#include "common/sys/netlink_route.h"

#include <linux/rtnetlink.h>
#include <sys/socket.h>

#include <algorithm>
#include <optional>
#include <utility>

#include "common/base/status_macros.h"
#include "common/sys/netlink_link.h"

namespace xpu {
namespace {

// Routes that come and go while a dump runs make it inconsistent; more tries than this mean a storm.
constexpr int kDumpTries = 20;

uint8_t FamilyOf(IpFamily family) { return family == IpFamily::kV4 ? AF_INET : AF_INET6; }

// Destination, gateway and the rest of what names a route.
NetlinkMessage RouteMessage(int type, int flags, rtmsg header, int ifindex, const Route& route) {
  header.rtm_family = FamilyOf(route.destination.family());
  header.rtm_dst_len = static_cast<uint8_t>(route.destination.length());
  const uint32_t table = route.table.value_or(RT_TABLE_MAIN);
  // Eight bits; the attribute has them all.
  header.rtm_table = table < 256 ? static_cast<uint8_t>(table) : static_cast<uint8_t>(RT_TABLE_UNSPEC);
  NetlinkMessage request(type, flags, header);
  request.PutU32(RTA_TABLE, table);
  if (route.destination.length() > 0) request.PutBytes(RTA_DST, route.destination.address().ToBytes());
  if (route.gateway) request.PutBytes(RTA_GATEWAY, route.gateway->ToBytes());
  if (route.source) request.PutBytes(RTA_PREFSRC, route.source->ToBytes());
  if (route.metric) request.PutU32(RTA_PRIORITY, *route.metric);
  request.PutU32(RTA_OIF, static_cast<uint32_t>(ifindex));
  return request;
}

std::optional<IpAddress> AddressOf(absl::string_view bytes) {
  auto address = IpAddress::FromBytes(bytes);
  return address.ok() ? std::optional<IpAddress>(*address) : std::nullopt;
}

// A route of Netlink::ListRoutes; nothing for other entries of the kernel's tables.
std::optional<Route> ParseRoute(const nlmsghdr* message, int ifindex) {
  if (message->nlmsg_type != RTM_NEWROUTE || message->nlmsg_len < NLMSG_LENGTH(sizeof(rtmsg))) return {};
  const auto* entry = static_cast<const rtmsg*>(nlmsg_data(message));
  if (entry->rtm_family != AF_INET && entry->rtm_family != AF_INET6) return {};
  const NetlinkAttributes<RTA_MAX> attributes(message, sizeof(rtmsg));
  Route route;
  route.table = attributes.Has(RTA_TABLE) ? attributes.U32(RTA_TABLE) : entry->rtm_table;
  if (entry->rtm_type != RTN_UNICAST || entry->rtm_protocol == RTPROT_KERNEL ||
      route.table == RT_TABLE_LOCAL || (entry->rtm_flags & RTM_F_CLONED) != 0 ||
      static_cast<int>(attributes.U32(RTA_OIF)) != ifindex) {
    return {};
  }
  const IpFamily family = entry->rtm_family == AF_INET ? IpFamily::kV4 : IpFamily::kV6;
  const IpAddress destination = AddressOf(attributes.Bytes(RTA_DST)).value_or(IpAddress(family, 0));
  route.destination = IpPrefix::Of(destination, entry->rtm_dst_len);
  route.gateway = AddressOf(attributes.Bytes(RTA_GATEWAY));
  route.source = AddressOf(attributes.Bytes(RTA_PREFSRC));
  route.scope = entry->rtm_scope;
  // The kernel does not write a zero.
  route.metric = attributes.U32(RTA_PRIORITY);
  if (attributes.Has(RTA_METRICS)) {
    const NetlinkAttributes<RTAX_MAX> metrics(attributes.Get(RTA_METRICS));
    if (metrics.U32(RTAX_MTU) != 0) route.mtu = metrics.U32(RTAX_MTU);
    if (metrics.U32(RTAX_ADVMSS) != 0) route.advmss = metrics.U32(RTAX_ADVMSS);
  }
  return route;
}

absl::Status DumpFamily(NetlinkSocket& socket, int ifindex, IpFamily family, std::vector<Route>& routes) {
  absl::Status status;
  for (int tries = 0; tries < kDumpTries; ++tries) {
    rtmsg header{};
    header.rtm_family = FamilyOf(family);
    NetlinkMessage request(RTM_GETROUTE, 0, header);
    // Kernels that do not select by it send all.
    request.PutU32(RTA_OIF, static_cast<uint32_t>(ifindex));
    std::vector<Route> found;
    status = socket.Dump(request, [&](const nlmsghdr* message) {
      if (auto route = ParseRoute(message, ifindex)) found.push_back(*std::move(route));
    });
    if (status.ok()) {
      routes.insert(routes.end(), found.begin(), found.end());
      return status;
    }
    if (!absl::IsAborted(status)) break;
  }
  return status;
}

}  // namespace

absl::Status AddRoute(NetlinkSocket& socket, int ifindex, const Route& route) {
  for (const auto& address : {route.gateway, route.source}) {
    if (address && address->family() != route.destination.family()) {
      return absl::InvalidArgumentError(
          "the gateway or source is of another address family than the destination");
    }
  }
  rtmsg header{};
  header.rtm_protocol = RTPROT_STATIC;
  header.rtm_scope = *WithDefaults(route).scope;
  header.rtm_type = RTN_UNICAST;
  NetlinkMessage request = RouteMessage(RTM_NEWROUTE, NLM_F_CREATE | NLM_F_EXCL, header, ifindex, route);
  if (route.mtu || route.advmss) {
    nlattr* metrics = request.Open(RTA_METRICS);
    if (route.mtu) request.PutU32(RTAX_MTU, *route.mtu);
    if (route.advmss) request.PutU32(RTAX_ADVMSS, *route.advmss);
    request.Close(metrics);
  }
  const absl::Status status = socket.Execute(request);
  if (!absl::IsAlreadyExists(status)) return status;
  XPU_ASSIGN_OR_RETURN(const std::vector<Route> there, DumpRoutes(socket, ifindex));
  if (std::any_of(there.begin(), there.end(), [&](const Route& found) { return IsRoute(found, route); })) {
    return absl::OkStatus();
  }
  return absl::AlreadyExistsError("another route holds this destination; remove that first");
}

absl::Status DeleteRoute(NetlinkSocket& socket, int ifindex, const Route& route) {
  rtmsg header{};
  header.rtm_scope = route.scope.value_or(RT_SCOPE_NOWHERE);
  NetlinkMessage request = RouteMessage(RTM_DELROUTE, 0, header, ifindex, route);
  const absl::Status status = socket.Execute(request);
  return absl::IsNotFound(status) ? absl::OkStatus() : status;  // ESRCH
}

absl::StatusOr<std::vector<Route>> DumpRoutes(NetlinkSocket& socket, int ifindex) {
  XPU_RETURN_IF_ERROR(QueryLink(socket, "", ifindex).status());
  std::vector<Route> routes;
  XPU_RETURN_IF_ERROR(DumpFamily(socket, ifindex, IpFamily::kV4, routes));
  XPU_RETURN_IF_ERROR(DumpFamily(socket, ifindex, IpFamily::kV6, routes));
  return routes;
}

}  // namespace xpu
