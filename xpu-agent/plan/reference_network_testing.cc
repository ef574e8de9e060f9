#include "xpu-agent/plan/reference_network_testing.h"

#include <algorithm>

namespace xpu {
namespace {

bool IsLinkLocal(const IpAddress& address) {
  return address.is_v6() && IpPrefix::Parse("fe80::/10").value().Contains(address);
}

}  // namespace

bool ReferenceNetwork::Router::Has(const IpAddress& address) const {
  return std::any_of(gateways.begin(), gateways.end(),
                     [&](const InterfaceAddress& gateway) { return gateway.address == address; });
}

bool ReferenceNetwork::Router::Reaches(const IpAddress& address) const {
  return std::any_of(gateways.begin(), gateways.end(),
                     [&](const InterfaceAddress& gateway) { return gateway.prefix().Contains(address); });
}

ReferenceNetwork::ReferenceNetwork(const Model& model) {
  for (const auto& [id, bridge] : model.bridges) gateways_[id] = bridge.gateways;
  AddRouters(model);
  AddEndpoints(model);
}

// In the order of their ids, each that does not get into the way of one before it.
void ReferenceNetwork::AddRouters(const Model& model) {
  for (const auto& [id, svi] : model.svis) {
    if (!model.vrfs.contains(svi.vrf) || !model.bridges.contains(svi.logical_bridge)) continue;
    if (routers_.contains(svi.logical_bridge)) continue;
    bool overlaps = false;
    for (const auto& [bridge, other] : routers_) {
      if (other.vrf != svi.vrf) continue;
      for (const InterfaceAddress& mine : svi.gateways) {
        for (const InterfaceAddress& theirs : other.gateways)
          overlaps |= mine.prefix().Overlaps(theirs.prefix());
      }
    }
    if (overlaps) continue;
    const MacAddress usual = MacAddress::Parse("02:58:50:00:00:01").value();
    routers_[svi.logical_bridge] = {svi.vrf, svi.mac.IsZero() ? usual : svi.mac, svi.gateways};
  }
}

void ReferenceNetwork::AddEndpoints(const Model& model) {
  for (const auto& [id, port] : model.ports) {
    if (port.logical_bridges.size() != 1 || !model.representors.contains(id)) continue;
    const std::string& bridge = port.logical_bridges[0];
    if (!model.bridges.contains(bridge)) continue;
    Endpoint endpoint{.port = id,
                      .ofport = model.representors.at(id).ofport,
                      .mac = port.mac,
                      .bound = port.bound,
                      .bridge = bridge};
    if (port.bound) {
      for (const InterfaceAddress& address : port.addresses) endpoint.addresses.insert(address.address);
      endpoint.addresses.insert(IpAddress::LinkLocalFromMac(port.mac));
    }
    bool taken = RouterOf(bridge) != nullptr && RouterOf(bridge)->mac == port.mac;
    for (const IpAddress& address : endpoint.addresses) taken |= IsReserved(bridge, address);
    for (const Endpoint& other : endpoints_) {
      if (other.bridge != bridge) continue;
      taken |= other.mac == port.mac;
      for (const IpAddress& address : endpoint.addresses) taken |= other.addresses.contains(address);
    }
    if (!taken) endpoints_.push_back(endpoint);
  }
}

const ReferenceNetwork::Router* ReferenceNetwork::RouterOf(const std::string& bridge) const {
  const auto router = routers_.find(bridge);
  return router == routers_.end() ? nullptr : &router->second;
}

const ReferenceNetwork::Endpoint* ReferenceNetwork::OwnerIn(const std::string& bridge,
                                                            const IpAddress& address) const {
  for (const Endpoint& endpoint : endpoints_) {
    if (endpoint.bridge == bridge && endpoint.addresses.contains(address)) return &endpoint;
  }
  return nullptr;
}

bool ReferenceNetwork::IsReserved(const std::string& bridge, const IpAddress& address) const {
  if (const Router* router = RouterOf(bridge); router != nullptr) {
    if (router->Has(address) || address == IpAddress::LinkLocalFromMac(router->mac)) return true;
  }
  const std::vector<IpAddress>& gateways = gateways_.at(bridge);
  return std::find(gateways.begin(), gateways.end(), address) != gateways.end();
}

std::set<uint32_t> ReferenceNetwork::Switched(const Endpoint& from, const MacAddress& mac) const {
  std::set<uint32_t> ports;
  for (const Endpoint& endpoint : endpoints_) {
    if (endpoint.bridge == from.bridge && endpoint.mac == mac && endpoint.port != from.port)
      ports.insert(endpoint.ofport);
  }
  return ports;
}

std::set<uint32_t> ReferenceNetwork::Flooded(const Endpoint& from) const {
  std::set<uint32_t> ports;
  for (const Endpoint& endpoint : endpoints_) {
    if (endpoint.bridge == from.bridge && endpoint.port != from.port) ports.insert(endpoint.ofport);
  }
  return ports;
}

bool ReferenceNetwork::MaySendFrom(const Endpoint& from, const IpAddress& source) const {
  if (from.bound) return from.addresses.contains(source);
  return !IsReserved(from.bridge, source) && OwnerIn(from.bridge, source) == nullptr;
}

const ReferenceNetwork::Endpoint* ReferenceNetwork::Routed(const Endpoint& from, const IpAddress& source,
                                                           const IpAddress& destination) const {
  const Router* router = RouterOf(from.bridge);
  if (router == nullptr || !MaySendFrom(from, source) || !router->Reaches(source)) return nullptr;
  for (const auto& [bridge, next] : routers_) {
    if (next.vrf != router->vrf || !next.Reaches(destination)) continue;
    const Endpoint* owner = OwnerIn(bridge, destination);
    // A switch sends nothing back to where it came from.
    return owner == nullptr || owner->port == from.port ? nullptr : owner;
  }
  return nullptr;
}

bool ReferenceNetwork::RouterAnswers(const Endpoint& from, const IpAddress& source,
                                     const IpAddress& destination) const {
  const Router* router = RouterOf(from.bridge);
  if (router == nullptr || !MaySendFrom(from, source)) return false;
  if (router->Has(destination) || destination == IpAddress::LinkLocalFromMac(router->mac)) return true;
  if (!router->Reaches(source) || IsLinkLocal(destination)) return false;
  // A card has those networks that it has a port of.
  return std::any_of(endpoints_.begin(), endpoints_.end(), [&](const Endpoint& endpoint) {
    const Router* other = RouterOf(endpoint.bridge);
    return other != nullptr && other->vrf == router->vrf && other->Has(destination);
  });
}

std::optional<MacAddress> ReferenceNetwork::Resolved(const Endpoint& from, const IpAddress& target) const {
  if (const Router* router = RouterOf(from.bridge); router != nullptr) {
    if (router->Has(target) || target == IpAddress::LinkLocalFromMac(router->mac)) return router->mac;
  }
  const Endpoint* owner = OwnerIn(from.bridge, target);
  if (owner == nullptr || owner->port == from.port) return std::nullopt;
  return owner->mac;
}

}  // namespace xpu
