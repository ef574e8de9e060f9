#include "xpu-agent/plan/pipeline.h"
#include "xpu-agent/plan/port_meters.h"
#include "xpu-agent/plan/stages.h"

namespace xpu::pipeline {

void AddClassifyCommon(FlowList* flows) {
  // Isolated ports, foreign ports and frames with a tag that is not theirs.
  flows->Add(Table::kClassify, 0, {}, Actions());
}

void AddClassify(const ActiveNetwork& network, const Member& member, FlowList* flows) {
  Actions actions;
  // Before anything is done for it, so that what is refused counts too.
  if (member.egress_limited) actions.Meter(MeterId(MeterUse::kEgress, member.ofport));
  if (member.vlan != 0) actions.PopVlan();
  actions.LoadReg0(member.ofport).SetMetadata(network.key).Goto(Table::kGuard);
  flows->Add(Table::kClassify, 100, {.in_port = member.ofport, .vlan = member.vlan}, actions);
}

}  // namespace xpu::pipeline
