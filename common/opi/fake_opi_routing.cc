// VRFs and SVIs of the fake agent.
#include <optional>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "common/base/mac_address.h"
#include "common/base/status_macros.h"
#include "common/opi/fake_opi_agent.h"
#include "common/opi/opi_names.h"
#include "google/protobuf/util/message_differencer.h"

namespace xpu {
namespace {

using google::protobuf::util::MessageDifferencer;
using opi_api::network::opinetcommon::v1alpha1::IPPrefix;

// The MAC of gateways that are given none.
constexpr MacAddress kGatewayMac({0x02, 0x58, 0x50, 0x00, 0x00, 0x01});

// Nothing if it is no address of an interface.
std::optional<InterfaceAddress> ReadAddress(const IPPrefix& prefix) {
  IpAddress address;
  if (prefix.addr().has_v4_addr()) {
    address = IpAddress(IpFamily::kV4, prefix.addr().v4_addr());
  } else if (absl::StatusOr<IpAddress> v6 = IpAddress::FromBytes(prefix.addr().v6_addr());
             v6.ok() && v6->is_v6()) {
    address = *v6;
  } else {
    return std::nullopt;
  }
  if (prefix.len() < 0 || prefix.len() > address.bits() || !address.IsUnicast()) return std::nullopt;
  return InterfaceAddress{address, prefix.len()};
}

}  // namespace

absl::Status FakeOpiAgent::CheckVni(uint32_t vni, absl::string_view field) const {
  std::string owner;
  for (const auto& [id, bridge] : bridges_) {
    if (bridge.spec.has_vni() && bridge.spec.vni() == vni) owner = LogicalBridgeName(id);
  }
  for (const auto& [id, vrf] : vrfs_) {
    if (vrf.has_vni() && vrf.vni() == vni) owner = VrfName(id);
  }
  if (owner.empty()) return absl::OkStatus();
  return absl::AlreadyExistsError(absl::StrCat(field, ": ", vni, " is that of ", owner));
}

absl::StatusOr<evpn::Vrf> FakeOpiAgent::CreateVrf(const std::string& id, const evpn::VrfSpec& spec) {
  XPU_RETURN_IF_ERROR(Annotate(CheckOpiId(id), "vrf_id"));
  if (spec.has_vni() && (spec.vni() < 1 || spec.vni() > 0xffffff)) {
    return absl::InvalidArgumentError(
        absl::StrCat("vrf.spec.vni: ", spec.vni(), " is not from 1 to 16777215"));
  }
  if (spec.has_loopback_ip_prefix() && !ReadAddress(spec.loopback_ip_prefix()).has_value()) {
    return absl::InvalidArgumentError("vrf.spec.loopback_ip_prefix: is not the address of an interface");
  }
  if (spec.has_vtep_ip_prefix() && !ReadAddress(spec.vtep_ip_prefix()).has_value()) {
    return absl::InvalidArgumentError("vrf.spec.vtep_ip_prefix: is not the address of an interface");
  }
  if (auto it = vrfs_.find(id); it != vrfs_.end()) {
    if (MessageDifferencer::Equals(it->second, spec)) return Show(id, it->second);
    return absl::AlreadyExistsError(absl::StrCat(VrfName(id), " is there with another spec"));
  }
  if (spec.has_vni()) XPU_RETURN_IF_ERROR(CheckVni(spec.vni(), "vrf.spec.vni"));
  return Show(id, vrfs_[id] = spec);
}

absl::StatusOr<evpn::Vrf> FakeOpiAgent::GetVrf(const std::string& name) const {
  XPU_ASSIGN_OR_RETURN(std::string id, VrfId(name));
  auto it = vrfs_.find(id);
  if (it == vrfs_.end()) return absl::NotFoundError(absl::StrCat("there is no ", VrfName(id)));
  return Show(id, it->second);
}

std::vector<evpn::Vrf> FakeOpiAgent::ListVrfs() const {
  std::vector<evpn::Vrf> all;
  for (const auto& [id, spec] : vrfs_) all.push_back(Show(id, spec));
  return all;
}

absl::Status FakeOpiAgent::DeleteVrf(const std::string& name) {
  XPU_ASSIGN_OR_RETURN(std::string id, VrfId(name));
  std::vector<std::string> users;
  for (const auto& [svi_id, svi] : svis_) {
    if (svi.vrf() == VrfName(id)) users.push_back(SviName(svi_id));
  }
  if (!users.empty()) {
    return absl::FailedPreconditionError(
        absl::StrCat(VrfName(id), " is used by ", absl::StrJoin(users, ", ")));
  }
  vrfs_.erase(id);
  return absl::OkStatus();
}

absl::StatusOr<evpn::SviSpec> FakeOpiAgent::CheckSvi(const std::string& id, evpn::SviSpec spec) const {
  absl::StatusOr<std::string> vrf = VrfId(spec.vrf());
  XPU_RETURN_IF_ERROR(Annotate(vrf.status(), "svi.spec.vrf"));
  absl::StatusOr<std::string> bridge = LogicalBridgeId(spec.logical_bridge());
  XPU_RETURN_IF_ERROR(Annotate(bridge.status(), "svi.spec.logical_bridge"));
  if (spec.mac_address().empty()) spec.set_mac_address(kGatewayMac.ToBytes());
  absl::StatusOr<MacAddress> mac = MacAddress::FromBytes(spec.mac_address());
  if (!mac.ok() || !mac->IsUnicast()) {
    return absl::InvalidArgumentError("svi.spec.mac_address: must be the 6 octets of a unicast MAC address");
  }
  if (spec.gw_ip_prefix().empty()) return absl::InvalidArgumentError("svi.spec.gw_ip_prefix: is missing");
  for (int i = 0; i < spec.gw_ip_prefix_size(); ++i) {
    if (ReadAddress(spec.gw_ip_prefix(i)).has_value()) continue;
    return absl::InvalidArgumentError(
        absl::StrCat("svi.spec.gw_ip_prefix[", i, "]: is not the address of an interface"));
  }
  spec.set_vrf(VrfName(*vrf));
  spec.set_logical_bridge(LogicalBridgeName(*bridge));
  if (!vrfs_.contains(*vrf)) {
    return absl::FailedPreconditionError(absl::StrCat("svi.spec.vrf: there is no ", spec.vrf()));
  }
  if (!bridges_.contains(*bridge)) {
    return absl::FailedPreconditionError(
        absl::StrCat("svi.spec.logical_bridge: there is no ", spec.logical_bridge()));
  }
  for (const auto& [other_id, other] : svis_) {
    if (other_id == id) continue;
    if (other.logical_bridge() == spec.logical_bridge()) {
      return absl::AlreadyExistsError(
          absl::StrCat("svi.spec.logical_bridge: ", spec.logical_bridge(), " has ", SviName(other_id)));
    }
    if (other.vrf() != spec.vrf()) continue;
    for (const IPPrefix& asked : spec.gw_ip_prefix()) {
      for (const IPPrefix& taken : other.gw_ip_prefix()) {
        if (!ReadAddress(asked)->prefix().Overlaps(ReadAddress(taken)->prefix())) continue;
        return absl::AlreadyExistsError(absl::StrCat("svi.spec.gw_ip_prefix: overlaps ", SviName(other_id)));
      }
    }
  }
  return spec;
}

absl::StatusOr<evpn::Svi> FakeOpiAgent::CreateSvi(const std::string& id, const evpn::SviSpec& spec) {
  XPU_RETURN_IF_ERROR(Annotate(CheckOpiId(id), "svi_id"));
  XPU_ASSIGN_OR_RETURN(evpn::SviSpec checked, CheckSvi(id, spec));
  auto [it, is_new] = svis_.emplace(id, checked);
  if (!is_new && !MessageDifferencer::Equals(it->second, checked)) {
    return absl::AlreadyExistsError(absl::StrCat(SviName(id), " is there with another spec"));
  }
  return Show(id, it->second);
}

absl::StatusOr<evpn::Svi> FakeOpiAgent::UpdateSvi(const std::string& name, const evpn::SviSpec& spec) {
  absl::StatusOr<std::string> id = SviId(name);
  XPU_RETURN_IF_ERROR(Annotate(id.status(), "svi.name"));
  if (!svis_.contains(*id)) return absl::NotFoundError(absl::StrCat("there is no ", SviName(*id)));
  XPU_ASSIGN_OR_RETURN(evpn::SviSpec checked, CheckSvi(*id, spec));
  return Show(*id, svis_[*id] = std::move(checked));
}

absl::StatusOr<evpn::Svi> FakeOpiAgent::GetSvi(const std::string& name) const {
  XPU_ASSIGN_OR_RETURN(std::string id, SviId(name));
  auto it = svis_.find(id);
  if (it == svis_.end()) return absl::NotFoundError(absl::StrCat("there is no ", SviName(id)));
  return Show(id, it->second);
}

std::vector<evpn::Svi> FakeOpiAgent::ListSvis() const {
  std::vector<evpn::Svi> all;
  for (const auto& [id, spec] : svis_) all.push_back(Show(id, spec));
  return all;
}

absl::Status FakeOpiAgent::DeleteSvi(const std::string& name) {
  XPU_ASSIGN_OR_RETURN(std::string id, SviId(name));
  svis_.erase(id);
  return absl::OkStatus();
}

evpn::Vrf FakeOpiAgent::Show(const std::string& id, const evpn::VrfSpec& spec) {
  evpn::Vrf out;
  out.set_name(VrfName(id));
  *out.mutable_spec() = spec;
  out.mutable_status()->set_oper_status(evpn::VRF_OPER_STATUS_UP);
  return out;
}

evpn::Svi FakeOpiAgent::Show(const std::string& id, const evpn::SviSpec& spec) {
  evpn::Svi out;
  out.set_name(SviName(id));
  *out.mutable_spec() = spec;
  out.mutable_status()->set_oper_status(evpn::SVI_OPER_STATUS_UP);
  return out;
}

}  // namespace xpu
