#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "xpu-agent/model/model.h"

namespace xpu::pipeline {

// One network function of a network's chain.
struct ChainHop {
  // OpenFlow ports: towards the network's ports on this card, and towards what is beyond.
  uint32_t input = 0;
  uint32_t output = 0;
  // VLAN tag that the network's frames have on both; 0: none.
  uint16_t vlan = 0;
  friend bool operator==(const ChainHop&, const ChainHop&) = default;
};

// What a network's traffic goes through between its ports on this card and whoever is beyond. Without hops it
// is cut: a port of one of its functions is missing, and nothing passes.
struct Chain {
  // From the card's ports on.
  std::vector<ChainHop> hops;
  bool is_whole() const { return !hops.empty(); }
  friend bool operator==(const Chain&, const Chain&) = default;
};

// A network function with the OpenFlow numbers of its ports.
struct PlacedFunction {
  std::string id;
  std::string logical_bridge;
  std::optional<uint16_t> vlan;
  // 0: the port is missing.
  uint32_t input = 0;
  uint32_t output = 0;
  friend bool operator==(const PlacedFunction&, const PlacedFunction&) = default;
};

// Ids of the bridge ports that are network functions' and so in no network.
std::set<std::string> FunctionPorts(const Model& model);
// In the order of their positions. `ofport_of` has the number of a bridge port that is there, or 0. What is
// unclear is missing: a port of two functions is the first one's, and one that is both sides of a function is
// neither.
std::vector<PlacedFunction> PlaceFunctions(const Model& model,
                                           const std::function<uint32_t(const std::string& port)>& ofport_of);
// Whether the function is for the network with this key, which is that of `bridge`, or of a host's VLAN.
bool IsFor(const PlacedFunction& function, uint32_t key, const LogicalBridge& bridge);
// Of the network; nothing if there is no function for it.
std::optional<Chain> ChainOf(const std::vector<PlacedFunction>& functions, uint32_t key,
                             const LogicalBridge& bridge);

}  // namespace xpu::pipeline
