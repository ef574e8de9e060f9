#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "xpu-agent/model/model.h"
#include "xpu-agent/plan/active_network.h"

namespace xpu::pipeline {

// What one object alone asks for; who gets it, where several ask for the same, is for ResolveNetworks().

inline constexpr uint32_t kMaxOfport = 0xfeff;

bool IsNetworkKey(uint32_t key);

// A port's place in a network.
struct Membership {
  uint32_t key = 0;
  // As Member::vlan.
  uint16_t vlan = 0;
  friend bool operator==(const Membership&, const Membership&) = default;
};

// A logical bridge as far as it decides which ports are in it.
struct BridgePlace {
  uint32_t key = 0;
  uint32_t vlan_id = 0;
  // Whether the key is its own.
  bool usable = false;
  friend bool operator==(const BridgePlace&, const BridgePlace&) = default;
};
// Nothing for a bridge that is not in the model.
using BridgeLookup = std::function<std::optional<BridgePlace>(const std::string& id)>;
std::vector<Membership> MembershipsOf(const BridgePort& port, const BridgeLookup& bridge_of);

// What only one port of a network can have: a MAC or an address, as it is on the wire; their lengths tell
// them apart.
using Claim = std::string;

// What a port brings into each of its networks.
Member MemberOf(const BridgePort& port, uint32_t ofport);
RemoteMember RemoteMemberOf(const RemotePort& port);
std::vector<Claim> ClaimsOf(const BridgePort& port);
std::vector<Claim> ClaimsOf(const RemotePort& port);
// What no port of the network can have: it is its router's.
std::vector<Claim> ReservedClaims(const ActiveNetwork& network);

}  // namespace xpu::pipeline
