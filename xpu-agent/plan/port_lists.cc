#include "xpu-agent/plan/pipeline.h"
#include "xpu-agent/plan/stages.h"

namespace xpu::pipeline {
namespace {

constexpr uint16_t kPriority = 100;

// Above twice the blocks that there are of ports.
constexpr uint32_t kFirstOfCards = 2048;

}  // namespace

uint32_t DestinationOf(uint32_t list, const ListPart& part) {
  const uint32_t number = part.kind == ListPart::kCards
                              ? kFirstOfCards + part.block
                              : 1 + 2 * part.block + (part.kind == ListPart::kTaggedPorts ? 1 : 0);
  return list | number << Destination::kPartShift;
}

ListPart PartOf(const Member& member) {
  return {.kind = member.vlan != 0 ? ListPart::kTaggedPorts : ListPart::kPorts,
          .block = member.ofport >> kPartBits};
}

std::set<uint32_t> ListsOf(const Member& member) {
  std::set<uint32_t> lists = {Destination::kAll};
  if (!member.bound) lists.insert(Destination::kUnbound);
  return lists;
}

void AddPortListPart(const ActiveNetwork& network, uint32_t list, const ListPart& part,
                     const std::set<uint32_t>& ports, FlowList* flows) {
  Actions actions;
  // The switch leaves out the ingress port.
  for (const uint32_t port : ports) actions.Output(port);
  flows->Add(Table::kOutput, kPriority, {.reg1 = DestinationOf(list, part), .metadata = network.key},
             actions);
}

void AddPortList(const ActiveNetwork& network, uint32_t list, const std::set<ListPart>& parts,
                 FlowList* flows) {
  if (parts.empty()) return;
  Actions actions;
  // Ports with a tag come last: one that was pushed stays on the packet.
  bool tagged = false;
  for (const ListPart& part : parts) {
    if (part.kind == ListPart::kTaggedPorts && !tagged) {
      actions.PushVlan(static_cast<uint16_t>(network.bridge.vlan_id));
      tagged = true;
    }
    actions.LoadReg1(DestinationOf(list, part)).Resubmit(Table::kOutput);
  }
  if (network.uplink.has_value()) {
    if (network.uplink->vlan != 0 && !tagged) actions.PushVlan(network.uplink->vlan);
    actions.Output(network.uplink->ofport);
  }
  flows->Add(Table::kOutput, kPriority, {.reg1 = list, .metadata = network.key}, actions);
}

}  // namespace xpu::pipeline
