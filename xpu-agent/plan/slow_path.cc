#include <algorithm>

#include "xpu-agent/plan/pipeline.h"
#include "xpu-agent/plan/port_meters.h"
#include "xpu-agent/plan/stages.h"

namespace xpu::pipeline {
namespace {

// In table kRoute, which all that a port of this card sends comes through: before what is for the router.
constexpr uint16_t kPriority = 500;
// In table kToAgent.
constexpr uint16_t kOfPort = 100;

Actions HandOver(const ActiveNetwork& network, uint32_t ofport) {
  Actions actions;
  if (network.meter) actions.Meter(MeterId(MeterUse::kToAgent, ofport));
  return actions.Controller();
}

}  // namespace

bool AnswersDhcp(const ActiveNetwork& network) {
  const auto& prefixes = network.bridge.prefixes;
  return std::any_of(prefixes.begin(), prefixes.end(),
                     [](const IpPrefix& prefix) { return prefix.family() == IpFamily::kV4; });
}

bool Advertises(const ActiveNetwork& network) {
  if (!network.gateway) return false;
  const auto& subnets = network.gateway->subnets;
  return std::any_of(subnets.begin(), subnets.end(),
                     [](const Gateway::Subnet& subnet) { return subnet.prefix.family() == IpFamily::kV6; });
}

void AddToAgentCommon(FlowList* flows) { flows->Add(Table::kToAgent, 0, {}, Actions()); }

void AddToAgent(const ActiveNetwork& network, const Member& member, FlowList* flows) {
  flows->Add(Table::kToAgent, kOfPort, {.reg0 = member.ofport}, HandOver(network, member.ofport));
}

void AddToAgent(const ActiveNetwork& network, FlowList* flows) {
  const auto add = [&](uint32_t ofport) {
    flows->Add(Table::kToAgent, kOfPort, {.reg0 = ofport, .metadata = network.key},
               HandOver(network, ofport));
  };
  if (network.uplink) add(network.uplink->ofport);
  if (network.tunnel) add(network.tunnel->ofport);
}

void AddDhcp(const ActiveNetwork& network, FlowList* flows) {
  if (!AnswersDhcp(network)) return;
  Actions to_agent;
  to_agent.ToAgent(PacketOpcode::kDhcp);
  flows->Add(Table::kRoute, kPriority,
             {.protocol = Protocol::kUdp,
              .metadata = network.key,
              .tp_src = kDhcpClientPort,
              .tp_dst = kDhcpServerPort},
             to_agent);
}

void AddRouterDiscovery(const ActiveNetwork& network, FlowList* flows) {
  if (!Advertises(network)) return;
  Actions to_agent;
  to_agent.ToAgent(PacketOpcode::kRouterSolicitation);
  flows->Add(Table::kRoute, kPriority,
             {.protocol = Protocol::kIcmp6,
              .metadata = network.key,
              .icmp_type = kRouterSolicitation,
              .icmp_code = 0},
             to_agent);
}

void AddNeighbourDiscovery(const ActiveNetwork& network, FlowList* flows) {
  if (!network.gateway || network.advertise_neighbours) return;
  Actions to_agent;
  to_agent.ToAgent(PacketOpcode::kNeighbourSolicitation);
  const auto add = [&](const IpText& address) {
    flows->Add(Table::kRoute, kPriority,
               {.protocol = Protocol::kIcmp6,
                .metadata = network.key,
                .icmp_type = kNeighbourSolicitation,
                .icmp_code = 0,
                .nd_target = &address},
               to_agent);
  };
  add(network.gateway->link_local_text);
  for (const Gateway::Subnet& subnet : network.gateway->subnets) {
    if (subnet.prefix.family() == IpFamily::kV6) add(subnet.address_text);
  }
}

}  // namespace xpu::pipeline
