#pragma once

#include <string>

#include "absl/status/statusor.h"
#include "nlohmann/json.hpp"

namespace xpu::apiserver {

inline constexpr char kKubeProtobuf[] = "application/vnd.kubernetes.protobuf";

// A body in Kubernetes' binary form (API concepts, "Kubernetes Protobuf encoding") as the JSON that says the
// same. UnsupportedMediaType for kinds that are taken as JSON only; BadRequest for what cannot be read.
absl::StatusOr<nlohmann::json> FromKubeProtobuf(const std::string& body);

}  // namespace xpu::apiserver
