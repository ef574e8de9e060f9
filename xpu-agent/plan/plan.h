#pragma once

#include <map>
#include <string>
#include <vector>

#include "xpu-agent/datapath/switch.h"
#include "xpu-agent/model/model.h"

namespace xpu {

// The difference between what the model wants and what the switch has. Pure: no I/O, no clock, no state; the
// same input gives the same plan, and planning again after it was applied gives an empty one. Flows of a port
// appear once the snapshot shows its OpenFlow port number, so a new port takes two rounds. Compiles the whole
// model; see Planner for one that changes.
SwitchPlan MakePlan(const Model& model, const SwitchSnapshot& snapshot);

// The part of that about ports; adds to `plan`.
void PlanPorts(const Model& model, const std::map<std::string, SwitchPort>& present, SwitchPlan* plan);
// OpenFlow numbers, by interface, that flows may use while `adds` are on the way.
std::map<std::string, uint32_t> OfportsOf(const std::map<std::string, SwitchPort>& ports,
                                          const std::vector<PortAdd>& adds);

// All flows that `model` wants on a switch that can do this and whose ports have these OpenFlow numbers (by
// interface name).
FlowTable CompileFlows(const Model& model, const std::map<std::string, uint32_t>& ofports,
                       const SwitchAbilities& abilities = {});

// For golden tests, dry runs and logs: one line for each change, "+ port …", "- table=10,…".
std::string PlanToString(const SwitchPlan& plan);

}  // namespace xpu
