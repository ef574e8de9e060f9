#pragma once

#include "xpu-agent/datapath/switch.h"
#include "xpu-agent/plan/active_network.h"
#include "xpu-agent/plan/flow_text.h"

namespace xpu::pipeline {

// What is compiled together, and again only when what is given here has changed. Each puts together what the
// stages (stages.h) have for it; a stage that is new is called from here.

// Flows of every switch that can do this.
void CompileCommon(const SwitchAbilities& abilities, FlowList* flows);
// Flows of a network, whoever is in it.
void CompileNetwork(const ActiveNetwork& network, FlowList* flows);
// Flows that the network's gateway is there for, if it has one.
void CompileGateway(const ActiveNetwork& network, FlowList* flows);
// Flows that lead the network's traffic through its functions, if it has some.
void CompileChain(const ActiveNetwork& network, FlowList* flows);
// Flows of one port of a network, whoever else is in it.
void CompileMember(const ActiveNetwork& network, const Member& member, FlowList* flows);
void CompileRemote(const ActiveNetwork& network, const RemoteMember& remote, FlowList* flows);

}  // namespace xpu::pipeline
