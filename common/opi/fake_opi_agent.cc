#include "common/opi/fake_opi_agent.h"

#include <algorithm>
#include <utility>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "common/base/bandwidth.h"
#include "common/base/mac_address.h"
#include "common/base/status_macros.h"
#include "common/opi/opi_names.h"
#include "google/protobuf/util/message_differencer.h"

namespace xpu {
namespace {

using google::protobuf::util::MessageDifferencer;

absl::Status CheckUnicast(const std::string& field, const std::string& bytes) {
  absl::StatusOr<MacAddress> mac = MacAddress::FromBytes(bytes);
  if (mac.ok() && mac->IsUnicast()) return absl::OkStatus();
  return absl::InvalidArgumentError(absl::StrCat(field, ": must be the 6 octets of a unicast MAC address"));
}

// The bridge of a bound port, or what stands for its VLAN.
std::string NetworkOf(const evpn::BridgePortSpec& spec, const std::optional<uint32_t>& vlan) {
  return vlan.has_value() ? absl::StrCat("VLAN ", *vlan) : spec.logical_bridges(0);
}

}  // namespace

absl::StatusOr<evpn::LogicalBridge> FakeOpiAgent::CreateLogicalBridge(const std::string& id,
                                                                      const evpn::LogicalBridgeSpec& spec) {
  XPU_RETURN_IF_ERROR(Annotate(CheckOpiId(id), "logical_bridge_id"));
  if (spec.vlan_id() < 1 || spec.vlan_id() > 4094) {
    return absl::InvalidArgumentError(
        absl::StrCat("logical_bridge.spec.vlan_id: ", spec.vlan_id(), " is not from 1 to 4094"));
  }
  if (spec.has_vni() && (spec.vni() < 1 || spec.vni() > 0xffffff)) {
    return absl::InvalidArgumentError(
        absl::StrCat("logical_bridge.spec.vni: ", spec.vni(), " is not from 1 to 16777215"));
  }
  if (auto it = bridges_.find(id); it != bridges_.end()) {
    if (MessageDifferencer::Equals(it->second.spec, spec)) return Show(id, it->second);
    return absl::AlreadyExistsError(absl::StrCat(LogicalBridgeName(id), " is there with another spec"));
  }
  for (const auto& [other, bridge] : bridges_) {
    if (bridge.spec.vlan_id() == spec.vlan_id()) {
      return absl::AlreadyExistsError(absl::StrCat("logical_bridge.spec.vlan_id: ", spec.vlan_id(),
                                                   " is that of ", LogicalBridgeName(other)));
    }
  }
  if (spec.has_vni()) XPU_RETURN_IF_ERROR(CheckVni(spec.vni(), "logical_bridge.spec.vni"));
  Bridge& bridge = bridges_[id];
  bridge.spec = spec;
  return Show(id, bridge);
}

absl::StatusOr<evpn::LogicalBridge> FakeOpiAgent::GetLogicalBridge(const std::string& name) const {
  XPU_ASSIGN_OR_RETURN(std::string id, LogicalBridgeId(name));
  auto it = bridges_.find(id);
  if (it == bridges_.end()) return absl::NotFoundError(absl::StrCat("there is no ", LogicalBridgeName(id)));
  return Show(id, it->second);
}

std::vector<evpn::LogicalBridge> FakeOpiAgent::ListLogicalBridges() const {
  std::vector<evpn::LogicalBridge> all;
  for (const auto& [id, bridge] : bridges_) all.push_back(Show(id, bridge));
  return all;
}

absl::Status FakeOpiAgent::DeleteLogicalBridge(const std::string& name) {
  XPU_ASSIGN_OR_RETURN(std::string id, LogicalBridgeId(name));
  std::vector<std::string> users;
  for (const auto& [port_id, port] : ports_) {
    for (const std::string& bridge : port.spec.logical_bridges()) {
      if (bridge == LogicalBridgeName(id)) users.push_back(BridgePortName(port_id));
    }
  }
  for (const auto& [svi_id, svi] : svis_) {
    if (svi.logical_bridge() == LogicalBridgeName(id)) users.push_back(SviName(svi_id));
  }
  if (!users.empty()) {
    return absl::FailedPreconditionError(
        absl::StrCat(LogicalBridgeName(id), " is used by ", absl::StrJoin(users, ", ")));
  }
  bridges_.erase(id);
  return absl::OkStatus();
}

absl::StatusOr<ClaimOrder> FakeOpiAgent::Order(const std::string& id, int64_t claim, ClaimUse use) const {
  auto mark = marks_.find(id);
  auto port = ports_.find(id);
  return OrderClaim(BridgePortName(id), mark == marks_.end() ? ClaimMark{} : mark->second,
                    port == ports_.end() ? nullptr : &port->second.claim, claim, use);
}

absl::Status FakeOpiAgent::CheckMac(const std::string& port, const std::string& bridge,
                                    const std::string& mac) const {
  for (const auto& [id, other] : ports_) {
    if (id == port || other.spec.mac_address() != mac) continue;
    const auto& bridges = other.spec.logical_bridges();
    if (std::find(bridges.begin(), bridges.end(), bridge) != bridges.end()) {
      return absl::AlreadyExistsError(absl::StrCat("mac_address: ", MacAddress::FromBytes(mac)->ToString(),
                                                   " is that of ", BridgePortName(id), " in ", bridge));
    }
  }
  return absl::OkStatus();
}

std::optional<uint32_t> FakeOpiAgent::TakeVlan(evpn::BridgePortSpec* spec) const {
  uint32_t vlan = 0;
  if (spec->ptype() != evpn::BRIDGE_PORT_TYPE_ACCESS || spec->logical_bridges_size() != 1 ||
      !absl::SimpleAtoi(spec->logical_bridges(0), &vlan) || vlan > 4094 ||
      bridges_.contains(spec->logical_bridges(0)) || forbidden_vlans_.contains(vlan)) {
    return std::nullopt;
  }
  spec->clear_logical_bridges();
  return vlan;
}

absl::StatusOr<evpn::BridgePort> FakeOpiAgent::CreateBridgePort(const std::string& id,
                                                                const evpn::BridgePortSpec& asked,
                                                                int64_t claim) {
  XPU_RETURN_IF_ERROR(Annotate(CheckOpiId(id), "bridge_port_id"));
  XPU_RETURN_IF_ERROR(CheckUnicast("bridge_port.spec.mac_address", asked.mac_address()));
  if (asked.ptype() != evpn::BRIDGE_PORT_TYPE_ACCESS && asked.ptype() != evpn::BRIDGE_PORT_TYPE_TRUNK) {
    return absl::InvalidArgumentError("bridge_port.spec.ptype: must be ACCESS or TRUNK");
  }
  if (asked.ptype() == evpn::BRIDGE_PORT_TYPE_ACCESS && asked.logical_bridges_size() > 1) {
    return absl::InvalidArgumentError("bridge_port.spec.logical_bridges: an ACCESS port is in one bridge");
  }
  evpn::BridgePortSpec spec = asked;
  const std::optional<uint32_t> vlan = TakeVlan(&spec);
  for (std::string& name : *spec.mutable_logical_bridges()) {
    absl::StatusOr<std::string> bridge = LogicalBridgeId(name);
    XPU_RETURN_IF_ERROR(Annotate(bridge.status(), "bridge_port.spec.logical_bridges"));
    name = LogicalBridgeName(*bridge);
    if (!bridges_.contains(*bridge)) {
      return absl::FailedPreconditionError(
          absl::StrCat("bridge_port.spec.logical_bridges: there is no ", name));
    }
  }
  XPU_ASSIGN_OR_RETURN(ClaimOrder order, Order(id, claim, ClaimUse::kHold));
  auto it = ports_.find(id);
  if (it != ports_.end() && order == ClaimOrder::kCurrent) {
    evpn::BridgePortSpec same = it->second.spec;
    // What BindPort added is not for a repeated Create to undo.
    const bool is_isolated = spec.logical_bridges().empty() && !vlan.has_value();
    if (it->second.bound && is_isolated) same.clear_logical_bridges();
    const bool same_vlan = it->second.vlan == vlan || (it->second.bound && is_isolated);
    if (same_vlan && MessageDifferencer::Equals(same, spec)) return Show(id, it->second);
    return absl::AlreadyExistsError(absl::StrCat(BridgePortName(id), " is there with another spec"));
  }
  for (const std::string& bridge : spec.logical_bridges()) {
    XPU_RETURN_IF_ERROR(CheckMac(id, bridge, spec.mac_address()));
  }
  marks_[id] = MarkAfter(marks_[id], claim, false);
  return Show(id, ports_[id] = Port{.spec = spec, .vlan = vlan, .claim = claim});
}

absl::StatusOr<evpn::BridgePort> FakeOpiAgent::GetBridgePort(const std::string& name) const {
  XPU_ASSIGN_OR_RETURN(std::string id, BridgePortId(name));
  auto it = ports_.find(id);
  if (it == ports_.end()) return absl::NotFoundError(absl::StrCat("there is no ", BridgePortName(id)));
  return Show(id, it->second);
}

std::vector<evpn::BridgePort> FakeOpiAgent::ListBridgePorts() const {
  std::vector<evpn::BridgePort> all;
  for (const auto& [id, port] : ports_) all.push_back(Show(id, port));
  return all;
}

absl::Status FakeOpiAgent::GiveBack(const std::string& id, int64_t claim, bool remove) {
  XPU_ASSIGN_OR_RETURN(ClaimOrder order, Order(id, claim, ClaimUse::kGiveBack));
  if (order == ClaimOrder::kOver) return absl::OkStatus();
  if (remove || order == ClaimOrder::kNewer) {
    ports_.erase(id);
  } else if (auto it = ports_.find(id); it != ports_.end() && it->second.bound) {
    it->second.bound = false;
    it->second.addresses.clear();
    it->second.vlan.reset();
    it->second.spec.clear_logical_bridges();
  }
  marks_[id] = MarkAfter(marks_[id], claim, remove);
  return absl::OkStatus();
}

absl::Status FakeOpiAgent::DeleteBridgePort(const std::string& name, int64_t claim) {
  XPU_ASSIGN_OR_RETURN(std::string id, BridgePortId(name));
  return GiveBack(id, claim, true);
}

absl::Status FakeOpiAgent::UnbindPort(const agent::v1::UnbindPortRequest& request) {
  absl::StatusOr<std::string> id = BridgePortId(request.bridge_port());
  XPU_RETURN_IF_ERROR(Annotate(id.status(), "bridge_port"));
  return GiveBack(*id, request.claim(), request.release());
}

absl::StatusOr<agent::v1::Subnets> FakeOpiAgent::SetSubnets(const agent::v1::Subnets& subnets) {
  absl::StatusOr<std::string> id = LogicalBridgeId(subnets.logical_bridge());
  XPU_RETURN_IF_ERROR(Annotate(id.status(), "subnets.logical_bridge"));
  auto it = bridges_.find(*id);
  if (it == bridges_.end()) return absl::NotFoundError(absl::StrCat("there is no ", LogicalBridgeName(*id)));
  Bridge next = it->second;
  next.prefixes.clear();
  next.gateways.clear();
  next.mtu = subnets.mtu() == 0 ? 1500 : subnets.mtu();
  next.dns.reset();
  if (subnets.has_dns()) next.dns = subnets.dns();
  next.lease_time = subnets.lease_time() == 0 ? 86400 : subnets.lease_time();
  for (const std::string& text : subnets.dns().servers()) {
    XPU_RETURN_IF_ERROR(Annotate(IpAddress::Parse(text).status(), "subnets.dns.servers"));
  }
  uint32_t least_mtu = 576;
  for (const std::string& text : subnets.prefixes()) {
    absl::StatusOr<IpPrefix> prefix = IpPrefix::Parse(text);
    XPU_RETURN_IF_ERROR(Annotate(prefix.status(), "subnets.prefixes"));
    for (const IpPrefix& other : next.prefixes) {
      if (prefix->Overlaps(other)) {
        return absl::InvalidArgumentError(
            absl::StrCat("subnets.prefixes: ", text, " and ", other.ToString(), " overlap"));
      }
    }
    if (prefix->family() == IpFamily::kV6) least_mtu = 1280;
    next.prefixes.push_back(*prefix);
  }
  if (next.mtu < least_mtu || next.mtu > 9216) {
    return absl::InvalidArgumentError(
        absl::StrCat("subnets: mtu ", next.mtu, " is not from ", least_mtu, " to 9216"));
  }
  auto inside = [&next](const IpAddress& address) {
    return std::any_of(next.prefixes.begin(), next.prefixes.end(),
                       [&](const IpPrefix& prefix) { return prefix.Contains(address); });
  };
  for (const std::string& text : subnets.gateways()) {
    absl::StatusOr<IpAddress> gateway = IpAddress::Parse(text);
    XPU_RETURN_IF_ERROR(Annotate(gateway.status(), "subnets.gateways"));
    if (!inside(*gateway)) {
      return absl::InvalidArgumentError(absl::StrCat("subnets.gateways: ", text, " is in no prefix"));
    }
    next.gateways.push_back(*gateway);
  }
  for (const auto& [port_id, port] : ports_) {
    if (!port.bound || NetworkOf(port.spec, port.vlan) != LogicalBridgeName(*id)) continue;
    for (const InterfaceAddress& address : port.addresses) {
      if (!inside(address.address)) {
        return absl::FailedPreconditionError(absl::StrCat("subnets.prefixes: ", BridgePortName(port_id),
                                                          " has ", address.ToString(), ", unbind it first"));
      }
    }
  }
  it->second = next;
  agent::v1::Subnets answer;
  answer.set_logical_bridge(LogicalBridgeName(*id));
  for (const IpPrefix& prefix : next.prefixes) answer.add_prefixes(prefix.ToString());
  for (const IpAddress& gateway : next.gateways) answer.add_gateways(gateway.ToString());
  answer.set_mtu(next.mtu);
  if (next.dns.has_value()) *answer.mutable_dns() = *next.dns;
  answer.set_lease_time(next.lease_time);
  return answer;
}

bool FakeOpiAgent::IsTaken(const std::string& bridge, const IpAddress& address,
                           const std::string& except_port) const {
  for (const auto& [id, port] : ports_) {
    if (id == except_port || !port.bound || NetworkOf(port.spec, port.vlan) != bridge) continue;
    for (const InterfaceAddress& taken : port.addresses) {
      if (taken.address == address) return true;
    }
  }
  return false;
}

absl::StatusOr<std::vector<InterfaceAddress>> FakeOpiAgent::Choose(
    const std::string& bridge_id, const std::string& port, const agent::v1::BindPortRequest& request) const {
  const Bridge& bridge = bridges_.at(bridge_id);
  const std::string bridge_name = LogicalBridgeName(bridge_id);
  std::vector<InterfaceAddress> chosen;
  std::set<IpFamily> served;
  for (const std::string& text : request.addresses()) {
    absl::StatusOr<IpAddress> address = IpAddress::Parse(text);
    XPU_RETURN_IF_ERROR(Annotate(address.status(), "addresses"));
    auto prefix = std::find_if(bridge.prefixes.begin(), bridge.prefixes.end(),
                               [&](const IpPrefix& p) { return p.Contains(*address); });
    if (prefix == bridge.prefixes.end()) {
      return absl::InvalidArgumentError(
          absl::StrCat("addresses: ", text, " is in no prefix of ", bridge_name));
    }
    if (served.contains(address->family())) {
      return absl::InvalidArgumentError(absl::StrCat("addresses: ", text, " is the second of its family"));
    }
    const auto& gateways = bridge.gateways;
    if (std::find(gateways.begin(), gateways.end(), *address) != gateways.end()) {
      return absl::InvalidArgumentError(absl::StrCat("addresses: ", text, " is a gateway"));
    }
    if (IsTaken(bridge_name, *address, port)) {
      return absl::AlreadyExistsError(absl::StrCat("addresses: ", text, " is another port's"));
    }
    chosen.push_back({*address, prefix->length()});
    served.insert(address->family());
  }
  for (const IpPrefix& prefix : bridge.prefixes) {
    if (served.contains(prefix.family())) continue;
    bool found = false;
    IpAddress last = prefix.Last();
    // Network and broadcast address are nobody's (IPv6: the first is all routers').
    for (IpAddress a(prefix.family(), prefix.First().value() + 1); a < last;
         a = IpAddress(prefix.family(), a.value() + 1)) {
      bool gateway = std::find(bridge.gateways.begin(), bridge.gateways.end(), a) != bridge.gateways.end();
      if (gateway || IsTaken(bridge_name, a, port)) continue;
      chosen.push_back({a, prefix.length()});
      served.insert(prefix.family());
      found = true;
      break;
    }
    bool more = std::any_of(bridge.prefixes.begin(), bridge.prefixes.end(), [&](const IpPrefix& other) {
      return other.family() == prefix.family() && &other > &prefix;
    });
    if (!found && !more) {
      return absl::ResourceExhaustedError(absl::StrCat("no address left in ", prefix.ToString()));
    }
  }
  return chosen;
}

absl::StatusOr<agent::v1::PortBinding> FakeOpiAgent::BindPort(const agent::v1::BindPortRequest& request) {
  const auto too_much = [](const agent::v1::Bandwidth& asked) {
    return std::max({asked.ingress_rate(), asked.ingress_burst(), asked.egress_rate(),
                     asked.egress_burst()}) > kMostBandwidth;
  };
  for (const auto& [field, asked] :
       {std::pair("bandwidth", request.bandwidth()), std::pair("pod_bandwidth", request.pod_bandwidth())}) {
    if (too_much(asked)) {
      return absl::InvalidArgumentError(absl::StrCat(field, ": more than ", kMostBandwidth, " bits"));
    }
  }
  const absl::StatusOr<std::string> id = BridgePortId(request.bridge_port());
  std::optional<agent::v1::Bandwidth> limits, of_pod;
  if (const auto port = ports_.find(id.value_or("")); port != ports_.end()) {
    if (port->second.claim == request.claim()) {
      limits = port->second.bandwidth;
      if (port->second.bound) of_pod = port->second.pod_bandwidth;
    }
  }
  XPU_RETURN_IF_ERROR(Place(request).status());
  const auto as_said = [](const agent::v1::Bandwidth& asked) -> std::optional<agent::v1::Bandwidth> {
    if (asked.ingress_rate() == 0 && asked.egress_rate() == 0) return std::nullopt;
    return asked;
  };
  if (request.has_bandwidth()) limits = as_said(request.bandwidth());
  if (request.has_pod_bandwidth()) of_pod = as_said(request.pod_bandwidth());
  Port& port = ports_.at(*id);
  port.bandwidth = limits;
  port.pod_bandwidth = of_pod;
  return ShowBinding(*id, port);
}

absl::StatusOr<agent::v1::PortBinding> FakeOpiAgent::Place(const agent::v1::BindPortRequest& request) {
  absl::StatusOr<std::string> id = BridgePortId(request.bridge_port());
  XPU_RETURN_IF_ERROR(Annotate(id.status(), "bridge_port"));
  XPU_RETURN_IF_ERROR(CheckUnicast("mac_address", request.mac_address()));
  XPU_ASSIGN_OR_RETURN(ClaimOrder order, Order(*id, request.claim(), ClaimUse::kHold));
  if (request.has_vlan()) return BindToVlan(*id, order, request);
  absl::StatusOr<std::string> bridge = LogicalBridgeId(request.logical_bridge());
  XPU_RETURN_IF_ERROR(Annotate(bridge.status(), "logical_bridge"));
  const std::string bridge_name = LogicalBridgeName(*bridge);
  if (!bridges_.contains(*bridge)) return absl::NotFoundError(absl::StrCat("there is no ", bridge_name));
  if (bridges_.at(*bridge).prefixes.empty()) {
    return absl::FailedPreconditionError(absl::StrCat(bridge_name, " has no prefixes yet; set them first"));
  }
  if (missing_.contains(*id) || !PortFunction::FromPortId(*id).ok()) {
    return absl::NotFoundError(absl::StrCat("there is no function behind ", BridgePortName(*id)));
  }
  auto it = ports_.find(*id);
  if (it != ports_.end() && it->second.bound && order == ClaimOrder::kCurrent) {
    const Port& port = it->second;
    bool same =
        NetworkOf(port.spec, port.vlan) == bridge_name && port.spec.mac_address() == request.mac_address();
    for (const std::string& text : request.addresses()) {
      absl::StatusOr<IpAddress> address = IpAddress::Parse(text);
      XPU_RETURN_IF_ERROR(Annotate(address.status(), "addresses"));
      same = same && std::any_of(port.addresses.begin(), port.addresses.end(),
                                 [&](const InterfaceAddress& a) { return a.address == *address; });
    }
    if (same) return ShowBinding(*id, port);
    return absl::AlreadyExistsError(absl::StrCat(BridgePortName(*id), " is bound otherwise, to ",
                                                 NetworkOf(port.spec, port.vlan), "; unbind it first"));
  }
  XPU_RETURN_IF_ERROR(CheckMac(*id, bridge_name, request.mac_address()));
  XPU_ASSIGN_OR_RETURN(std::vector<InterfaceAddress> addresses, Choose(*bridge, *id, request));
  Port port{.bound = true, .addresses = std::move(addresses), .claim = request.claim()};
  port.spec.set_mac_address(request.mac_address());
  port.spec.set_ptype(evpn::BRIDGE_PORT_TYPE_ACCESS);
  port.spec.add_logical_bridges(bridge_name);
  marks_[*id] = MarkAfter(marks_[*id], request.claim(), false);
  return ShowBinding(*id, ports_[*id] = std::move(port));
}

absl::StatusOr<agent::v1::PortBinding> FakeOpiAgent::BindToVlan(const std::string& id, ClaimOrder order,
                                                                const agent::v1::BindPortRequest& request) {
  if (!request.logical_bridge().empty())
    return absl::InvalidArgumentError("vlan: not together with logical_bridge");
  if (request.vlan() > 4094) {
    return absl::InvalidArgumentError(absl::StrCat("vlan: ", request.vlan(), " is not from 0 to 4094"));
  }
  std::vector<InterfaceAddress> addresses;
  for (const std::string& text : request.addresses()) {
    absl::StatusOr<InterfaceAddress> address = InterfaceAddress::Parse(text);
    XPU_RETURN_IF_ERROR(Annotate(address.status(), "addresses"));
    addresses.push_back(*address);
  }
  if (forbidden_vlans_.contains(request.vlan())) {
    return absl::PermissionDeniedError(
        absl::StrCat("vlan: this card does not let its host choose VLAN ", request.vlan()));
  }
  if (missing_.contains(id) || !PortFunction::FromPortId(id).ok()) {
    return absl::NotFoundError(absl::StrCat("there is no function behind ", BridgePortName(id)));
  }
  auto it = ports_.find(id);
  if (it != ports_.end() && it->second.bound && order == ClaimOrder::kCurrent) {
    const Port& port = it->second;
    const bool same_place = port.vlan == request.vlan() && port.spec.mac_address() == request.mac_address();
    if (same_place && (addresses.empty() || port.addresses == addresses)) return ShowBinding(id, port);
    if (!same_place || !port.addresses.empty()) {
      return absl::AlreadyExistsError(absl::StrCat(BridgePortName(id), " is bound otherwise, to ",
                                                   NetworkOf(port.spec, port.vlan), "; unbind it first"));
    }
  }
  const std::string network = NetworkOf({}, request.vlan());
  for (const auto& [other_id, other] : ports_) {
    if (other_id == id || other.vlan != request.vlan()) continue;
    if (other.spec.mac_address() == request.mac_address()) {
      return absl::AlreadyExistsError(absl::StrCat("mac_address: is that of ", BridgePortName(other_id)));
    }
  }
  for (const InterfaceAddress& address : addresses) {
    if (IsTaken(network, address.address, id)) {
      return absl::AlreadyExistsError(absl::StrCat("addresses: ", address.ToString(), " is another port's"));
    }
  }
  Port port{
      .bound = true, .vlan = request.vlan(), .addresses = std::move(addresses), .claim = request.claim()};
  port.spec.set_mac_address(request.mac_address());
  port.spec.set_ptype(evpn::BRIDGE_PORT_TYPE_ACCESS);
  marks_[id] = MarkAfter(marks_[id], request.claim(), false);
  return ShowBinding(id, ports_[id] = std::move(port));
}

absl::Status FakeOpiAgent::SetAddressBlocks(const agent::v1::SetAddressBlocksRequest& request) {
  absl::StatusOr<std::string> id = LogicalBridgeId(request.logical_bridge());
  XPU_RETURN_IF_ERROR(Annotate(id.status(), "logical_bridge"));
  auto bridge = bridges_.find(*id);
  if (bridge == bridges_.end()) {
    return absl::NotFoundError(absl::StrCat("logical_bridge: there is no ", LogicalBridgeName(*id)));
  }
  for (const std::string& block : request.blocks()) {
    XPU_RETURN_IF_ERROR(Annotate(IpPrefix::Parse(block).status(), "blocks"));
  }
  bridge->second.blocks = std::vector<std::string>(request.blocks().begin(), request.blocks().end());
  return absl::OkStatus();
}

std::optional<std::vector<std::string>> FakeOpiAgent::AddressBlocks(const std::string& bridge_id) const {
  auto bridge = bridges_.find(bridge_id);
  return bridge == bridges_.end() ? std::nullopt : bridge->second.blocks;
}

absl::Status FakeOpiAgent::UpdateRemotePorts(const agent::v1::UpdateRemotePortsRequest& request) {
  absl::StatusOr<std::string> id = LogicalBridgeId(request.logical_bridge());
  XPU_RETURN_IF_ERROR(Annotate(id.status(), "logical_bridge"));
  auto bridge = bridges_.find(*id);
  if (bridge == bridges_.end()) {
    return absl::NotFoundError(absl::StrCat("logical_bridge: there is no ", LogicalBridgeName(*id)));
  }
  if (!bridge->second.spec.has_vni()) {
    return absl::FailedPreconditionError(
        absl::StrCat("logical_bridge: ", LogicalBridgeName(*id), " has no VNI"));
  }
  for (const agent::v1::RemotePort& port : request.set()) {
    if (port.id().empty()) return absl::InvalidArgumentError("set.id: is empty");
    XPU_RETURN_IF_ERROR(CheckUnicast("set.mac_address", port.mac_address()));
    for (const std::string& text : port.addresses()) {
      absl::StatusOr<IpAddress> address = IpAddress::Parse(text);
      if (!address.ok() || !address->IsUnicast()) {
        return absl::InvalidArgumentError(absl::StrCat("set.addresses: ", text, " is not for an interface"));
      }
    }
    absl::StatusOr<IpAddress> vtep = IpAddress::Parse(port.vtep());
    if (!vtep.ok() || !vtep->IsUnicast()) {
      return absl::InvalidArgumentError(absl::StrCat("set.vtep: ", port.vtep(), " is not for a tunnel"));
    }
  }
  auto& ports = bridge->second.remote_ports;
  if (request.replace()) ports.clear();
  for (const std::string& gone : request.remove()) ports.erase(gone);
  for (const agent::v1::RemotePort& port : request.set()) ports[port.id()] = port;
  return absl::OkStatus();
}

std::map<std::string, agent::v1::RemotePort> FakeOpiAgent::RemotePorts(const std::string& bridge_id) const {
  auto bridge = bridges_.find(bridge_id);
  return bridge == bridges_.end() ? std::map<std::string, agent::v1::RemotePort>()
                                  : bridge->second.remote_ports;
}

std::vector<agent::v1::PortBinding> FakeOpiAgent::ListPortBindings() const {
  std::vector<agent::v1::PortBinding> all;
  for (const auto& [id, port] : ports_) {
    if (port.bound) all.push_back(ShowBinding(id, port));
  }
  return all;
}

evpn::LogicalBridge FakeOpiAgent::Show(const std::string& id, const Bridge& bridge) const {
  evpn::LogicalBridge out;
  out.set_name(LogicalBridgeName(id));
  *out.mutable_spec() = bridge.spec;
  out.mutable_status()->set_oper_status(evpn::LB_OPER_STATUS_UP);
  return out;
}

evpn::BridgePort FakeOpiAgent::Show(const std::string& id, const Port& port) const {
  evpn::BridgePort out;
  out.set_name(BridgePortName(id));
  *out.mutable_spec() = port.spec;
  if (port.vlan.has_value()) out.mutable_spec()->add_logical_bridges(absl::StrCat(*port.vlan));
  out.mutable_status()->set_oper_status(missing_.contains(id) ? evpn::BP_OPER_STATUS_DOWN
                                                              : evpn::BP_OPER_STATUS_UP);
  return out;
}

agent::v1::PortBinding FakeOpiAgent::ShowBinding(const std::string& id, const Port& port) const {
  agent::v1::PortBinding out;
  out.set_bridge_port(BridgePortName(id));
  out.set_mac_address(port.spec.mac_address());
  out.set_claim(port.claim);
  if (port.bandwidth.has_value()) *out.mutable_bandwidth() = *port.bandwidth;
  if (port.pod_bandwidth.has_value()) *out.mutable_pod_bandwidth() = *port.pod_bandwidth;
  for (const InterfaceAddress& address : port.addresses) out.add_addresses(address.ToString());
  if (port.vlan.has_value()) {
    out.set_vlan(*port.vlan);
    out.set_mtu(1500);
    return out;
  }
  const std::string& bridge_name = port.spec.logical_bridges(0);
  const Bridge& bridge = bridges_.at(*LogicalBridgeId(bridge_name));
  out.set_logical_bridge(bridge_name);
  for (const IpAddress& gateway : bridge.gateways) out.add_gateways(gateway.ToString());
  out.set_mtu(bridge.mtu);
  return out;
}

}  // namespace xpu
