#include "xpu-agent/plan/reference_network_testing.h"

#include <algorithm>
#include <tuple>

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
  AddFunctions(model);
  AddRouters(model);
  AddEndpoints(model);
}

void ReferenceNetwork::AddFunctions(const Model& model) {
  for (const auto& [id, function] : model.network_functions)
    functions_.push_back({.id = id, .position = function.position, .bridge = function.logical_bridge});
  std::sort(functions_.begin(), functions_.end(), [](const Function& a, const Function& b) {
    return std::tie(a.position, a.id) < std::tie(b.position, b.id);
  });
  std::set<std::string> taken;
  for (Function& function : functions_) {
    const NetworkFunction& wanted = model.network_functions.at(function.id);
    const bool is_one = wanted.input.port == wanted.output.port;
    for (const auto& [side, ofport] :
         {std::pair(&wanted.input, &function.in), std::pair(&wanted.output, &function.out)}) {
      const auto port = model.ports.find(side->port);
      if (port == model.ports.end() || port->second.mac != side->mac || port->second.claim != side->claim)
        continue;
      function_ports_.insert(side->port);
      if (is_one || !taken.insert(side->port).second) continue;
      *ofport = model.representors.at(side->port).ofport;
    }
  }
}

std::optional<ReferenceNetwork::Functions> ReferenceNetwork::FunctionsOf(const std::string& bridge) const {
  std::optional<Functions> found;
  bool is_cut = false;
  for (const Function& function : functions_) {
    if (!function.bridge.empty() && function.bridge != bridge) continue;
    if (!found.has_value()) found.emplace();
    found->emplace_back(function.in, function.out);
    is_cut = is_cut || function.in == 0 || function.out == 0;
  }
  if (is_cut) found->clear();
  return found;
}

bool ReferenceNetwork::IsCut(const std::string& bridge) const {
  const std::optional<Functions> functions = FunctionsOf(bridge);
  return functions.has_value() && functions->empty();
}

std::optional<uint32_t> ReferenceNetwork::OtherSide(uint32_t ofport) const {
  for (const Function& function : functions_) {
    if (function.in == 0 || function.out == 0) continue;
    if (function.in == ofport) return function.out;
    if (function.out == ofport) return function.in;
  }
  return std::nullopt;
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
    if (IsFunctionPort(id)) continue;
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
  if (IsCut(from.bridge)) return nullptr;
  for (const auto& [bridge, next] : routers_) {
    if (next.vrf != router->vrf || !next.Reaches(destination)) continue;
    const Endpoint* owner = OwnerIn(bridge, destination);
    if (owner == nullptr || IsCut(bridge)) return nullptr;
    // A switch sends nothing back to where it came from; out of a function it comes from elsewhere.
    return owner->port == from.port && !FunctionsOf(bridge).has_value() ? nullptr : owner;
  }
  return nullptr;
}

bool ReferenceNetwork::RouterAnswers(const Endpoint& from, const IpAddress& source,
                                     const IpAddress& destination) const {
  const Router* router = RouterOf(from.bridge);
  if (router == nullptr || !MaySendFrom(from, source)) return false;
  if (router->Has(destination) || destination == IpAddress::LinkLocalFromMac(router->mac)) return true;
  if (!router->Reaches(source) || IsLinkLocal(destination) || IsCut(from.bridge)) return false;
  return std::any_of(routers_.begin(), routers_.end(), [&](const auto& other) {
    return other.second.vrf == router->vrf && other.second.Has(destination);
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
