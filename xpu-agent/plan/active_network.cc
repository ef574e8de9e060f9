#include "xpu-agent/plan/active_network.h"

#include <algorithm>
#include <functional>
#include <set>
#include <utility>

#include "absl/container/flat_hash_map.h"
#include "absl/container/flat_hash_set.h"
#include "xpu-agent/plan/membership.h"

namespace xpu::pipeline {
namespace {

// Ids of the objects whose key is their own.
template <typename T>
absl::flat_hash_set<std::string_view> FindUsable(const SharedMap<T>& objects, uint32_t T::*key_of) {
  absl::flat_hash_set<std::string_view> usable;
  absl::flat_hash_set<uint32_t> keys;
  for (const auto& [id, object] : objects) {
    const uint32_t key = object.*key_of;
    if (IsNetworkKey(key) && keys.insert(key).second) usable.insert(id);
  }
  return usable;
}

// Of a port that is there and has a number on the switch.
template <typename T>
std::optional<uint32_t> OfportOf(const std::optional<T>& port,
                                 const std::map<std::string, uint32_t>& ofports) {
  if (!port.has_value()) return std::nullopt;
  const auto ofport = ofports.find(port->interface);
  if (ofport == ofports.end() || ofport->second == 0 || ofport->second > kMaxOfport) return std::nullopt;
  return ofport->second;
}

std::optional<NetworkUplink> UplinkOf(uint16_t vlan, const Model& model,
                                      const std::map<std::string, uint32_t>& ofports) {
  const std::optional<uint32_t> ofport = OfportOf(model.uplink, ofports);
  if (!ofport.has_value()) return std::nullopt;
  return NetworkUplink{*ofport, vlan};
}

class Resolver {
 public:
  Resolver(const Model& model, const std::map<std::string, uint32_t>& ofports)
      : model_(model),
        ofports_(ofports),
        bridges_(FindUsable(model.bridges, &LogicalBridge::network_key)),
        described_(DescribeNetworks(model, ofports)),
        function_ports_(FunctionPorts(model)) {}

  std::map<uint32_t, ResolvedNetwork> Resolve() {
    for (const auto& [key, network] : described_) {
      const std::vector<Claim> claims = ReservedClaims(network);
      taken_[key].insert(claims.begin(), claims.end());
    }
    const std::vector<PlacedFunction> functions = PlaceFunctions(model_, GiveNumbers());
    for (const auto& [id, port] : model_.ports) AddPort(id, port);
    AddRoutedNetworks();
    for (const auto& [id, port] : model_.remote_ports) AddRemotePort(id, port);
    for (auto& [key, resolved] : networks_) {
      const auto of_bridge = described_.find(key);
      resolved.network = of_bridge != described_.end()
                             ? of_bridge->second
                             : DescribeVlanNetwork(VlanOfNetworkKey(key), model_, ofports_);
      resolved.network.chain = ChainOf(functions, key, resolved.network.bridge);
      for (const auto& [id, member] : resolved.members) resolved.network.has_unbound |= !member.bound;
      if (resolved.members.empty()) LeaveRoutingOnly(&resolved.network);
    }
    return std::move(networks_);
  }

 private:
  std::optional<BridgePlace> PlaceOf(const std::string& id) const {
    const auto bridge = model_.bridges.find(id);
    if (bridge == model_.bridges.end()) return std::nullopt;
    return BridgePlace{bridge->second.network_key, bridge->second.vlan_id, bridges_.contains(id)};
  }

  bool Take(uint32_t key, const std::vector<Claim>& claims) {
    absl::flat_hash_set<Claim>& taken = taken_[key];
    if (std::any_of(claims.begin(), claims.end(), [&](const Claim& c) { return taken.contains(c); }))
      return false;
    taken.insert(claims.begin(), claims.end());
    return true;
  }

  // Of two ports that have the same the first one has it.
  std::function<uint32_t(const std::string&)> GiveNumbers() {
    absl::flat_hash_set<uint32_t> taken;
    for (const auto& [id, port] : model_.ports) {
      const auto representor = model_.representors.find(id);
      if (representor == model_.representors.end() || !port.mac.IsUnicast()) continue;
      const auto ofport = ofports_.find(representor->second.interface);
      if (ofport == ofports_.end() || ofport->second == 0 || ofport->second > kMaxOfport) continue;
      if (taken.insert(ofport->second).second) numbers_[id] = ofport->second;
    }
    return [this](const std::string& id) {
      const auto number = numbers_.find(id);
      return number == numbers_.end() ? 0 : number->second;
    };
  }

