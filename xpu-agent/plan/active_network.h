#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "xpu-agent/model/model.h"
#include "xpu-agent/plan/chain.h"
#include "xpu-agent/plan/flow_text.h"
#include "xpu-agent/plan/gateway.h"

namespace xpu::pipeline {

// What the flows of the stages are made of. Values that compare: flows are compiled again only when these
// differ, so a stage may look at nothing else.

// A port of this card in a network.
struct Member {
  uint32_t ofport = 0;
  MacText mac;
  // Frames carry this VLAN id on the wire; 0: no tag.
  uint16_t vlan = 0;
  // Only the addresses below are the port's; otherwise they are not known and only the MAC is checked.
  bool bound = false;
  // Bound without addresses, which it may ask a DHCP server for.
  bool asks_for_address = false;
  // A meter limits what it sends, or gets (port_meters.h).
  bool egress_limited = false;
  bool ingress_limited = false;
  std::vector<IpText> v4;
  // With the link-local address of the MAC.
  std::vector<IpText> v6;
  friend bool operator==(const Member&, const Member&) = default;
};

// A port of another card in a network that has ports here.
struct RemoteMember {
  MacText mac;
  // Tunnel end point of its card.
  IpText vtep;
  std::vector<IpText> v4;
  // With the link-local address of the MAC.
  std::vector<IpText> v6;
  friend bool operator==(const RemoteMember&, const RemoteMember&) = default;
};

// Where a network goes on to the ports of other cards.
struct NetworkTunnel {
  uint32_t ofport = 0;
  uint32_t vni = 0;
  friend bool operator==(const NetworkTunnel&, const NetworkTunnel&) = default;
};

// Where a network of a VLAN goes on beyond the card's physical port.
struct NetworkUplink {
  uint32_t ofport = 0;
  // Id of the tag that frames have there; 0: none.
  uint16_t vlan = 0;
  friend bool operator==(const NetworkUplink&, const NetworkUplink&) = default;
};

// A network with at least one port that can carry traffic, or whose VRF has another one; without its members,
// which come and go.
struct ActiveNetwork {
  uint32_t key = 0;
  // Of a VLAN's network one without prefixes.
  LogicalBridge bridge;
  bool has_unbound = false;
  std::optional<NetworkTunnel> tunnel;
  std::optional<NetworkUplink> uplink;
  std::optional<Gateway> gateway;
  std::optional<Chain> chain;
  // No port of this card is in it: it is one that others of the VRF are routed to.
  bool only_routed = false;
  // The switch can (SwitchAbilities).
  bool advertise_neighbours = true;
  bool meter = true;
  friend bool operator==(const ActiveNetwork&, const ActiveNetwork&) = default;
};

// Key of the network of a host's VLAN, above those of logical bridges.
constexpr uint32_t VlanNetworkKey(uint16_t vlan) { return 0x1000000u + vlan; }
constexpr uint16_t VlanOfNetworkKey(uint32_t key) { return static_cast<uint16_t>(key - 0x1000000u); }

// What holds for the networks of the model's bridges, by their keys, whether or not there are ports in them;
// has_unbound, chain and only_routed are left to whoever knows these. Looks at all but the model's ports.
std::map<uint32_t, ActiveNetwork> DescribeNetworks(const Model& model,
                                                   const std::map<std::string, uint32_t>& ofports);
// The same of the network that VlanNetworkKey() is the key of.
ActiveNetwork DescribeVlanNetwork(uint16_t vlan, const Model& model,
                                  const std::map<std::string, uint32_t>& ofports);

// Of a network without ports here only what packets are routed to is left.
void LeaveRoutingOnly(ActiveNetwork* network);

struct ResolvedNetwork {
  ActiveNetwork network;
  // By the ids of the ports.
  std::map<std::string, Member> members;
  std::map<std::string, RemoteMember> remotes;
  friend bool operator==(const ResolvedNetwork&, const ResolvedNetwork&) = default;
};

// Who may take part in what. Everything unclear stays out, so that a mistake in the model never joins what
// should be apart: a port without a number on the switch, with a MAC that no interface can have, in a bridge
// that is not there, an access port with other than one bridge, a trunk's bridges that share a VLAN id or
// have none, a bridge or VRF whose key is out of range or another's. Of two ports that claim the same
// representor, or the same MAC or address in one network, the one with the smaller id is in; a remote port
// yields to all of this card. Of two SVIs of a bridge the one with the smaller id counts. Ports of network
// functions are in no network. Also has, without members, the networks that share a VRF with one that has
// some. By the key of the network.
std::map<uint32_t, ResolvedNetwork> ResolveNetworks(const Model& model,
                                                    const std::map<std::string, uint32_t>& ofports);

}  // namespace xpu::pipeline
