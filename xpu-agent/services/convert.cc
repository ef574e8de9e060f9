#include "xpu-agent/services/convert.h"

#include "absl/strings/str_cat.h"
#include "common/base/status_macros.h"
#include "common/opi/bandwidth.h"
#include "common/opi/opi_names.h"
#include "xpu-agent/services/opi_fields.h"

namespace xpu {
namespace {

constexpr uint32_t kDefaultMtu = 1500;
constexpr uint32_t kMaxVlanId = 4094;

absl::StatusOr<MacAddress> ParseMacField(const std::string& bytes, absl::string_view field) {
  absl::StatusOr<MacAddress> mac = ParseMac(bytes);
  XPU_RETURN_IF_ERROR(Annotate(mac.status(), field));
  return *mac;
}

}  // namespace

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
  for (const std::string& text : subnets.dns().servers()) {
    absl::StatusOr<IpAddress> server = IpAddress::Parse(text);
    XPU_RETURN_IF_ERROR(Annotate(server.status(), "subnets.dns.servers"));
    parsed.dns.servers.push_back(*server);
  }
  parsed.dns.domain = subnets.dns().domain();
  parsed.dns.search.assign(subnets.dns().search().begin(), subnets.dns().search().end());
  if (subnets.lease_time() != 0) parsed.lease_time = subnets.lease_time();
  return parsed;
}

absl::StatusOr<BindSpec> ParseBind(const agent::v1::BindPortRequest& request) {
  BindSpec parsed;
  absl::StatusOr<std::string> port = BridgePortId(request.bridge_port());
  XPU_RETURN_IF_ERROR(Annotate(port.status(), "bridge_port"));
  parsed.port = *port;
  parsed.claim = request.claim();
  if (request.has_bandwidth()) parsed.bandwidth = FromOpi(request.bandwidth());
  if (request.has_pod_bandwidth()) parsed.pod_bandwidth = FromOpi(request.pod_bandwidth());
  XPU_ASSIGN_OR_RETURN(parsed.mac, ParseMacField(request.mac_address(), "mac_address"));
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

absl::StatusOr<RemotePortsUpdate> ParseRemotePorts(const agent::v1::UpdateRemotePortsRequest& request) {
  absl::StatusOr<std::string> bridge = LogicalBridgeId(request.logical_bridge());
  XPU_RETURN_IF_ERROR(Annotate(bridge.status(), "logical_bridge"));
  RemotePortsUpdate parsed;
  parsed.bridge = *bridge;
  parsed.replace = request.replace();
  parsed.remove.assign(request.remove().begin(), request.remove().end());
  for (const agent::v1::RemotePort& port : request.set()) {
    RemotePortSpec& spec = parsed.set.emplace_back();
    spec.id = port.id();
    XPU_ASSIGN_OR_RETURN(spec.mac, ParseMacField(port.mac_address(), "set.mac_address"));
    for (const std::string& text : port.addresses()) {
      absl::StatusOr<IpAddress> address = IpAddress::Parse(text);
      XPU_RETURN_IF_ERROR(Annotate(address.status(), "set.addresses"));
      spec.addresses.push_back(*address);
    }
    absl::StatusOr<IpAddress> vtep = IpAddress::Parse(port.vtep());
    XPU_RETURN_IF_ERROR(Annotate(vtep.status(), "set.vtep"));
    spec.vtep = *vtep;
  }
  return parsed;
}

agent::v1::Subnets ShowSubnets(const LogicalBridge& bridge) {
  agent::v1::Subnets shown;
  shown.set_logical_bridge(LogicalBridgeName(bridge.id));
  for (const IpPrefix& prefix : bridge.prefixes) shown.add_prefixes(prefix.ToString());
  for (const IpAddress& gateway : bridge.gateways) shown.add_gateways(gateway.ToString());
  shown.set_mtu(bridge.mtu);
  for (const IpAddress& server : bridge.dns.servers) shown.mutable_dns()->add_servers(server.ToString());
  if (!bridge.dns.domain.empty()) shown.mutable_dns()->set_domain(bridge.dns.domain);
  for (const std::string& domain : bridge.dns.search) shown.mutable_dns()->add_search(domain);
  shown.set_lease_time(bridge.lease_time);
  return shown;
}

agent::v1::PortBinding ShowBinding(const BridgePort& port, const ModelView& view) {
  agent::v1::PortBinding shown;
  shown.set_bridge_port(BridgePortName(port.id));
  shown.set_mac_address(port.mac.ToBytes());
  for (const InterfaceAddress& address : port.addresses) shown.add_addresses(address.ToString());
  shown.set_claim(port.claim);
  if (port.bandwidth.has_limits()) *shown.mutable_bandwidth() = ToOpi(port.bandwidth);
  if (port.pod_bandwidth.has_limits()) *shown.mutable_pod_bandwidth() = ToOpi(port.pod_bandwidth);
  if (port.vlan.has_value()) {
    shown.set_vlan(*port.vlan);
    shown.set_mtu(kDefaultMtu);
  }
  if (port.logical_bridges.empty()) return shown;
  shown.set_logical_bridge(LogicalBridgeName(port.logical_bridges[0]));
  const auto& bridges = view.state().model.bridges;
  if (auto it = bridges.find(port.logical_bridges[0]); it != bridges.end()) {
    for (const IpAddress& gateway : it->second.gateways) shown.add_gateways(gateway.ToString());
    shown.set_mtu(EffectiveMtu(it->second, view.state().model.tunnel));
  }
  return shown;
}

}  // namespace xpu
