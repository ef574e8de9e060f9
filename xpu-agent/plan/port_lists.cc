#include "xpu-agent/plan/pipeline.h"
#include "xpu-agent/plan/stages.h"

namespace xpu::pipeline {
namespace {

constexpr uint16_t kPriority = 100;

// Of a part, which has a number of its own above 0.
uint32_t Reg1Of(uint32_t list, const ListPart& part) {
  return list | (1 + 2 * part.block + (part.tagged ? 1 : 0)) << Destination::kPartShift;
}

}  // namespace

ListPart PartOf(const Member& member) {
  return {.tagged = member.vlan != 0, .block = member.ofport >> kPartBits};
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
  flows->Add(Table::kOutput, kPriority, {.reg1 = Reg1Of(list, part), .metadata = network.key}, actions);
}

void AddPortList(const ActiveNetwork& network, uint32_t list, const std::set<ListPart>& parts,
                 FlowList* flows) {
  if (parts.empty()) return;
  Actions actions;
  // Ports without a tag come first: a tag that was pushed stays on the packet.
  bool tagged = false;
  for (const ListPart& part : parts) {
    if (part.tagged && !tagged) actions.PushVlan(static_cast<uint16_t>(network.bridge.vlan_id));
    tagged = part.tagged;
    actions.LoadReg1(Reg1Of(list, part)).Resubmit(Table::kOutput);
  }
  flows->Add(Table::kOutput, kPriority, {.reg1 = list, .metadata = network.key}, actions);
}

}  // namespace xpu::pipeline
