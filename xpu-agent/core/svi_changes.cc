#include "xpu-agent/core/svi_changes.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "common/base/status_macros.h"
#include "common/opi/opi_names.h"
#include "xpu-agent/model/subnet.h"

namespace xpu {
namespace {

std::string GatewayField(size_t index) { return absl::StrCat("gw_ip_prefix[", index, "]"); }

void ValidateGateway(const std::vector<InterfaceAddress>& gateways, size_t index, FieldErrors* errors) {
  const InterfaceAddress& gateway = gateways[index];
  if (!gateway.address.IsUnicast() || !AssignableRange(gateway.prefix()).Contains(gateway.address)) {
    errors->Add(GatewayField(index),
                absl::StrCat(gateway.ToString(), " is not the address of one interface of its prefix"));
    return;
  }
  for (size_t i = 0; i < index; ++i) {
    const InterfaceAddress& other = gateways[i];
    const bool same_prefix = other.prefix() == gateway.prefix();
    if (other.address == gateway.address || (other.prefix().Overlaps(gateway.prefix()) && !same_prefix)) {
      errors->Add(GatewayField(index), absl::StrCat(gateway.ToString(), " overlaps ", other.ToString(),
                                                    "; give each prefix once"));
      return;
    }
  }
}

// Routes of one VRF are told apart by their prefixes.
absl::Status CheckPrefixes(const Model& model, const std::string& id, const SviSpec& spec) {
  for (const auto& [other_id, other] : model.svis) {
    if (other_id == id || other.vrf != spec.vrf) continue;
    for (const InterfaceAddress& taken : other.gateways) {
      for (size_t i = 0; i < spec.gateways.size(); ++i) {
        if (!spec.gateways[i].prefix().Overlaps(taken.prefix())) continue;
        return absl::AlreadyExistsError(
            absl::StrCat("svi.spec.", GatewayField(i), ": ", spec.gateways[i].prefix().ToString(),
                         " overlaps ", taken.prefix().ToString(), " of ", SviName(other_id), " in ",
                         VrfName(spec.vrf), "; give another prefix, or use another VRF"));
      }
    }
  }
  return absl::OkStatus();
}

// The gateway is no port of its bridge.
absl::Status CheckPorts(const Model& model, const SviSpec& spec) {
  for (const auto& [id, port] : model.ports) {
    const auto& bridges = port.logical_bridges;
    if (std::find(bridges.begin(), bridges.end(), spec.logical_bridge) == bridges.end()) continue;
    if (port.mac == spec.mac) {
      return absl::AlreadyExistsError(
          absl::StrCat("svi.spec.mac_address: ", spec.mac.ToString(), " is that of ", BridgePortName(id),
                       " in ", LogicalBridgeName(spec.logical_bridge), "; give another one"));
    }
    for (const InterfaceAddress& taken : port.addresses) {
      for (size_t i = 0; i < spec.gateways.size(); ++i) {
        if (spec.gateways[i].address != taken.address) continue;
        return absl::AlreadyExistsError(absl::StrCat("svi.spec.", GatewayField(i), ": ",
                                                     taken.address.ToString(), " is that of ",
                                                     BridgePortName(id), "; unbind that first"));
      }
    }
  }
  return absl::OkStatus();
}

absl::Status CheckSpec(const AgentState& state, const std::string& id, const SviSpec& spec) {
  FieldErrors errors("svi.spec.");
  Validate(spec, &errors);
  XPU_RETURN_IF_ERROR(errors.ToStatus());
  const Model& model = state.model;
  if (!model.vrfs.contains(spec.vrf)) {
    return absl::FailedPreconditionError(
        absl::StrCat("svi.spec.vrf: there is no ", VrfName(spec.vrf), "; create it first"));
  }
  if (!model.bridges.contains(spec.logical_bridge)) {
    return absl::FailedPreconditionError(absl::StrCat("svi.spec.logical_bridge: there is no ",
                                                      LogicalBridgeName(spec.logical_bridge),
                                                      "; create it first"));
  }
  if (const Svi* other = FindSviOf(model, spec.logical_bridge); other != nullptr && other->id != id) {
    return absl::AlreadyExistsError(
        absl::StrCat("svi.spec.logical_bridge: ", LogicalBridgeName(spec.logical_bridge), " has ",
                     SviName(other->id), "; give that one more gateways"));
  }
  XPU_RETURN_IF_ERROR(CheckPrefixes(model, id, spec));
  return CheckPorts(model, spec);
}

void Assign(const SviSpec& spec, Svi* svi) {
  svi->vrf = spec.vrf;
  svi->logical_bridge = spec.logical_bridge;
  svi->mac = spec.mac;
  svi->gateways = spec.gateways;
  svi->enable_bgp = spec.enable_bgp;
  svi->remote_as = spec.remote_as;
}

absl::Status NoSuchSvi(const std::string& id) {
  return absl::NotFoundError(absl::StrCat("there is no ", SviName(id)));
}

}  // namespace

SviSpec SpecOf(const Svi& svi) {
  return {.vrf = svi.vrf,
          .logical_bridge = svi.logical_bridge,
          .mac = svi.mac,
          .gateways = svi.gateways,
          .enable_bgp = svi.enable_bgp,
          .remote_as = svi.remote_as};
}

const Svi* FindSviOf(const Model& model, const std::string& bridge) {
  for (const auto& [id, svi] : model.svis) {
    if (svi.logical_bridge == bridge) return &svi;
  }
  return nullptr;
}

void Validate(const SviSpec& spec, FieldErrors* errors) {
  if (!spec.mac.IsUnicast()) {
    errors->Add("mac_address", absl::StrCat(spec.mac.ToString(), " is not the address of one interface"));
  }
  if (spec.gateways.empty()) errors->Add("gw_ip_prefix", "is missing; give the gateway's address");
  for (size_t i = 0; i < spec.gateways.size(); ++i) ValidateGateway(spec.gateways, i, errors);
  if (spec.enable_bgp && spec.remote_as == 0) {
    errors->Add("remote_as", "is missing; BGP needs the other side's AS number");
  }
}

absl::Status CreateSvi(AgentState& state, const std::string& id, const SviSpec& spec) {
  XPU_RETURN_IF_ERROR(Annotate(CheckOpiId(id), "svi_id"));
  if (auto it = state.model.svis.find(id); it != state.model.svis.end()) {
    if (SpecOf(it->second) == spec) return absl::OkStatus();
    XPU_RETURN_IF_ERROR(CheckSpec(state, id, spec));
    return absl::AlreadyExistsError(
        absl::StrCat(SviName(id), " is there with another spec; update it, or choose another id"));
  }
  XPU_RETURN_IF_ERROR(CheckSpec(state, id, spec));
  Svi svi{.id = id};
  Assign(spec, &svi);
  state.model.svis.emplace(id, std::move(svi));
  return absl::OkStatus();
}

absl::Status UpdateSvi(AgentState& state, const std::string& id, const SviSpec& spec) {
  if (!state.model.svis.contains(id)) return NoSuchSvi(id);
  XPU_RETURN_IF_ERROR(CheckSpec(state, id, spec));
  Assign(spec, state.model.svis.Mutable(id));
  return absl::OkStatus();
}

absl::Status DeleteSvi(AgentState& state, const std::string& id) {
  if (state.model.svis.erase(id) == 0) return NoSuchSvi(id);
  return absl::OkStatus();
}

}  // namespace xpu
