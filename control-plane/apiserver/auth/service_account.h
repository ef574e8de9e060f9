#pragma once

#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "control-plane/apiserver/auth/identity.h"
#include "control-plane/apiserver/store/object_store.h"
#include "nlohmann/json.hpp"

namespace xpu::apiserver {

// Tokens of programs: Secrets of type kubernetes.io/service-account-token, each with the annotation
// kubernetes.io/service-account.name (Kubernetes, "Service account token Secrets"). The token is random, and
// names its Secret, so that finding it costs one read; who deletes the Secret or the ServiceAccount takes it
// back.

// Gives a Secret that is about to be written a token if it is to have one; other objects stay as they are.
// Invalid if there is no such ServiceAccount.
absl::Status FillInToken(ObjectStore& store, const api::KindInfo& kind, nlohmann::json* secret);

// Whose token it is: "system:serviceaccount:NAMESPACE:NAME". Unauthenticated for what is no token that holds.
absl::StatusOr<User> ServiceAccountOf(ObjectStore& store, absl::string_view token);

}  // namespace xpu::apiserver
