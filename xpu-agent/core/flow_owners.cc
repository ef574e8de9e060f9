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

namespace {

// Stands for a port that nobody has: what it brings along is there for its bridges and not for itself.
constexpr char kProbe[] = "~probe";
constexpr uint32_t kProbeOfport = 0xfe00;

bool ProbeHas(const Model& model, std::map<std::string, uint32_t> ofports,
              const std::vector<std::string>& bridges, BridgePortType type, const FlowKey& flow) {
  for (bool bound : {false, true}) {
    Model alone;
    alone.ports[kProbe] = {.id = kProbe,
                           .mac = MacAddress({0x02, 0xff, 0xff, 0xff, 0xff, 0xff}),
                           .type = type,
                           .logical_bridges = bridges,
                           .bound = bound};
    alone.representors[kProbe] = {.interface = kProbe, .ofport = kProbeOfport};
    for (const std::string& id : bridges) {
      if (auto it = model.bridges.find(id); it != model.bridges.end()) alone.bridges.insert(*it);
    }
    ofports[kProbe] = kProbeOfport;
    if (CompileFlows(alone, ofports).contains(flow)) return true;
  }
  return false;
}

bool HasAlone(const Model& model, const std::map<std::string, uint32_t>& ofports, const BridgePort& port,
              const FlowKey& flow) {
  Model alone;
  alone.ports.emplace(port.id, port);
  if (auto it = model.representors.find(port.id); it != model.representors.end())
    alone.representors.insert(*it);
  for (const std::string& id : port.logical_bridges) {
    if (auto it = model.bridges.find(id); it != model.bridges.end()) alone.bridges.insert(*it);
  }
  return CompileFlows(alone, ofports).contains(flow);
}

}  // namespace

FlowOwners FindOwners(const Model& model, const std::map<std::string, uint32_t>& ofports,
                      const FlowKey& flow) {
  FlowOwners owners;
  if (CompileFlows({}, ofports).contains(flow)) return owners;
  for (const auto& [id, port] : model.ports) {
    if (HasAlone(model, ofports, port, flow) &&
        !ProbeHas(model, ofports, port.logical_bridges, port.type, flow)) {
      owners.ports.push_back(id);
    }
  }
  if (!owners.ports.empty()) return owners;
  for (const auto& [id, bridge] : model.bridges) {
    if (ProbeHas(model, ofports, {id}, BridgePortType::kAccess, flow)) owners.bridges.push_back(id);
  }
  if (!owners.bridges.empty()) return owners;
  // A flow that only several ports together bring about.
  for (const auto& [id, bridge] : model.bridges) {
    Model without = model;
    without.bridges.erase(id);
    IsolateOrphans(&without);
    if (!CompileFlows(without, ofports).contains(flow)) owners.bridges.push_back(id);
  }
  return owners;
}

}  // namespace xpu
