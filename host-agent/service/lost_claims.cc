#include "host-agent/service/lost_claims.h"

#include <algorithm>
#include <filesystem>
#include <map>
#include <memory>
#include <set>
#include <system_error>
#include <utility>

#include "common/base/status_macros.h"
#include "common/sys/net_namespaces.h"
#include "common/sys/netlink.h"
#include "common/sys/pci_bus.h"
#include "host-agent/alloc/allocator.h"
#include "host-agent/inventory/function_alias.h"
#include "host-agent/inventory/inventory.h"
#include "host-agent/podresources/pod_resources.h"
#include "host-agent/podresources/rebuild.h"
#include "spdlog/spdlog.h"

namespace xpu {
namespace {

std::vector<IpAddress> GatewaysOf(const std::vector<Route>& routes) {
  std::vector<IpAddress> gateways;
  for (const Route& route : routes) {
    if (route.destination.length() == 0 && route.gateway) gateways.push_back(*route.gateway);
  }
  return gateways;
}

// Interfaces of functions in the namespace of `netlink`; an interface that goes meanwhile is left out.
absl::Status Look(Netlink& netlink, const std::string& netns, const DeviceIds& ids,
                  std::vector<FoundInterface>* found) {
  XPU_ASSIGN_OR_RETURN(const std::vector<Link> links, netlink.ListLinks());
  for (const Link& link : links) {
    const auto named = ids.find(link.parent_device);
    const std::optional<FunctionId> function =
        named != ids.end() ? std::optional<FunctionId>(named->second) : FunctionOf(link);
    if (!function) continue;
    FoundInterface& out = found->emplace_back(FoundInterface{*function, netns, link});
    if (const auto addresses = netlink.ListAddresses(link.ifindex); addresses.ok())
      out.addresses = *addresses;
    if (const auto routes = netlink.ListRoutes(link.ifindex); routes.ok()) out.gateways = GatewaysOf(*routes);
  }
  return absl::OkStatus();
}

// Those at home: by the bus, as not every interface says whose it is.
absl::Status LookAtHome(const LostClaimsSources& sources, const std::vector<HostFunction>& functions,
                        std::vector<FoundInterface>* found) {
  XPU_ASSIGN_OR_RETURN(const std::unique_ptr<Netlink> netlink, sources.netlinks.Open(nullptr));
  for (const HostFunction& function : functions) {
    const absl::StatusOr<std::vector<std::string>> names = sources.bus.Netdevs(function.id);
    if (!names.ok()) continue;
    for (const std::string& name : *names) {
      const absl::StatusOr<Link> link = netlink->GetLink(name);
      if (link.ok()) found->push_back({.function = function.id, .netns = "", .link = *link});
    }
  }
  return absl::OkStatus();
}

absl::Status LookInPods(const LostClaimsSources& sources, const DeviceIds& ids,
                        std::vector<FoundInterface>* found) {
  XPU_ASSIGN_OR_RETURN(const std::shared_ptr<NetNamespace> host, sources.namespaces.Current());
  std::set<uint64_t> seen = {host->inode()};
  for (const std::string& path : sources.pod_namespaces) {
    const absl::StatusOr<std::shared_ptr<NetNamespace>> pod = sources.namespaces.Open(path);
    absl::Status status = pod.status();
    if (status.ok()) {
      if (!seen.insert((*pod)->inode()).second) continue;
      const absl::StatusOr<std::unique_ptr<Netlink>> netlink = sources.netlinks.Open(*pod);
      status = netlink.ok() ? Look(**netlink, path, ids, found) : netlink.status();
    }
    // What is there under that name may be anything, or gone by now.
    if (!status.ok()) spdlog::warn("the namespace {} cannot be looked into: {}", path, status.ToString());
  }
  return absl::OkStatus();
}

}  // namespace

absl::Status AddLostClaims(const LostClaimsSources& sources, Journal& journal) {
  Inventory inventory(sources.cards, sources.bus, [](const FunctionId&) { return ClaimHealth{}; });
  XPU_RETURN_IF_ERROR(inventory.Refresh());
  const std::vector<HostFunction> functions = inventory.List();
  DeviceIds ids;
  for (const HostFunction& function : functions) {
    ids.emplace(function.id.ToString(), function.id);
    if (!function.auxiliary_device.empty()) ids.emplace(function.auxiliary_device, function.id);
  }
  std::vector<FoundInterface> interfaces;
  XPU_RETURN_IF_ERROR(LookAtHome(sources, functions, &interfaces));
  XPU_RETURN_IF_ERROR(LookInPods(sources, ids, &interfaces));
  Holders holders;
  if (sources.pods != nullptr) {
    const absl::StatusOr<PodList> list = sources.pods->List();
    if (list.ok()) {
      holders = HoldersIn(*list, ids);
    } else if (!absl::IsNotFound(list.status())) {
      spdlog::warn("which pods hold functions cannot be told without the kubelet: {}",
                   list.status().ToString());
    }
  }
  XPU_ASSIGN_OR_RETURN(const std::vector<ClaimRow> rows, journal.Load());
  for (const ClaimRow& row : Rebuild(functions, rows, interfaces, holders)) {
    XPU_ASSIGN_OR_RETURN(const ClaimRow begun, journal.Begin(row));
    spdlog::warn("function {} is {} for {} by the word of kernel and kubelet, and was in no journal",
                 begun.function.ToString(), ClaimStateName(begun.state), DescribeHolder(begun));
  }
  return absl::OkStatus();
}

std::vector<std::string> BoundNamespaces() {
  std::vector<std::string> paths;
  for (const char* folder : {"/run/netns", "/var/run/netns"}) {
    std::error_code error;
    for (const auto& entry : std::filesystem::directory_iterator(folder, error)) {
      paths.push_back(entry.path().string());
    }
  }
  std::sort(paths.begin(), paths.end());
  return paths;
}

}  // namespace xpu
