#pragma once

#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "common/api/kinds.h"
#include "control-plane/apiserver/store/field_set.h"
#include "control-plane/apiserver/store/object_store.h"
#include "nlohmann/json.hpp"

namespace xpu::apiserver {

// Server-side apply (Kubernetes, "Server-Side Apply"): who owns which fields of an object, in
// metadata.managedFields. Fields are tracked from the first apply on: an object that is never applied costs
// nothing, and what was there before belongs to "before-first-apply". Pure.

// Who writes.
struct FieldManager {
  std::string name;
  // The half that is written: fields of the other half are not its.
  Part part = Part::kMain;
  // RFC 3339.
  std::string now;
};

// A new object that is applied: what was sent, with its manager.
nlohmann::json FirstApplied(const api::KindInfo& kind, nlohmann::json applied, const FieldManager& manager);

// `live` with `applied` merged in: fields that the manager applied before and has left out now go unless
// somebody else owns them too. Conflict, with each field and its owner, if a field of another manager's would
// get another value; with `force` it is taken over. The managers of the result are those after the apply.
absl::StatusOr<nlohmann::json> Applied(const api::KindInfo& kind, const nlohmann::json& live,
                                       const nlohmann::json& applied, const FieldManager& manager,
                                       bool force);

// Whether the object was ever applied.
bool IsTracked(const nlohmann::json& object);

// The managers of `after`, which has replaced `before` by another way than apply: who has changed a field
// owns it. Nothing for an object that was never applied.
void TrackUpdate(const api::KindInfo& kind, const nlohmann::json& before, const FieldManager& manager,
                 nlohmann::json* after);

}  // namespace xpu::apiserver
