#include "test/component/opi/opi_reference.h"

#include <algorithm>
#include <functional>
#include <optional>
#include <set>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "common/base/ip_address.h"
#include "google/protobuf/util/message_differencer.h"

namespace xpu::testing {
namespace {

using Code = absl::StatusCode;
using google::protobuf::util::MessageDifferencer;
using opi_api::network::opinetcommon::v1alpha1::IPPrefix;

bool IsId(absl::string_view id) {
  if (id.empty() || id.size() > 253 || !absl::ascii_isalnum(id[0])) return false;
  return std::all_of(id.begin(), id.end(),
                     [](char c) { return absl::ascii_isalnum(c) || c == '-' || c == '_' || c == '.'; });
}

std::string BridgeIn(absl::string_view name) { return ReferenceId(name, "logicalBridges", "bridges"); }
std::string VrfIn(absl::string_view name) { return ReferenceId(name, "vrfs", "vrfs"); }

bool IsVni(uint32_t vni) { return vni >= 1 && vni < (1u << 24); }

bool IsMac(const std::string& mac) {
  return mac.size() == 6 && (mac[0] & 1) == 0 && mac != std::string(6, '\0');
}

std::optional<InterfaceAddress> Read(const IPPrefix& prefix) {
  IpAddress address;
  if (prefix.addr().has_v4_addr()) {
    address = IpAddress(IpFamily::kV4, prefix.addr().v4_addr());
    if (prefix.addr().af() != 0 && prefix.addr().af() != 1) return std::nullopt;
  } else if (prefix.addr().v6_addr().size() == 16) {
    address = *IpAddress::FromBytes(prefix.addr().v6_addr());
    if (prefix.addr().af() != 0 && prefix.addr().af() != 2) return std::nullopt;
  } else {
    return std::nullopt;
  }
  if (prefix.len() < 0 || prefix.len() > address.bits() || !address.IsUnicast()) return std::nullopt;
  return InterfaceAddress{address, prefix.len()};
}

// The same prefix with the family said, as answers have it.
void SayFamily(IPPrefix* prefix) {
  prefix->mutable_addr()->set_af(prefix->addr().has_v4_addr()
                                     ? opi_api::network::opinetcommon::v1alpha1::IP_AF_INET
                                     : opi_api::network::opinetcommon::v1alpha1::IP_AF_INET6);
}

bool IsGateway(const InterfaceAddress& gateway) {
  const IpPrefix prefix = gateway.prefix();
  const bool has_ends = gateway.length < gateway.address.bits() - 1;
  if (!has_ends) return true;
  return gateway.address != prefix.First() && (gateway.address.is_v6() || gateway.address != prefix.Last());
}

// Nothing if the spec is wrong in itself, otherwise as it is kept.
std::optional<evpn::VrfSpec> Read(evpn::VrfSpec spec) {
  if (spec.has_vni() && !IsVni(spec.vni())) return std::nullopt;
  if (spec.has_loopback_ip_prefix()) {
    if (!Read(spec.loopback_ip_prefix()).has_value()) return std::nullopt;
    SayFamily(spec.mutable_loopback_ip_prefix());
  }
  if (spec.has_vtep_ip_prefix()) {
    if (!Read(spec.vtep_ip_prefix()).has_value()) return std::nullopt;
    SayFamily(spec.mutable_vtep_ip_prefix());
  }
  return spec;
}

std::optional<evpn::LogicalBridgeSpec> Read(evpn::LogicalBridgeSpec spec) {
  if (spec.vlan_id() < 1 || spec.vlan_id() > 4094) return std::nullopt;
  if (spec.has_vni() && !IsVni(spec.vni())) return std::nullopt;
  if (spec.has_vtep_ip_prefix()) {
    if (!Read(spec.vtep_ip_prefix()).has_value()) return std::nullopt;
    SayFamily(spec.mutable_vtep_ip_prefix());
  }
  return spec;
}

std::optional<evpn::BridgePortSpec> Read(evpn::BridgePortSpec spec) {
  if (!IsMac(spec.mac_address())) return std::nullopt;
  if (spec.ptype() != evpn::BRIDGE_PORT_TYPE_ACCESS && spec.ptype() != evpn::BRIDGE_PORT_TYPE_TRUNK) {
    return std::nullopt;
  }
  if (spec.ptype() == evpn::BRIDGE_PORT_TYPE_ACCESS && spec.logical_bridges_size() > 1) return std::nullopt;
  std::set<std::string> seen;
  for (std::string& name : *spec.mutable_logical_bridges()) {
    const std::string id = BridgeIn(name);
    if (id.empty() || !seen.insert(id).second) return std::nullopt;
    name = absl::StrCat("logicalBridges/", id);
  }
  return spec;
}

std::optional<evpn::SviSpec> Read(evpn::SviSpec spec) {
  const std::string vrf = VrfIn(spec.vrf()), bridge = BridgeIn(spec.logical_bridge());
  if (vrf.empty() || bridge.empty()) return std::nullopt;
  spec.set_vrf(absl::StrCat("vrfs/", vrf));
  spec.set_logical_bridge(absl::StrCat("logicalBridges/", bridge));
  if (spec.mac_address().empty()) spec.set_mac_address(std::string("\x02\x58\x50\0\0\x01", 6));
  if (!IsMac(spec.mac_address()) || spec.gw_ip_prefix().empty()) return std::nullopt;
  std::vector<InterfaceAddress> gateways;
  for (IPPrefix& prefix : *spec.mutable_gw_ip_prefix()) {
    const auto gateway = Read(prefix);
    if (!gateway.has_value() || !IsGateway(*gateway)) return std::nullopt;
    for (const InterfaceAddress& other : gateways) {
      if (other.address == gateway->address) return std::nullopt;
      if (other.prefix() != gateway->prefix() && other.prefix().Overlaps(gateway->prefix()))
        return std::nullopt;
    }
    gateways.push_back(*gateway);
    SayFamily(&prefix);
  }
  if (spec.enable_bgp() && spec.remote_as() == 0) return std::nullopt;
  return spec;
}

// What an update carries over of one path.
template <typename Spec>
using Carry = std::function<void(const Spec& from, Spec* to)>;
template <typename Spec>
using Paths = std::map<std::string, Carry<Spec>>;

void CarryAddress(const IPPrefix& from, IPPrefix* to) {
  if (from.addr().has_v4_addr()) {
    to->mutable_addr()->set_v4_addr(from.addr().v4_addr());
  } else if (to->addr().has_v4_addr()) {
    to->mutable_addr()->clear_v4_addr();
  }
}

const Paths<evpn::VrfSpec>& PathsOf(const evpn::VrfSpec*) {
  using S = evpn::VrfSpec;
  static const auto* const kPaths = new Paths<S>{
      {"spec.vni", [](const S& f, S* t) { f.has_vni() ? t->set_vni(f.vni()) : t->clear_vni(); }},
      {"spec.loopback_ip_prefix",
       [](const S& f, S* t) {
         t->clear_loopback_ip_prefix();
         if (f.has_loopback_ip_prefix()) *t->mutable_loopback_ip_prefix() = f.loopback_ip_prefix();
       }},
      {"spec.vtep_ip_prefix",
       [](const S& f, S* t) {
         t->clear_vtep_ip_prefix();
         if (f.has_vtep_ip_prefix()) *t->mutable_vtep_ip_prefix() = f.vtep_ip_prefix();
       }},
      {"spec.vtep_ip_prefix.len",
       [](const S& f, S* t) { t->mutable_vtep_ip_prefix()->set_len(f.vtep_ip_prefix().len()); }},
      {"spec.loopback_ip_prefix.addr.v4_addr",
       [](const S& f, S* t) { CarryAddress(f.loopback_ip_prefix(), t->mutable_loopback_ip_prefix()); }}};
  return *kPaths;
}

const Paths<evpn::LogicalBridgeSpec>& PathsOf(const evpn::LogicalBridgeSpec*) {
  using S = evpn::LogicalBridgeSpec;
  static const auto* const kPaths =
      new Paths<S>{{"spec.vlan_id", [](const S& f, S* t) { t->set_vlan_id(f.vlan_id()); }},
                   {"spec.vni", [](const S& f, S* t) { f.has_vni() ? t->set_vni(f.vni()) : t->clear_vni(); }},
                   {"spec.vtep_ip_prefix", [](const S& f, S* t) {
                      t->clear_vtep_ip_prefix();
                      if (f.has_vtep_ip_prefix()) *t->mutable_vtep_ip_prefix() = f.vtep_ip_prefix();
                    }}};
  return *kPaths;
}

const Paths<evpn::BridgePortSpec>& PathsOf(const evpn::BridgePortSpec*) {
  using S = evpn::BridgePortSpec;
  static const auto* const kPaths =
      new Paths<S>{{"spec.mac_address", [](const S& f, S* t) { t->set_mac_address(f.mac_address()); }},
                   {"spec.ptype", [](const S& f, S* t) { t->set_ptype(f.ptype()); }},
                   {"spec.logical_bridges",
                    [](const S& f, S* t) { *t->mutable_logical_bridges() = f.logical_bridges(); }}};
  return *kPaths;
}

const Paths<evpn::SviSpec>& PathsOf(const evpn::SviSpec*) {
  using S = evpn::SviSpec;
  static const auto* const kPaths = new Paths<S>{
      {"spec.vrf", [](const S& f, S* t) { t->set_vrf(f.vrf()); }},
      {"spec.logical_bridge", [](const S& f, S* t) { t->set_logical_bridge(f.logical_bridge()); }},
      {"spec.mac_address", [](const S& f, S* t) { t->set_mac_address(f.mac_address()); }},
      {"spec.gw_ip_prefix", [](const S& f, S* t) { *t->mutable_gw_ip_prefix() = f.gw_ip_prefix(); }},
      {"spec.enable_bgp", [](const S& f, S* t) { t->set_enable_bgp(f.enable_bgp()); }},
      {"spec.remote_as", [](const S& f, S* t) { t->set_remote_as(f.remote_as()); }}};
  return *kPaths;
}

// Whether the field of a path of depth one is set.
bool IsSet(const google::protobuf::Message& spec, absl::string_view path) {
  const auto* field = spec.GetDescriptor()->FindFieldByName(std::string(path.substr(5)));
  if (field == nullptr) return false;
  return field->is_repeated() ? spec.GetReflection()->FieldSize(spec, field) > 0
                              : spec.GetReflection()->HasField(spec, field);
}

bool OnlyTheAgentSets(absl::string_view path) { return path == "name" || absl::StartsWith(path, "status"); }

}  // namespace

std::string ReferenceId(absl::string_view name, absl::string_view own, absl::string_view evpn) {
  if (!absl::ConsumePrefix(&name, absl::StrCat(own, "/"))) {
    absl::ConsumePrefix(&name, absl::StrCat("//network.opiproject.org/", evpn, "/"));
  }
  return IsId(name) ? std::string(name) : "";
}

template <typename Spec>
std::vector<std::string> OpiReference::KnownPaths() {
  std::vector<std::string> paths;
  for (const auto& [path, carry] : PathsOf(static_cast<const Spec*>(nullptr))) paths.push_back(path);
  return paths;
}

template <typename Spec>
Code OpiReference::CreateIn(Objects<Spec>* objects, const std::string& id, const Spec& asked) {
  const std::optional<Spec> spec = Read(asked);
  if (!spec.has_value() || !IsId(id)) return Code::kInvalidArgument;
  const auto there = objects->find(id);
  if (there != objects->end() && MessageDifferencer::Equals(there->second, *spec)) return Code::kOk;
  if (const Code code = Fits(id, *spec); code != Code::kOk) return code;
  if (there != objects->end()) return Code::kAlreadyExists;
  objects->emplace(id, *spec);
  return Code::kOk;
}

Code OpiReference::Create(const std::string& id, const evpn::VrfSpec& spec, int64_t) {
  return CreateIn(&vrfs_, id, spec);
}
Code OpiReference::Create(const std::string& id, const evpn::LogicalBridgeSpec& spec, int64_t) {
  return CreateIn(&bridges_, id, spec);
}
Code OpiReference::Create(const std::string& id, const evpn::SviSpec& spec, int64_t) {
  return CreateIn(&svis_, id, spec);
}

Code OpiReference::Create(const std::string& id, const evpn::BridgePortSpec& asked, int64_t claim) {
  std::optional<evpn::BridgePortSpec> spec = Read(asked);
  if (!spec.has_value() || !IsId(id)) return Code::kInvalidArgument;
  spec = Resolved(id, *spec);
  bool newer = false;
  if (const Code code = OrderClaim(id, claim, false, &newer); code != Code::kOk) return code;
  const auto there = ports_.find(id);
  const bool stands = there != ports_.end() && !newer;
  if (stands && MessageDifferencer::Equals(there->second, *spec)) return Code::kOk;
  if (const Code code = Fits(id, *spec); code != Code::kOk) return code;
  if (stands) return Code::kAlreadyExists;
  ports_[id] = *spec;
  port_claims_[id] = claim;
  if (claim != 0) claims_[id] = {claim, false};
  return Code::kOk;
}

template <typename Spec>
Code OpiReference::ReplaceIn(Objects<Spec>* objects, const std::string& id, const Spec& asked) {
  const std::optional<Spec> spec = Read(asked);
  if (!spec.has_value()) return Code::kInvalidArgument;
  const Code code = Fits(id, *spec);
  if (code == Code::kOk) (*objects)[id] = *spec;
  return code;
}

Code OpiReference::Replace(const std::string& id, const evpn::VrfSpec& spec, int64_t) {
  return ReplaceIn(&vrfs_, id, spec);
}
Code OpiReference::Replace(const std::string& id, const evpn::LogicalBridgeSpec& spec, int64_t) {
  return ReplaceIn(&bridges_, id, spec);
}
Code OpiReference::Replace(const std::string& id, const evpn::SviSpec& spec, int64_t) {
  return ReplaceIn(&svis_, id, spec);
}
Code OpiReference::Replace(const std::string& id, const evpn::BridgePortSpec& asked, int64_t claim) {
  std::optional<evpn::BridgePortSpec> spec = Read(asked);
  if (!spec.has_value()) return Code::kInvalidArgument;
  spec = Resolved(id, *spec);
  bool newer = false;
  if (const Code code = OrderClaim(id, claim, false, &newer); code != Code::kOk) return code;
  if (newer) return Code::kAborted;
  if (MessageDifferencer::Equals(ports_.at(id), *spec)) return Code::kOk;
  const Code code = Fits(id, *spec);
  if (code == Code::kOk) ports_[id] = *spec;
  return code;
}

template <typename Spec>
Code OpiReference::Update(const std::string& id, const Spec& asked, const std::vector<std::string>& mask,
                          bool allow_missing, int64_t claim) {
  const auto& objects = All(static_cast<const Spec*>(nullptr));
  const auto& paths = PathsOf(static_cast<const Spec*>(nullptr));
  if (!IsId(id)) return Code::kInvalidArgument;
  const auto there = objects.find(id);
  Spec updated = there == objects.end() ? Spec() : there->second;
  if (mask.empty()) {
    for (const auto& [path, carry] : paths) {
      if (IsSet(asked, path)) carry(asked, &updated);
    }
  }
  // One that is wrong spoils it, wherever it stands.
  for (const std::string& path : mask) {
    if (path != "*" && path != "spec" && !OnlyTheAgentSets(path) && !paths.contains(path)) {
      return Code::kInvalidArgument;
    }
  }
  const auto is_covered = [&mask](const std::string& path) {
    return std::any_of(mask.begin(), mask.end(), [&](const std::string& other) {
      return other == "*" || other == "spec" || absl::StartsWith(path, absl::StrCat(other, "."));
    });
  };
  for (const std::string& path : mask) {
    if (path == "*" || path == "spec") {
      updated = asked;
    } else if (!OnlyTheAgentSets(path) && !is_covered(path)) {
      paths.at(path)(asked, &updated);
    }
  }
  if (there != objects.end()) return Replace(id, updated, claim);
  return allow_missing ? Create(id, asked, claim) : Code::kNotFound;
}

Code OpiReference::Delete(const std::string& id, const evpn::VrfSpec*, int64_t) {
  if (!vrfs_.contains(id)) return Code::kNotFound;
  for (const auto& [svi_id, svi] : svis_) {
    if (svi.vrf() == absl::StrCat("vrfs/", id)) return Code::kFailedPrecondition;
  }
  vrfs_.erase(id);
  return Code::kOk;
}

Code OpiReference::Delete(const std::string& id, const evpn::LogicalBridgeSpec*, int64_t) {
  if (!bridges_.contains(id)) return Code::kNotFound;
  const std::string name = absl::StrCat("logicalBridges/", id);
  for (const auto& [svi_id, svi] : svis_) {
    if (svi.logical_bridge() == name) return Code::kFailedPrecondition;
  }
  for (const auto& [port_id, port] : ports_) {
    for (const std::string& bridge : port.logical_bridges()) {
      if (bridge == name) return Code::kFailedPrecondition;
    }
  }
  bridges_.erase(id);
  return Code::kOk;
}

Code OpiReference::Delete(const std::string& id, const evpn::BridgePortSpec*, int64_t claim) {
  bool newer = false;
  const Code order = OrderClaim(id, claim, true, &newer);
  if (order == Code::kAborted) return order;
  const bool there = ports_.contains(id);
  if (order == Code::kOk) {
    ports_.erase(id);
    port_claims_.erase(id);
    if (claim != 0) claims_[id] = {claim, true};
  }
  return there || claim != 0 ? Code::kOk : Code::kNotFound;
}

Code OpiReference::Delete(const std::string& id, const evpn::SviSpec*, int64_t) {
  return svis_.erase(id) > 0 ? Code::kOk : Code::kNotFound;
}

bool OpiReference::VniIsTaken(uint32_t vni, const std::string& by_other_than) const {
  for (const auto& [id, vrf] : vrfs_) {
    if (absl::StrCat("vrfs/", id) != by_other_than && vrf.has_vni() && vrf.vni() == vni) return true;
  }
  for (const auto& [id, bridge] : bridges_) {
    if (absl::StrCat("logicalBridges/", id) != by_other_than && bridge.has_vni() && bridge.vni() == vni)
      return true;
  }
  return false;
}

Code OpiReference::Fits(const std::string& id, const evpn::VrfSpec& spec) const {
  return spec.has_vni() && VniIsTaken(spec.vni(), absl::StrCat("vrfs/", id)) ? Code::kAlreadyExists
                                                                             : Code::kOk;
}

Code OpiReference::Fits(const std::string& id, const evpn::LogicalBridgeSpec& spec) const {
  for (const auto& [other_id, other] : bridges_) {
    if (other_id != id && other.vlan_id() == spec.vlan_id()) return Code::kAlreadyExists;
  }
  for (const auto& [port_id, port] : ports_) {
    // In the card's own network of that VLAN.
    const bool is_in_it =
        port.logical_bridges_size() == 1 && port.logical_bridges(0) == absl::StrCat(spec.vlan_id());
    if (is_in_it && !spec.has_vni()) return Code::kAlreadyExists;
  }
  return spec.has_vni() && VniIsTaken(spec.vni(), absl::StrCat("logicalBridges/", id)) ? Code::kAlreadyExists
                                                                                       : Code::kOk;
}

Code OpiReference::Fits(const std::string& id, const evpn::BridgePortSpec& spec) const {
  const std::set<std::string> different(spec.logical_bridges().begin(), spec.logical_bridges().end());
  if (different.size() != static_cast<size_t>(spec.logical_bridges_size())) return Code::kInvalidArgument;
  for (const std::string& name : spec.logical_bridges()) {
    const bool is_vlan = !absl::StrContains(name, '/');
    if (!is_vlan && !bridges_.contains(BridgeIn(name))) return Code::kFailedPrecondition;
    for (const auto& [svi_id, svi] : svis_) {
      if (svi.logical_bridge() == name && svi.mac_address() == spec.mac_address())
        return Code::kAlreadyExists;
    }
    for (const auto& [other_id, other] : ports_) {
      const auto& networks = other.logical_bridges();
      const bool shared = std::find(networks.begin(), networks.end(), name) != networks.end();
      if (other_id != id && shared && other.mac_address() == spec.mac_address()) return Code::kAlreadyExists;
    }
  }
  return Code::kOk;
}

Code OpiReference::Fits(const std::string& id, const evpn::SviSpec& spec) const {
  if (!vrfs_.contains(VrfIn(spec.vrf()))) return Code::kFailedPrecondition;
  if (!bridges_.contains(BridgeIn(spec.logical_bridge()))) return Code::kFailedPrecondition;
  for (const auto& [other_id, other] : svis_) {
    if (other_id == id) continue;
    if (other.logical_bridge() == spec.logical_bridge()) return Code::kAlreadyExists;
    if (other.vrf() != spec.vrf()) continue;
    for (const IPPrefix& one : spec.gw_ip_prefix()) {
      for (const IPPrefix& two : other.gw_ip_prefix()) {
        if (Read(one)->prefix().Overlaps(Read(two)->prefix())) return Code::kAlreadyExists;
      }
    }
  }
  for (const auto& [port_id, port] : ports_) {
    for (const std::string& bridge : port.logical_bridges()) {
      if (bridge == spec.logical_bridge() && port.mac_address() == spec.mac_address())
        return Code::kAlreadyExists;
    }
  }
  return Code::kOk;
}

evpn::BridgePortSpec OpiReference::Resolved(const std::string& id, evpn::BridgePortSpec spec) const {
  for (std::string& name : *spec.mutable_logical_bridges()) {
    const std::string number = BridgeIn(name);
    uint32_t vlan = 0;
    if (bridges_.contains(number) || !absl::SimpleAtoi(number, &vlan) || vlan > 4094 ||
        absl::StrCat(vlan) != number) {
      continue;
    }
    std::string bridge;
    for (const auto& [bridge_id, other] : bridges_) {
      if (other.vlan_id() == vlan && !other.has_vni()) bridge = absl::StrCat("logicalBridges/", bridge_id);
    }
    const auto port = ports_.find(id);
    const bool is_in_it = port != ports_.end() && port->second.logical_bridges_size() == 1 &&
                          port->second.logical_bridges(0) == number;
    const bool may = vlan == 0 || (vlan >= 100 && vlan <= 199);
    if (spec.ptype() == evpn::BRIDGE_PORT_TYPE_ACCESS && (is_in_it || (bridge.empty() && may))) {
      name = number;
    } else if (!bridge.empty()) {
      name = bridge;
    }
  }
  return spec;
}

Code OpiReference::OrderClaim(const std::string& id, int64_t claim, bool gives_back, bool* newer) const {
  const auto port = port_claims_.find(id);
  if (claim == 0) {
    return port != port_claims_.end() && port->second != 0 ? Code::kAborted : Code::kOk;
  }
  const auto known = claims_.find(id);
  const Claim mark = known == claims_.end() ? Claim() : known->second;
  if (claim < mark.highest) return Code::kAborted;
  if (claim == mark.highest && mark.released) return gives_back ? Code::kAlreadyExists : Code::kAborted;
  *newer = claim > mark.highest || (port != port_claims_.end() && port->second != claim);
  return Code::kOk;
}

template Code OpiReference::Update(const std::string&, const evpn::VrfSpec&, const std::vector<std::string>&,
                                   bool, int64_t);
template Code OpiReference::Update(const std::string&, const evpn::LogicalBridgeSpec&,
                                   const std::vector<std::string>&, bool, int64_t);
template Code OpiReference::Update(const std::string&, const evpn::BridgePortSpec&,
                                   const std::vector<std::string>&, bool, int64_t);
template Code OpiReference::Update(const std::string&, const evpn::SviSpec&, const std::vector<std::string>&,
                                   bool, int64_t);
template std::vector<std::string> OpiReference::KnownPaths<evpn::VrfSpec>();
template std::vector<std::string> OpiReference::KnownPaths<evpn::LogicalBridgeSpec>();
template std::vector<std::string> OpiReference::KnownPaths<evpn::BridgePortSpec>();
template std::vector<std::string> OpiReference::KnownPaths<evpn::SviSpec>();

}  // namespace xpu::testing
