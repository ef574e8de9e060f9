#pragma once

#include <cstdint>
#include <set>
#include <string>

#include "xpu-agent/plan/active_network.h"
#include "xpu-agent/plan/flow_text.h"

namespace xpu::pipeline {

// The stages of the pipeline. Each adds the flows that hold for all networks, those of one network, and those
// of one member of it; a flow that several of these have is added by the first. They look at nothing but what
// they are given, so that only what changed is compiled. A packet that no flow of a stage wants is dropped,
// by a flow of its own so that it is counted.

// Table 0: ingress port and VLAN → network.
void AddClassifyCommon(FlowList* flows);
void AddClassify(const ActiveNetwork& network, const Member& member, FlowList* flows);

// Table 10: what a port sends must be its own. A bound port's source MAC, source address, ARP sender and ND
// addresses; of an unbound port the MAC, also inside ARP and ND, and no address that is known to be
// another's. Nobody speaks as a router or a DHCP server.
void AddGuardCommon(FlowList* flows);
void AddGuard(const ActiveNetwork& network, FlowList* flows);
void AddGuard(const ActiveNetwork& network, const Member& member, FlowList* flows);

// Table 50: what is for the MAC of the network's gateway and from an address of its subnets goes on to be
// routed in the gateway's VRF; pings of the gateway are answered. All else stays in its network.
void AddRouteCommon(FlowList* flows);
void AddRoute(const ActiveNetwork& network, FlowList* flows);

// Tables 52 and 55: in a VRF, destination address → network, MACs and port. An address of a port is an exact
// match; what is for an address that nobody has is dropped, and so is what has come too far, or is too large
// for the network that it would go to. Multicast and link-local addresses are never routed.
void AddNeighbourCommon(FlowList* flows);
void AddNeighbour(const ActiveNetwork& network, FlowList* flows);
void AddNeighbour(const ActiveNetwork& network, const Member& member, FlowList* flows);
void AddNeighbour(const ActiveNetwork& network, const RemoteMember& remote, FlowList* flows);

// Table 60: the gateway's answers to ARP requests and neighbour solicitations.
void AddGatewayAnswers(const ActiveNetwork& network, FlowList* flows);

// Table 60: destination MAC → reg1. ARP requests and neighbour solicitations for known addresses are answered
// here; those for unknown addresses of the network's prefixes go to unbound ports only. Known unicast is
// never flooded, unknown unicast is dropped since all MACs are known.
void AddSwitchCommon(FlowList* flows);
void AddSwitch(const ActiveNetwork& network, FlowList* flows);
void AddSwitch(const ActiveNetwork& network, const Member& member, FlowList* flows);

// Table 80: reg1 → port, with the VLAN tag that the port has for the network.
void AddOutputCommon(FlowList* flows);
void AddOutput(const ActiveNetwork& network, const Member& member, FlowList* flows);

// Table 80: reg1 → all ports of a list (Destination::kAll, kUnbound), which is cut into parts, so that a port
// that comes or goes changes a flow of bounded size, however many there are.
struct ListPart {
  // Those that get a frame with the network's VLAN tag.
  bool tagged = false;
  // What the numbers of the ports have in common: all but the low kPartBits.
  uint32_t block = 0;
  friend auto operator<=>(const ListPart&, const ListPart&) = default;
};
// In which part of a list the member is, and in which lists.
ListPart PartOf(const Member& member);
std::set<uint32_t> ListsOf(const Member& member);
void AddPortListPart(const ActiveNetwork& network, uint32_t list, const ListPart& part,
                     const std::set<uint32_t>& ports, FlowList* flows);
// What hands a packet to all parts of the list.
void AddPortList(const ActiveNetwork& network, uint32_t list, const std::set<ListPart>& parts,
                 FlowList* flows);

// Ports of other cards, which all lie behind the tunnel's port: what comes out of it must be from a card that
// has a port in the network and be that port's, and is never sent into it again. Without a tunnel these add
// nothing.
void AddGuard(const ActiveNetwork& network, const RemoteMember& remote, FlowList* flows);
void AddSwitch(const ActiveNetwork& network, const RemoteMember& remote, FlowList* flows);
// The cards of a network, again in parts: those whose tunnel ends come to the same number are in one. A part
// has the way in from its cards (table 0), and the one out to all of them (table 80).
uint32_t TunnelPartOf(const RemoteMember& remote);
void AddTunnelPart(const ActiveNetwork& network, uint32_t part, const std::set<std::string>& vteps,
                   FlowList* flows);
// What holds for the network's tunnel whatever cards there are; `parts` go into the list of all ports.
void AddTunnel(const ActiveNetwork& network, FlowList* flows);

}  // namespace xpu::pipeline
