#include "xpu-agent/core/vrf_changes.h"

#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "common/base/status_macros.h"
#include "common/opi/opi_names.h"
#include "xpu-agent/core/object_keys.h"
#include "xpu-agent/core/vni.h"

namespace xpu {
namespace {

absl::Status CheckSpec(const AgentState& state, const std::string& id, const VrfSpec& spec) {
  FieldErrors errors("vrf.spec.");
  Validate(spec, &errors);
  XPU_RETURN_IF_ERROR(errors.ToStatus());
  return CheckVniIsFree(state.model, spec.vni, VrfName(id), "vrf.spec.vni");
}

void Assign(const VrfSpec& spec, Vrf* vrf) {
  vrf->vni = spec.vni;
  vrf->loopback = spec.loopback;
  vrf->vtep = spec.vtep;
}

absl::Status NoSuchVrf(const std::string& id) {
  return absl::NotFoundError(absl::StrCat("there is no ", VrfName(id)));
}

}  // namespace

VrfSpec SpecOf(const Vrf& vrf) { return {.vni = vrf.vni, .loopback = vrf.loopback, .vtep = vrf.vtep}; }

void Validate(const VrfSpec& spec, FieldErrors* errors) {
  ValidateVni(spec.vni, errors);
  auto check = [errors](absl::string_view field, const std::optional<InterfaceAddress>& address) {
    if (!address.has_value() || address->address.IsUnicast()) return;
    errors->Add(field, absl::StrCat(address->ToString(), " is not the address of one interface"));
  };
  check("loopback_ip_prefix", spec.loopback);
  check("vtep_ip_prefix", spec.vtep);
}

absl::Status CreateVrf(AgentState& state, const std::string& id, const VrfSpec& spec) {
  XPU_RETURN_IF_ERROR(Annotate(CheckOpiId(id), "vrf_id"));
  if (auto it = state.model.vrfs.find(id); it != state.model.vrfs.end()) {
    if (SpecOf(it->second) == spec) return absl::OkStatus();
    XPU_RETURN_IF_ERROR(CheckSpec(state, id, spec));
    return absl::AlreadyExistsError(
        absl::StrCat(VrfName(id), " is there with another spec; update it, or choose another id"));
  }
  XPU_RETURN_IF_ERROR(CheckSpec(state, id, spec));
  Vrf vrf{.id = id};
  XPU_ASSIGN_OR_RETURN(vrf.vrf_key, NextKey(KeysOf(state.model.vrfs, &Vrf::vrf_key), state.last_vrf_key));
  Assign(spec, &vrf);
  state.last_vrf_key = vrf.vrf_key;
  state.model.vrfs.emplace(id, std::move(vrf));
  return absl::OkStatus();
}

absl::Status UpdateVrf(AgentState& state, const std::string& id, const VrfSpec& spec) {
  if (!state.model.vrfs.contains(id)) return NoSuchVrf(id);
  XPU_RETURN_IF_ERROR(CheckSpec(state, id, spec));
  Assign(spec, state.model.vrfs.Mutable(id));
  return absl::OkStatus();
}

absl::Status DeleteVrf(AgentState& state, const std::string& id) {
  if (!state.model.vrfs.contains(id)) return NoSuchVrf(id);
  std::vector<std::string> users;
  for (const auto& [svi_id, svi] : state.model.svis) {
    if (svi.vrf == id) users.push_back(SviName(svi_id));
  }
  if (!users.empty()) {
    return absl::FailedPreconditionError(
        absl::StrCat(VrfName(id), " is in use; first delete ", absl::StrJoin(users, ", ")));
  }
  state.model.vrfs.erase(id);
  return absl::OkStatus();
}

}  // namespace xpu
