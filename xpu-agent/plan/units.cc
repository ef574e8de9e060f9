#include "xpu-agent/plan/units.h"

#include "xpu-agent/plan/stages.h"

namespace xpu::pipeline {

void CompileCommon(const SwitchAbilities& abilities, FlowList* flows) {
  AddClassifyCommon(flows);
  AddSteeringCommon(flows);
  AddGuardCommon(flows);
  AddTunnelCommon(flows);
  AddRouteCommon(flows);
  AddNeighbourCommon(flows);
  AddSwitchCommon(flows);
  AddToAgentCommon(flows);
  AddOutputCommon(abilities, flows);
}

void CompileNetwork(const ActiveNetwork& network, FlowList* flows) {
  // Nothing comes from it.
  if (network.only_routed) return AddTunnelOutput(network, flows);
  AddGuard(network, flows);
  AddDhcp(network, flows);
  AddSwitch(network, flows);
  AddTunnel(network, flows);
  AddUplink(network, flows);
  AddToAgent(network, flows);
}

void CompileGateway(const ActiveNetwork& network, FlowList* flows) {
  if (network.only_routed) return AddNeighbour(network, flows);
  AddRouterDiscovery(network, flows);
  AddNeighbourDiscovery(network, flows);
  AddRoute(network, flows);
  AddNeighbour(network, flows);
  AddGatewayAnswers(network, flows);
}

void CompileChain(const ActiveNetwork& network, FlowList* flows) { AddSteering(network, flows); }

void CompileMember(const ActiveNetwork& network, const Member& member, FlowList* flows) {
  AddClassify(network, member, flows);
  AddGuard(network, member, flows);
  AddNeighbour(network, member, flows);
  AddSwitch(network, member, flows);
  AddOutput(network, member, flows);
  AddUplink(network, member, flows);
  AddToAgent(network, member, flows);
  AddSteering(network, member, flows);
}

void CompileRemote(const ActiveNetwork& network, const RemoteMember& remote, FlowList* flows) {
  AddRoutedGuard(network, remote, flows);
  if (!network.only_routed) AddGuard(network, remote, flows);
  AddNeighbour(network, remote, flows);
  AddSwitch(network, remote, flows);
}

}  // namespace xpu::pipeline
