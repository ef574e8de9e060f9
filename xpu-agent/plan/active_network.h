#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "xpu-agent/model/model.h"
#include "xpu-agent/plan/flow_text.h"

namespace xpu::pipeline {

// A port in a network, as far as its flows need it.
struct Member {
  uint32_t ofport = 0;
  MacText mac;
  // Frames carry this VLAN id on the wire; 0: no tag.
  uint16_t vlan = 0;
  // Only the addresses below are the port's; otherwise they are not known and only the MAC is checked.
  bool bound = false;
  // Bound without addresses, which it may ask a DHCP server for.
  bool asks_for_address = false;
  std::vector<IpText> v4;
  // With the link-local address of the MAC.
  std::vector<IpText> v6;
};

// A network with at least one port that can carry traffic.
struct ActiveNetwork {
  uint32_t key = 0;
  // Of a VLAN's network one without prefixes; lives as long as the model or for ever.
  const LogicalBridge* bridge = nullptr;
  // By port number.
  std::vector<Member> members;
  bool has_unbound = false;
};

// Key of the network of a host's VLAN, above those of logical bridges.
constexpr uint32_t VlanNetworkKey(uint16_t vlan) { return 0x1000000u + vlan; }

// Who may take part in what. Everything unclear stays out, so that a mistake in the model never joins what
// should be apart: a port without a number on the switch, with a MAC that no interface can have, an access
// port with other than one bridge, a trunk's bridges that share a VLAN id or have none, a bridge whose key is
// out of range or another bridge's. Of two ports that claim the same representor, or the same MAC or address
// in one network, the one with the smaller id is in. Networks come in the order of their keys. `model` must
// outlive the result.
std::vector<ActiveNetwork> ResolveNetworks(const Model& model,
                                           const std::map<std::string, uint32_t>& ofports);

}  // namespace xpu::pipeline
