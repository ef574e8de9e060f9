#include "host-agent/attach/host_side.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "common/base/status_macros.h"
#include "host-agent/attach/enable_ipv6.h"
#include "host-agent/cni/cni_error.h"
#include "host-agent/inventory/function_alias.h"
#include "spdlog/spdlog.h"

namespace xpu {
namespace {

// A name that nothing else has, for a function whose own is taken meanwhile: "x000003002". What does not fit
// into the 15 characters of a name becomes a number of all of it, in letters and digits: "x1k9hq0zx3m2ab".
std::string SpareName(const FunctionId& function) {
  constexpr size_t kMaxName = 15;
  const PciAddress& pci = function.pci;
  std::string name = absl::StrFormat("x%04x%02x%02x%x", pci.domain, pci.bus, pci.device, pci.function);
  if (function.sf) absl::StrAppend(&name, "s", absl::Hex(*function.sf));
  if (name.size() <= kMaxName) return name;
  // FNV-1a. The same for ever, as a function may be looked for by another process.
  uint64_t hash = 0xcbf29ce484222325;
  for (char c : function.ToString()) hash = (hash ^ static_cast<uint8_t>(c)) * 0x100000001b3;
  name = "x";
  for (; hash != 0; hash /= 36) name += "0123456789abcdefghijklmnopqrstuvwxyz"[hash % 36];
  return name;
}

// A path that leads nowhere, or to what was a namespace until it was unmounted.
bool IsNoNamespace(const absl::Status& status) {
  return absl::IsNotFound(status) || absl::IsInvalidArgument(status);
}

LinkChange AsAtHome(const ClaimRow& row) {
  LinkChange change;
  change.name = row.host_ifname;
  if (row.host_mac.IsUnicast()) change.mac = row.host_mac;
  if (row.host_mtu != 0) change.mtu = row.host_mtu;
  if (row.known_by_alias) change.alias = "";
  return change;
}

}  // namespace

HostSide::HostSide(PciBus& bus, NetlinkFactory& netlinks, NetNamespaces& namespaces, Announce announce)
    : bus_(bus),
      netlinks_(netlinks),
      namespaces_(namespaces),
      announce_(std::move(announce)),
      pf_(bus, netlinks) {}

absl::StatusOr<Link> HostSide::FindAtHome(const FunctionId& address) {
  XPU_ASSIGN_OR_RETURN(const std::vector<std::string> names, bus_.Netdevs(address));
  XPU_ASSIGN_OR_RETURN(const std::unique_ptr<Netlink> netlink, netlinks_.Open(nullptr));
  for (const std::string& name : names) {
    absl::StatusOr<Link> link = netlink->GetLink(name);
    // It may be on its way out while sysfs still shows it.
    if (link.ok() || !absl::IsNotFound(link.status())) return link;
  }
  return absl::NotFoundError(
      absl::StrCat("function ", address.ToString(),
                   " has no network interface in the host's namespace; bind its network driver, or see which "
                   "namespace has it"));
}

absl::StatusOr<Link> HostSide::FindClaimed(const ClaimRow& claimed) {
  bool is_its = !claimed.host_ifname.empty();
  if (is_its && !claimed.known_by_alias) {
    const absl::StatusOr<std::vector<std::string>> names = bus_.Netdevs(claimed.function);
    is_its = names.ok() && std::find(names->begin(), names->end(), claimed.host_ifname) != names->end();
  }
  if (is_its) {
    XPU_ASSIGN_OR_RETURN(const std::unique_ptr<Netlink> netlink, netlinks_.Open(nullptr));
    absl::StatusOr<Link> link = netlink->PeekLink(claimed.host_ifname);
    if (link.ok() && link->mac == claimed.host_mac) return link;
  }
  return FindAtHome(claimed.function);
}

absl::StatusOr<std::shared_ptr<NetNamespace>> HostSide::OpenPod(const std::string& path) {
  absl::StatusOr<std::shared_ptr<NetNamespace>> pod = namespaces_.Open(path);
  if (!pod.ok()) {
    if (!IsNoNamespace(pod.status())) return pod;
    return CniErrorStatus(CniCode::kInvalidEnvironment,
                          absl::StrCat("CNI_NETNS: there is no network namespace at \"", path, "\""),
                          pod.status().message());
  }
  XPU_ASSIGN_OR_RETURN(const std::shared_ptr<NetNamespace> host, namespaces_.Current());
  if ((*pod)->inode() == host->inode()) {
    return CniErrorStatus(CniCode::kInvalidEnvironment,
                          absl::StrCat("CNI_NETNS: \"", path, "\" is the host's own network namespace"),
                          "give the pod's; a pod with hostNetwork cannot have a function");
  }
  return pod;
}

absl::Status HostSide::MoveIn(const ClaimRow& row, const Link& home,
                              const std::shared_ptr<NetNamespace>& pod) {
  XPU_ASSIGN_OR_RETURN(const std::unique_ptr<Netlink> netlink, netlinks_.Open(nullptr));
  LinkChange move;
  // In the same request, so that there is no moment in which it cannot be found.
  if (row.known_by_alias) move.alias = FunctionAlias(row.function);
  move.net_namespace = pod;
  move.name = row.attachment->ifname;
  if (row.mac != home.mac) move.mac = row.mac;
  absl::Status status;
  {
    const MovesUnderWay::Move under_way(moves_);
    status = netlink->ChangeLink(home.ifindex, move);
  }
  if (status.ok()) {
    moves_.AwaitThoseBegun();
    return status;
  }
  if (absl::IsAlreadyExists(status)) {
    return CniErrorStatus(CniCode::kInvalidEnvironment,
                          absl::StrCat("CNI_IFNAME: the namespace ", row.attachment->netns,
                                       " has an interface named ", row.attachment->ifname, " already"),
                          "ask for another name, or remove that interface");
  }
  return Annotate(status, absl::StrCat("move of ", home.name, " into ", row.attachment->netns));
}

absl::StatusOr<std::vector<Route>> HostSide::Configure(const ClaimRow& row, const InterfaceSetup& setup,
                                                       const std::shared_ptr<NetNamespace>& pod) {
  const std::string& ifname = row.attachment->ifname;
  XPU_ASSIGN_OR_RETURN(const std::unique_ptr<Netlink> netlink, netlinks_.Open(pod));
  XPU_ASSIGN_OR_RETURN(const Link link, netlink->PeekLink(ifname));
  Announcement announcement{
      .ns = pod, .netns_path = row.attachment->netns, .ifindex = link.ifindex, .mac = row.mac};
  for (const InterfaceAddress& address : setup.addresses) {
    absl::Status added = netlink->AddAddress(link.ifindex, address);
    if (absl::IsPermissionDenied(added) && address.address.is_v6()) {
      XPU_RETURN_IF_ERROR(EnableIpv6(pod, ifname));
      added = netlink->AddAddress(link.ifindex, address);
    }
    XPU_RETURN_IF_ERROR(added);
    announcement.addresses.push_back(address.address);
  }
  LinkChange up;
  up.up = true;
  if (setup.mtu != 0 && setup.mtu != link.mtu) up.mtu = setup.mtu;
  XPU_RETURN_IF_ERROR(netlink->ChangeLink(link.ifindex, up));
  std::vector<Route> routes;
  for (const Route& route : setup.routes) {
    const absl::Status added = netlink->AddRoute(link.ifindex, route);
    if (absl::IsAlreadyExists(added)) {
      spdlog::info("{} of {} gets no route to {}, as the pod has one: {}", ifname, DescribeHolder(row),
                   route.destination.ToString(), added.ToString());
      continue;
    }
    XPU_RETURN_IF_ERROR(added);
    routes.push_back(route);
  }
  if (const absl::Status status = announce_(announcement); !status.ok()) {
    spdlog::warn("neighbours could not be told of {} of {}: {}", ifname, DescribeHolder(row),
                 status.ToString());
  }
  return routes;
}

absl::Status HostSide::CheckInPod(const ClaimRow& row, const InterfaceSetup& setup) {
  const auto differs = [&row](const auto&... words) {
    return absl::FailedPreconditionError(
        absl::StrCat("interface ", row.attachment->ifname, " in ", row.attachment->netns, " ", words...));
  };
  if (row.vfio) {
    XPU_ASSIGN_OR_RETURN(const bool there, IsWithPod(row));
    return there ? absl::OkStatus() : differs("is gone with its namespace");
  }
  XPU_ASSIGN_OR_RETURN(const std::optional<Link> link, FindInPod(row));
  if (!link) return differs("is not there, or is not function ", row.function.ToString());
  if (link->name != row.attachment->ifname) return differs("is called ", link->name, " now");
  if (!link->up) return differs("is down");
  if (link->mac != row.mac) return differs("has MAC ", link->mac.ToString(), " and not ", row.mac.ToString());
  if (setup.mtu != 0 && link->mtu != setup.mtu) return differs("has MTU ", link->mtu, " and not ", setup.mtu);
  XPU_ASSIGN_OR_RETURN(const std::shared_ptr<NetNamespace> pod, namespaces_.Open(row.attachment->netns));
  XPU_ASSIGN_OR_RETURN(const std::unique_ptr<Netlink> netlink, netlinks_.Open(pod));
  XPU_ASSIGN_OR_RETURN(const std::vector<InterfaceAddress> addresses, netlink->ListAddresses(link->ifindex));
  for (const InterfaceAddress& address : setup.addresses) {
    if (std::find(addresses.begin(), addresses.end(), address) == addresses.end()) {
      return differs("does not have address ", address.ToString());
    }
  }
  if (setup.routes.empty()) return absl::OkStatus();
  XPU_ASSIGN_OR_RETURN(const std::vector<Route> routes, netlink->ListRoutes(link->ifindex));
  for (const Route& route : setup.routes) {
    const auto is_it = [&route](const Route& there) { return IsRoute(there, route); };
    if (std::none_of(routes.begin(), routes.end(), is_it)) {
      return differs("does not have the route to ", route.destination.ToString(),
                     route.gateway ? absl::StrCat(" via ", route.gateway->ToString()) : "");
    }
  }
  return absl::OkStatus();
}

absl::StatusOr<std::optional<Link>> HostSide::FindIn(Netlink& netlink, const ClaimRow& row) {
  std::string auxiliary_device;
  if (row.function.sf && !row.known_by_alias) {
    // The kernel names the device on the auxiliary bus, which has another name each time it is made.
    XPU_ASSIGN_OR_RETURN(const std::vector<Subfunction> subfunctions, bus_.Subfunctions(row.function.pci));
    for (const Subfunction& subfunction : subfunctions) {
      if (subfunction.number == *row.function.sf) auxiliary_device = subfunction.auxiliary_device;
    }
  }
  const auto is_it = [&](const Link& link) {
    // Who is root in the pod can write any alias; it counts only for functions that have nothing better.
    if (!row.known_by_alias && link.parent_device.empty()) return false;
    if (!auxiliary_device.empty()) return link.parent_device == auxiliary_device;
    return FunctionOf(link) == row.function;
  };
  // Nearly always it is still called what we called it.
  absl::StatusOr<Link> named = netlink.GetLink(row.attachment->ifname);
  if (named.ok() && is_it(*named)) return *std::move(named);
  XPU_ASSIGN_OR_RETURN(const std::vector<Link> links, netlink.ListLinks());
  const auto it = std::find_if(links.begin(), links.end(), is_it);
  return it == links.end() ? std::nullopt : std::optional<Link>(*it);
}

absl::StatusOr<std::optional<Link>> HostSide::FindInPod(const ClaimRow& row) {
  if (!row.attachment) return std::nullopt;
  const absl::StatusOr<std::shared_ptr<NetNamespace>> pod = namespaces_.Open(row.attachment->netns);
  if (!pod.ok()) {
    if (IsNoNamespace(pod.status())) return std::nullopt;
    return pod.status();
  }
  XPU_ASSIGN_OR_RETURN(const std::unique_ptr<Netlink> netlink, netlinks_.Open(*pod));
  return FindIn(*netlink, row);
}

absl::StatusOr<bool> HostSide::IsWithPod(const ClaimRow& row) {
  if (!row.attachment) return false;
  if (!row.vfio) {
    XPU_ASSIGN_OR_RETURN(const std::optional<Link> link, FindInPod(row));
    return link.has_value();
  }
  const absl::Status opened = namespaces_.Open(row.attachment->netns).status();
  if (opened.ok()) return true;
  return IsNoNamespace(opened) ? absl::StatusOr<bool>(false) : absl::StatusOr<bool>(opened);
}

absl::StatusOr<bool> HostSide::Restore(const ClaimRow& row) {
  // Only claimed: nothing was done to it.
  if (!row.attachment) return true;
  // First, as some refuse an interface its own MAC while the physical function insists on another; but an
  // error does not keep the interface from coming home.
  const absl::Status put_back = pf_.PutBack(row);
  absl::StatusOr<bool> restored = row.vfio ? absl::StatusOr<bool>(true) : RestoreInterface(row);
  XPU_RETURN_IF_ERROR(put_back);
  return restored;
}

absl::StatusOr<bool> HostSide::RestoreInterface(const ClaimRow& row) {
  const absl::StatusOr<std::shared_ptr<NetNamespace>> pod = namespaces_.Open(row.attachment->netns);
  if (!pod.ok() && !IsNoNamespace(pod.status())) return pod.status();
  if (pod.ok()) {
    XPU_ASSIGN_OR_RETURN(const std::unique_ptr<Netlink> netlink, netlinks_.Open(*pod));
    const absl::StatusOr<std::optional<Link>> found = FindIn(*netlink, row);
    // A subfunction whose parent is gone is nowhere.
    if (!found.ok() && !(row.function.sf && absl::IsNotFound(found.status()))) return found.status();
    const std::optional<Link> link = found.ok() ? *found : std::nullopt;
    if (link) {
      XPU_ASSIGN_OR_RETURN(const bool as_it_was, BringHome(*netlink, *link, row));
      if (as_it_was) return true;
    }
  }
  const absl::StatusOr<Link> home = FindAtHome(row.function);
  if (!home.ok()) {
    if (absl::IsNotFound(home.status())) return false;
    return home.status();
  }
  XPU_RETURN_IF_ERROR(TidyAtHome(*home, row));
  return true;
}

absl::StatusOr<bool> HostSide::BringHome(Netlink& pod, const Link& link, const ClaimRow& row) {
  LinkChange change = AsAtHome(row);
  XPU_ASSIGN_OR_RETURN(change.net_namespace, namespaces_.Current());
  const MovesUnderWay::Move under_way(moves_);
  absl::Status status = pod.ChangeLink(link.ifindex, change);
  if (status.ok()) return true;
  if (!absl::IsNotFound(status)) {
    spdlog::warn("function {} cannot be brought home as it was, trying with less: {}",
                 row.function.ToString(), status.ToString());
    // Better home under another name or MAC than left with a pod that is going. A refused move may have gone
    // there and back, which gives the interface another index.
    for (const std::string& name : {row.host_ifname, SpareName(row.function)}) {
      XPU_ASSIGN_OR_RETURN(const std::optional<Link> still_there, FindIn(pod, row));
      if (!still_there) return false;
      LinkChange bare;
      bare.net_namespace = change.net_namespace;
      bare.name = name;
      status = pod.ChangeLink(still_there->ifindex, bare);
      if (!absl::IsAlreadyExists(status)) break;
    }
  }
  // If its namespace went in this moment, the kernel gives it back by itself.
  if (!status.ok() && !absl::IsNotFound(status)) return status;
  return false;
}

absl::Status HostSide::TidyAtHome(const Link& link, const ClaimRow& row) {
  LinkChange change = AsAtHome(row);
  if (link.name == row.host_ifname) change.name.reset();
  if (change.mac == link.mac) change.mac.reset();
  if (change.mtu == link.mtu) change.mtu.reset();
  if (change.alias == link.alias) change.alias.reset();
  if (!change.name && !change.mac && !change.mtu && !change.alias) return absl::OkStatus();
  XPU_ASSIGN_OR_RETURN(const std::unique_ptr<Netlink> netlink, netlinks_.Open(nullptr));
  absl::Status status = netlink->ChangeLink(link.ifindex, change);
  if (change.mac && absl::IsUnavailable(status)) {
    // EADDRNOTAVAIL: a virtual function learns which MAC it may have when it is reset, as taking it up and
    // down does. Whoever came home before the physical function was put back has been told another.
    for (const bool up : {true, false}) {
      LinkChange reset;
      reset.up = up;
      XPU_RETURN_IF_ERROR(netlink->ChangeLink(link.ifindex, reset));
    }
    status = netlink->ChangeLink(link.ifindex, change);
  }
  if (!absl::IsAlreadyExists(status)) return status;
  spdlog::warn("function {} stays {}: another interface is called {} now", row.function.ToString(), link.name,
               row.host_ifname);
  change.name.reset();
  return netlink->ChangeLink(link.ifindex, change);
}

}  // namespace xpu
