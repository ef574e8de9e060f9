#include "xpu-agent/controllers/peer_ports.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "common/api/api.h"
#include "common/api/field_labels.h"
#include "common/base/mac_address.h"
#include "common/kube/metadata.h"
#include "common/opi/opi_client.h"
#include "common/opi/opi_names.h"
#include "spdlog/spdlog.h"
#include "xpu-agent/controllers/network_controller.h"
#include "xpu/api/v1alpha1/netdev.pb.h"

namespace xpu {

using api::v1alpha1::Netdev;

std::optional<PeerPorts::Peer> PeerPorts::PeerOf(const Resource& object) const {
  if (IsBeingDeleted(object)) return std::nullopt;
  const absl::StatusOr<Netdev> netdev = api::Decode<Netdev>(object);
  if (!netdev.ok() || netdev->spec().card() == deps_.card) return std::nullopt;
  const api::v1alpha1::NetdevStatus& status = netdev->status();
  if (status.state() != "Attached" || status.claim() != netdev->spec().claim()) return std::nullopt;
  Peer peer{.card = netdev->spec().card(), .mac = "", .addresses = {}};
  const absl::StatusOr<MacAddress> mac = MacAddress::Parse(status.mac());
  if (!mac.ok()) return std::nullopt;
  peer.mac = mac->ToBytes();
  for (const std::string& text : status.addresses()) {
    const absl::StatusOr<InterfaceAddress> address = InterfaceAddress::Parse(text);
    if (address.ok()) peer.addresses.push_back(address->address.ToString());
  }
  return peer;
}

void PeerPorts::SetOwn(const ResourceName& netdev, const std::optional<ResourceName>& network) {
  std::vector<std::unique_ptr<Informer>> ended;
  absl::MutexLock lock(&mu_);
  const auto before = own_.find(netdev);
  if (before != own_.end() ? network == before->second : !network.has_value()) return;
  bool news = false;
  if (before != own_.end()) {
    const ResourceName left = before->second;
    own_.erase(before);
    if (--uses_[left] == 0) {
      uses_.erase(left);
      news = true;
    }
  }
  if (network.has_value()) {
    own_[netdev] = *network;
    news = ++uses_[*network] == 1 || news;
  }
  if (news) FollowReached(&ended);
}

void PeerPorts::SetDomain(const ResourceName& network, const std::optional<std::string>& domain) {
  std::vector<std::unique_ptr<Informer>> ended;
  absl::MutexLock lock(&mu_);
  const auto before = domains_.find(network);
  if (before == domains_.end() ? !domain.has_value() : domain == before->second) return;
  if (domain.has_value()) {
    domains_.insert_or_assign(network, *domain);
  } else {
    domains_.erase(before);
  }
  FollowReached(&ended);
}

void PeerPorts::FollowReached(std::vector<std::unique_ptr<Informer>>* ended) {
  std::set<ResourceName> reached;
  std::set<std::string> domains;
  for (const auto& [name, uses] : uses_) {
    reached.insert(name);
    if (const auto domain = domains_.find(name); domain != domains_.end()) domains.insert(domain->second);
  }
  for (const auto& [name, domain] : domains_) {
    if (domains.contains(domain)) reached.insert(name);
  }
  for (auto& [name, network] : networks_) {
    if (network.informer == nullptr || reached.contains(name)) continue;
    // What it knew goes at once; the agent is told when it has its turn.
    ended->push_back(std::move(network.informer));
    network.peers.clear();
    network.news.clear();
    network.replace = true;
    deps_.enqueue(name);
  }
  for (const ResourceName& name : reached) {
    const auto network = networks_.find(name);
    if (network == networks_.end() || network->second.informer == nullptr) Follow(name);
  }
}

void PeerPorts::Follow(const ResourceName& name) {
  Network& network = networks_[name];
  network.is_known = false;
  network.replace = true;
  Informer::Options options;
  options.kind = api::KindOf<Netdev>().resource;
  options.ns = name.ns;
  options.selection.field_selector = absl::StrCat("spec.network=", name.name);
  options.selection.labels_of_fields = api::LabelSelector(api::kNetworkLabel, name.name);
  options.backoff = deps_.backoff;
  Informer::Handler handler;
  handler.added = [this, name](const ResourceName& netdev, const Resource& object) {
    OnNetdev(name, netdev, &object);
  };
  handler.updated = [this, name](const ResourceName& netdev, const Resource&, const Resource& object) {
    OnNetdev(name, netdev, &object);
  };
  handler.deleted = [this, name](const ResourceName& netdev, const Resource&) {
    OnNetdev(name, netdev, nullptr);
  };
  handler.synced = [this, name] {
    absl::MutexLock lock(&mu_);
    networks_[name].is_known = true;
    deps_.enqueue(name);
  };
  network.informer =
      std::make_unique<Informer>(*deps_.loop, *deps_.store, std::move(options), std::move(handler));
}

void PeerPorts::OnNetdev(const ResourceName& network_name, const ResourceName& name, const Resource* object) {
  std::optional<Peer> peer = object == nullptr ? std::nullopt : PeerOf(*object);
  absl::MutexLock lock(&mu_);
  Network& network = networks_[network_name];
  const auto before = network.peers.find(name);
  if (before == network.peers.end() ? !peer.has_value() : peer == before->second) return;
  if (peer.has_value()) {
    network.peers.insert_or_assign(name, *std::move(peer));
  } else {
    network.peers.erase(before);
  }
  network.news.insert(name);
  deps_.enqueue(network_name);
}

void PeerPorts::CardsKnown() {
  absl::MutexLock lock(&mu_);
  cards_known_ = true;
  for (const auto& [name, network] : networks_) deps_.enqueue(name);
}

void PeerPorts::SetCard(const std::string& card, const std::optional<IpAddress>& vtep) {
  absl::MutexLock lock(&mu_);
  const auto before = vteps_.find(card);
  if (before == vteps_.end() ? !vtep.has_value() : vtep == before->second) return;
  if (vtep.has_value()) {
    vteps_.insert_or_assign(card, *vtep);
    if (card != deps_.card) spdlog::info("tunnels to card {} end at {}", card, vtep->ToString());
  } else {
    vteps_.erase(before);
    spdlog::warn("card {} is taken out: it is gone, drained or not ready", card);
  }
  for (auto& [name, network] : networks_) {
    bool news = false;
    for (const auto& [netdev, peer] : network.peers) {
      if (peer.card == card) news = network.news.insert(netdev).second || news;
    }
    if (news) deps_.enqueue(name);
  }
}

void PeerPorts::TellAllAgain() {
  absl::MutexLock lock(&mu_);
  for (auto& [name, network] : networks_) {
    network.replace = true;
    deps_.enqueue(name);
  }
}

void PeerPorts::TellAgain(const ResourceName& name) {
  absl::MutexLock lock(&mu_);
  const auto network = networks_.find(name);
  if (network == networks_.end()) return;
  network->second.replace = true;
  deps_.enqueue(name);
}

void PeerPorts::Stop() {
  std::vector<std::unique_ptr<Informer>> ended;
  absl::MutexLock lock(&mu_);
  for (auto& [name, network] : networks_) ended.push_back(std::move(network.informer));
}

absl::Status PeerPorts::Reconcile(const ResourceName& name) {
  agent::v1::UpdateRemotePortsRequest request;
  request.set_logical_bridge(LogicalBridgeName(NetworkController::BridgeId(name)));
  std::set<ResourceName> told;
  bool is_over = false;
  {
    absl::MutexLock lock(&mu_);
    const auto it = networks_.find(name);
    if (it == networks_.end()) return absl::OkStatus();
    Network& network = it->second;
    is_over = network.informer == nullptr;
    // What is not known yet must not be taken for gone.
    if (!is_over && (!network.is_known || !cards_known_)) return absl::OkStatus();
    if (!network.replace && network.news.empty()) return absl::OkStatus();
    told = std::exchange(network.news, {});
    request.set_replace(std::exchange(network.replace, false));
    const auto tell = [&](const ResourceName& netdev, const Peer* peer) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_) {
      const auto vtep = peer == nullptr ? vteps_.end() : vteps_.find(peer->card);
      if (vtep == vteps_.end()) {
        if (!request.replace()) request.add_remove(netdev.name);
        return;
      }
      agent::v1::RemotePort& port = *request.add_set();
      port.set_id(netdev.name);
      port.set_mac_address(peer->mac);
      for (const std::string& address : peer->addresses) port.add_addresses(address);
      port.set_vtep(vtep->second.ToString());
    };
    if (request.replace()) {
      for (const auto& [netdev, peer] : network.peers) tell(netdev, &peer);
    } else {
      for (const ResourceName& netdev : told) {
        const auto peer = network.peers.find(netdev);
        tell(netdev, peer == network.peers.end() ? nullptr : &peer->second);
      }
    }
  }
  const absl::Status status = deps_.opi->UpdateRemotePorts(request);
  absl::MutexLock lock(&mu_);
  const auto it = networks_.find(name);
  if (it == networks_.end()) return absl::OkStatus();
  const bool still_over = it->second.informer == nullptr;
  if (status.ok() || absl::IsNotFound(status) || absl::IsUnimplemented(status)) {
    // Without a bridge there is nobody to tell, and with it TellAgain() comes. An agent of another vendor
    // that does not know the call has networks on one card only.
    if (is_over && still_over)
      networks_.erase(it);
    else if (!status.ok())
      it->second.replace = true;
    return absl::OkStatus();
  }
  it->second.replace |= request.replace();
  it->second.news.merge(told);
  return status;
}

}  // namespace xpu
