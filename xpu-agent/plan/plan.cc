#include "xpu-agent/plan/plan.h"

#include <algorithm>
#include <compare>
#include <set>
#include <string_view>
#include <vector>

#include "absl/strings/str_cat.h"
#include "xpu-agent/plan/active_network.h"
#include "xpu-agent/plan/flow_text.h"
#include "xpu-agent/plan/stages.h"

namespace xpu {
namespace {

void AddPortLists(const pipeline::ResolvedNetwork& resolved, pipeline::FlowList* flows) {
  std::map<uint32_t, std::map<pipeline::ListPart, std::set<uint32_t>>> lists;
  for (const auto& [id, member] : resolved.members) {
    for (const uint32_t list : pipeline::ListsOf(member)) {
      lists[list][pipeline::PartOf(member)].insert(member.ofport);
    }
  }
  for (const auto& [list, parts] : lists) {
    std::set<pipeline::ListPart> names;
    for (const auto& [part, ports] : parts) {
      names.insert(part);
      AddPortListPart(resolved.network, list, part, ports, flows);
    }
    AddPortList(resolved.network, list, names, flows);
  }
}

pipeline::FlowList Compile(const Model& model, const std::map<std::string, uint32_t>& ofports) {
  pipeline::FlowList flows;
  AddClassifyCommon(&flows);
  AddGuardCommon(&flows);
  AddSwitchCommon(&flows);
  AddOutputCommon(&flows);
  for (const auto& [key, resolved] : pipeline::ResolveNetworks(model, ofports)) {
    AddGuard(resolved.network, &flows);
    AddSwitch(resolved.network, &flows);
    for (const auto& [id, member] : resolved.members) {
      AddClassify(resolved.network, member, &flows);
      AddGuard(resolved.network, member, &flows);
      AddSwitch(resolved.network, member, &flows);
      AddOutput(resolved.network, member, &flows);
    }
    AddPortLists(resolved, &flows);
  }
  return flows;
}

FlowKey ToKey(const pipeline::FlowList::Flow& flow) {
  return FlowKey{.table = flow.table, .priority = flow.priority, .match = std::string(flow.match)};
}

// The order of FlowKey.
std::strong_ordering Compare(const pipeline::FlowList::Flow& flow, uint8_t table, uint16_t priority,
                             std::string_view match) {
  if (const auto order = flow.table <=> table; order != 0) return order;
  if (const auto order = flow.priority <=> priority; order != 0) return order;
  return flow.match <=> match;
}

// In the order of FlowKey, each key once.
std::vector<pipeline::FlowList::Flow> Sorted(const pipeline::FlowList& list) {
  std::vector<pipeline::FlowList::Flow> flows;
  flows.reserve(list.size());
  for (size_t i = 0; i < list.size(); ++i) flows.push_back(list[i]);
  using Flow = pipeline::FlowList::Flow;
  std::stable_sort(flows.begin(), flows.end(),
                   [](const Flow& a, const Flow& b) { return Compare(a, b.table, b.priority, b.match) < 0; });
  // E.g. of a prefix that a bridge has twice.
  const auto same_key = [](const Flow& a, const Flow& b) {
    return Compare(a, b.table, b.priority, b.match) == 0;
  };
  flows.erase(std::unique(flows.begin(), flows.end(), same_key), flows.end());
  return flows;
}

// One walk over both; only what differs is copied.
void DiffFlows(const pipeline::FlowList& list, const FlowTable& present, SwitchPlan* plan) {
  const std::vector<pipeline::FlowList::Flow> wanted = Sorted(list);
  auto want = wanted.begin();
  auto have = present.begin();
  const auto put = [&] { plan->flow_puts.emplace_hint(plan->flow_puts.end(), ToKey(*want), want->actions); };
  while (want != wanted.end() || have != present.end()) {
    const auto order = want == wanted.end() ? std::strong_ordering::greater
                       : have == present.end()
                           ? std::strong_ordering::less
                           : Compare(*want, have->first.table, have->first.priority, have->first.match);
    if (order > 0) plan->flow_deletes.push_back(have->first);
    if (order < 0 || (order == 0 && want->actions != have->second)) put();
    if (order <= 0) ++want;
    if (order >= 0) ++have;
  }
}

void DiffPorts(const Model& model, const SwitchSnapshot& snapshot, SwitchPlan* plan) {
  std::map<std::string, uint32_t> wanted;
  for (const auto& [id, representor] : model.representors) {
    wanted.emplace(representor.interface, representor.ofport);
  }
  for (const auto& [name, port] : snapshot.ports) {
    if (!wanted.contains(name)) plan->port_deletes.push_back(name);
  }
  for (const auto& [name, ofport] : wanted) {
    const auto port = snapshot.ports.find(name);
    if (port != snapshot.ports.end() && port->second.requested == ofport) continue;
    plan->port_adds.push_back({.name = name, .ofport = ofport});
  }
}

std::string FlowToString(const FlowKey& key) {
  return absl::StrCat("table=", key.table, ",priority=", key.priority, key.match.empty() ? "" : ",",
                      key.match);
}

}  // namespace

SwitchPlan MakePlan(const Model& model, const SwitchSnapshot& snapshot) {
  std::map<std::string, uint32_t> ofports;
  for (const auto& [name, port] : snapshot.ports) {
    if (port.ofport != 0 && port.error.empty()) ofports.emplace(name, port.ofport);
  }
  SwitchPlan plan;
  DiffPorts(model, snapshot, &plan);
  // Those that give up their numbers first give up their flows.
  for (const PortAdd& port : plan.port_adds) ofports.erase(port.name);
  DiffFlows(Compile(model, ofports), snapshot.flows, &plan);
  return plan;
}

FlowTable CompileFlows(const Model& model, const std::map<std::string, uint32_t>& ofports) {
  const pipeline::FlowList list = Compile(model, ofports);
  FlowTable flows;
  for (const pipeline::FlowList::Flow& flow : Sorted(list))
    flows.emplace_hint(flows.end(), ToKey(flow), flow.actions);
  return flows;
}

std::string PlanToString(const SwitchPlan& plan) {
  std::string text;
  for (const FlowKey& key : plan.flow_deletes) absl::StrAppend(&text, "- ", FlowToString(key), "\n");
  for (const std::string& name : plan.port_deletes) absl::StrAppend(&text, "- port ", name, "\n");
  for (const PortAdd& port : plan.port_adds) {
    absl::StrAppend(&text, "+ port ", port.name, " ofport=", port.ofport, "\n");
  }
  for (const auto& [key, actions] : plan.flow_puts) {
    absl::StrAppend(&text, "+ ", FlowToString(key), " actions=", actions, "\n");
  }
  return text;
}

}  // namespace xpu
