#include "xpu-agent/plan/active_network.h"

#include <algorithm>
#include <utility>

#include "absl/container/flat_hash_map.h"
#include "absl/container/flat_hash_set.h"

namespace xpu::pipeline {
namespace {

constexpr uint32_t kMaxNetworkKey = (1u << 24) - 1;
constexpr uint32_t kMaxVlanId = 4094;
constexpr uint32_t kMaxOfport = 0xfeff;

struct Membership {
  const LogicalBridge* bridge;
  uint32_t key;
  uint16_t vlan;
};

// Bridges by id, without those whose key cannot tell them apart from another.
using UsableBridges = absl::flat_hash_map<std::string_view, const LogicalBridge*>;

UsableBridges FindUsableBridges(const Model& model) {
  UsableBridges usable;
  absl::flat_hash_set<uint32_t> keys;
  for (const auto& [id, bridge] : model.bridges) {
    if (bridge.network_key == 0 || bridge.network_key > kMaxNetworkKey) continue;
    if (keys.insert(bridge.network_key).second) usable.emplace(id, &bridge);
  }
  return usable;
}

std::vector<Membership> MembershipsOf(const BridgePort& port, const UsableBridges& bridges) {
  std::vector<Membership> memberships;
  if (port.vlan.has_value()) {
    static const LogicalBridge* const kPlain = new LogicalBridge;
    if (port.bound && *port.vlan <= kMaxVlanId && port.logical_bridges.empty()) {
      memberships.push_back({kPlain, VlanNetworkKey(*port.vlan), 0});
    }
    return memberships;
  }
  if (port.type == BridgePortType::kAccess && port.logical_bridges.size() != 1) return memberships;
  absl::flat_hash_map<uint32_t, int> vlan_uses;
  for (const std::string& id : port.logical_bridges) {
    const auto bridge = bridges.find(id);
    if (bridge == bridges.end()) continue;
    if (port.type == BridgePortType::kAccess) {
      memberships.push_back({bridge->second, bridge->second->network_key, 0});
      continue;
    }
    const uint32_t vlan = bridge->second->vlan_id;
    if (vlan == 0 || vlan > kMaxVlanId) continue;
    ++vlan_uses[vlan];
    memberships.push_back({bridge->second, bridge->second->network_key, static_cast<uint16_t>(vlan)});
  }
  std::erase_if(memberships, [&](const Membership& m) { return m.vlan != 0 && vlan_uses[m.vlan] > 1; });
  return memberships;
}

// What the ports of one network have taken so far.
struct Claims {
  absl::flat_hash_set<MacAddress> macs;
  absl::flat_hash_set<IpAddress> addresses;
};

// The addresses that pass from a bound port.
std::vector<IpAddress> AddressesOf(const BridgePort& port) {
  std::vector<IpAddress> addresses;
  if (!port.bound) return addresses;
  for (const InterfaceAddress& address : port.addresses) {
    if (address.address.IsUnicast()) addresses.push_back(address.address);
  }
  addresses.push_back(IpAddress::LinkLocalFromMac(port.mac));
  std::sort(addresses.begin(), addresses.end());
  addresses.erase(std::unique(addresses.begin(), addresses.end()), addresses.end());
  return addresses;
}

}  // namespace

std::vector<ActiveNetwork> ResolveNetworks(const Model& model,
                                           const std::map<std::string, uint32_t>& ofports) {
  const UsableBridges bridges = FindUsableBridges(model);
  std::map<uint32_t, ActiveNetwork> networks;
  absl::flat_hash_map<uint32_t, Claims> claims;
  absl::flat_hash_set<uint32_t> taken_ofports;
  for (const auto& [id, port] : model.ports) {
    const auto representor = model.representors.find(id);
    if (representor == model.representors.end() || !port.mac.IsUnicast()) continue;
    const auto ofport = ofports.find(representor->second.interface);
    if (ofport == ofports.end() || ofport->second == 0 || ofport->second > kMaxOfport) continue;
    if (!taken_ofports.insert(ofport->second).second) continue;
    const std::vector<IpAddress> addresses = AddressesOf(port);
    for (const auto& [bridge, network_key, vlan] : MembershipsOf(port, bridges)) {
      Claims& claimed = claims[network_key];
      const bool clash = claimed.macs.contains(port.mac) ||
                         std::any_of(addresses.begin(), addresses.end(),
                                     [&](const IpAddress& a) { return claimed.addresses.contains(a); });
      if (clash) continue;
      claimed.macs.insert(port.mac);
      claimed.addresses.insert(addresses.begin(), addresses.end());

      ActiveNetwork& network = networks[network_key];
      network.key = network_key;
      network.bridge = bridge;
      network.has_unbound |= !port.bound;
      Member& member = network.members.emplace_back(
          Member{.ofport = ofport->second,
                 .mac = MacText(port.mac),
                 .vlan = vlan,
                 .bound = port.bound,
                 .asks_for_address = port.vlan.has_value() && port.addresses.empty()});
      for (const IpAddress& address : addresses)
        (address.is_v4() ? member.v4 : member.v6).emplace_back(address);
    }
  }
  std::vector<ActiveNetwork> result;
  result.reserve(networks.size());
  for (auto& [key, network] : networks) {
    std::sort(network.members.begin(), network.members.end(),
              [](const Member& a, const Member& b) { return a.ofport < b.ofport; });
    result.push_back(std::move(network));
  }
  return result;
}

}  // namespace xpu::pipeline
