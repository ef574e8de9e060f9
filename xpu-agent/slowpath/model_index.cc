#include "xpu-agent/slowpath/model_index.h"

#include <algorithm>

namespace xpu::slowpath {

void ModelIndex::Change(const ModelChange& change) {
  for (const auto& [id, port] : change.ports) {
    if (const auto before = model_.ports.find(id); before != model_.ports.end()) RemovePort(before->second);
    if (port.has_value()) PutPort(*port);
  }
  Apply(change, &model_);
  if (!change.bridges.empty() || !change.vrfs.empty() || !change.svis.empty()) FindNetworks();
}

void ModelIndex::PutPort(const BridgePort& port) {
  for (const std::string& bridge : port.logical_bridges) {
    if (ports_[{bridge, port.mac}].insert(port.id).second) ++port_counts_[bridge];
  }
}

void ModelIndex::RemovePort(const BridgePort& port) {
  for (const std::string& bridge : port.logical_bridges) {
    const auto ports = ports_.find({bridge, port.mac});
    if (ports == ports_.end() || ports->second.erase(port.id) == 0) continue;
    if (ports->second.empty()) ports_.erase(ports);
    if (--port_counts_[bridge] == 0) port_counts_.erase(bridge);
  }
}

void ModelIndex::FindNetworks() {
  gateways_ = pipeline::ResolveGateways(model_);
  networks_.clear();
  for (const auto& [id, bridge] : model_.bridges) {
    Network network{.bridge = &bridge};
    if (const auto gateway = gateways_.find(id); gateway != gateways_.end())
      network.gateway = &gateway->second;
    networks_.try_emplace(bridge.network_key, network);
  }
}

const ModelIndex::Network* ModelIndex::FindNetwork(uint64_t key) const {
  const auto network = networks_.find(key);
  return network == networks_.end() ? nullptr : &network->second;
}

const BridgePort* ModelIndex::FindPort(uint64_t key, const MacAddress& mac) const {
  const Network* network = FindNetwork(key);
  if (network == nullptr) return nullptr;
  const auto ports = ports_.find({network->bridge->id, mac});
  if (ports == ports_.end()) return nullptr;
  for (const std::string& id : ports->second) {
    // Those that are not on the switch are in no network.
    if (!model_.representors.contains(id)) continue;
    const BridgePort& port = model_.ports.at(id);
    return port.bound ? &port : nullptr;
  }
  return nullptr;
}

std::set<uint32_t> ModelIndex::Advertising() const {
  std::set<uint32_t> keys;
  for (const auto& [id, gateway] : gateways_) {
    const auto& subnets = gateway.subnets;
    const bool v6 = std::any_of(subnets.begin(), subnets.end(),
                                [](const auto& subnet) { return subnet.address.is_v6(); });
    if (v6 && port_counts_.contains(id)) keys.insert(model_.bridges.at(id).network_key);
  }
  return keys;
}

uint32_t ModelIndex::MtuTowards(uint32_t vrf_key, const IpAddress& address) const {
  for (const auto& [id, gateway] : gateways_) {
    if (gateway.vrf_key != vrf_key) continue;
    for (const pipeline::Gateway::Subnet& subnet : gateway.subnets) {
      if (subnet.prefix.Contains(address)) return model_.bridges.at(id).mtu;
    }
  }
  return 0;
}

}  // namespace xpu::slowpath
