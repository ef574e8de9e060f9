#include "host-agent/testing/world.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "gtest/gtest.h"

namespace xpu {
namespace {

void MakeNetwork(OpiClient& opi, const std::string& name, uint32_t vni,
                 const std::vector<std::string>& prefixes, const std::vector<std::string>& gateways,
                 uint32_t mtu) {
  evpn::LogicalBridgeSpec spec;
  spec.set_vlan_id(vni);
  spec.set_vni(vni);
  ASSERT_TRUE(opi.CreateLogicalBridge("default." + name, spec).ok());
  agent::v1::Subnets subnets;
  subnets.set_logical_bridge("logicalBridges/default." + name);
  for (const std::string& prefix : prefixes) subnets.add_prefixes(prefix);
  for (const std::string& gateway : gateways) subnets.add_gateways(gateway);
  subnets.set_mtu(mtu);
  ASSERT_TRUE(opi.SetSubnets(subnets).ok());
}

// Interfaces of an emulated card say nothing of PCI.
class WithoutParent final : public Netlink {
 public:
  explicit WithoutParent(std::unique_ptr<Netlink> netlink) : netlink_(std::move(netlink)) {}
  absl::StatusOr<std::vector<Link>> ListLinks() override {
    absl::StatusOr<std::vector<Link>> links = netlink_->ListLinks();
    if (links.ok()) {
      for (Link& link : *links) link.parent_device.clear();
    }
    return links;
  }
  absl::StatusOr<Link> GetLink(const std::string& name) override { return Hide(netlink_->GetLink(name)); }
  absl::StatusOr<Link> GetLinkByIndex(int ifindex) override {
    return Hide(netlink_->GetLinkByIndex(ifindex));
  }
  absl::StatusOr<Link> PeekLink(const std::string& name) override { return netlink_->PeekLink(name); }
  absl::Status ChangeLink(int ifindex, const LinkChange& change) override {
    return netlink_->ChangeLink(ifindex, change);
  }
  absl::Status DeleteLink(int ifindex) override { return netlink_->DeleteLink(ifindex); }
  absl::Status CreateVeth(const std::string& name, const MacAddress& mac, const std::string& peer_name,
                          const MacAddress& peer_mac,
                          const std::shared_ptr<NetNamespace>& peer_namespace) override {
    return netlink_->CreateVeth(name, mac, peer_name, peer_mac, peer_namespace);
  }
  absl::Status AddAddress(int ifindex, const InterfaceAddress& address) override {
    return netlink_->AddAddress(ifindex, address);
  }
  absl::Status DeleteAddress(int ifindex, const InterfaceAddress& address) override {
    return netlink_->DeleteAddress(ifindex, address);
  }
  absl::StatusOr<std::vector<InterfaceAddress>> ListAddresses(int ifindex) override {
    return netlink_->ListAddresses(ifindex);
  }
  absl::Status AddRoute(int ifindex, const Route& route) override {
    return netlink_->AddRoute(ifindex, route);
  }
  absl::Status DeleteRoute(int ifindex, const Route& route) override {
    return netlink_->DeleteRoute(ifindex, route);
  }
  absl::StatusOr<std::vector<Route>> ListRoutes(int ifindex) override {
    return netlink_->ListRoutes(ifindex);
  }
  absl::StatusOr<VfSettings> GetVf(int pf_ifindex, int vf) override {
    return netlink_->GetVf(pf_ifindex, vf);
  }
  absl::Status SetVf(int pf_ifindex, int vf, const VfSettings& settings) override {
    return netlink_->SetVf(pf_ifindex, vf, settings);
  }
  absl::StatusOr<std::unique_ptr<Monitor>> MonitorLinks(
      EventLoop& loop, std::function<void(const Link& link, bool gone)> changed) override {
    return netlink_->MonitorLinks(loop, [changed = std::move(changed)](Link link, bool gone) {
      link.parent_device.clear();
      changed(link, gone);
    });
  }

 private:
  static absl::StatusOr<Link> Hide(absl::StatusOr<Link> link) {
    if (link.ok()) link->parent_device.clear();
    return link;
  }
  const std::unique_ptr<Netlink> netlink_;
};

class WithoutParentFactory final : public NetlinkFactory {
 public:
  explicit WithoutParentFactory(FakeKernel& kernel) : factory_(kernel) {}
  absl::StatusOr<std::unique_ptr<Netlink>> Open(const std::shared_ptr<NetNamespace>& ns) override {
    absl::StatusOr<std::unique_ptr<Netlink>> netlink = factory_.Open(ns);
    if (!netlink.ok()) return netlink;
    return std::unique_ptr<Netlink>(std::make_unique<WithoutParent>(*std::move(netlink)));
  }

