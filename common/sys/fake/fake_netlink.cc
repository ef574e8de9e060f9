#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "common/base/status_macros.h"
#include "common/sys/fake/fake_kernel.h"
#include "common/sys/fake/fake_state.h"

namespace xpu {

// Does what the kernel does, as far as the contract tells (common/sys/contract/netlink_contract.h).
class FakeNetlink final : public Netlink {
 public:
  FakeNetlink(FakeKernel& kernel, std::shared_ptr<NetNamespace> ns)
      : faults_(kernel.faults_), state_(kernel.state_), ns_(std::move(ns)) {}

  absl::StatusOr<std::vector<Link>> ListLinks() override {
    XPU_RETURN_IF_ERROR(faults_.Check("ListLinks"));
    absl::MutexLock lock(&state_->mu);
    std::vector<Link> found;
    for (const auto& [number, link] : state_->links) {
      if (link.ns == ns_->inode()) found.push_back(state_->ViewLocked(link));
    }
    return found;
  }

  absl::StatusOr<Link> GetLink(const std::string& name) override {
    XPU_RETURN_IF_ERROR(faults_.Check("GetLink"));
    if (name.empty()) return absl::InvalidArgumentError("an interface has no empty name");
    absl::MutexLock lock(&state_->mu);
    const FakeLink* link = state_->ByNameLocked(ns_->inode(), name);
    if (link == nullptr) return absl::NotFoundError(absl::StrCat("interface ", name, ": No such device"));
    return state_->ViewLocked(*link);
  }

  absl::StatusOr<Link> GetLinkByIndex(int ifindex) override {
    XPU_RETURN_IF_ERROR(faults_.Check("GetLinkByIndex"));
    absl::MutexLock lock(&state_->mu);
    XPU_ASSIGN_OR_RETURN(const FakeLink* link, Find(ifindex));
    return state_->ViewLocked(*link);
  }

  absl::StatusOr<Link> PeekLink(const std::string& name) override {
    XPU_RETURN_IF_ERROR(faults_.Check("PeekLink"));
    if (name.empty()) return absl::InvalidArgumentError("an interface has no empty name");
    absl::MutexLock lock(&state_->mu);
    const FakeLink* link = state_->ByNameLocked(ns_->inode(), name);
    if (link == nullptr) return absl::NotFoundError(absl::StrCat("interface ", name, ": No such device"));
    const Link whole = state_->ViewLocked(*link);
    Link seen;
    seen.ifindex = whole.ifindex;
    seen.name = whole.name;
    seen.mac = whole.mac;
    seen.mtu = whole.mtu;
    seen.up = whole.up;
    return seen;
  }

  absl::Status ChangeLink(int ifindex, const LinkChange& change) override {
    XPU_RETURN_IF_ERROR(faults_.Check("ChangeLink"));
    absl::MutexLock lock(&state_->mu);
    XPU_ASSIGN_OR_RETURN(FakeLink * link, Find(ifindex));
    if (change.name && !IsValidLinkName(*change.name)) {
      return absl::InvalidArgumentError(absl::StrCat("'", *change.name, "' is no name for an interface"));
    }
    if (change.mac && !change.mac->IsUnicast())
      return absl::InvalidArgumentError("no interface may have this MAC");
    if (change.mtu && (*change.mtu < 68 || *change.mtu > 65535)) {
      return absl::InvalidArgumentError(absl::StrCat("MTU ", *change.mtu));
    }
    const uint64_t target = change.net_namespace != nullptr ? change.net_namespace->inode() : link->ns;
    const std::string name = change.name.value_or(link->link.name);
    const FakeLink* holder = state_->ByNameLocked(target, name);
    if (holder != nullptr && holder != link)
      return absl::AlreadyExistsError(absl::StrCat("name ", name, " is taken"));
    if (target != link->ns) state_->MoveLocked(*link, target, name);
    link->link.name = name;
    if (change.mac) link->link.mac = *change.mac;
    if (change.mtu) link->link.mtu = *change.mtu;
    if (change.alias) link->link.alias = *change.alias;
    if (change.up) state_->SetUpLocked(*link, *change.up);
    state_->TellLocked(*link, false);
    return absl::OkStatus();
  }

  absl::Status DeleteLink(int ifindex) override {
    XPU_RETURN_IF_ERROR(faults_.Check("DeleteLink"));
    absl::MutexLock lock(&state_->mu);
    XPU_ASSIGN_OR_RETURN(const FakeLink* link, Find(ifindex));
    for (const auto& [number, candidate] : state_->links) {
      if (&candidate != link) continue;
      state_->RemoveLinkLocked(number);
      break;
    }
    return absl::OkStatus();
  }

