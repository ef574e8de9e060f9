#include "common/sys/netlink_real.h"

#include <utility>

#include "absl/synchronization/mutex.h"
#include "common/base/status_macros.h"
#include "common/sys/net_namespaces_real.h"
#include "common/sys/netlink_address.h"
#include "common/sys/netlink_link.h"
#include "common/sys/netlink_monitor.h"
#include "common/sys/netlink_route.h"
#include "common/sys/netlink_socket.h"
#include "common/sys/netlink_vf.h"

namespace xpu {
namespace {

std::string Describe(int ifindex) { return absl::StrCat("interface ", ifindex); }

std::string Describe(int ifindex, const LinkChange& change) {
  std::string text = absl::StrCat("change of interface ", ifindex, ":");
  if (change.net_namespace != nullptr) absl::StrAppend(&text, " namespace ", change.net_namespace->inode());
  if (change.name) absl::StrAppend(&text, " name ", *change.name);
  if (change.mac) absl::StrAppend(&text, " MAC ", change.mac->ToString());
  if (change.mtu) absl::StrAppend(&text, " MTU ", *change.mtu);
  if (change.alias) absl::StrAppend(&text, " alias ", *change.alias);
  if (change.up) absl::StrAppend(&text, *change.up ? " up" : " down");
  return text;
}

std::string Describe(int ifindex, const Route& route) {
  return absl::StrCat("route to ", route.destination.ToString(),
                      route.gateway ? absl::StrCat(" via ", route.gateway->ToString()) : "", " on interface ",
                      ifindex);
}

std::string DescribeVf(int pf_ifindex, int vf) {
  return absl::StrCat("VF ", vf, " of interface ", pf_ifindex);
}

// The change that leads back to `before` from any state that a part of `change` leads to.
LinkChange Inverse(const Link& before, const LinkChange& change) {
  LinkChange back;
  if (change.name) back.name = before.name;
  if (change.mac) back.mac = before.mac;
  if (change.mtu) back.mtu = before.mtu;
  if (change.alias) back.alias = before.alias;
  if (change.up || change.net_namespace != nullptr) back.up = before.up;
  return back;
}

class NetlinkReal final : public Netlink {
 public:
  NetlinkReal(std::shared_ptr<NetNamespace> ns, NetlinkSocket socket)
      : ns_(std::move(ns)), socket_(std::move(socket)) {}

  absl::StatusOr<std::vector<Link>> ListLinks() override {
    absl::MutexLock lock(&mu_);
    return DumpLinks(socket_);
  }

  absl::StatusOr<Link> GetLink(const std::string& name) override {
    if (name.empty()) return absl::InvalidArgumentError("an interface has no empty name");
    absl::MutexLock lock(&mu_);
    auto link = QueryLink(socket_, name, 0);
    if (!link.ok()) return Annotate(link.status(), absl::StrCat("interface ", name));
    return link;
  }

  absl::StatusOr<Link> GetLinkByIndex(int ifindex) override {
    absl::MutexLock lock(&mu_);
    auto link = QueryLink(socket_, "", ifindex);
    if (!link.ok()) return Annotate(link.status(), Describe(ifindex));
    return link;
  }

  absl::StatusOr<Link> PeekLink(const std::string& name) override {
    if (name.empty()) return absl::InvalidArgumentError("an interface has no empty name");
    absl::MutexLock lock(&mu_);
    auto link = PeekAtLink(socket_.fd(), name);
    if (!link.ok()) return Annotate(link.status(), absl::StrCat("interface ", name));
    return link;
  }

  absl::Status ChangeLink(int ifindex, const LinkChange& change) override {
    if (change.mac && !change.mac->IsUnicast()) {
      return absl::InvalidArgumentError(Describe(ifindex, change) + ": no interface may have this MAC");
    }
    absl::MutexLock lock(&mu_);
    // What a refused change is undone to. Nobody should wait for RTNL twice, so it is peeked at where that
    // tells enough: neither an alias, nor the kind by which one that has moved is known again.
    const bool peek = !change.alias && change.net_namespace == nullptr;
    auto before = peek ? PeekAtLink(socket_.fd(), ifindex) : QueryLink(socket_, "", ifindex);
    if (!before.ok()) before = QueryLink(socket_, "", ifindex);
    if (!before.ok()) return Annotate(before.status(), Describe(ifindex, change));
    const absl::Status status = Change(*before, change);
    if (status.ok()) return status;
    const absl::Status undone = Undo(*before, change);
    if (undone.ok()) return Annotate(status, Describe(ifindex, change));
    return Annotate(Annotate(status, Describe(ifindex, change)),
                    absl::StrCat("left half done (", undone.message(), ")"));
  }

  absl::Status DeleteLink(int ifindex) override {
    absl::MutexLock lock(&mu_);
    ifinfomsg header{};
    header.ifi_index = ifindex;
    NetlinkMessage request(RTM_DELLINK, 0, header);
    return Annotate(socket_.Execute(request), absl::StrCat("removal of interface ", ifindex));
  }

  absl::Status CreateVeth(const std::string& name, const MacAddress& mac, const std::string& peer_name,
                          const MacAddress& peer_mac,
                          const std::shared_ptr<NetNamespace>& peer_namespace) override {
    absl::MutexLock lock(&mu_);
    NetlinkMessage request = CreateVethMessage(name, mac, peer_name, peer_mac, peer_namespace);
    return Annotate(socket_.Execute(request), absl::StrCat("veth ", name, " with peer ", peer_name));
  }

