#pragma once

#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "common/base/status_macros.h"
#include "google/protobuf/field_mask.pb.h"
#include "xpu-agent/services/object_kinds.h"
#include "xpu-agent/services/opi_convert.h"
#include "xpu-agent/services/update_mask.h"

namespace xpu {

// What OPI's calls do to the state, for each kind of object_kinds.h. Pure: each checks, and changes `state`
// only if it returns OK. Messages begin with the field that is wrong, as the request calls it.

template <typename Kind>
absl::Status NoSuchObject(const std::string& id) {
  return absl::NotFoundError(absl::StrCat("there is no ", Kind::kKind.name(id)));
}

// The id that a Create asks for: its own field's, or that in the name, where some clients put it; empty if
// neither is there.
template <typename Kind>
absl::StatusOr<std::string> AskedId(const std::string& id, const typename Kind::Message& asked) {
  if (!id.empty() || asked.name().empty()) return id;
  absl::StatusOr<std::string> named = Kind::Id(asked.name());
  XPU_RETURN_IF_ERROR(Annotate(named.status(), absl::StrCat(Kind::kField, ".name")));
  return named;
}

// An object that is not there is made of the whole spec, whatever the mask says, if `allow_missing`
// (AIP-134).
template <typename Kind>
absl::Status UpdateObject(const Kind& kind, AgentState& state, const std::string& id,
                          const typename Kind::Message& asked, const google::protobuf::FieldMask& mask,
                          bool allow_missing, const Asker& asker) {
  const auto& objects = state.model.*Kind::kKind.objects;
  const auto there = objects.find(id);
  typename Kind::Message updated;
  if (there != objects.end()) *updated.mutable_spec() = ShowSpec(there->second);
  XPU_RETURN_IF_ERROR(ApplyUpdateMask(mask, asked, &updated));
  if (there != objects.end()) {
    XPU_ASSIGN_OR_RETURN(auto spec, ParseSpec(updated.spec()));
    return kind.Update(state, id, spec, asker);
  }
  if (!allow_missing) return NoSuchObject<Kind>(id);
  XPU_ASSIGN_OR_RETURN(auto spec, ParseSpec(asked.spec()));
  return kind.Create(state, id, spec, asker);
}

template <typename Kind>
absl::Status DeleteObject(const Kind& kind, AgentState& state, const std::string& id, bool allow_missing,
                          const Asker& asker) {
  absl::Status status = kind.Delete(state, id, asker);
  return allow_missing && absl::IsNotFound(status) ? absl::OkStatus() : status;
}

}  // namespace xpu
