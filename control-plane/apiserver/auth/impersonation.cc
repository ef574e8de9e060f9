#include "control-plane/apiserver/auth/impersonation.h"

#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"
#include "common/base/status_macros.h"
#include "control-plane/apiserver/store/api_error.h"

namespace xpu::apiserver {
namespace {

constexpr absl::string_view kAccount = "system:serviceaccount:";
constexpr char kGroup[] = "authentication.k8s.io";

Attributes Wanted(const std::string& group, const std::string& resource, const std::string& name) {
  return {.verb = "impersonate", .group = group, .resource = resource, .name = name};
}

}  // namespace

absl::StatusOr<User> Impersonated(const User& user, const HttpRequest& request, Authorizer& authorizer) {
  if (request.impersonation.empty()) return user;
  User other;
  for (const auto& [name, value] : request.impersonation) {
    absl::string_view extra = name;
    if (name == "impersonate-user") {
      other.name = value;
    } else if (name == "impersonate-uid") {
      other.uid = value;
      XPU_RETURN_IF_ERROR(authorizer.Check(user, Wanted(kGroup, "uids", value)));
    } else if (name == "impersonate-group") {
      other.groups.push_back(value);
      XPU_RETURN_IF_ERROR(authorizer.Check(user, Wanted("", "groups", value)));
    } else if (absl::ConsumePrefix(&extra, "impersonate-extra-")) {
      // Nothing here depends on them, but who may not say so is not heard.
      Attributes wanted = Wanted(kGroup, "userextras", value);
      wanted.subresource = std::string(extra);
      XPU_RETURN_IF_ERROR(authorizer.Check(user, wanted));
    }
  }
  if (other.name.empty()) return BadRequest("impersonation needs the header Impersonate-User");
  Attributes wanted = Wanted("", "users", other.name);
  absl::string_view account = other.name;
  if (absl::ConsumePrefix(&account, kAccount)) {
    const std::vector<std::string> parts = absl::StrSplit(account, ':');
    if (parts.size() != 2) return BadRequest(absl::StrCat("\"", other.name, "\" is no ServiceAccount"));
    wanted.resource = "serviceaccounts";
    wanted.ns = parts[0];
    wanted.name = parts[1];
    if (other.groups.empty()) {
      other.groups = {"system:serviceaccounts", absl::StrCat("system:serviceaccounts:", parts[0])};
    }
  }
  XPU_RETURN_IF_ERROR(authorizer.Check(user, wanted));
  if (!other.In(kAuthenticated)) other.groups.emplace_back(kAuthenticated);
  return other;
}

}  // namespace xpu::apiserver