  absl::Status CreateVeth(const std::string& name, const MacAddress& mac, const std::string& peer_name,
                          const MacAddress& peer_mac,
                          const std::shared_ptr<NetNamespace>& peer_namespace) override {
    XPU_RETURN_IF_ERROR(faults_.Check("CreateVeth"));
    absl::MutexLock lock(&state_->mu);
    const uint64_t peer_ns = peer_namespace != nullptr ? peer_namespace->inode() : ns_->inode();
    if (!IsValidLinkName(name) || !IsValidLinkName(peer_name)) {
      return absl::InvalidArgumentError(absl::StrCat("'", name, "' or '", peer_name, "' is no name"));
    }
    if (state_->ByNameLocked(ns_->inode(), name) != nullptr ||
        state_->ByNameLocked(peer_ns, peer_name) != nullptr ||
        (peer_ns == ns_->inode() && name == peer_name)) {
      return absl::AlreadyExistsError(absl::StrCat("name ", name, " or ", peer_name, " is taken"));
    }
    Link link;
    link.kind = "veth";
    link.mtu = 1500;
    link.name = peer_name;
    link.mac = peer_mac;
    const int peer = state_->AddLinkLocked(peer_ns, link, std::nullopt);
    link.name = name;
    link.mac = mac;
    const int self = state_->AddLinkLocked(ns_->inode(), link, std::nullopt);
    state_->links[peer].peer = self;
    state_->links[self].peer = peer;
    state_->TellLocked(state_->links[peer], false);
    state_->TellLocked(state_->links[self], false);
    return absl::OkStatus();
  }

  absl::Status AddAddress(int ifindex, const InterfaceAddress& address) override {
    XPU_RETURN_IF_ERROR(faults_.Check("AddAddress"));
    absl::MutexLock lock(&state_->mu);
    XPU_ASSIGN_OR_RETURN(FakeLink * link, Find(ifindex));
    for (const InterfaceAddress& there : link->addresses) {
      if (there == address) return absl::OkStatus();
      if (address.address.is_v6() && there.address == address.address) {
        return absl::AlreadyExistsError(absl::StrCat(there.ToString(), " is there"));
      }
    }
    link->addresses.push_back(address);
    return absl::OkStatus();
  }

  absl::Status DeleteAddress(int ifindex, const InterfaceAddress& address) override {
    XPU_RETURN_IF_ERROR(faults_.Check("DeleteAddress"));
    absl::MutexLock lock(&state_->mu);
    XPU_ASSIGN_OR_RETURN(FakeLink * link, Find(ifindex));
    std::erase(link->addresses, address);
    return absl::OkStatus();
  }

  absl::StatusOr<std::vector<InterfaceAddress>> ListAddresses(int ifindex) override {
    XPU_RETURN_IF_ERROR(faults_.Check("ListAddresses"));
    absl::MutexLock lock(&state_->mu);
    XPU_ASSIGN_OR_RETURN(const FakeLink* link, Find(ifindex));
    std::vector<InterfaceAddress> addresses = link->addresses;
    std::sort(addresses.begin(), addresses.end());
    return addresses;
  }

  absl::Status AddRoute(int ifindex, const Route& route) override {
    XPU_RETURN_IF_ERROR(faults_.Check("AddRoute"));
    if (route.gateway && route.gateway->family() != route.destination.family()) {
      return absl::InvalidArgumentError("the gateway is of another address family than the destination");
    }
    absl::MutexLock lock(&state_->mu);
    XPU_ASSIGN_OR_RETURN(FakeLink * link, Find(ifindex));
    if (!link->link.up) return absl::FailedPreconditionError("the interface is down");
    for (const auto& [number, other] : state_->links) {
      if (other.ns != link->ns) continue;
      for (const Route& there : other.routes) {
        const Route have = WithDefaults(there);
        const Route want = WithDefaults(route);
        if (have.destination != want.destination || have.metric != want.metric || have.table != want.table) {
          continue;
        }
        if (&other == link && IsRoute(there, route)) return absl::OkStatus();
        return absl::AlreadyExistsError("another route holds this destination");
      }
    }
    if (route.gateway && !Reaches(*link, *route.gateway)) {
      return absl::FailedPreconditionError("no address of the interface reaches the gateway");
    }
    link->routes.push_back(route);
    return absl::OkStatus();
  }

  absl::Status DeleteRoute(int ifindex, const Route& route) override {
    XPU_RETURN_IF_ERROR(faults_.Check("DeleteRoute"));
    absl::MutexLock lock(&state_->mu);
    FakeLink* link = state_->ByIndexLocked(ns_->inode(), ifindex);
    if (link == nullptr) return absl::OkStatus();
    const auto found = std::find_if(link->routes.begin(), link->routes.end(), [&](const Route& there) {
      const Route have = WithDefaults(there);
      return have.destination == route.destination && have.table == WithDefaults(route).table &&
             (!route.gateway || have.gateway == route.gateway) &&
             (!route.metric || have.metric == route.metric) && (!route.scope || have.scope == route.scope) &&
             (!route.source || have.source == route.source);
    });
    if (found != link->routes.end()) link->routes.erase(found);
    return absl::OkStatus();
  }

  absl::StatusOr<std::vector<Route>> ListRoutes(int ifindex) override {
    XPU_RETURN_IF_ERROR(faults_.Check("ListRoutes"));
    absl::MutexLock lock(&state_->mu);
    XPU_ASSIGN_OR_RETURN(const FakeLink* link, Find(ifindex));
    std::vector<Route> routes;
    for (const Route& route : link->routes) routes.push_back(WithDefaults(route));
    return routes;
  }

