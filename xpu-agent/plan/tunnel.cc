#include "xpu-agent/plan/pipeline.h"
#include "xpu-agent/plan/stages.h"

namespace xpu::pipeline {
namespace {

struct Priority {
  // Classify.
  static constexpr uint16_t kFromCard = 100;
  static constexpr uint16_t kRouted = 90;
  // Guard: between what no port may send and what ports may.
  static constexpr uint16_t kGatewayOfOwnSubnet = 290;
  static constexpr uint16_t kGateway = 280;
  // Guard of what was routed.
  static constexpr uint16_t kOfCard = 100;
  static constexpr uint16_t kNothingElse = 0;
  // Output.
  static constexpr uint16_t kNeverBack = 130;
  static constexpr uint16_t kPort = 100;
};

// Each with a few dozen cards where there are ten thousand.
constexpr uint32_t kParts = 256;

// What a packet out of the tunnel is in.
Actions Enter(const ActiveNetwork& network) {
  Actions enter;
  enter.LoadReg0(network.tunnel->ofport);
  if (network.chain) enter.LoadReg4(Way::kFromBeyond);
  enter.SetMetadata(network.key).Goto(Table::kGuard);
  return enter;
}

}  // namespace

void AddTunnelCommon(FlowList* flows) {
  flows->Add(Table::kRoutedGuard, Priority::kNothingElse, {}, Actions());
}

void AddRoutedGuard(const ActiveNetwork& network, const RemoteMember& remote, FlowList* flows) {
  if (!network.tunnel || !network.gateway) return;
  Actions pass;
  pass.Goto(Table::kSwitch);
  for (const auto* addresses : {&remote.v4, &remote.v6}) {
    for (const IpText& address : *addresses) {
      if (!network.gateway->Routes(address.address)) continue;
      flows->Add(Table::kRoutedGuard, Priority::kOfCard,
                 {.protocol = address.address.is_v4() ? Protocol::kIp : Protocol::kIpv6,
                  .reg2 = network.gateway->vrf_key,
                  .tun_src = &remote.vtep,
                  .ip_src = &address},
                 pass);
    }
  }
}

void AddTunnelOutput(const ActiveNetwork& network, FlowList* flows) {
  if (!network.tunnel) return;
  Actions output;
  output.Output(network.tunnel->ofport);
  flows->Add(Table::kOutput, Priority::kPort, {.reg1 = network.tunnel->ofport, .metadata = network.key},
             output);
}

ListPart PartOf(const RemoteMember& remote) {
  // FNV-1a: the same on every run, so that a restart finds the flows that it would make.
  uint32_t hash = 2166136261u;
  for (const char c : remote.vtep.text) hash = (hash ^ static_cast<uint8_t>(c)) * 16777619u;
  return {.kind = ListPart::kCards, .block = (hash ^ hash >> 16) % kParts};
}

void AddCardListPart(const ActiveNetwork& network, const ListPart& part, const std::set<std::string>& vteps,
                     FlowList* flows) {
  if (!network.tunnel) return;
  Actions replicate;
  replicate.SetTunnel(network.tunnel->vni);
  for (const std::string& text : vteps) {
    const IpText vtep(text);
    flows->Add(
        Table::kClassify, Priority::kFromCard,
        {.tun_id = network.tunnel->vni, .tun_src = &vtep, .in_port = network.tunnel->ofport, .vlan = 0},
        Enter(network));
    // The switch leaves out the port that a packet came from, so that none goes from card to card.
    replicate.SetTunnelEnd(vtep).Output(network.tunnel->ofport);
  }
  flows->Add(Table::kOutput, Priority::kPort,
             {.reg1 = DestinationOf(Destination::kAll, part), .metadata = network.key}, replicate);
}

void AddTunnel(const ActiveNetwork& network, FlowList* flows) {
  if (!network.tunnel) return;
  const uint32_t ofport = network.tunnel->ofport;
  AddTunnelOutput(network, flows);
  // An answer to another card's port would be one for a question that its own card should have answered.
  for (const uint32_t sender : {Destination::kSender, Destination::kSenderOfSolicitation}) {
    flows->Add(Table::kOutput, Priority::kNeverBack,
               {.reg0 = ofport, .reg1 = sender, .metadata = network.key}, Actions());
  }
  if (!network.gateway) return;
  // A card that has ports in other networks of the VRF routes into this one. What it has routed comes from
  // the gateway, which is the same on all cards, and from another subnet: within one nothing is routed.
  flows->Add(Table::kClassify, Priority::kRouted,
             {.tun_id = network.tunnel->vni, .in_port = ofport, .vlan = 0}, Enter(network));
  Actions routed;
  routed.LoadReg2(network.gateway->vrf_key).Goto(Table::kRoutedGuard);
  for (const Gateway::Subnet& subnet : network.gateway->subnets) {
    const bool v4 = subnet.prefix.family() == IpFamily::kV4;
    const Protocol protocol = v4 ? Protocol::kIp : Protocol::kIpv6;
    flows->Add(Table::kGuard, Priority::kGatewayOfOwnSubnet,
               {.protocol = protocol,
                .reg0 = ofport,
                .metadata = network.key,
                .dl_src = &network.gateway->mac_text,
                .ip_src = &subnet.prefix_text},
               Actions());
    flows->Add(
        Table::kGuard, Priority::kGateway,
        {.protocol = protocol, .reg0 = ofport, .metadata = network.key, .dl_src = &network.gateway->mac_text},
        routed);
  }
}

}  // namespace xpu::pipeline
