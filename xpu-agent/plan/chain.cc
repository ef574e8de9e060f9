#include "xpu-agent/plan/chain.h"

#include <algorithm>

#include "xpu-agent/plan/active_network.h"

namespace xpu::pipeline {
namespace {

// Whether the bridge port is still the one that was meant.
bool IsThere(const Model& model, const NetworkFunctionPort& wanted) {
  const auto port = model.ports.find(wanted.port);
  return port != model.ports.end() && port->second.mac == wanted.mac && port->second.claim == wanted.claim;
}

bool IsOfVlan(uint32_t key) { return key >= VlanNetworkKey(0); }

}  // namespace

std::set<std::string> FunctionPorts(const Model& model) {
  std::set<std::string> ports;
  for (const auto& [id, function] : model.network_functions) {
    for (const NetworkFunctionPort* port : {&function.input, &function.output}) {
      if (IsThere(model, *port)) ports.insert(port->port);
    }
  }
  return ports;
}

std::vector<PlacedFunction> PlaceFunctions(
    const Model& model, const std::function<uint32_t(const std::string& port)>& ofport_of) {
  std::vector<const NetworkFunction*> in_order;
  for (const auto& [id, function] : model.network_functions) in_order.push_back(&function);
  std::stable_sort(in_order.begin(), in_order.end(), [](const NetworkFunction* a, const NetworkFunction* b) {
    return a->position < b->position;
  });
  std::set<std::string> taken;
  std::vector<PlacedFunction> placed;
  for (const NetworkFunction* function : in_order) {
    PlacedFunction& place = placed.emplace_back(PlacedFunction{
        .id = function->id, .logical_bridge = function->logical_bridge, .vlan = function->vlan});
    if (function->input.port == function->output.port) continue;
    const auto place_port = [&](const NetworkFunctionPort& port) {
      return IsThere(model, port) && taken.insert(port.port).second ? ofport_of(port.port) : 0;
    };
    place.input = place_port(function->input);
    place.output = place_port(function->output);
  }
  return placed;
}

bool IsFor(const PlacedFunction& function, uint32_t key, const LogicalBridge& bridge) {
  if (!function.logical_bridge.empty()) return !IsOfVlan(key) && bridge.id == function.logical_bridge;
  if (function.vlan.has_value()) return key == VlanNetworkKey(*function.vlan);
  return IsOfVlan(key) || !bridge.vni.has_value();
}

std::optional<Chain> ChainOf(const std::vector<PlacedFunction>& functions, uint32_t key,
                             const LogicalBridge& bridge) {
  std::optional<Chain> chain;
  bool is_cut = false;
  for (const PlacedFunction& function : functions) {
    if (!IsFor(function, key, bridge)) continue;
    if (!chain.has_value()) chain.emplace();
    is_cut = is_cut || function.input == 0 || function.output == 0;
    const bool tagged = function.logical_bridge.empty() && !function.vlan.has_value();
    const uint32_t vlan = IsOfVlan(key) ? VlanOfNetworkKey(key) : bridge.vlan_id;
    chain->hops.push_back({.input = function.input,
                           .output = function.output,
                           .vlan = tagged ? static_cast<uint16_t>(vlan) : uint16_t{0}});
  }
  if (is_cut) chain->hops.clear();
  return chain;
}

}  // namespace xpu::pipeline
