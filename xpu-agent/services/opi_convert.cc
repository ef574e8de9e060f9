#include "xpu-agent/services/opi_convert.h"

#include "absl/strings/str_cat.h"
#include "common/base/status_macros.h"
#include "common/opi/opi_names.h"
#include "xpu-agent/core/field_errors.h"

namespace xpu {
namespace {

// Nothing if the field is not set; what is wrong with it goes to `errors`.
template <typename Spec>
std::optional<InterfaceAddress> ParsePrefixField(const Spec& spec, bool (Spec::*has)() const,
                                                 const network::IPPrefix& (Spec::*get)() const,
                                                 absl::string_view field, FieldErrors* errors) {
  if (!(spec.*has)()) return std::nullopt;
  absl::StatusOr<InterfaceAddress> address = ParseIpPrefix((spec.*get)());
  errors->Add(field, address.status());
  return address.ok() ? std::optional(*address) : std::nullopt;
}

// The id in a reference to another object.
std::string ParseReference(absl::StatusOr<std::string> id, absl::string_view field, FieldErrors* errors) {
  errors->Add(field, id.status());
  return id.value_or("");
}

// All errors of what was read, and then of what it says.
template <typename Spec>
absl::StatusOr<Spec> Checked(const Spec& spec, FieldErrors* errors) {
  Validate(spec, errors);
  XPU_RETURN_IF_ERROR(errors->ToStatus());
  return spec;
}

// Tunnels end where the card's configuration says, whatever an object says.
template <typename Status>
void ShowVtep(const std::optional<InterfaceAddress>& vtep, const ModelView& view, Status* status) {
  if (!vtep.has_value()) return;
  const std::optional<Tunnel>& tunnel = view.state().model.tunnel;
  if (!tunnel.has_value()) {
    *status->add_components() =
        ShowMissing("vtep", "this card has no tunnels to others; start its xpu-agent with --vtep");
  } else if (tunnel->local != vtep->address) {
    *status->add_components() =
        ShowMissing("vtep", absl::StrCat("tunnels of this card end at ", tunnel->local.ToString()));
  }
}

}  // namespace

absl::StatusOr<VrfSpec> ParseSpec(const evpn::VrfSpec& spec) {
  FieldErrors errors("vrf.spec.");
  VrfSpec parsed;
  if (spec.has_vni()) parsed.vni = spec.vni();
  parsed.loopback = ParsePrefixField(spec, &evpn::VrfSpec::has_loopback_ip_prefix,
                                     &evpn::VrfSpec::loopback_ip_prefix, "loopback_ip_prefix", &errors);
  parsed.vtep = ParsePrefixField(spec, &evpn::VrfSpec::has_vtep_ip_prefix, &evpn::VrfSpec::vtep_ip_prefix,
                                 "vtep_ip_prefix", &errors);
  return Checked(parsed, &errors);
}

absl::StatusOr<BridgeSpec> ParseSpec(const evpn::LogicalBridgeSpec& spec) {
  FieldErrors errors("logical_bridge.spec.");
  BridgeSpec parsed{.vlan_id = spec.vlan_id()};
  if (spec.has_vni()) parsed.vni = spec.vni();
  parsed.vtep = ParsePrefixField(spec, &evpn::LogicalBridgeSpec::has_vtep_ip_prefix,
                                 &evpn::LogicalBridgeSpec::vtep_ip_prefix, "vtep_ip_prefix", &errors);
  return Checked(parsed, &errors);
}

absl::StatusOr<PortSpec> ParseSpec(const evpn::BridgePortSpec& spec) {
  FieldErrors errors("bridge_port.spec.");
  PortSpec parsed;
  absl::StatusOr<MacAddress> mac = ParseMac(spec.mac_address());
  errors.Add("mac_address", mac.status());
  parsed.mac = mac.value_or(MacAddress());
  switch (spec.ptype()) {
    case evpn::BRIDGE_PORT_TYPE_ACCESS:
      parsed.type = BridgePortType::kAccess;
      break;
    case evpn::BRIDGE_PORT_TYPE_TRUNK:
      parsed.type = BridgePortType::kTrunk;
      break;
    default:
      errors.Add("ptype", "must be ACCESS or TRUNK");
  }
  for (int i = 0; i < spec.logical_bridges_size(); ++i) {
    parsed.logical_bridges.push_back(ParseReference(LogicalBridgeId(spec.logical_bridges(i)),
                                                    absl::StrCat("logical_bridges[", i, "]"), &errors));
  }
  return Checked(parsed, &errors);
}

absl::StatusOr<SviSpec> ParseSpec(const evpn::SviSpec& spec) {
  FieldErrors errors("svi.spec.");
  SviSpec parsed;
  parsed.vrf = ParseReference(VrfId(spec.vrf()), "vrf", &errors);
  parsed.logical_bridge = ParseReference(LogicalBridgeId(spec.logical_bridge()), "logical_bridge", &errors);
  if (!spec.mac_address().empty()) {
    absl::StatusOr<MacAddress> mac = ParseMac(spec.mac_address());
    errors.Add("mac_address", mac.status());
    parsed.mac = mac.value_or(kGatewayMac);
  }
  bool all_read = true;
  for (int i = 0; i < spec.gw_ip_prefix_size(); ++i) {
    absl::StatusOr<InterfaceAddress> gateway = ParseIpPrefix(spec.gw_ip_prefix(i));
    errors.Add(absl::StrCat("gw_ip_prefix[", i, "]"), gateway.status());
    all_read = all_read && gateway.ok();
    if (gateway.ok()) parsed.gateways.push_back(*gateway);
  }
  parsed.enable_bgp = spec.enable_bgp();
  parsed.remote_as = spec.remote_as();
  // With some left out the others would be counted wrongly.
  if (!all_read) return errors.ToStatus();
  return Checked(parsed, &errors);
}

evpn::VrfSpec ShowSpec(const Vrf& vrf) {
  evpn::VrfSpec spec;
  if (vrf.vni.has_value()) spec.set_vni(*vrf.vni);
  if (vrf.loopback.has_value()) *spec.mutable_loopback_ip_prefix() = ShowIpPrefix(*vrf.loopback);
  if (vrf.vtep.has_value()) *spec.mutable_vtep_ip_prefix() = ShowIpPrefix(*vrf.vtep);
  return spec;
}

evpn::SviSpec ShowSpec(const Svi& svi) {
  evpn::SviSpec spec;
  spec.set_vrf(VrfName(svi.vrf));
  spec.set_logical_bridge(LogicalBridgeName(svi.logical_bridge));
  spec.set_mac_address(svi.mac.ToBytes());
  for (const InterfaceAddress& gateway : svi.gateways) *spec.add_gw_ip_prefix() = ShowIpPrefix(gateway);
  spec.set_enable_bgp(svi.enable_bgp);
  spec.set_remote_as(svi.remote_as);
  return spec;
}

evpn::LogicalBridgeSpec ShowSpec(const LogicalBridge& bridge) {
  evpn::LogicalBridgeSpec spec;
  spec.set_vlan_id(bridge.vlan_id);
  if (bridge.vni.has_value()) spec.set_vni(*bridge.vni);
  if (bridge.vtep.has_value()) *spec.mutable_vtep_ip_prefix() = ShowIpPrefix(*bridge.vtep);
  return spec;
}

evpn::BridgePortSpec ShowSpec(const BridgePort& port) {
  evpn::BridgePortSpec spec;
  spec.set_mac_address(port.mac.ToBytes());
  spec.set_ptype(port.type == BridgePortType::kTrunk ? evpn::BRIDGE_PORT_TYPE_TRUNK
                                                     : evpn::BRIDGE_PORT_TYPE_ACCESS);
  for (const std::string& bridge : port.logical_bridges) spec.add_logical_bridges(LogicalBridgeName(bridge));
  // As it can be asked for.
  if (port.vlan.has_value()) spec.add_logical_bridges(absl::StrCat(*port.vlan));
  return spec;
}

evpn::LogicalBridge Show(const LogicalBridge& bridge, const ModelView& view) {
  evpn::LogicalBridge shown;
  shown.set_name(LogicalBridgeName(bridge.id));
  *shown.mutable_spec() = ShowSpec(bridge);
  const ObjectState state = view.StateOf(shown.name());
  shown.mutable_status()->set_oper_status(state.kind == ObjectState::kConfirmed ? evpn::LB_OPER_STATUS_UP
                                                                                : evpn::LB_OPER_STATUS_DOWN);
  *shown.mutable_status()->add_components() = ShowSwitch(state);
  ShowVtep(bridge.vtep, view, shown.mutable_status());
  if (bridge.vni.has_value() && !view.state().model.tunnel.has_value()) {
    *shown.mutable_status()->add_components() =
        ShowMissing("vni", "the bridge is on this card alone; start its xpu-agent with --vtep");
  }
  return shown;
}

evpn::BridgePort Show(const BridgePort& port, const ModelView& view) {
  evpn::BridgePort shown;
  shown.set_name(BridgePortName(port.id));
  *shown.mutable_spec() = ShowSpec(port);
  const ObjectState state = view.StateOf(shown.name());
  shown.mutable_status()->set_oper_status(state.kind == ObjectState::kConfirmed ? evpn::BP_OPER_STATUS_UP
                                                                                : evpn::BP_OPER_STATUS_DOWN);
  evpn::Component* representor = shown.mutable_status()->add_components();
  representor->set_name("representor");
  const auto& representors = view.state().model.representors;
  const auto there = representors.find(port.id);
  representor->set_status(there == representors.end() ? evpn::COMP_STATUS_ERROR : evpn::COMP_STATUS_SUCCESS);
  if (there != representors.end()) {
    representor->set_details(there->second.interface);
  } else if (absl::StatusOr<PortFunction> function = PortFunction::FromPortId(port.id); function.ok()) {
    representor->set_details(absl::StrCat("no interface has phys_port_name ", function->ToPhysPortName()));
  } else {
    representor->set_details(std::string(function.status().message()));
  }
  *shown.mutable_status()->add_components() = ShowSwitch(state);
  return shown;
}

evpn::Vrf Show(const Vrf& vrf, const ModelView& view) {
  evpn::Vrf shown;
  shown.set_name(VrfName(vrf.id));
  *shown.mutable_spec() = ShowSpec(vrf);
  const ObjectState state = view.StateOf(shown.name());
  shown.mutable_status()->set_oper_status(state.kind == ObjectState::kConfirmed ? evpn::VRF_OPER_STATUS_UP
                                                                                : evpn::VRF_OPER_STATUS_DOWN);
  *shown.mutable_status()->add_components() = ShowSwitch(state);
  ShowVtep(vrf.vtep, view, shown.mutable_status());
  if (vrf.vni.has_value()) {
    *shown.mutable_status()->add_components() = ShowMissing(
        "vni", "this card routes by itself and sends on in the bridge of the destination, by that one's VNI");
  }
  if (vrf.loopback.has_value()) {
    *shown.mutable_status()->add_components() =
        ShowMissing("loopback", "no interface of this card has it, and nothing answers for it");
  }
  return shown;
}

evpn::Svi Show(const Svi& svi, const ModelView& view) {
  evpn::Svi shown;
  shown.set_name(SviName(svi.id));
  *shown.mutable_spec() = ShowSpec(svi);
  const ObjectState state = view.StateOf(shown.name());
  shown.mutable_status()->set_oper_status(state.kind == ObjectState::kConfirmed ? evpn::SVI_OPER_STATUS_UP
                                                                                : evpn::SVI_OPER_STATUS_DOWN);
  *shown.mutable_status()->add_components() = ShowSwitch(state);
  if (svi.enable_bgp) {
    *shown.mutable_status()->add_components() =
        ShowMissing("bgp", "this agent speaks no BGP; the subnet is routed on this card alone");
  }
  return shown;
}

}  // namespace xpu
