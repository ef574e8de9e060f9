#pragma once

#include <map>
#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "control-plane/apiserver/auth/identity.h"

namespace xpu::apiserver {

// Users by their tokens. A static token file of Kubernetes: lines of `token,user,uid[,"group,group"]`; empty
// lines and lines that begin with # are passed over. InvalidArgument names the line, and never the token.
absl::StatusOr<std::map<std::string, User>> ReadTokens(absl::string_view text);

}  // namespace xpu::apiserver
