#pragma once

#include "absl/status/statusor.h"
#include "nlohmann/json.hpp"

namespace xpu::apiserver {

// A strategic merge patch (Kubernetes, "Update API Objects in Place Using kubectl patch"), which kubectl
// sends for Kubernetes' own kinds: as a merge patch, but lists whose items have a key are merged item by
// item, and directives ("$patch", "$deleteFromPrimitiveList/...", "$setElementOrder/...", "$retainKeys") say
// what else is to be done. BadRequest for a directive that makes no sense.
absl::StatusOr<nlohmann::json> StrategicMerge(nlohmann::json target, const nlohmann::json& patch);

}  // namespace xpu::apiserver
