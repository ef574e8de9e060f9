#pragma once

#include <string>

#include "common/api/kinds.h"
#include "nlohmann/json.hpp"

namespace xpu::api {

// The CustomResourceDefinition (apiextensions.k8s.io/v1) of a kind: a structural schema that holds as many of
// the rules as OpenAPI can say, printer columns and the status subresource. The comments become descriptions.
nlohmann::json MakeCrd(const KindInfo& kind);

}  // namespace xpu::api
