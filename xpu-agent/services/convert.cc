#include "xpu-agent/services/convert.h"

#include "absl/strings/str_cat.h"
#include "common/base/status_macros.h"
#include "common/opi/opi_names.h"

namespace xpu {
namespace {

namespace net = ::opi_api::network::opinetcommon::v1alpha1;

constexpr uint32_t kDefaultMtu = 1500;
constexpr uint32_t kMaxVlanId = 4094;

absl::StatusOr<InterfaceAddress> ParseIpPrefix(const net::IPPrefix& prefix) {
  IpAddress address;
  switch (prefix.addr().v4_or_v6_case()) {
    case net::IPAddress::kV4Addr:
      address = IpAddress(IpFamily::kV4, prefix.addr().v4_addr());
      break;
    case net::IPAddress::kV6Addr: {
      if (prefix.addr().v6_addr().size() != 16)
        return absl::InvalidArgumentError("v6_addr must be 16 octets");
      XPU_ASSIGN_OR_RETURN(address, IpAddress::FromBytes(prefix.addr().v6_addr()));
      break;
    }
    case net::IPAddress::V4_OR_V6_NOT_SET:
      return absl::InvalidArgumentError("has no address");
  }
  net::IpAf af = address.is_v4() ? net::IP_AF_INET : net::IP_AF_INET6;
  if (prefix.addr().af() != af && prefix.addr().af() != net::IP_AF_UNSPECIFIED) {
    return absl::InvalidArgumentError("af does not fit the address");
  }
  if (prefix.len() < 0 || prefix.len() > address.bits()) {
    return absl::InvalidArgumentError(
        absl::StrCat("len ", prefix.len(), " is not from 0 to ", address.bits()));
  }
  return InterfaceAddress{address, prefix.len()};
}

net::IPPrefix ShowIpPrefix(const InterfaceAddress& from) {
  net::IPPrefix prefix;
  prefix.set_len(from.length);
  if (from.address.is_v4()) {
    prefix.mutable_addr()->set_af(net::IP_AF_INET);
    prefix.mutable_addr()->set_v4_addr(static_cast<uint32_t>(from.address.value()));
  } else {
    prefix.mutable_addr()->set_af(net::IP_AF_INET6);
    prefix.mutable_addr()->set_v6_addr(from.address.ToBytes());
  }
  return prefix;
}

absl::StatusOr<MacAddress> ParseMac(const std::string& bytes, absl::string_view field) {
  if (bytes.size() != 6) {
    return absl::InvalidArgumentError(
        absl::StrCat(field, ": a MAC address is 6 octets, this is ", bytes.size()));
  }
  return MacAddress::FromBytes(bytes);
}

evpn::Component ShowSwitch(const ObjectState& state) {
  evpn::Component component;
  component.set_name("switch");
  switch (state.kind) {
    case ObjectState::kConfirmed:
      component.set_status(evpn::COMP_STATUS_SUCCESS);
      break;
    case ObjectState::kPending:
      component.set_status(evpn::COMP_STATUS_PENDING);
      break;
    case ObjectState::kFailed:
      component.set_status(evpn::COMP_STATUS_ERROR);
      break;
  }
  component.set_details(std::string(state.why.message()));
  return component;
}

}  // namespace

absl::StatusOr<BridgeSpec> ParseBridgeSpec(const evpn::LogicalBridgeSpec& spec) {
  BridgeSpec parsed{.vlan_id = spec.vlan_id()};
  if (spec.has_vni()) parsed.vni = spec.vni();
  if (spec.has_vtep_ip_prefix()) {
    absl::StatusOr<InterfaceAddress> vtep = ParseIpPrefix(spec.vtep_ip_prefix());
    XPU_RETURN_IF_ERROR(Annotate(vtep.status(), "logical_bridge.spec.vtep_ip_prefix"));
    parsed.vtep = *vtep;
  }
  return parsed;
}

absl::StatusOr<PortSpec> ParsePortSpec(const evpn::BridgePortSpec& spec) {
  PortSpec parsed;
  XPU_ASSIGN_OR_RETURN(parsed.mac, ParseMac(spec.mac_address(), "bridge_port.spec.mac_address"));
  switch (spec.ptype()) {
    case evpn::BRIDGE_PORT_TYPE_ACCESS:
      parsed.type = BridgePortType::kAccess;
      break;
    case evpn::BRIDGE_PORT_TYPE_TRUNK:
      parsed.type = BridgePortType::kTrunk;
      break;
    default:
      return absl::InvalidArgumentError("bridge_port.spec.ptype: must be ACCESS or TRUNK");
  }
  for (const std::string& name : spec.logical_bridges()) {
    absl::StatusOr<std::string> id = LogicalBridgeId(name);
    XPU_RETURN_IF_ERROR(Annotate(id.status(), "bridge_port.spec.logical_bridges"));
    parsed.logical_bridges.push_back(*std::move(id));
  }
  return parsed;
}

absl::StatusOr<SubnetSpec> ParseSubnets(const agent::v1::Subnets& subnets) {
  SubnetSpec parsed;
  for (const std::string& text : subnets.prefixes()) {
    absl::StatusOr<IpPrefix> prefix = IpPrefix::Parse(text);
    XPU_RETURN_IF_ERROR(Annotate(prefix.status(), "subnets.prefixes"));
    parsed.prefixes.push_back(*prefix);
  }
  for (const std::string& text : subnets.gateways()) {
    absl::StatusOr<IpAddress> gateway = IpAddress::Parse(text);
    XPU_RETURN_IF_ERROR(Annotate(gateway.status(), "subnets.gateways"));
    parsed.gateways.push_back(*gateway);
  }
  parsed.mtu = subnets.mtu() == 0 ? kDefaultMtu : subnets.mtu();
  return parsed;
}

absl::StatusOr<BindSpec> ParseBind(const agent::v1::BindPortRequest& request) {
  BindSpec parsed;
  absl::StatusOr<std::string> port = BridgePortId(request.bridge_port());
  XPU_RETURN_IF_ERROR(Annotate(port.status(), "bridge_port"));
  parsed.port = *port;
  parsed.claim = request.claim();
  XPU_ASSIGN_OR_RETURN(parsed.mac, ParseMac(request.mac_address(), "mac_address"));
  if (request.has_vlan()) {
    if (!request.logical_bridge().empty()) {
      return absl::InvalidArgumentError("vlan: not together with logical_bridge; leave out one of them");
    }
    if (request.vlan() > kMaxVlanId) {
      return absl::InvalidArgumentError(
          absl::StrCat("vlan: ", request.vlan(), " is not from 0 to ", kMaxVlanId));
    }
    parsed.vlan = static_cast<uint16_t>(request.vlan());
    for (const std::string& text : request.addresses()) {
      absl::StatusOr<InterfaceAddress> address = InterfaceAddress::Parse(text);
      XPU_RETURN_IF_ERROR(Annotate(address.status(), "addresses"));
      parsed.vlan_addresses.push_back(*address);
    }
    return parsed;
  }
  absl::StatusOr<std::string> bridge = LogicalBridgeId(request.logical_bridge());
  XPU_RETURN_IF_ERROR(Annotate(bridge.status(), "logical_bridge"));
  parsed.bridge = *bridge;
  for (const std::string& text : request.addresses()) {
    absl::StatusOr<IpAddress> address = IpAddress::Parse(text);
    XPU_RETURN_IF_ERROR(Annotate(address.status(), "addresses"));
    parsed.addresses.push_back(*address);
  }
  return parsed;
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

agent::v1::Subnets ShowSubnets(const LogicalBridge& bridge) {
  agent::v1::Subnets shown;
  shown.set_logical_bridge(LogicalBridgeName(bridge.id));
  for (const IpPrefix& prefix : bridge.prefixes) shown.add_prefixes(prefix.ToString());
  for (const IpAddress& gateway : bridge.gateways) shown.add_gateways(gateway.ToString());
  shown.set_mtu(bridge.mtu);
  return shown;
}

agent::v1::PortBinding ShowBinding(const BridgePort& port, const ModelView& view) {
  agent::v1::PortBinding shown;
  shown.set_bridge_port(BridgePortName(port.id));
  shown.set_mac_address(port.mac.ToBytes());
  for (const InterfaceAddress& address : port.addresses) shown.add_addresses(address.ToString());
  shown.set_claim(port.claim);
  if (port.vlan.has_value()) {
    shown.set_vlan(*port.vlan);
    shown.set_mtu(kDefaultMtu);
  }
  if (port.logical_bridges.empty()) return shown;
  shown.set_logical_bridge(LogicalBridgeName(port.logical_bridges[0]));
  const auto& bridges = view.state().model.bridges;
  if (auto it = bridges.find(port.logical_bridges[0]); it != bridges.end()) {
    for (const IpAddress& gateway : it->second.gateways) shown.add_gateways(gateway.ToString());
    shown.set_mtu(it->second.mtu);
  }
  return shown;
}

}  // namespace xpu