  absl::StatusOr<VfSettings> GetVf(int pf_ifindex, int vf) override {
    XPU_RETURN_IF_ERROR(faults_.Check("GetVf"));
    absl::MutexLock lock(&state_->mu);
    XPU_ASSIGN_OR_RETURN(const Vf found, FindVf(pf_ifindex, vf));
    if (found.refused.size() == 6) return absl::UnimplementedError("the driver tells nothing of its VFs");
    VfSettings told = *found.settings;
    if (found.refused.contains("mac")) told.mac.reset();
    if (found.refused.contains("vlan")) told.vlan.reset();
    if (found.refused.contains("spoofchk")) told.spoof_check.reset();
    if (found.refused.contains("trust")) told.trust.reset();
    if (found.refused.contains("link_state")) told.link_state.reset();
    if (found.refused.contains("rate")) {
      told.min_tx_rate.reset();
      told.max_tx_rate.reset();
    }
    return told;
  }

  absl::Status SetVf(int pf_ifindex, int vf, const VfSettings& settings) override {
    XPU_RETURN_IF_ERROR(faults_.Check("SetVf"));
    XPU_RETURN_IF_ERROR(CheckVfSettings(settings));
    absl::MutexLock lock(&state_->mu);
    XPU_ASSIGN_OR_RETURN(const Vf found, FindVf(pf_ifindex, vf));
    VfSettings changed = *found.settings;
    absl::Status status;
    const auto set = [&](const auto& wanted, auto& have, const char* name) {
      if (!wanted || !status.ok()) return;
      if (found.refused.contains(name)) {
        status = absl::UnimplementedError(absl::StrCat("the driver takes no ", name, " for a VF"));
        return;
      }
      have = wanted;
    };
    set(settings.mac, changed.mac, "mac");
    set(settings.vlan, changed.vlan, "vlan");
    set(settings.min_tx_rate, changed.min_tx_rate, "rate");
    set(settings.max_tx_rate, changed.max_tx_rate, "rate");
    set(settings.spoof_check, changed.spoof_check, "spoofchk");
    set(settings.link_state, changed.link_state, "link_state");
    set(settings.trust, changed.trust, "trust");
    XPU_RETURN_IF_ERROR(status);
    XPU_RETURN_IF_ERROR(CheckVfSettings(changed));
    *found.settings = changed;
    return absl::OkStatus();
  }

  absl::StatusOr<std::unique_ptr<Monitor>> MonitorLinks(
      EventLoop& loop, std::function<void(const Link& link, bool gone)> changed) override {
    XPU_RETURN_IF_ERROR(faults_.Check("MonitorLinks"));
    return std::make_unique<FakeMonitor>(state_, ns_, loop, std::move(changed));
  }

 private:
  absl::StatusOr<FakeLink*> Find(int ifindex) ABSL_EXCLUSIVE_LOCKS_REQUIRED(state_->mu) {
    FakeLink* link = state_->ByIndexLocked(ns_->inode(), ifindex);
    if (link == nullptr) return absl::NotFoundError(absl::StrCat("interface ", ifindex, ": No such device"));
    return link;
  }

  struct Vf {
    VfSettings* settings;
    std::set<std::string> refused;
  };
  absl::StatusOr<Vf> FindVf(int pf_ifindex, int vf) ABSL_EXCLUSIVE_LOCKS_REQUIRED(state_->mu) {
    XPU_ASSIGN_OR_RETURN(const FakeLink* link, Find(pf_ifindex));
    for (auto& [address, function] : state_->functions) {
      if (!link->owner || !function.physical_function || function.vf_index != vf) continue;
      if (*link->owner != FunctionId(*function.physical_function)) continue;
      return Vf{&state_->vf_settings[address], state_->refused_settings[*function.physical_function]};
    }
    return absl::NotFoundError(absl::StrCat("interface ", pf_ifindex, " has no VF ", vf));
  }

  static bool Reaches(const FakeLink& link, const IpAddress& gateway) {
    static const IpPrefix kLinkLocal = *IpPrefix::Parse("fe80::/10");
    if (gateway.is_v6() && kLinkLocal.Contains(gateway)) return true;
    return std::any_of(link.addresses.begin(), link.addresses.end(),
                       [&](const InterfaceAddress& address) { return address.prefix().Contains(gateway); });
  }

  FaultPlan& faults_;
  const std::shared_ptr<FakeKernel::State> state_;
  const std::shared_ptr<NetNamespace> ns_;
};

absl::StatusOr<std::unique_ptr<Netlink>> FakeNetlinkFactory::Open(const std::shared_ptr<NetNamespace>& ns) {
  XPU_RETURN_IF_ERROR(kernel_.faults_.Check("OpenNetlink"));
  return std::make_unique<FakeNetlink>(kernel_, ns != nullptr ? ns : kernel_.root());
}

}  // namespace xpu
