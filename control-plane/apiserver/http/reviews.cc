#include "control-plane/apiserver/http/reviews.h"

#include "absl/strings/str_cat.h"
#include "common/base/status_macros.h"
#include "control-plane/apiserver/store/api_error.h"

namespace xpu::apiserver {
namespace {

using nlohmann::json;

struct Review {
  const char* group;
  const char* plural;
  const char* kind;
};
constexpr Review kReviews[] = {
    {"authentication.k8s.io", "selfsubjectreviews", "SelfSubjectReview"},
    {"authentication.k8s.io", "tokenreviews", "TokenReview"},
    {"authorization.k8s.io", "selfsubjectaccessreviews", "SelfSubjectAccessReview"},
    {"authorization.k8s.io", "selfsubjectrulesreviews", "SelfSubjectRulesReview"},
    {"authorization.k8s.io", "subjectaccessreviews", "SubjectAccessReview"},
};

std::string Text(const json& object, const char* name) {
  const auto it = object.find(name);
  return it == object.end() || !it->is_string() ? "" : it->get<std::string>();
}

json Section(const json& object, const char* name) {
  const auto it = object.find(name);
  return it == object.end() || !it->is_object() ? json::object() : *it;
}

std::vector<std::string> Texts(const json& object, const char* name) {
  std::vector<std::string> out;
  for (const json& text : object.value(name, json::array())) {
    if (text.is_string()) out.push_back(text.get<std::string>());
  }
  return out;
}

json UserInfo(const User& user) {
  json info = {{"username", user.name}, {"groups", user.groups}};
  if (!user.uid.empty()) info["uid"] = user.uid;
  return info;
}

}  // namespace

std::optional<std::string> Reviews::Find(const std::vector<std::string>& path) {
  if (path.size() != 4 || path[0] != "apis" || path[2] != "v1") return std::nullopt;
  for (const Review& review : kReviews) {
    if (path[1] == review.group && path[3] == review.plural) return path[3];
  }
  return std::nullopt;
}

std::string Reviews::GroupOf(const std::string& review) {
  for (const Review& each : kReviews) {
    if (review == each.plural) return each.group;
  }
  return "";
}

absl::StatusOr<json> Reviews::Answer(const std::string& review, const User& user, json body) {
  if (!body.is_object()) return BadRequest("the body must be an object");
  const json spec = Section(body, "spec");
  json status;
  if (review == "selfsubjectreviews") {
    status = {{"userInfo", UserInfo(user)}};
  } else if (review == "tokenreviews") {
    XPU_ASSIGN_OR_RETURN(status, OfToken(spec));
  } else if (review == "selfsubjectrulesreviews") {
    XPU_ASSIGN_OR_RETURN(status, Rules(user, Text(spec, "namespace")));
  } else if (review == "subjectaccessreviews") {
    XPU_ASSIGN_OR_RETURN(status,
                         Access({Text(spec, "user"), Text(spec, "uid"), Texts(spec, "groups")}, spec));
  } else {
    XPU_ASSIGN_OR_RETURN(status, Access(user, spec));
  }
  body["status"] = std::move(status);
  if (!body.contains("metadata")) body["metadata"] = json::object();
  return body;
}

absl::StatusOr<json> Reviews::OfToken(const json& spec) {
  const std::string token = Text(spec, "token");
  if (token.empty()) return BadRequest("spec.token: Required value");
  const absl::StatusOr<User> user = authenticator_.OfToken(token);
  if (user.ok()) return json{{"authenticated", true}, {"user", UserInfo(*user)}};
  if (!absl::IsUnauthenticated(user.status())) return user.status();
  return json{{"authenticated", false}, {"user", json::object()}, {"error", "nobody knows this token"}};
}

absl::StatusOr<json> Reviews::Access(const User& user, const json& spec) {
  Attributes wanted;
  if (spec.contains("resourceAttributes")) {
    const json part = Section(spec, "resourceAttributes");
    wanted = {.verb = Text(part, "verb"),
              .group = Text(part, "group"),
              .resource = Text(part, "resource"),
              .subresource = Text(part, "subresource"),
              .ns = Text(part, "namespace"),
              .name = Text(part, "name")};
    if (wanted.resource.empty()) wanted.resource = std::string("*");
  } else {
    const json part = Section(spec, "nonResourceAttributes");
    if (part.empty()) {
      return BadRequest("spec must have resourceAttributes or nonResourceAttributes");
    }
    wanted = {.verb = Text(part, "verb"), .path = Text(part, "path")};
  }
  XPU_ASSIGN_OR_RETURN(const bool allowed, authorizer_.Allows(user, wanted));
  return json{{"allowed", allowed}};
}

absl::StatusOr<json> Reviews::Rules(const User& user, const std::string& ns) {
  XPU_ASSIGN_OR_RETURN(const std::vector<PolicyRule> rules, authorizer_.RulesOf(user, ns));
  json of_resources = json::array();
  json of_paths = json::array();
  for (const PolicyRule& rule : rules)
    (rule.urls.empty() ? of_resources : of_paths).push_back(WriteRule(rule));
  return json{{"resourceRules", of_resources}, {"nonResourceRules", of_paths}, {"incomplete", false}};
}

json ReviewResources(const std::string& group) {
  json list = json::array();
  for (const Review& review : kReviews) {
    if (group != review.group) continue;
    list.push_back({{"name", review.plural},
                    {"singularName", ""},
                    {"namespaced", false},
                    {"kind", review.kind},
                    {"verbs", {"create"}}});
  }
  return list;
}

}  // namespace xpu::apiserver