  absl::Status AddAddress(int ifindex, const InterfaceAddress& address) override {
    absl::MutexLock lock(&mu_);
    return Annotate(xpu::AddAddress(socket_, ifindex, address),
                    absl::StrCat("address ", address.ToString(), " of interface ", ifindex));
  }

  absl::Status DeleteAddress(int ifindex, const InterfaceAddress& address) override {
    absl::MutexLock lock(&mu_);
    return Annotate(xpu::DeleteAddress(socket_, ifindex, address),
                    absl::StrCat("removal of address ", address.ToString(), " of interface ", ifindex));
  }

  absl::StatusOr<std::vector<InterfaceAddress>> ListAddresses(int ifindex) override {
    absl::MutexLock lock(&mu_);
    auto addresses = DumpAddresses(socket_, ifindex);
    if (!addresses.ok())
      return Annotate(addresses.status(), absl::StrCat("addresses of interface ", ifindex));
    return addresses;
  }

  absl::Status AddRoute(int ifindex, const Route& route) override {
    absl::MutexLock lock(&mu_);
    return Annotate(xpu::AddRoute(socket_, ifindex, route), Describe(ifindex, route));
  }

  absl::Status DeleteRoute(int ifindex, const Route& route) override {
    absl::MutexLock lock(&mu_);
    return Annotate(xpu::DeleteRoute(socket_, ifindex, route), "removal of " + Describe(ifindex, route));
  }

  absl::StatusOr<std::vector<Route>> ListRoutes(int ifindex) override {
    absl::MutexLock lock(&mu_);
    auto routes = DumpRoutes(socket_, ifindex);
    if (!routes.ok()) return Annotate(routes.status(), absl::StrCat("routes of interface ", ifindex));
    return routes;
  }

  absl::StatusOr<VfSettings> GetVf(int pf_ifindex, int vf) override {
    absl::MutexLock lock(&mu_);
    auto settings = QueryVf(socket_, pf_ifindex, vf);
    if (!settings.ok()) return Annotate(settings.status(), DescribeVf(pf_ifindex, vf));
    return settings;
  }

  absl::Status SetVf(int pf_ifindex, int vf, const VfSettings& settings) override {
    absl::MutexLock lock(&mu_);
    return Annotate(ChangeVf(socket_, pf_ifindex, vf, settings), DescribeVf(pf_ifindex, vf));
  }

  absl::StatusOr<std::unique_ptr<Monitor>> MonitorLinks(
      EventLoop& loop, std::function<void(const Link& link, bool gone)> changed) override {
    return LinkMonitor::Start(ns_, loop, std::move(changed));
  }

 private:
  absl::Status Change(const Link& before, const LinkChange& change) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_) {
    NetlinkMessage request = ChangeLinkMessage(before.ifindex, change);
    absl::Status status = socket_.Execute(request);
    const bool renames_live = change.name && change.net_namespace == nullptr && before.up;
    if (!renames_live || !absl::IsFailedPrecondition(status)) return status;
    // EBUSY: a kernel before 6.2 renames only what is down.
    LinkChange down;
    down.up = false;
    NetlinkMessage stop = ChangeLinkMessage(before.ifindex, down);
    XPU_RETURN_IF_ERROR(socket_.Execute(stop));
    LinkChange and_up = change;
    and_up.up = change.up.value_or(true);
    NetlinkMessage again = ChangeLinkMessage(before.ifindex, and_up);
    return socket_.Execute(again);
  }

  // Takes back what the kernel has done of a change that it then refused: it works through the parts of a
  // request one after the other, the move first.
  absl::Status Undo(const Link& before, const LinkChange& change) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_) {
    LinkChange back = Inverse(before, change);
    auto here = QueryLink(socket_, "", before.ifindex);
    if (here.ok()) {
      NetlinkMessage request = ChangeLinkMessage(before.ifindex, back);
      return socket_.Execute(request);
    }
    if (change.net_namespace == nullptr) return absl::OkStatus();  // it is gone altogether
    XPU_ASSIGN_OR_RETURN(NetlinkSocket there, NetlinkSocket::Open(change.net_namespace));
    XPU_ASSIGN_OR_RETURN(const std::vector<Link> links, DumpLinks(there));
    for (const Link& link : links) {
      // The name is changed after the MAC, so it is still the old one, unless that was taken there.
      const bool same_name = link.name == before.name || (change.name && link.name == *change.name);
      const bool same_mac = link.mac == before.mac || (change.mac && link.mac == *change.mac);
      if (!same_name || !same_mac || link.kind != before.kind) continue;
      back.net_namespace = ns_;
      back.name = before.name;
      NetlinkMessage request = ChangeLinkMessage(link.ifindex, back);
      return Annotate(there.Execute(request), "cannot move it back");
    }
    return absl::OkStatus();
  }

  const std::shared_ptr<NetNamespace> ns_;
  absl::Mutex mu_;
  NetlinkSocket socket_ ABSL_GUARDED_BY(mu_);
};

}  // namespace

absl::StatusOr<std::unique_ptr<Netlink>> NetlinkFactoryReal::Open(const std::shared_ptr<NetNamespace>& ns) {
  std::shared_ptr<NetNamespace> home = ns;
  if (home == nullptr) {
    XPU_ASSIGN_OR_RETURN(home, NetNamespacesReal().Current());
  }
  // Outside of InNamespace every thread of ours stands in the process' own, which needs no entering.
  XPU_ASSIGN_OR_RETURN(NetlinkSocket socket, NetlinkSocket::Open(ns));
  return std::make_unique<NetlinkReal>(std::move(home), std::move(socket));
}

}  // namespace xpu
