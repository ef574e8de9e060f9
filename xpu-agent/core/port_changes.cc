#include "xpu-agent/core/port_changes.h"

#include <algorithm>
#include <set>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "common/base/status_macros.h"
#include "common/opi/opi_names.h"
#include "xpu-agent/core/svi_changes.h"
#include "xpu-agent/ipam/ipam.h"

namespace xpu {
namespace {

absl::StatusOr<ClaimOrder> Order(const AgentState& state, const std::string& id, int64_t claim,
                                 ClaimUse use) {
  auto mark = state.claims.find(id);
  auto port = state.model.ports.find(id);
  return OrderClaim(BridgePortName(id), mark == state.claims.end() ? ClaimMark{} : mark->second,
                    port == state.model.ports.end() ? nullptr : &port->second.claim, claim, use);
}

void Mark(AgentState& state, const std::string& id, int64_t claim, bool release) {
  if (claim == 0) return;
  ClaimMark& mark = state.claims[id];
  mark = MarkAfter(mark, claim, release);
}

SharedMap<BridgePort> AllBut(const AgentState& state, const std::string& port) {
  SharedMap<BridgePort> ports = state.model.ports;
  ports.erase(port);
  return ports;
}

absl::Status CheckMac(const AgentState& state, const std::string& port, const std::string& bridge,
                      const MacAddress& mac, absl::string_view field) {
  if (const Svi* svi = FindSviOf(state.model, bridge); svi != nullptr && svi->mac == mac) {
    return absl::AlreadyExistsError(absl::StrCat(field, ": ", mac.ToString(), " is that of ",
                                                 SviName(svi->id), " in ", LogicalBridgeName(bridge),
                                                 "; give another one"));
  }
  for (const std::string& id : state.port_index.Of(state.model.ports).WithMac(mac)) {
    if (id == port) continue;
    const auto& bridges = state.model.ports.at(id).logical_bridges;
    if (std::find(bridges.begin(), bridges.end(), bridge) != bridges.end()) {
      return absl::AlreadyExistsError(absl::StrCat(field, ": ", mac.ToString(), " is that of ",
                                                   BridgePortName(id), " in ", LogicalBridgeName(bridge),
                                                   "; give another one"));
    }
  }
  return absl::OkStatus();
}

// The MAC is nobody else's in the VLAN.
absl::Status CheckMacInVlan(const AgentState& state, const std::string& port, uint16_t vlan,
                            const MacAddress& mac, absl::string_view field) {
  for (const std::string& id : state.port_index.Of(state.model.ports).WithMac(mac)) {
    if (id == port || state.model.ports.at(id).vlan != vlan) continue;
    return absl::AlreadyExistsError(absl::StrCat(field, ": ", mac.ToString(), " is that of ",
                                                 BridgePortName(id), " in VLAN ", vlan,
                                                 "; give another one"));
  }
  return absl::OkStatus();
}

absl::Status CheckSpec(const AgentState& state, const std::string& id, const PortSpec& spec) {
  FieldErrors errors("bridge_port.spec.");
  Validate(spec, &errors);
  XPU_RETURN_IF_ERROR(errors.ToStatus());
  constexpr absl::string_view kMacField = "bridge_port.spec.mac_address";
  for (size_t i = 0; i < spec.logical_bridges.size(); ++i) {
    const std::string& bridge = spec.logical_bridges[i];
    if (!state.model.bridges.contains(bridge)) {
      return absl::FailedPreconditionError(absl::StrCat("bridge_port.spec.logical_bridges[", i,
                                                        "]: there is no ", LogicalBridgeName(bridge),
                                                        "; create it first"));
    }
    XPU_RETURN_IF_ERROR(CheckMac(state, id, bridge, spec.mac, kMacField));
  }
  return spec.vlan.has_value() ? CheckMacInVlan(state, id, *spec.vlan, spec.mac, kMacField)
                               : absl::OkStatus();
}

// A VLAN id from 0 to 4094, without sign or leading zeros.
std::optional<uint16_t> ParseVlanId(absl::string_view text) {
  uint32_t vlan = 0;
  const bool good = !text.empty() && text.size() <= 4 && (text.size() == 1 || text[0] != '0') &&
                    absl::ascii_isdigit(text[0]) && absl::SimpleAtoi(text, &vlan) && vlan <= 4094;
  return good ? std::optional(static_cast<uint16_t>(vlan)) : std::nullopt;
}

// Whether a bound port is where `spec` wants it to be, with its addresses.
bool IsInPlace(const BridgePort& port, const BindSpec& spec) {
  if (port.vlan != spec.vlan) return false;
  if (spec.vlan.has_value()) {
    return port.mac == spec.mac && port.claim == spec.claim &&
           (spec.vlan_addresses.empty() || port.addresses == spec.vlan_addresses);
  }
  return port.logical_bridges == std::vector<std::string>{spec.bridge} && port.mac == spec.mac &&
         port.claim == spec.claim &&
         std::all_of(spec.addresses.begin(), spec.addresses.end(), [&](const IpAddress& asked) {
           return std::any_of(port.addresses.begin(), port.addresses.end(),
                              [&](const InterfaceAddress& has) { return has.address == asked; });
         });
}

absl::Status CheckBandwidth(const Bandwidth& bandwidth, absl::string_view name = "bandwidth") {
  const std::pair<absl::string_view, uint64_t> fields[] = {{"ingress_rate", bandwidth.ingress.rate},
                                                           {"ingress_burst", bandwidth.ingress.burst},
                                                           {"egress_rate", bandwidth.egress.rate},
                                                           {"egress_burst", bandwidth.egress.burst}};
  for (const auto& [field, bits] : fields) {
    if (bits <= kMostBandwidth) continue;
    return absl::InvalidArgumentError(
        absl::StrCat(name, ".", field, ": ", bits, " is more than ", kMostBandwidth, " bits"));
  }
  return absl::OkStatus();
}

}  // namespace

PortSpec SpecOf(const BridgePort& port) {
  return {.mac = port.mac, .type = port.type, .logical_bridges = port.logical_bridges, .vlan = port.vlan};
}

void Validate(const PortSpec& spec, FieldErrors* errors) {
  if (!spec.mac.IsUnicast()) {
    errors->Add("mac_address", absl::StrCat(spec.mac.ToString(), " is not the address of one interface"));
  }
  if (spec.type == BridgePortType::kAccess && spec.logical_bridges.size() > 1) {
    errors->Add("logical_bridges", "an ACCESS port is in at most one; use TRUNK for several");
  }
  std::set<std::string> seen;
  for (size_t i = 0; i < spec.logical_bridges.size(); ++i) {
    if (seen.insert(spec.logical_bridges[i]).second) continue;
    errors->Add(absl::StrCat("logical_bridges[", i, "]"),
                absl::StrCat(LogicalBridgeName(spec.logical_bridges[i]), " is there twice"));
  }
}

void ResolveVlans(const AgentState& state, const std::string& id,
                  const std::function<bool(uint16_t vlan)>& allowed, PortSpec* spec) {
  const auto port = state.model.ports.find(id);
  for (size_t i = 0; i < spec->logical_bridges.size(); ++i) {
    const std::optional<uint16_t> vlan = ParseVlanId(spec->logical_bridges[i]);
    if (!vlan.has_value() || state.model.bridges.contains(spec->logical_bridges[i])) continue;
    const auto bridge = std::find_if(
        state.model.bridges.begin(), state.model.bridges.end(),
        [&](const auto& entry) { return entry.second.vlan_id == *vlan && !entry.second.vni.has_value(); });
    const bool is_in_it = port != state.model.ports.end() && port->second.vlan == vlan;
    const bool is_alone = spec->type == BridgePortType::kAccess && spec->logical_bridges.size() == 1;
    if (is_alone && (is_in_it || (bridge == state.model.bridges.end() && allowed(*vlan)))) {
      spec->vlan = vlan;
      spec->logical_bridges.clear();
    } else if (bridge != state.model.bridges.end()) {
      spec->logical_bridges[i] = bridge->first;
    }
  }
}

void Isolate(BridgePort* port) {
  port->bound = false;
  port->addresses.clear();
  port->logical_bridges.clear();
  port->vlan.reset();
  port->pod_bandwidth = {};
}

absl::Status CreatePort(AgentState& state, const std::string& id, const PortSpec& spec, int64_t claim,
                        const RepresentorLookup& lookup) {
  XPU_RETURN_IF_ERROR(Annotate(CheckOpiId(id), "bridge_port_id"));
  XPU_ASSIGN_OR_RETURN(ClaimOrder order, Order(state, id, claim, ClaimUse::kHold));
  auto it = state.model.ports.find(id);
  if (it != state.model.ports.end() && order == ClaimOrder::kCurrent) {
    PortSpec same = SpecOf(it->second);
    // What a bind has added is not for a repeated create to undo.
    if (it->second.bound && spec.logical_bridges.empty() && !spec.vlan.has_value()) {
      same.logical_bridges.clear();
      same.vlan.reset();
    }
    if (same == spec) {
      // The function may have come since.
      lookup(id).IgnoreError();
      return absl::OkStatus();
    }
    XPU_RETURN_IF_ERROR(CheckSpec(state, id, spec));
    return absl::AlreadyExistsError(
        absl::StrCat(BridgePortName(id), " is there with another spec; update or delete it first"));
  }
  XPU_RETURN_IF_ERROR(CheckSpec(state, id, spec));
  lookup(id).IgnoreError();
  state.model.ports[id] = {.id = id,
                           .mac = spec.mac,
                           .type = spec.type,
                           .logical_bridges = spec.logical_bridges,
                           .vlan = spec.vlan,
                           .claim = claim};
  Mark(state, id, claim, false);
  return absl::OkStatus();
}

absl::Status UpdatePort(AgentState& state, const std::string& id, const PortSpec& spec, int64_t claim) {
  auto it = state.model.ports.find(id);
  if (it == state.model.ports.end())
    return absl::NotFoundError(absl::StrCat("there is no ", BridgePortName(id)));
  XPU_ASSIGN_OR_RETURN(ClaimOrder order, Order(state, id, claim, ClaimUse::kHold));
  if (order == ClaimOrder::kNewer) {
    return absl::AbortedError(absl::StrCat("claim ", claim, " has not made ", BridgePortName(id),
                                           " yet; create or bind the port under it first"));
  }
  if (SpecOf(it->second) == spec) return absl::OkStatus();
  if (it->second.bound) {
    return absl::FailedPreconditionError(
        absl::StrCat(BridgePortName(id), " is bound with addresses; unbind it before you change its spec"));
  }
  XPU_RETURN_IF_ERROR(CheckSpec(state, id, spec));
  BridgePort& port = state.model.ports.at(id);
  port.mac = spec.mac;
  port.type = spec.type;
  port.logical_bridges = spec.logical_bridges;
  port.vlan = spec.vlan;
  return absl::OkStatus();
}

absl::Status DeletePort(AgentState& state, const std::string& id, int64_t claim) {
  XPU_RETURN_IF_ERROR(Annotate(CheckOpiId(id), "name"));
  XPU_ASSIGN_OR_RETURN(ClaimOrder order, Order(state, id, claim, ClaimUse::kGiveBack));
  bool there = state.model.ports.contains(id);
  if (order != ClaimOrder::kOver) {
    Mark(state, id, claim, true);
    state.model.ports.erase(id);
  }
  if (!there && claim == 0) return absl::NotFoundError(absl::StrCat("there is no ", BridgePortName(id)));
  return absl::OkStatus();
}

bool IsBoundAs(const AgentState& state, const BindSpec& spec) {
  auto it = state.model.ports.find(spec.port);
  if (it == state.model.ports.end() || !it->second.bound) return false;
  const BridgePort& port = it->second;
  return IsInPlace(port, spec) && port.bandwidth == spec.bandwidth.value_or(port.bandwidth) &&
         port.pod_bandwidth == spec.pod_bandwidth.value_or(port.pod_bandwidth);
}

absl::Status SetBandwidth(AgentState& state, const std::string& id, const Bandwidth& bandwidth) {
  if (!state.model.ports.contains(id))
    return absl::NotFoundError(absl::StrCat("bridge_port: there is no ", BridgePortName(id)));
  XPU_RETURN_IF_ERROR(CheckBandwidth(bandwidth));
  state.model.ports.at(id).bandwidth = bandwidth;
  return absl::OkStatus();
}

namespace {

absl::Status BoundOtherwise(const BridgePort& port) {
  const std::string network =
      port.vlan.has_value() ? absl::StrCat("VLAN ", *port.vlan) : LogicalBridgeName(port.logical_bridges[0]);
  return absl::AlreadyExistsError(absl::StrCat("bridge_port: ", BridgePortName(port.id), " is bound to ",
                                               network, " with ", port.mac.ToString(),
                                               " under this claim; unbind it before you bind it otherwise"));
}

// MAC and addresses are nobody else's in the VLAN.
absl::Status CheckVlan(const AgentState& state, const BindSpec& spec) {
  for (const InterfaceAddress& address : spec.vlan_addresses) {
    if (!address.address.IsUnicast()) {
      return absl::InvalidArgumentError(
          absl::StrCat("addresses: ", address.ToString(), " is not the address of one interface"));
    }
  }
  for (const auto& [id, bridge] : state.model.bridges) {
    if (bridge.vlan_id != *spec.vlan || bridge.vni.has_value()) continue;
    return absl::FailedPreconditionError(absl::StrCat(
        "vlan: VLAN ", *spec.vlan, " is that of ", LogicalBridgeName(id), " on this card, so ",
        BridgePortName(spec.port),
        " cannot be in the card's own network of it; bind it to that bridge, or use another VLAN"));
  }
  XPU_RETURN_IF_ERROR(CheckMacInVlan(state, spec.port, *spec.vlan, spec.mac, "mac_address"));
  const SharedMap<BridgePort> others = AllBut(state, spec.port);
  const AddressOwners& owners = state.port_index.Of(others).OwnersInVlan(*spec.vlan);
  for (const InterfaceAddress& asked : spec.vlan_addresses) {
    const auto owner = owners.find(asked.address);
    if (owner == owners.end()) continue;
    return absl::AlreadyExistsError(absl::StrCat("addresses: ", asked.address.ToString(), " is that of ",
                                                 owner->second, " in VLAN ", *spec.vlan,
                                                 "; ask for another one"));
  }
  return absl::OkStatus();
}

absl::Status BindToVlan(AgentState& state, const BindSpec& spec, ClaimOrder order,
                        const RepresentorLookup& lookup) {
  auto there = state.model.ports.find(spec.port);
  if (there != state.model.ports.end() && there->second.bound && order == ClaimOrder::kCurrent) {
    const BridgePort& port = there->second;
    if (IsInPlace(port, spec)) return absl::OkStatus();
    const bool gets_its_addresses = port.vlan == spec.vlan && port.mac == spec.mac && port.addresses.empty();
    if (!gets_its_addresses) return BoundOtherwise(port);
  }
  XPU_RETURN_IF_ERROR(Annotate(lookup(spec.port),
                               absl::StrCat("bridge_port: no function behind ", BridgePortName(spec.port))));
  XPU_RETURN_IF_ERROR(CheckVlan(state, spec));
  state.model.ports[spec.port] = {.id = spec.port,
                                  .mac = spec.mac,
                                  .vlan = spec.vlan,
                                  .bound = true,
                                  .addresses = spec.vlan_addresses,
                                  .claim = spec.claim};
  Mark(state, spec.port, spec.claim, false);
  return absl::OkStatus();
}

absl::Status Place(AgentState& state, const BindSpec& spec, const RepresentorLookup& lookup) {
  if (!spec.mac.IsUnicast()) {
    return absl::InvalidArgumentError(
        absl::StrCat("mac_address: ", spec.mac.ToString(), " is not the address of one interface"));
  }
  XPU_ASSIGN_OR_RETURN(ClaimOrder order, Order(state, spec.port, spec.claim, ClaimUse::kHold));
  if (spec.vlan.has_value()) return BindToVlan(state, spec, order, lookup);
  auto bridge = state.model.bridges.find(spec.bridge);
  if (bridge == state.model.bridges.end()) {
    return absl::NotFoundError(
        absl::StrCat("logical_bridge: there is no ", LogicalBridgeName(spec.bridge), "; create it first"));
  }
  if (bridge->second.prefixes.empty()) {
    return absl::FailedPreconditionError(
        absl::StrCat("logical_bridge: ", LogicalBridgeName(spec.bridge),
                     " has no prefixes yet; set them with SetSubnets first"));
  }
  auto there = state.model.ports.find(spec.port);
  if (there != state.model.ports.end() && there->second.bound && order == ClaimOrder::kCurrent) {
    if (IsInPlace(there->second, spec)) return absl::OkStatus();
    return BoundOtherwise(there->second);
  }
  XPU_RETURN_IF_ERROR(Annotate(lookup(spec.port),
                               absl::StrCat("bridge_port: no function behind ", BridgePortName(spec.port))));
  XPU_RETURN_IF_ERROR(CheckMac(state, spec.port, spec.bridge, spec.mac, "mac_address"));
  const SharedMap<BridgePort> others = AllBut(state, spec.port);
  const AddressOwners& owners = state.port_index.Of(others).OwnersInBridge(spec.bridge);
  AddressPool pool{bridge->second.prefixes, bridge->second.gateways};
  if (const Svi* svi = FindSviOf(state.model, spec.bridge); svi != nullptr) {
    for (const InterfaceAddress& gateway : svi->gateways) pool.gateways.push_back(gateway.address);
  }
  auto cursor = state.cursors.find(spec.bridge);
  pool.blocks = bridge->second.blocks;
  absl::StatusOr<Allocation> allocation = AllocateAddresses(
      pool, owners, spec.addresses, cursor == state.cursors.end() ? AllocationCursor() : cursor->second);
  XPU_RETURN_IF_ERROR(Annotate(allocation.status(), "addresses"));
  state.cursors[spec.bridge] = std::move(allocation->cursor);
  state.model.ports[spec.port] = {.id = spec.port,
                                  .mac = spec.mac,
                                  .logical_bridges = {spec.bridge},
                                  .bound = true,
                                  .addresses = std::move(allocation->addresses),
                                  .claim = spec.claim};
  Mark(state, spec.port, spec.claim, false);
  return absl::OkStatus();
}

}  // namespace

absl::Status BindPort(AgentState& state, const BindSpec& spec, const RepresentorLookup& lookup) {
  if (spec.bandwidth.has_value()) XPU_RETURN_IF_ERROR(CheckBandwidth(*spec.bandwidth));
  if (spec.pod_bandwidth.has_value())
    XPU_RETURN_IF_ERROR(CheckBandwidth(*spec.pod_bandwidth, "pod_bandwidth"));
  // Of operators and of the pod; what is not said stays.
  Bandwidth limits, of_pod;
  if (auto it = state.model.ports.find(spec.port);
      it != state.model.ports.end() && it->second.claim == spec.claim) {
    limits = it->second.bandwidth;
    of_pod = it->second.pod_bandwidth;
  }
  XPU_RETURN_IF_ERROR(Place(state, spec, lookup));
  limits = spec.bandwidth.value_or(limits);
  of_pod = spec.pod_bandwidth.value_or(of_pod);
  const BridgePort& bound = std::as_const(state.model.ports).at(spec.port);
  if (!(bound.bandwidth == limits) || !(bound.pod_bandwidth == of_pod)) {
    BridgePort& port = state.model.ports.at(spec.port);
    port.bandwidth = limits;
    port.pod_bandwidth = of_pod;
  }
  return absl::OkStatus();
}

absl::Status UnbindPort(AgentState& state, const std::string& id, int64_t claim, bool release) {
  XPU_ASSIGN_OR_RETURN(ClaimOrder order, Order(state, id, claim, ClaimUse::kGiveBack));
  if (order == ClaimOrder::kOver) return absl::OkStatus();
  auto it = state.model.ports.find(id);
  if (it != state.model.ports.end()) {
    if (release || order == ClaimOrder::kNewer) {
      state.model.ports.erase(id);
    } else if (it->second.bound) {
      Isolate(state.model.ports.Mutable(id));
    }
  }
  Mark(state, id, claim, release);
  return absl::OkStatus();
}

}  // namespace xpu