 private:
  FakeNetlinkFactory factory_;
};

std::string ContainerOf(const std::string& pod) {
  const std::vector<std::string> parts = absl::StrSplit(pod, '/');
  return "c-" + parts.back();
}

}  // namespace

World::World() { MakeNetworks(opi); }

void World::MakeNetworks(OpiClient& opi) {
  MakeNetwork(opi, "blue", 100, {"10.0.0.0/24", "2001:db8::/64"}, {"10.0.0.1", "2001:db8::1"}, 1400);
  MakeNetwork(opi, "red", 200, {"10.0.0.0/24"}, {}, 1500);
}

FunctionId World::function(int i) const {
  const auto it = substitutes_.find(i);
  return it == substitutes_.end() ? FunctionId(vf(i)) : it->second;
}

VfSettings World::Kept(int i) {
  const absl::StatusOr<std::vector<std::string>> names = bus().Netdevs(pf());
  if (!names.ok() || names->empty()) return {};
  const auto netlink = *netlinks().Open(nullptr);
  const absl::StatusOr<Link> link = netlink->GetLink(names->front());
  return link.ok() ? netlink->GetVf(link->ifindex, i).value_or(VfSettings()) : VfSettings();
}

std::optional<Link> World::AtHome(int i) {
  const absl::StatusOr<std::vector<std::string>> names = bus().Netdevs(function(i));
  if (!names.ok() || names->empty()) return std::nullopt;
  absl::StatusOr<Link> link = (*netlinks().Open(nullptr))->GetLink(names->front());
  return link.ok() ? std::optional<Link>(*link) : std::nullopt;
}

std::optional<Link> World::InPod(const std::string& path, const std::string& ifname) {
  const auto ns = namespaces().Open(path);
  if (!ns.ok()) return std::nullopt;
  absl::StatusOr<Link> link = (*netlinks().Open(*ns))->GetLink(ifname);
  return link.ok() ? std::optional<Link>(*link) : std::nullopt;
}

std::vector<InterfaceAddress> World::AddressesInPod(const std::string& path, const std::string& ifname) {
  const auto netlink = *netlinks().Open(*namespaces().Open(path));
  const absl::StatusOr<Link> link = netlink->GetLink(ifname);
  if (!link.ok()) return {};
  return *netlink->ListAddresses(link->ifindex);
}

std::vector<std::string> World::InterfacesOf(const std::string& path) {
  std::vector<std::string> names;
  const absl::StatusOr<std::vector<Link>> links = (*netlinks().Open(*namespaces().Open(path)))->ListLinks();
  for (const Link& link : *links) {
    if (link.name != "lo") names.push_back(link.name);
  }
  return names;
}

FakeWorld::FakeWorld(bool emulated, int vfs) {
  if (emulated) {
    netlinks_ = std::make_unique<WithoutParentFactory>(kernel);
  } else {
    netlinks_ = std::make_unique<FakeNetlinkFactory>(kernel);
  }
  kernel.AddCard(pf(), "p0", vfs);
  EXPECT_TRUE(bus_.SetNumVfs(pf(), vfs).ok());
}

std::string FakeWorld::MakePod(const std::string& name) {
  std::string path = "/run/netns/" + name;
  kernel.AddNamespace(path);
  return path;
}

void FakeWorld::BindVfio(int i) { EXPECT_TRUE(bus_.BindDriver(vf(i), "vfio-pci").ok()); }

void FakeWorld::SubstituteSf(int i, uint32_t number) {
  FakeDevlink devlink(kernel);
  EXPECT_TRUE(devlink.AddSf(pf(), number).ok());
  EXPECT_TRUE(devlink.ActivateSf(pf(), number).ok());
  Substitute(i, FunctionId(pf(), number));
}

Incarnation::Incarnation(World& w) : world(w) {
  auto opened = Allocator::Open(journal);
  EXPECT_TRUE(opened.ok()) << opened.status();
  allocator = *std::move(opened);
  inventory = std::make_unique<Inventory>(
      std::vector<CardConfig>{{"card0", world.pf(), world.endpoint}}, bus,
      [this](const FunctionId& function) {
        return ClaimHealth{.claimed = allocator->Find(function).has_value(),
                           .stuck = attacher == nullptr ? "" : attacher->StuckReason(function)};
      });
  EXPECT_TRUE(inventory->Refresh().ok());
  host = std::make_unique<HostSide>(bus, netlinks, namespaces, [this](const Announcement& announcement) {
    return faults.Do<absl::Status>("Announce", [&] {
      for (const IpAddress& address : announcement.addresses) {
        announced.push_back(absl::StrCat(announcement.mac.ToString(), " ", address.ToString()));
      }
      return absl::OkStatus();
    });
  });
  session = std::make_unique<CardSession>(CardSession::Options{.card = "card0"}, opi, *allocator,
                                          [](const FunctionId&) {});
  attacher = std::make_unique<Attacher>(Attacher::Parts{.allocator = *allocator,
                                                        .inventory = *inventory,
                                                        .host = *host,
                                                        .sessions = {{"card0", session.get()}},
                                                        .ipam = &ipam});
}

Incarnation::~Incarnation() = default;

void Incarnation::Recover() {
  for (const ClaimRow& row : allocator->Rows()) attacher->Recover(row.function);
  SettleAll();
}

void Incarnation::SettleAll() {
  for (const ClaimRow& row : allocator->Rows()) attacher->Settle(row.function);
}

AttachRequest Incarnation::Request(int vf, const std::string& pod, const std::string& network) const {
  return {.function = world.function(vf),
          .attachment = {.container_id = ContainerOf(pod),
                         .ifname = "net1",
                         .netns = pod,
                         .pod_namespace = "default",
                         .pod_name = ContainerOf(pod) + "-pod",
                         .cni_network = network,
                         .network_namespace = "default",
                         .network = network}};
}

AttachRequest Incarnation::RequestWithIpam(int vf, const std::string& pod) const {
  AttachRequest request = Request(vf, pod);
  request.ipam = IpamCall{.type = "host-local", .path = "/opt/cni/bin", .config = "{}"};
  return request;
}

AttachRequest Incarnation::RequestInVlan(int vf, const std::string& pod, const std::string& plugin) const {
  AttachRequest request = RequestWithIpam(vf, pod);
  request.ipam->type = plugin;
  request.attachment.network_namespace.clear();
  request.attachment.network.clear();
  request.attachment.vlan = 7;
  return request;
}

absl::Status Incarnation::Del(int vf, const std::string& pod) {
  return attacher->Del(world.function(vf), ContainerOf(pod), "net1");
}

}  // namespace xpu
