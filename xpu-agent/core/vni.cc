#include "xpu-agent/core/vni.h"

#include "absl/strings/str_cat.h"
#include "common/opi/opi_names.h"

namespace xpu {
namespace {

constexpr uint32_t kMaxVni = 0xffffff;

}  // namespace

void ValidateVni(const std::optional<uint32_t>& vni, FieldErrors* errors) {
  if (!vni.has_value() || (*vni >= 1 && *vni <= kMaxVni)) return;
  errors->Add("vni", absl::StrCat(*vni, " is no VNI; give one from 1 to ", kMaxVni, ", or none"));
}

absl::Status CheckVniIsFree(const Model& model, const std::optional<uint32_t>& vni, absl::string_view owner,
                            absl::string_view field) {
  if (!vni.has_value()) return absl::OkStatus();
  auto check = [&](const std::optional<uint32_t>& taken, const std::string& name) {
    if (taken != vni || name == owner) return absl::OkStatus();
    return absl::AlreadyExistsError(
        absl::StrCat(field, ": ", *vni, " is that of ", name, "; give another one"));
  };
  absl::Status status;
  for (const auto& [id, bridge] : model.bridges) status.Update(check(bridge.vni, LogicalBridgeName(id)));
  for (const auto& [id, vrf] : model.vrfs) status.Update(check(vrf.vni, VrfName(id)));
  return status;
}

}  // namespace xpu
