#include "xpu-agent/plan/pipeline.h"
#include "xpu-agent/plan/stages.h"

namespace xpu::pipeline {
namespace {

struct Priority {
  // Classify.
  static constexpr uint16_t kFromFunction = 100;
  // Guard: above all that ports may send and others may not; beyond an uplink there are routers and DHCP
  // servers too.
  static constexpr uint16_t kFromBeyondUplink = 510;
  static constexpr uint16_t kFromCards = 450;
  // Above these: what is a port's own, unless it was routed, but for what is never routed.
  static constexpr uint16_t kOwn = 10;
  static constexpr uint16_t kRouted = 20;
  static constexpr uint16_t kNever = 30;
  // What left the chain.
  static constexpr uint16_t kOfMember = 100;
  static constexpr uint16_t kNothingElse = 0;
  // Output.
  static constexpr uint16_t kAnswer = 140;
  static constexpr uint16_t kSteerBack = 130;
  static constexpr uint16_t kNotBack = 127;
  static constexpr uint16_t kSteered = 125;
  static constexpr uint16_t kSteer = 120;
};

void Retag(uint16_t from, uint16_t to, Actions* actions) {
  if (from != 0) actions->PopVlan();
  if (to != 0) actions->PushVlan(to);
}

// Between two functions a frame is handed on as it is.
void AddMiddle(const std::vector<ChainHop>& hops, FlowList* flows) {
  for (size_t i = 0; i + 1 < hops.size(); ++i) {
    const ChainHop& inner = hops[i];
    const ChainHop& outer = hops[i + 1];
    Actions out, in;
    Retag(inner.vlan, outer.vlan, &out);
    out.Output(outer.input);
    flows->Add(Table::kClassify, Priority::kFromFunction, {.in_port = inner.output, .vlan = inner.vlan}, out);
    Retag(outer.vlan, inner.vlan, &in);
    in.Output(inner.output);
    flows->Add(Table::kClassify, Priority::kFromFunction, {.in_port = outer.input, .vlan = outer.vlan}, in);
  }
}

uint16_t GuardPriority(const ActiveNetwork& network) {
  return network.uplink ? Priority::kFromBeyondUplink : Priority::kFromCards;
}

// What is the member's does not come out towards the ports, as these meet directly; but what it has sent to
// another port by way of the router comes from the router.
void AddOwn(const ActiveNetwork& network, const Member& member, FlowList* flows) {
  const uint32_t inner = network.chain->hops.front().input;
  const uint16_t priority = GuardPriority(network);
  const Actions drop;
  Actions pass;
  pass.Goto(Table::kSwitch);
  flows->Add(Table::kGuard, priority + Priority::kOwn,
             {.reg0 = inner, .metadata = network.key, .dl_src = &member.mac}, drop);
  const auto add_ip = [&](Protocol protocol, const IpText& address) {
    flows->Add(Table::kGuard, priority + Priority::kOwn,
               {.protocol = protocol, .reg0 = inner, .metadata = network.key, .ip_src = &address}, drop);
    if (!network.gateway) return;
    flows->Add(Table::kGuard, priority + Priority::kRouted,
               {.protocol = protocol,
                .reg0 = inner,
                .metadata = network.key,
                .dl_src = &network.gateway->mac_text,
                .ip_src = &address},
               pass);
  };
  for (const IpText& address : member.v4) {
    add_ip(Protocol::kIp, address);
    flows->Add(Table::kGuard, priority + Priority::kNever,
               {.protocol = Protocol::kArp, .reg0 = inner, .metadata = network.key, .arp_spa = &address},
               drop);
  }
  for (const IpText& address : member.v6) {
    add_ip(Protocol::kIpv6, address);
    flows->Add(Table::kGuard, priority + Priority::kNever,
               {.protocol = Protocol::kIcmp6,
                .reg0 = inner,
                .metadata = network.key,
                .icmp_type = kNeighbourAdvertisement,
                .icmp_code = 0,
                .nd_target = &address},
               drop);
  }
}

// What comes out towards the network's ports is from beyond, and for nobody but them.
void AddInnerEnd(const ActiveNetwork& network, const ChainHop& hop, FlowList* flows) {
  Actions enter, pass;
  if (hop.vlan != 0) enter.PopVlan();
  enter.LoadReg0(hop.input).LoadReg4(Way::kArrived).SetMetadata(network.key).Goto(Table::kGuard);
  flows->Add(Table::kClassify, Priority::kFromFunction, {.in_port = hop.input, .vlan = hop.vlan}, enter);
  // It was routed, if it was to be.
  pass.Goto(Table::kSwitch);
  const uint16_t priority = GuardPriority(network);
  flows->Add(Table::kGuard, priority, {.reg0 = hop.input, .metadata = network.key}, pass);
  if (!network.uplink) return;
  const Actions drop;
  flows->Add(Table::kGuard, priority + Priority::kNever,
             {.reg0 = hop.input, .metadata = network.key, .dl_dst = &ReservedMacs()}, drop);
  for (const uint16_t tag : kTagTypes) {
    flows->Add(Table::kGuard, priority + Priority::kNever,
               {.reg0 = hop.input, .metadata = network.key, .dl_type = tag}, drop);
  }
}

// Answers to what came out of a function go back into it.
void AddAnswer(const ActiveNetwork& network, uint32_t way, uint16_t vlan, FlowList* flows) {
  Actions back;
  if (vlan != 0) back.PushVlan(vlan);
  back.OutputToSender();
  flows->Add(Table::kOutput, Priority::kAnswer,
             {.reg1 = Destination::kSender, .reg4 = way, .metadata = network.key}, back);
}

}  // namespace

Actions IntoChain(const ActiveNetwork& network) {
  Actions actions;
  if (!network.chain->is_whole()) return actions;
  const ChainHop& hop = network.chain->hops.front();
  if (hop.vlan != 0) actions.PushVlan(hop.vlan);
  actions.Output(hop.input);
  return actions;
}

Actions IntoChainFromBeyond(const ActiveNetwork& network) {
  Actions actions;
  if (!network.chain->is_whole()) return actions;
  const ChainHop& hop = network.chain->hops.back();
  if (hop.vlan != 0) actions.PushVlan(hop.vlan);
  actions.Output(hop.output);
  return actions;
}

void AddSteeringCommon(FlowList* flows) { flows->Add(Table::kChain, Priority::kNothingElse, {}, Actions()); }

void AddSteering(const ActiveNetwork& network, FlowList* flows) {
  if (!network.chain) return;
  const auto steer = [&](uint32_t ofport, const Actions& out) {
    // What came from there for somebody who is not here is for nobody. A function that learns would take its
    // sender to be on the ports' side.
    flows->Add(Table::kOutput, Priority::kNotBack,
               {.reg1 = ofport, .metadata = network.key, .in_port = ofport}, Actions());
    flows->Add(Table::kOutput, Priority::kSteer, {.reg1 = ofport, .metadata = network.key},
               IntoChain(network));
    flows->Add(Table::kOutput, Priority::kSteered,
               {.reg1 = ofport, .reg4 = Way::kLeft, .metadata = network.key}, out);
    flows->Add(Table::kOutput, Priority::kSteered,
               {.reg1 = ofport, .reg4 = Way::kArrived, .metadata = network.key}, Actions());
  };
  if (network.uplink) steer(network.uplink->ofport, ToUplink(*network.uplink));
  if (network.tunnel) {
    Actions output;
    output.Output(network.tunnel->ofport);
    steer(network.tunnel->ofport, output);
  }
  if (!network.chain->is_whole()) return;
  const std::vector<ChainHop>& hops = network.chain->hops;
  AddMiddle(hops, flows);
  AddInnerEnd(network, hops.front(), flows);
  AddAnswer(network, Way::kArrived, hops.front().vlan, flows);
  // What comes out towards the others must be from one of the network's ports.
  const ChainHop& last = hops.back();
  Actions leave;
  if (last.vlan != 0) leave.PopVlan();
  leave.LoadReg4(Way::kLeft).SetMetadata(network.key).Goto(Table::kChain);
  flows->Add(Table::kClassify, Priority::kFromFunction, {.in_port = last.output, .vlan = last.vlan}, leave);
  AddAnswer(network, Way::kLeft, last.vlan, flows);
}

void AddSteering(const ActiveNetwork& network, const Member& member, FlowList* flows) {
  if (!network.chain) return;
  flows->Add(Table::kOutput, Priority::kSteer,
             {.reg1 = member.ofport, .reg4 = Way::kFromBeyond, .metadata = network.key},
             IntoChainFromBeyond(network));
  // From port to port there is a straight way.
  flows->Add(Table::kOutput, Priority::kSteer,
             {.reg1 = member.ofport, .reg4 = Way::kLeft, .metadata = network.key}, Actions());
  if (!network.chain->is_whole()) return;
  if (network.gateway) {
    // Routed after it came out of the same function, of this network or of another one that it is for too.
    const ChainHop& last = network.chain->hops.back();
    Actions back;
    if (last.vlan != 0) back.PushVlan(last.vlan);
    back.OutputToSender();
    flows->Add(
        Table::kOutput, Priority::kSteerBack,
        {.reg1 = member.ofport, .reg4 = Way::kFromBeyond, .metadata = network.key, .in_port = last.output},
        back);
  }
  // The guard takes it for the port's, and looks at it as it did before.
  Actions guard;
  guard.LoadReg0(member.ofport).Goto(Table::kGuard);
  flows->Add(Table::kChain, Priority::kOfMember,
             {.reg4 = Way::kLeft, .metadata = network.key, .dl_src = &member.mac}, guard);
  AddOwn(network, member, flows);
}

}  // namespace xpu::pipeline
