#include "xpu-agent/plan/plan.h"

#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "xpu-agent/model/model_change.h"
#include "xpu-agent/plan/planner.h"

namespace xpu {
namespace {

// One port for all cards: each packet says which it goes to, and which it came from.
PortAdd TunnelPort(const Tunnel& tunnel) {
  return {.name = tunnel.interface,
          .ofport = tunnel.ofport,
          .type = "vxlan",
          .options = {{"dst_port", absl::StrCat(tunnel.udp_port)},
                      {"key", "flow"},
                      {"local_ip", tunnel.local.ToString()},
                      {"remote_ip", "flow"}}};
}

PortAdd RepresentorPort(const Representor& representor) {
  PortAdd port{.name = representor.interface, .ofport = representor.ofport};
  if (!representor.dpdk_devargs.empty()) {
    port.type = "dpdk";
    port.options = {{"dpdk-devargs", representor.dpdk_devargs}};
  }
  return port;
}

}  // namespace

void PlanPorts(const Model& model, const std::map<std::string, SwitchPort>& present, SwitchPlan* plan) {
  std::map<std::string, PortAdd> wanted;
  const auto want = [&wanted](PortAdd port) {
    std::string name = port.name;
    wanted.emplace(std::move(name), std::move(port));
  };
  for (const auto& [id, representor] : model.representors) {
    want(RepresentorPort(representor));
  }
  if (model.uplink.has_value()) want(RepresentorPort(*model.uplink));
  if (model.tunnel.has_value()) want(TunnelPort(*model.tunnel));
  for (const auto& [name, port] : present) {
    if (!wanted.contains(name)) plan->port_deletes.push_back(name);
  }
  for (const auto& [name, add] : wanted) {
    const auto port = present.find(name);
    if (port != present.end() && port->second.requested == add.ofport && port->second.type == add.type &&
        port->second.options == add.options) {
      continue;
    }
    plan->port_adds.push_back(add);
  }
}

std::map<std::string, uint32_t> OfportsOf(const std::map<std::string, SwitchPort>& ports,
                                          const std::vector<PortAdd>& adds) {
  std::map<std::string, uint32_t> ofports;
  for (const auto& [name, port] : ports) {
    if (port.ofport != 0 && port.error.empty()) ofports.emplace(name, port.ofport);
  }
  // Those that give up their numbers first give up their flows.
  for (const PortAdd& port : adds) ofports.erase(port.name);
  return ofports;
}

SwitchPlan MakePlan(const Model& model, const SwitchSnapshot& snapshot) {
  SwitchPlan plan;
  PlanPorts(model, snapshot.ports, &plan);
  Planner planner;
  planner.SetAbilities(snapshot.abilities);
  planner.Update(Difference(Model(), model), OfportsOf(snapshot.ports, plan.port_adds));
  FlowChange flows = planner.Compare(snapshot.flows);
  plan.flow_deletes = std::move(flows.deletes);
  plan.flow_puts = std::move(flows.puts);
  MeterChange meters = planner.Compare(snapshot.meters);
  plan.meter_deletes = std::move(meters.deletes);
  plan.meter_puts = std::move(meters.puts);
  plan.as_printed = true;
  return plan;
}

FlowTable CompileFlows(const Model& model, const std::map<std::string, uint32_t>& ofports,
                       const SwitchAbilities& abilities) {
  Planner planner;
  planner.SetAbilities(abilities);
  planner.Update(Difference(Model(), model), ofports);
  return planner.Flows();
}

namespace {

std::string FlowToString(const FlowKey& key) {
  return absl::StrCat("table=", key.table, ",priority=", key.priority, key.match.empty() ? "" : ",",
                      key.match);
}

}  // namespace

std::string PlanToString(const SwitchPlan& plan) {
  std::string text;
  for (const FlowKey& key : plan.flow_deletes) absl::StrAppend(&text, "- ", FlowToString(key), "\n");
  for (const std::string& name : plan.port_deletes) absl::StrAppend(&text, "- port ", name, "\n");
  for (const PortAdd& port : plan.port_adds) {
    absl::StrAppend(&text, "+ port ", port.name, " ofport=", port.ofport);
    if (!port.type.empty()) absl::StrAppend(&text, " type=", port.type);
    for (const auto& [key, value] : port.options) absl::StrAppend(&text, " ", key, "=", value);
    absl::StrAppend(&text, "\n");
  }
  for (const uint32_t id : plan.meter_deletes) absl::StrAppend(&text, "- meter ", id, "\n");
  for (const auto& [id, meter] : plan.meter_puts) {
    absl::StrAppend(&text, "+ meter ", id, meter.unit == Meter::Unit::kPackets ? " pktps" : " kbps",
                    " rate=", meter.rate, " burst=", meter.burst, "\n");
  }
  for (const auto& [key, actions] : plan.flow_puts) {
    absl::StrAppend(&text, "+ ", FlowToString(key), " actions=", actions, "\n");
  }
  return text;
}

}  // namespace xpu
