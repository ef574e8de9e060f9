#pragma once

#include "absl/status/statusor.h"
#include "common/api/resource_kind.h"
#include "control-plane/apiserver/store/object_store.h"
#include "nlohmann/json.hpp"

namespace xpu::apiserver {

// `target` with a patch applied. BadRequest for a patch that is not well formed, Invalid for one that cannot
// be applied to this object (a failed test, a path that is not there), RequestTooLarge for one whose copies
// grow beyond any use.
absl::StatusOr<nlohmann::json> ApplyPatch(const ResourceKind& kind, PatchKind patch_kind,
                                          nlohmann::json target, const nlohmann::json& patch);

}  // namespace xpu::apiserver
