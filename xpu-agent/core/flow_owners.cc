#include "xpu-agent/core/flow_owners.h"

#include <algorithm>

#include "xpu-agent/plan/plan.h"

namespace xpu {

void IsolateOrphans(Model* model) {
  for (auto& [id, port] : model->ports) {
    bool whole = std::all_of(port.logical_bridges.begin(), port.logical_bridges.end(),
                             [&](const std::string& bridge) { return model->bridges.contains(bridge); });
    if (whole) continue;
    port.logical_bridges.clear();
    port.addresses.clear();
    port.bound = false;
  }
}

FlowOwners FindOwners(const Model& model, const std::map<std::string, uint32_t>& ofports,
                      const FlowKey& flow) {
  FlowOwners owners;
  if (CompileFlows({}, ofports).contains(flow)) return owners;
  // A port's own flow is there even if the port is alone in the world.
  for (const auto& [id, port] : model.ports) {
    Model alone;
    alone.ports.emplace(id, port);
    for (const std::string& bridge : port.logical_bridges) {
      if (auto it = model.bridges.find(bridge); it != model.bridges.end()) alone.bridges.insert(*it);
    }
    if (CompileFlows(alone, ofports).contains(flow)) owners.ports.push_back(id);
  }
  if (owners.ports.size() == 1) return owners;
  owners.ports.clear();
  for (const auto& [id, bridge] : model.bridges) {
    Model without = model;
    without.bridges.erase(id);
    IsolateOrphans(&without);
    if (!CompileFlows(without, ofports).contains(flow)) owners.bridges.push_back(id);
  }
  return owners;
}

}  // namespace xpu