  // Those that packets of others of their VRF are routed to.
  void AddRoutedNetworks() {
    absl::flat_hash_set<uint32_t> vrfs;
    for (const auto& [key, resolved] : networks_) {
      const auto network = described_.find(key);
      if (network != described_.end() && network->second.gateway)
        vrfs.insert(network->second.gateway->vrf_key);
    }
    for (const auto& [key, network] : described_) {
      if (network.gateway && vrfs.contains(network.gateway->vrf_key)) networks_[key];
    }
  }

  void AddPort(const std::string& id, const BridgePort& port) {
    const auto number = numbers_.find(id);
    if (number == numbers_.end() || function_ports_.contains(id)) return;
    for (const auto& [key, vlan] :
         MembershipsOf(port, [this](const std::string& bridge) { return PlaceOf(bridge); })) {
      if (!Take(key, ClaimsOf(port))) continue;
      Member member = MemberOf(port, number->second);
      member.vlan = vlan;
      networks_[key].members.emplace(id, std::move(member));
    }
  }

  // After the ports of this card.
  void AddRemotePort(const std::string& id, const RemotePort& port) {
    const std::optional<BridgePlace> place = PlaceOf(port.logical_bridge);
    if (!place.has_value() || !place->usable || !port.mac.IsUnicast()) return;
    const auto network = networks_.find(place->key);
    if (network == networks_.end() || !Take(place->key, ClaimsOf(port))) return;
    network->second.remotes.emplace(id, RemoteMemberOf(port));
  }

  const Model& model_;
  const std::map<std::string, uint32_t>& ofports_;
  const absl::flat_hash_set<std::string_view> bridges_;
  const std::map<uint32_t, ActiveNetwork> described_;
  const std::set<std::string> function_ports_;
  std::map<uint32_t, ResolvedNetwork> networks_;
  // By the key of the network.
  absl::flat_hash_map<uint32_t, absl::flat_hash_set<Claim>> taken_;
  absl::flat_hash_map<std::string_view, uint32_t> numbers_;
};

}  // namespace

std::map<uint32_t, ActiveNetwork> DescribeNetworks(const Model& model,
                                                   const std::map<std::string, uint32_t>& ofports) {
  std::map<uint32_t, ActiveNetwork> networks;
  const absl::flat_hash_set<std::string_view> usable = FindUsable(model.bridges, &LogicalBridge::network_key);
  const std::map<std::string, Gateway> gateways = ResolveGateways(model);
  for (const auto& [id, bridge] : model.bridges) {
    if (!usable.contains(id)) continue;
    ActiveNetwork& network = networks[bridge.network_key];
    network.key = bridge.network_key;
    network.bridge = bridge;
    network.bridge.mtu = EffectiveMtu(bridge, model.tunnel);
    // No flow depends on them, and they change often.
    network.bridge.blocks.reset();
    // One with a VNI goes on by tunnels, and only by them.
    if (!bridge.vni.has_value()) {
      network.uplink = UplinkOf(static_cast<uint16_t>(bridge.vlan_id), model, ofports);
    } else if (const auto ofport = OfportOf(model.tunnel, ofports); ofport.has_value()) {
      network.tunnel = NetworkTunnel{*ofport, *bridge.vni};
    }
    if (const auto gateway = gateways.find(id); gateway != gateways.end()) network.gateway = gateway->second;
  }
  return networks;
}

ActiveNetwork DescribeVlanNetwork(uint16_t vlan, const Model& model,
                                  const std::map<std::string, uint32_t>& ofports) {
  ActiveNetwork network;
  network.key = VlanNetworkKey(vlan);
  network.uplink = UplinkOf(vlan, model, ofports);
  return network;
}

void LeaveRoutingOnly(ActiveNetwork* network) {
  network->only_routed = true;
  network->uplink.reset();
  network->chain.reset();
}

std::map<uint32_t, ResolvedNetwork> ResolveNetworks(const Model& model,
                                                    const std::map<std::string, uint32_t>& ofports) {
  return Resolver(model, ofports).Resolve();
}

}  // namespace xpu::pipeline
