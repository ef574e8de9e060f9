#include "xpu-agent/plan/plan_testing.h"

namespace xpu {

LogicalBridge& AddBridge(Model* model, const std::string& id, uint32_t key,
                         const std::vector<std::string>& prefixes) {
  LogicalBridge& bridge = model->bridges[id];
  bridge.id = id;
  bridge.network_key = key;
  for (const std::string& prefix : prefixes) bridge.prefixes.push_back(IpPrefix::Parse(prefix).value());
  return bridge;
}

Vrf& AddVrf(Model* model, const std::string& id, uint32_t key) {
  Vrf& vrf = model->vrfs[id];
  vrf.id = id;
  vrf.vrf_key = key;
  return vrf;
}

Svi& AddSvi(Model* model, const std::string& id, const std::string& vrf, const std::string& bridge,
            const std::vector<std::string>& gateways) {
  Svi& svi = model->svis[id];
  svi.id = id;
  svi.vrf = vrf;
  svi.logical_bridge = bridge;
  for (const std::string& gateway : gateways)
    svi.gateways.push_back(InterfaceAddress::Parse(gateway).value());
  return svi;
}

BridgePort& AddUnboundPort(Model* model, const std::string& id, uint32_t ofport, const std::string& mac,
                           const std::string& bridge) {
  BridgePort& port = model->ports[id];
  port.id = id;
  model->representors[id] = {.interface = id, .ofport = ofport};
  port.mac = MacAddress::Parse(mac).value();
  if (!bridge.empty()) port.logical_bridges = {bridge};
  return port;
}

BridgePort& AddBoundPort(Model* model, const std::string& id, uint32_t ofport, const std::string& mac,
                         const std::string& bridge, const std::vector<std::string>& addresses) {
  BridgePort& port = AddUnboundPort(model, id, ofport, mac, bridge);
  port.bound = true;
  for (const std::string& address : addresses)
    port.addresses.push_back(InterfaceAddress::Parse(address).value());
  return port;
}

void ApplyTo(const SwitchPlan& plan, SwitchSnapshot* snapshot) {
  for (const FlowKey& key : plan.flow_deletes) snapshot->flows.erase(key);
  for (const std::string& name : plan.port_deletes) snapshot->ports.erase(name);
  for (const PortAdd& port : plan.port_adds) {
    snapshot->ports[port.name] = SwitchPort{.name = port.name,
                                            .ofport = port.ofport,
                                            .requested = port.ofport,
                                            .type = port.type,
                                            .options = port.options};
  }
  for (const auto& [key, actions] : plan.flow_puts) snapshot->flows[key] = actions;
  for (const uint32_t id : plan.meter_deletes) snapshot->meters.erase(id);
  for (const auto& [id, meter] : plan.meter_puts) snapshot->meters[id] = meter;
}

int Converge(const Model& model, SwitchSnapshot* snapshot) {
  int rounds = 0;
  for (SwitchPlan plan = MakePlan(model, *snapshot); !plan.empty() && rounds < 3;
       plan = MakePlan(model, *snapshot)) {
    ApplyTo(plan, snapshot);
    ++rounds;
  }
  return rounds;
}

std::map<std::string, uint32_t> AllOfports(const Model& model) {
  std::map<std::string, uint32_t> ofports;
  for (const auto& [id, representor] : model.representors) {
    ofports.emplace(representor.interface, representor.ofport);
  }
  if (model.uplink.has_value()) ofports.emplace(model.uplink->interface, model.uplink->ofport);
  if (model.tunnel.has_value()) ofports.emplace(model.tunnel->interface, model.tunnel->ofport);
  return ofports;
}

}  // namespace xpu
