#include "xpu-agent/core/bridge_changes.h"

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "common/base/status_macros.h"
#include "common/opi/opi_names.h"
#include "xpu-agent/core/object_keys.h"
#include "xpu-agent/core/remote_port_changes.h"
#include "xpu-agent/core/svi_changes.h"
#include "xpu-agent/core/vni.h"
#include "xpu-agent/model/subnet.h"

namespace xpu {
namespace {

// Seconds: shorter ones would have hosts ask all the time.
constexpr uint32_t kMinLeaseTime = 60;

// A bridge without VNI goes on beyond the uplink with its VLAN, as the card's own network of the VLAN does: a
// VLAN is one network.
absl::Status CheckVlanOfCard(const AgentState& state, const BridgeSpec& spec) {
  if (spec.vni.has_value()) return absl::OkStatus();
  for (const auto& [id, port] : state.model.ports) {
    if (!port.vlan.has_value() || *port.vlan != spec.vlan_id) continue;
    return absl::AlreadyExistsError(absl::StrCat(
        "logical_bridge.spec.vlan_id: ", spec.vlan_id, " is that of the card's own network, with ",
        BridgePortName(id), " in it; give another one, or first take that port out"));
  }
  return absl::OkStatus();
}

absl::Status CheckSpec(const AgentState& state, const std::string& id, const BridgeSpec& spec) {
  FieldErrors errors("logical_bridge.spec.");
  Validate(spec, &errors);
  XPU_RETURN_IF_ERROR(errors.ToStatus());
  for (const auto& [other, bridge] : state.model.bridges) {
    if (other == id) continue;
    if (bridge.vlan_id == spec.vlan_id) {
      return absl::AlreadyExistsError(absl::StrCat("logical_bridge.spec.vlan_id: ", spec.vlan_id,
                                                   " is that of ", LogicalBridgeName(other),
                                                   "; give another one"));
    }
  }
  XPU_RETURN_IF_ERROR(CheckVlanOfCard(state, spec));
  return CheckVniIsFree(state.model, spec.vni, LogicalBridgeName(id), "logical_bridge.spec.vni");
}

void Assign(const BridgeSpec& spec, LogicalBridge* bridge) {
  bridge->vlan_id = spec.vlan_id;
  bridge->vni = spec.vni;
  bridge->vtep = spec.vtep;
}

// Most calls say again what is so: no reason to look at the ports.
bool IsAs(const LogicalBridge& bridge, const SubnetSpec& spec) {
  return bridge.prefixes == spec.prefixes && bridge.gateways == spec.gateways && bridge.mtu == spec.mtu &&
         bridge.dns == spec.dns && bridge.lease_time == spec.lease_time;
}

}  // namespace

BridgeSpec SpecOf(const LogicalBridge& bridge) {
  return {.vlan_id = bridge.vlan_id, .vni = bridge.vni, .vtep = bridge.vtep};
}

void Validate(const BridgeSpec& spec, FieldErrors* errors) {
  if (spec.vlan_id < 1 || spec.vlan_id > 4094) {
    errors->Add("vlan_id", absl::StrCat(spec.vlan_id, " is no VLAN id; give one from 1 to 4094"));
  }
  ValidateVni(spec.vni, errors);
  if (spec.vtep.has_value() && !spec.vtep->address.IsUnicast()) {
    errors->Add("vtep_ip_prefix", absl::StrCat(spec.vtep->ToString(), " is not the address of one VTEP"));
  }
}

absl::Status CreateBridge(AgentState& state, const std::string& id, const BridgeSpec& spec) {
  XPU_RETURN_IF_ERROR(Annotate(CheckOpiId(id), "logical_bridge_id"));
  if (auto it = state.model.bridges.find(id); it != state.model.bridges.end()) {
    if (SpecOf(it->second) == spec) return absl::OkStatus();
    XPU_RETURN_IF_ERROR(CheckSpec(state, id, spec));
    return absl::AlreadyExistsError(
        absl::StrCat(LogicalBridgeName(id), " is there with another spec; update it, or choose another id"));
  }
  XPU_RETURN_IF_ERROR(CheckSpec(state, id, spec));
  LogicalBridge bridge{.id = id};
  XPU_ASSIGN_OR_RETURN(bridge.network_key, NextKey(KeysOf(state.model.bridges, &LogicalBridge::network_key),
                                                   state.last_network_key));
  Assign(spec, &bridge);
  state.last_network_key = bridge.network_key;
  state.model.bridges.emplace(id, std::move(bridge));
  return absl::OkStatus();
}

absl::Status UpdateBridge(AgentState& state, const std::string& id, const BridgeSpec& spec) {
  if (!state.model.bridges.contains(id)) {
    return absl::NotFoundError(absl::StrCat("there is no ", LogicalBridgeName(id)));
  }
  XPU_RETURN_IF_ERROR(CheckSpec(state, id, spec));
  Assign(spec, state.model.bridges.Mutable(id));
  return absl::OkStatus();
}

absl::Status DeleteBridge(AgentState& state, const std::string& id) {
  if (!state.model.bridges.contains(id)) {
    return absl::NotFoundError(absl::StrCat("there is no ", LogicalBridgeName(id)));
  }
  std::vector<std::string> users;
  for (const auto& [port_id, port] : state.model.ports) {
    const auto& bridges = port.logical_bridges;
    if (std::find(bridges.begin(), bridges.end(), id) != bridges.end())
      users.push_back(BridgePortName(port_id));
  }
  if (const Svi* svi = FindSviOf(state.model, id); svi != nullptr) users.push_back(SviName(svi->id));
  if (!users.empty()) {
    return absl::FailedPreconditionError(
        absl::StrCat(LogicalBridgeName(id), " is in use; first take out ", absl::StrJoin(users, ", ")));
  }
  state.model.bridges.erase(id);
  // Nobody asked for these by themselves.
  EraseRemotePorts(state, id);
  state.cursors.erase(id);
  return absl::OkStatus();
}

absl::Status SetSubnets(AgentState& state, const std::string& bridge_id, const SubnetSpec& spec) {
  auto it = state.model.bridges.find(bridge_id);
  if (it == state.model.bridges.end()) {
    return absl::NotFoundError(absl::StrCat("subnets.logical_bridge: there is no ",
                                            LogicalBridgeName(bridge_id), "; create it first"));
  }
  if (IsAs(it->second, spec)) return absl::OkStatus();
  XPU_RETURN_IF_ERROR(Annotate(ValidateSubnets(spec.prefixes, spec.gateways, spec.mtu), "subnets"));
  XPU_RETURN_IF_ERROR(Annotate(ValidateDns(spec.dns), "subnets.dns"));
  if (spec.lease_time < kMinLeaseTime) {
    return absl::InvalidArgumentError(absl::StrCat("subnets.lease_time: ", spec.lease_time,
                                                   " s is less than the least, ", kMinLeaseTime, " s"));
  }
  for (const auto& [id, port] : state.model.ports) {
    if (!port.bound || port.logical_bridges != std::vector<std::string>{bridge_id}) continue;
    for (const InterfaceAddress& address : port.addresses) {
      bool inside = std::any_of(spec.prefixes.begin(), spec.prefixes.end(), [&](const IpPrefix& prefix) {
        return prefix.Contains(address.address) && prefix.length() == address.length;
      });
      if (!inside) {
        return absl::FailedPreconditionError(absl::StrCat("subnets.prefixes: ", address.prefix().ToString(),
                                                          " is in use by ", BridgePortName(id), " (",
                                                          address.ToString(), "); unbind that first"));
      }
      if (std::find(spec.gateways.begin(), spec.gateways.end(), address.address) != spec.gateways.end()) {
        return absl::FailedPreconditionError(absl::StrCat("subnets.gateways: ", address.address.ToString(),
                                                          " is the address of ", BridgePortName(id),
                                                          "; unbind that first"));
      }
    }
  }
  LogicalBridge& bridge = state.model.bridges.at(bridge_id);
  bridge.prefixes = spec.prefixes;
  bridge.gateways = spec.gateways;
  bridge.mtu = spec.mtu;
  bridge.dns = spec.dns;
  bridge.lease_time = spec.lease_time;
  return absl::OkStatus();
}

}  // namespace xpu
