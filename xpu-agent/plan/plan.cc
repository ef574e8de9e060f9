#include "xpu-agent/plan/plan.h"

#include <string_view>
#include <utility>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/strings/str_cat.h"
#include "xpu-agent/plan/active_network.h"
#include "xpu-agent/plan/flow_text.h"
#include "xpu-agent/plan/stages.h"

namespace xpu {
namespace {

FlowList Compile(const Model& model, const std::map<std::string, uint32_t>& ofports) {
  FlowList flows;
  AddClassifyCommon(&flows);
  AddGuardCommon(&flows);
  AddSwitchCommon(&flows);
  AddOutputCommon(&flows);
  for (const ActiveNetwork& network : ResolveNetworks(model, ofports)) {
    AddClassify(network, &flows);
    AddGuard(network, &flows);
    AddSwitch(network, &flows);
    AddOutput(network, &flows);
  }
  return flows;
}

// FlowKey without a copy of its text.
struct KeyView {
  uint8_t table;
  uint16_t priority;
  std::string_view match;
  friend bool operator==(const KeyView&, const KeyView&) = default;
  template <typename H>
  friend H AbslHashValue(H h, const KeyView& key) {
    return H::combine(std::move(h), key.table, key.priority, key.match);
  }
};

FlowKey ToKey(const FlowList::Flow& flow) {
  return FlowKey{.table = flow.table, .priority = flow.priority, .match = std::string(flow.match)};
}

void DiffFlows(const FlowList& wanted, const FlowTable& present, SwitchPlan* plan) {
  absl::flat_hash_map<KeyView, size_t> index;
  index.reserve(wanted.size());
  for (size_t i = 0; i < wanted.size(); ++i) {
    const FlowList::Flow flow = wanted[i];
    index.emplace(KeyView{flow.table, flow.priority, flow.match}, i);
  }
  std::vector<bool> kept(wanted.size());
  for (const auto& [key, actions] : present) {
    const auto found = index.find(KeyView{key.table, key.priority, key.match});
    if (found == index.end()) {
      plan->flow_deletes.push_back(key);
    } else if (wanted[found->second].actions == actions) {
      kept[found->second] = true;
    }
  }
  for (size_t i = 0; i < wanted.size(); ++i) {
    if (!kept[i]) plan->flow_puts.emplace(ToKey(wanted[i]), wanted[i].actions);
  }
}

void DiffPorts(const Model& model, const SwitchSnapshot& snapshot, SwitchPlan* plan) {
  std::map<std::string, uint32_t> wanted;
  for (const auto& [id, port] : model.ports) {
    if (!port.representor.empty()) wanted.emplace(port.representor, port.ofport);
  }
  for (const auto& [name, port] : snapshot.ports) {
    if (!wanted.contains(name)) plan->port_deletes.push_back(name);
  }
  for (const auto& [name, ofport] : wanted) {
    if (!snapshot.ports.contains(name)) plan->port_adds.push_back({.name = name, .ofport = ofport});
  }
}

std::string FlowToString(const FlowKey& key) {
  return absl::StrCat("table=", key.table, ",priority=", key.priority, key.match.empty() ? "" : ",", key.match);
}

}  // namespace

SwitchPlan MakePlan(const Model& model, const SwitchSnapshot& snapshot) {
  std::map<std::string, uint32_t> ofports;
  for (const auto& [name, port] : snapshot.ports) {
    if (port.ofport != 0 && port.error.empty()) ofports.emplace(name, port.ofport);
  }
  SwitchPlan plan;
  DiffPorts(model, snapshot, &plan);
  DiffFlows(Compile(model, ofports), snapshot.flows, &plan);
  return plan;
}

FlowTable CompileFlows(const Model& model, const std::map<std::string, uint32_t>& ofports) {
  const FlowList list = Compile(model, ofports);
  FlowTable flows;
  for (size_t i = 0; i < list.size(); ++i) flows.emplace(ToKey(list[i]), list[i].actions);
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
