#pragma once

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "nlohmann/json.hpp"

namespace xpu::webhook {

// Answers an AdmissionReview (admission.k8s.io/v1; Kubernetes, "Dynamic Admission Control"): may the object
// that is being written be as it is? The rules are those of xpu-apiserver (common/api), in the same words.
// What the API server has to say about metadata it says itself; kinds that are not known here, and operations
// but CREATE and UPDATE, are allowed. An update that leaves all but metadata as it was is allowed: an object
// that was made under older rules can still lose its finalizers.
//
// InvalidArgument if it is no such review: it is not answered by another.
absl::StatusOr<nlohmann::json> Review(const nlohmann::json& review);

}  // namespace xpu::webhook
