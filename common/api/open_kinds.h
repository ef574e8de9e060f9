#pragma once

#include "common/api/field_error.h"
#include "common/api/kinds.h"
#include "nlohmann/json.hpp"

namespace xpu::api {

// What Kubernetes' API server does with objects of kinds whose fields are not declared here (KindInfo::open),
// as far as clients see it.

// Kubernetes API, core/v1 Secret: `stringData` is a way to write `data`, and is never read back.
void FillInOpenKind(const KindInfo& kind, nlohmann::json* object);
// Secret and ConfigMap: that their data are texts by valid keys, and a Secret's are base64.
void CheckOpenKind(const KindInfo& kind, const nlohmann::json& object, FieldErrors* errors);

}  // namespace xpu::api
