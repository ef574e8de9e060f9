#pragma once

#include "absl/status/statusor.h"
#include "common/http/http_server.h"
#include "control-plane/apiserver/auth/authorizer.h"
#include "control-plane/apiserver/auth/identity.h"

namespace xpu::apiserver {

// For whom a request counts that `user` makes: himself, or who its headers say (kubectl --as, --as-group), if
// roles let him `impersonate` that user, ServiceAccount, UID and each of those groups (Kubernetes, "User
// impersonation"). Forbidden (403) if not, BadRequest for headers without a user.
absl::StatusOr<User> Impersonated(const User& user, const HttpRequest& request, Authorizer& authorizer);

}  // namespace xpu::apiserver
