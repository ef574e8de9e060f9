#include "xpu-agent/plan/units.h"

#include "xpu-agent/plan/stages.h"

namespace xpu::pipeline {

void CompileCommon(const SwitchAbilities& abilities, FlowList* flows) {
  AddClassifyCommon(flows);
  AddGuardCommon(flows);
  AddRouteCommon(flows);
  AddNeighbourCommon(flows);
  AddSwitchCommon(flows);
  AddOutputCommon(abilities, flows);
}

void CompileNetwork(const ActiveNetwork& network, FlowList* flows) {
  AddGuard(network, flows);
  AddDhcp(network, flows);
  AddSwitch(network, flows);
  AddTunnel(network, flows);
  AddUplink(network, flows);
}

void CompileGateway(const ActiveNetwork& network, FlowList* flows) {
  AddRouterDiscovery(network, flows);
  AddNeighbourDiscovery(network, flows);
  AddRoute(network, flows);
  AddNeighbour(network, flows);
  AddGatewayAnswers(network, flows);
}

void CompileMember(const ActiveNetwork& network, const Member& member, FlowList* flows) {
  AddClassify(network, member, flows);
  AddGuard(network, member, flows);
  AddNeighbour(network, member, flows);
  AddSwitch(network, member, flows);
  AddOutput(network, member, flows);
  AddUplink(network, member, flows);
}

void CompileRemote(const ActiveNetwork& network, const RemoteMember& remote, FlowList* flows) {
  AddGuard(network, remote, flows);
  AddNeighbour(network, remote, flows);
  AddSwitch(network, remote, flows);
}

}  // namespace xpu::pipeline
