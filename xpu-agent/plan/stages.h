#pragma once

#include "xpu-agent/plan/active_network.h"
#include "xpu-agent/plan/flow_text.h"

namespace xpu::pipeline {

// The stages of the pipeline. Each adds the flows that hold for all networks, and those of one network. A
// packet that no flow of a stage wants is dropped, by a flow of its own so that it is counted.

// Table 0: ingress port and VLAN → network.
void AddClassifyCommon(FlowList* flows);
void AddClassify(const ActiveNetwork& network, FlowList* flows);

// Table 10: what a port sends must be its own. A bound port's source MAC, source address, ARP sender and ND
// addresses; of an unbound port the MAC, also inside ARP and ND, and no address that is known to be
// another's. Nobody speaks as a router or a DHCP server.
void AddGuardCommon(FlowList* flows);
void AddGuard(const ActiveNetwork& network, FlowList* flows);

// Table 60: destination MAC → reg1. ARP requests and neighbour solicitations for known addresses are answered
// here; those for unknown addresses of the network's prefixes go to unbound ports only. Known unicast is
// never flooded, unknown unicast is dropped since all MACs are known.
void AddSwitchCommon(FlowList* flows);
void AddSwitch(const ActiveNetwork& network, FlowList* flows);

// Table 80: reg1 → port, with the VLAN tag that the port has for the network.
void AddOutputCommon(FlowList* flows);
void AddOutput(const ActiveNetwork& network, FlowList* flows);

}  // namespace xpu::pipeline
