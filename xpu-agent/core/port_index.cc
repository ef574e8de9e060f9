#include "xpu-agent/core/port_index.h"

#include <utility>

#include "common/opi/opi_names.h"

namespace xpu {

void PortIndex::Follow(const SharedMap<BridgePort>& ports) {
  SharedMap<BridgePort>::Compare(ports_, ports,
                                 [this](const std::string&, const BridgePort* before, const BridgePort* now) {
                                   if (before != nullptr) Remove(*before);
                                   if (now != nullptr) Add(*now);
                                 });
  ports_ = ports;
}

const std::set<std::string>& PortIndex::WithMac(const MacAddress& mac) const {
  const auto ports = with_mac_.find(mac);
  return ports == with_mac_.end() ? no_ports_ : ports->second;
}

template <typename Key>
void PortIndex::Add(const BridgePort& port, const Key& key, absl::flat_hash_map<Key, Network>* networks) {
  if (port.addresses.empty()) return;
  Network& network = (*networks)[key];
  const std::string name = BridgePortName(port.id);
  for (const InterfaceAddress& address : port.addresses) {
    const auto [owner, is_first] = network.owners.try_emplace(address.address, name);
    if (!is_first && owner->second != name) network.others[address.address].insert(name);
  }
}

template <typename Key>
void PortIndex::Remove(const BridgePort& port, const Key& key, absl::flat_hash_map<Key, Network>* networks) {
  const auto found = networks->find(key);
  if (found == networks->end()) return;
  Network& network = found->second;
  const std::string name = BridgePortName(port.id);
  for (const InterfaceAddress& address : port.addresses) {
    const auto owner = network.owners.find(address.address);
    const auto others = network.others.find(address.address);
    if (others != network.others.end() && others->second.erase(name) == 0 && owner->second == name) {
      // One of those who are left has it from now on.
      owner->second = std::move(others->second.extract(others->second.begin()).value());
    } else if (others == network.others.end() && owner != network.owners.end() && owner->second == name) {
      network.owners.erase(owner);
    }
    if (others != network.others.end() && others->second.empty()) network.others.erase(others);
  }
  if (network.owners.empty()) networks->erase(found);
}

void PortIndex::Add(const BridgePort& port) {
  with_mac_[port.mac].insert(port.id);
  if (port.vlan.has_value()) Add(port, *port.vlan, &in_vlan_);
  if (port.logical_bridges.size() == 1) Add(port, port.logical_bridges[0], &in_bridge_);
}

void PortIndex::Remove(const BridgePort& port) {
  const auto ports = with_mac_.find(port.mac);
  ports->second.erase(port.id);
  if (ports->second.empty()) with_mac_.erase(ports);
  if (port.vlan.has_value()) Remove(port, *port.vlan, &in_vlan_);
  if (port.logical_bridges.size() == 1) Remove(port, port.logical_bridges[0], &in_bridge_);
}

}  // namespace xpu
