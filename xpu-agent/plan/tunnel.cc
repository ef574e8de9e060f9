#include "xpu-agent/plan/pipeline.h"
#include "xpu-agent/plan/stages.h"

namespace xpu::pipeline {
namespace {

struct Priority {
  // Classify.
  static constexpr uint16_t kFromCard = 100;
  // Guard: between what no port may send and what ports may.
  static constexpr uint16_t kGatewayOfOwnSubnet = 290;
  static constexpr uint16_t kGateway = 280;
  // Output.
  static constexpr uint16_t kNeverBack = 130;
  static constexpr uint16_t kPort = 100;
};

// Each with a few dozen cards where there are ten thousand.
constexpr uint32_t kParts = 256;

}  // namespace

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
    Actions enter;
    enter.LoadReg0(network.tunnel->ofport).SetMetadata(network.key).Goto(Table::kGuard);
    flows->Add(
        Table::kClassify, Priority::kFromCard,
        {.tun_id = network.tunnel->vni, .tun_src = &vtep, .in_port = network.tunnel->ofport, .vlan = 0},
        enter);
    // The switch leaves out the port that a packet came from, so that none goes from card to card.
    replicate.SetTunnelEnd(vtep).Output(network.tunnel->ofport);
  }
  flows->Add(Table::kOutput, Priority::kPort,
             {.reg1 = DestinationOf(Destination::kAll, part), .metadata = network.key}, replicate);
}

void AddTunnel(const ActiveNetwork& network, FlowList* flows) {
  if (!network.tunnel) return;
  const uint32_t ofport = network.tunnel->ofport;
  Actions output;
  output.Output(ofport);
  flows->Add(Table::kOutput, Priority::kPort, {.reg1 = ofport, .metadata = network.key}, output);
  // An answer to another card's port would be one for a question that its own card should have answered.
  for (const uint32_t sender : {Destination::kSender, Destination::kSenderOfSolicitation}) {
    flows->Add(Table::kOutput, Priority::kNeverBack,
               {.reg0 = ofport, .reg1 = sender, .metadata = network.key}, Actions());
  }
  if (!network.gateway) return;
  // What another card has routed comes from the gateway, which is the same on all cards. It is from another
  // subnet: within one nothing is routed.
  Actions pass;
  pass.Goto(Table::kSwitch);
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
        pass);
  }
}

}  // namespace xpu::pipeline
