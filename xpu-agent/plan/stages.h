#pragma once

#include <cstdint>
#include <set>
#include <string>

#include "xpu-agent/datapath/switch.h"
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

// Network functions: what a port of this card sends to the uplink, to another card or to the router goes into
// the chain of its network, and what comes from there into the other end of it. What comes out of the chain
// is put before the guard as if its sender had sent it (table 5), or is for ports of this card alone. A chain
// that is cut lets nothing pass. Without a chain these add nothing.
void AddSteeringCommon(FlowList* flows);
void AddSteering(const ActiveNetwork& network, FlowList* flows);
void AddSteering(const ActiveNetwork& network, const Member& member, FlowList* flows);
// Sends a packet into the network's chain, or nowhere.
Actions IntoChain(const ActiveNetwork& network);
Actions IntoChainFromBeyond(const ActiveNetwork& network);

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

// Table 60: the gateway's answers to ARP requests, and to neighbour solicitations if the switch can advertise
// neighbours.
void AddGatewayAnswers(const ActiveNetwork& network, FlowList* flows);

// Table 60: destination MAC → reg1. ARP requests and neighbour solicitations for known addresses are answered
// here, or go to the owner alone where the switch cannot advertise neighbours; those for unknown addresses of
// the network's prefixes go to unbound ports only. Known unicast is never flooded, unknown unicast is dropped
// since all MACs are known.
void AddSwitchCommon(FlowList* flows);
void AddSwitch(const ActiveNetwork& network, FlowList* flows);
void AddSwitch(const ActiveNetwork& network, const Member& member, FlowList* flows);

// Table 50, before all else: DHCP requests and router solicitations go to the agent, and nowhere else. It
// answers them, as it writes the errors that the stages of the router want to be written.
void AddDhcp(const ActiveNetwork& network, FlowList* flows);
void AddRouterDiscovery(const ActiveNetwork& network, FlowList* flows);
// Solicitations of the router's addresses, where the switch itself cannot advertise neighbours.
void AddNeighbourDiscovery(const ActiveNetwork& network, FlowList* flows);
// Table 70: what is for the agent, no more of a port than its meter lets through, so that one that floods
// takes nothing from the others. The uplink and the tunnel are ports like others here.
void AddToAgentCommon(FlowList* flows);
void AddToAgent(const ActiveNetwork& network, FlowList* flows);
void AddToAgent(const ActiveNetwork& network, const Member& member, FlowList* flows);
// Whether hosts of the network are told their addresses by DHCP, and whether its router advertises itself.
bool AnswersDhcp(const ActiveNetwork& network);
bool Advertises(const ActiveNetwork& network);

// Table 80: reg1 → port, with the VLAN tag that the port has for the network.
void AddOutputCommon(const SwitchAbilities& abilities, FlowList* flows);
void AddOutput(const ActiveNetwork& network, const Member& member, FlowList* flows);

// Table 80: reg1 → all ports of a list (Destination::kAll, kUnbound), which is cut into parts, so that a port
// that comes or goes changes a flow of bounded size, however many there are.
struct ListPart {
  // Cards beyond the tunnel, ports that a meter keeps from getting more than they may, and ports that get a
  // frame with the network's VLAN tag.
  enum Kind { kPorts, kCards, kLimitedPorts, kTaggedPorts };
  Kind kind = kPorts;
  // What the numbers of the ports have in common: all but the low kPartBits. Of cards, see PartOf().
  uint32_t block = 0;
  friend auto operator<=>(const ListPart&, const ListPart&) = default;
};
// In which part of a list the member is, and in which lists.
ListPart PartOf(const Member& member);
// reg1 of a part, which is a number of its own.
uint32_t DestinationOf(uint32_t list, const ListPart& part);
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
// The part of the list of all ports that the card of `remote` is in: those whose tunnel ends come to the same
// number are in one.
ListPart PartOf(const RemoteMember& remote);
// The way in from the cards of a part, by their tunnel ends (table 0), and the one out to all of them (table
// 80).
void AddCardListPart(const ActiveNetwork& network, const ListPart& part, const std::set<std::string>& vteps,
                     FlowList* flows);
// What holds for the network's tunnel whatever cards there are.
void AddTunnel(const ActiveNetwork& network, FlowList* flows);
// The way out alone.
void AddTunnelOutput(const ActiveNetwork& network, FlowList* flows);

// Table 12: what another card has routed into a network is from the router's MAC; its source must be an
// address of a port that that card has in a network of the VRF.
void AddTunnelCommon(FlowList* flows);
void AddRoutedGuard(const ActiveNetwork& network, const RemoteMember& remote, FlowList* flows);

// What is beyond the card's physical port, of a network of a VLAN: anybody but the ports and routers of this
// card, and it is sent what is for nobody here. Without an uplink these add nothing.
void AddUplink(const ActiveNetwork& network, FlowList* flows);
void AddUplink(const ActiveNetwork& network, const Member& member, FlowList* flows);
Actions ToUplink(const NetworkUplink& uplink);

// Addresses that no bridge forwards (IEEE 802.1Q, table 8-1): spanning tree, pause frames, LLDP.
const MacText& ReservedMacs();
// The type that a frame has which has a tag where none, or a second one, should be.
inline constexpr uint16_t kTagTypes[] = {0x8100, 0x88a8};

}  // namespace xpu::pipeline
