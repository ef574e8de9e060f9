#include "xpu-agent/plan/pipeline.h"
#include "xpu-agent/plan/stages.h"

namespace xpu::pipeline {
namespace {

struct Priority {
  // Classify.
  static constexpr uint16_t kFromUplink = 100;
  // Guard: above what no port may send, as beyond the uplink there are routers and DHCP servers.
  static constexpr uint16_t kNeverFromUplink = 520;
  static constexpr uint16_t kUplink = 510;
  // Switch: below every MAC that is known.
  static constexpr uint16_t kBeyond = 50;
  // Output.
  static constexpr uint16_t kTagged = 110;
  static constexpr uint16_t kPort = 100;
};

// What is this card's does not come from beyond it.
void AddOwn(const ActiveNetwork& network, uint32_t ofport, const IpText& address, FlowList* flows) {
  const Actions drop;
  if (address.text.find(':') == std::string::npos) {
    flows->Add(Table::kGuard, Priority::kNeverFromUplink,
               {.protocol = Protocol::kArp, .reg0 = ofport, .metadata = network.key, .arp_spa = &address},
               drop);
    flows->Add(Table::kGuard, Priority::kNeverFromUplink,
               {.protocol = Protocol::kIp, .reg0 = ofport, .metadata = network.key, .ip_src = &address},
               drop);
    return;
  }
  flows->Add(Table::kGuard, Priority::kNeverFromUplink,
             {.protocol = Protocol::kIpv6, .reg0 = ofport, .metadata = network.key, .ip_src = &address},
             drop);
  flows->Add(Table::kGuard, Priority::kNeverFromUplink,
             {.protocol = Protocol::kIcmp6,
              .reg0 = ofport,
              .metadata = network.key,
              .icmp_type = kNeighbourAdvertisement,
              .icmp_code = 0,
              .nd_target = &address},
             drop);
}

}  // namespace

Actions ToUplink(const NetworkUplink& uplink) {
  Actions actions;
  if (uplink.vlan != 0) actions.PushVlan(uplink.vlan);
  actions.Output(uplink.ofport);
  return actions;
}

void AddUplink(const ActiveNetwork& network, FlowList* flows) {
  if (!network.uplink) return;
  const NetworkUplink& uplink = *network.uplink;
  Actions enter;
  if (uplink.vlan != 0) enter.PopVlan();
  enter.LoadReg0(uplink.ofport);
  if (network.chain) enter.LoadReg4(Way::kFromBeyond);
  enter.SetMetadata(network.key).Goto(Table::kGuard);
  flows->Add(Table::kClassify, Priority::kFromUplink, {.in_port = uplink.ofport, .vlan = uplink.vlan}, enter);

  const Actions drop;
  flows->Add(Table::kGuard, Priority::kNeverFromUplink,
             {.reg0 = uplink.ofport, .metadata = network.key, .dl_dst = &ReservedMacs()}, drop);
  for (const uint16_t tag : kTagTypes) {
    flows->Add(Table::kGuard, Priority::kNeverFromUplink,
               {.reg0 = uplink.ofport, .metadata = network.key, .dl_type = tag}, drop);
  }
  if (network.gateway) {
    flows->Add(Table::kGuard, Priority::kNeverFromUplink,
               {.reg0 = uplink.ofport, .metadata = network.key, .dl_src = &network.gateway->mac_text}, drop);
    AddOwn(network, uplink.ofport, network.gateway->link_local_text, flows);
    for (const Gateway::Subnet& subnet : network.gateway->subnets)
      AddOwn(network, uplink.ofport, subnet.address_text, flows);
  }
  Actions pass;
  pass.Goto(Table::kRoute);
  flows->Add(Table::kGuard, Priority::kUplink, {.reg0 = uplink.ofport, .metadata = network.key}, pass);

  // Who is beyond is not known, so all that is not here is.
  Actions beyond;
  beyond.LoadReg1(uplink.ofport).Goto(Table::kOutput);
  flows->Add(Table::kSwitch, Priority::kBeyond, {.metadata = network.key}, beyond);

  flows->Add(Table::kOutput, Priority::kTagged, {.reg1 = uplink.ofport, .metadata = network.key},
             ToUplink(uplink));
  if (uplink.vlan != 0) {
    Actions to_sender;
    to_sender.PushVlan(uplink.vlan).OutputToSender();
    flows->Add(Table::kOutput, Priority::kTagged,
               {.reg0 = uplink.ofport, .reg1 = Destination::kSender, .metadata = network.key}, to_sender);
  }
  // Where ports of which no addresses are known have a list, the uplink is in it.
  if (network.has_unbound) return;
  if (network.chain) return AddPortList(network, Destination::kUnbound, {}, flows);
  flows->Add(Table::kOutput, Priority::kPort, {.reg1 = Destination::kUnbound, .metadata = network.key},
             ToUplink(uplink));
}

void AddUplink(const ActiveNetwork& network, const Member& member, FlowList* flows) {
  if (!network.uplink) return;
  const uint32_t uplink = network.uplink->ofport;
  flows->Add(Table::kGuard, Priority::kNeverFromUplink,
             {.reg0 = uplink, .metadata = network.key, .dl_src = &member.mac}, Actions());
  for (const IpText& address : member.v4) AddOwn(network, uplink, address, flows);
  for (const IpText& address : member.v6) AddOwn(network, uplink, address, flows);
}

}  // namespace xpu::pipeline
