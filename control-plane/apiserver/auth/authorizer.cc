#include "control-plane/apiserver/auth/authorizer.h"

#include <algorithm>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "common/base/status_macros.h"
#include "control-plane/apiserver/store/api_error.h"
#include "control-plane/apiserver/store/object_rules.h"

namespace xpu::apiserver {
namespace {

using nlohmann::json;
using Rules = std::vector<PolicyRule>;

constexpr char kGroup[] = "rbac.authorization.k8s.io";
constexpr char kVersion[] = "rbac.authorization.k8s.io/v1";

const api::KindInfo& Kind(const char* name) { return *api::FindKind(kVersion, name); }

// What everybody may who is known: system:discovery and system:basic-user of Kubernetes.
const Rules& Basic() {
  static const auto& rules = *new Rules{
      {{"get"},
       {},
       {},
       {},
       {"/api", "/api/*", "/apis", "/apis/*", "/healthz", "/livez", "/openapi", "/openapi/*", "/readyz",
        "/version", "/version/"}},
      {{"create"}, {"authorization.k8s.io"}, {"selfsubjectaccessreviews", "selfsubjectrulesreviews"}, {}, {}},
      {{"create"}, {"authentication.k8s.io"}, {"selfsubjectreviews"}, {}, {}}};
  return rules;
}

// "Role NAMESPACE/NAME"
std::string RoleKey(absl::string_view kind, absl::string_view ns, absl::string_view name) {
  return absl::StrCat(kind, " ", ns, "/", name);
}

std::string Text(const json& object, const char* name) {
  if (!object.is_object()) return "";
  const auto it = object.find(name);
  return it == object.end() || !it->is_string() ? "" : it->get<std::string>();
}

std::string SubjectKey(const json& subject, const std::string& ns) {
  const std::string kind = Text(subject, "kind");
  const std::string name = Text(subject, "name");
  if (kind != "ServiceAccount") return absl::StrCat(kind, ":", name);
  const std::string own = Text(subject, "namespace");
  return absl::StrCat("User:system:serviceaccount:", own.empty() ? ns : own, ":", name);
}

bool IsBinding(const api::KindInfo& kind) { return absl::EndsWith(kind.resource.kind, "Binding"); }

std::string Words(const User& user, const Attributes& wanted) {
  if (wanted.resource.empty()) {
    return absl::StrCat("User \"", user.name, "\" cannot ", wanted.verb, " path \"", wanted.path, "\"");
  }
  const std::string resource =
      wanted.subresource.empty() ? wanted.resource : absl::StrCat(wanted.resource, "/", wanted.subresource);
  return absl::StrCat(
      "User \"", user.name, "\" cannot ", wanted.verb, " resource \"", resource, "\" in API group \"",
      wanted.group, "\"",
      wanted.ns.empty() ? " at the cluster scope" : absl::StrCat(" in the namespace \"", wanted.ns, "\""));
}

json Role(const char* name, const std::vector<PolicyRule>& rules) {
  json list = json::array();
  for (const PolicyRule& rule : rules) list.push_back(WriteRule(rule));
  return {{"apiVersion", kVersion}, {"kind", "ClusterRole"}, {"metadata", {{"name", name}}}, {"rules", list}};
}

}  // namespace

absl::Status Authorizer::MakeDefaultRoles() {
  // No Secrets: who reads those reads the tokens of others.
  const std::vector<std::string> core = {"configmaps", "events", "namespaces", "services"};
  const std::vector<std::string> groups = {"xpu.opiproject.org", "discovery.k8s.io", "networking.k8s.io"};
  const std::vector<std::string> read = {"get", "list", "watch"};
  const std::vector<std::string> write = {"create", "update", "patch", "delete", "deletecollection"};
  const PolicyRule see_core{read, {""}, core, {}, {}};
  const PolicyRule see{read, groups, {"*"}, {}, {}};
  const PolicyRule change_core{write, {""}, {"configmaps", "events", "services"}, {}, {}};
  const PolicyRule secrets{
      {"get", "list", "watch", "create", "update", "patch", "delete", "deletecollection"},
      {""},
      {"secrets", "serviceaccounts"},
      {},
      {}};
  const PolicyRule change{write, groups, {"*"}, {}, {}};
  const PolicyRule all{{"*"}, {"*"}, {"*"}, {}, {}};
  const PolicyRule all_urls{{"*"}, {}, {}, {}, {"*"}};
  for (const json& role :
       {Role("cluster-admin", {all, all_urls}), Role("edit", {see_core, see, change_core, change, secrets}),
        Role("view", {see_core, see})}) {
    absl::Status made = store_.Create(Kind("ClusterRole"), role).status();
    if (!made.ok() && !absl::IsAlreadyExists(made)) return made;
  }
  return absl::OkStatus();
}

void Authorizer::OnChange(const Change& change) {
  if (absl::StartsWith(change.collection, absl::StrCat(kGroup, "/"))) loaded_ = false;
}

absl::Status Authorizer::Load() {
  if (loaded_) return absl::OkStatus();
  grants_.clear();
  std::map<std::string, std::shared_ptr<const Rules>> roles;
  for (const char* name : {"Role", "ClusterRole"}) {
    XPU_ASSIGN_OR_RETURN(const Listing list, store_.List(Kind(name), "", {}));
    for (const json& role : list.items) {
      roles[RoleKey(name, MetadataText(role, "namespace"), MetadataText(role, "name"))] =
          std::make_shared<const Rules>(ReadRules(role));
    }
  }
  for (const char* name : {"RoleBinding", "ClusterRoleBinding"})
    XPU_RETURN_IF_ERROR(LoadBindings(Kind(name), roles));
  loaded_ = true;
  return absl::OkStatus();
}

absl::Status Authorizer::LoadBindings(const api::KindInfo& kind,
                                      const std::map<std::string, std::shared_ptr<const Rules>>& roles) {
  XPU_ASSIGN_OR_RETURN(const Listing list, store_.List(kind, "", {}));
  for (const json& binding : list.items) {
    const std::string ns = MetadataText(binding, "namespace");
    const json ref = binding.value("roleRef", json::object());
    const std::string role_kind = Text(ref, "kind");
    const auto role = roles.find(RoleKey(role_kind, role_kind == "Role" ? ns : "", Text(ref, "name")));
    const json subjects = binding.value("subjects", json::array());
    if (role == roles.end() || !subjects.is_array()) continue;
    for (const json& subject : subjects) grants_[SubjectKey(subject, ns)].push_back({ns, role->second});
  }
  return absl::OkStatus();
}

absl::StatusOr<bool> Authorizer::Allows(const User& user, const Attributes& wanted) {
  if (user.In(kMasters)) return true;
  XPU_ASSIGN_OR_RETURN(const Rules rules, RulesOf(user, wanted.resource.empty() ? "" : wanted.ns));
  return std::any_of(rules.begin(), rules.end(), [&](const PolicyRule& rule) { return rule.Allows(wanted); });
}

absl::StatusOr<Rules> Authorizer::RulesOf(const User& user, const std::string& ns) {
  XPU_RETURN_IF_ERROR(Load());
  Rules rules;
  if (user.In(kMasters)) rules = {{{"*"}, {"*"}, {"*"}, {}, {}}, {{"*"}, {}, {}, {}, {"*"}}};
  if (user.In(kAuthenticated)) rules.insert(rules.end(), Basic().begin(), Basic().end());
  std::vector<std::string> keys = {absl::StrCat("User:", user.name)};
  for (const std::string& group : user.groups) keys.push_back(absl::StrCat("Group:", group));
  for (const std::string& key : keys) {
    const auto grants = grants_.find(key);
    if (grants == grants_.end()) continue;
    for (const Grant& grant : grants->second) {
      if (grant.ns.empty() || grant.ns == ns)
        rules.insert(rules.end(), grant.rules->begin(), grant.rules->end());
    }
  }
  return rules;
}

absl::Status Authorizer::Check(const User& user, const Attributes& wanted) {
  XPU_ASSIGN_OR_RETURN(const bool allowed, Allows(user, wanted));
  if (allowed) return absl::OkStatus();
  const std::string words = Words(user, wanted);
  if (wanted.resource.empty()) return ForbiddenPath(words);
  return Forbidden({wanted.group, "", "", wanted.resource}, wanted.name, words);
}

absl::Status Authorizer::CheckGrant(const User& user, const api::KindInfo& kind, const json* old,
                                    const json& object) {
  if (kind.resource.group != kGroup) return absl::OkStatus();
  const std::string name = MetadataText(object, "name");
  const std::string ns = MetadataText(object, "namespace");
  Rules granted = ReadRules(object);
  Attributes without_asking{
      .verb = "escalate", .group = kGroup, .resource = kind.resource.plural, .ns = ns, .name = name};
  if (IsBinding(kind)) {
    const json ref = object.value("roleRef", json());
    const std::string role_kind = Text(ref, "kind");
    const std::string role = Text(ref, "name");
    if (role.empty() || (role_kind != "ClusterRole" && (role_kind != "Role" || ns.empty()))) {
      return Invalid(
          kind, name,
          {{"FieldValueInvalid", "roleRef", "must name a Role of the namespace or a ClusterRole"}});
    }
    if (old != nullptr && old->value("roleRef", json()) != ref) {
      return Invalid(
          kind, name,
          {{"FieldValueInvalid", "roleRef", "cannot change roleRef; delete the binding and make it again"}});
    }
    without_asking = {.verb = "bind",
                      .group = kGroup,
                      .resource = role_kind == "Role" ? "roles" : "clusterroles",
                      .ns = ns,
                      .name = role};
    const absl::StatusOr<json> stored =
        store_.Get(Kind(role_kind.c_str()), {role_kind == "Role" ? ns : "", role});
    if (!stored.ok() && !absl::IsNotFound(stored.status())) return stored.status();
    // What is not there grants nothing yet, and is looked at again when somebody makes it.
    granted = stored.ok() ? ReadRules(*stored) : Rules();
    if (!stored.ok() && !user.In(kMasters)) {
      XPU_ASSIGN_OR_RETURN(const bool may, Allows(user, without_asking));
      if (!may) return NotFound(Kind(role_kind.c_str()), role);
    }
  }
  XPU_ASSIGN_OR_RETURN(const bool may, Allows(user, without_asking));
  if (may) return absl::OkStatus();
  XPU_ASSIGN_OR_RETURN(const Rules held, RulesOf(user, ns));
  std::vector<std::string> missing;
  for (const PolicyRule& rule : granted) {
    if (!Covers(held, rule)) missing.push_back(WriteRule(rule).dump());
  }
  if (missing.empty()) return absl::OkStatus();
  return Forbidden(kind, name,
                   absl::StrCat("user \"", user.name, "\" (groups=[\"", absl::StrJoin(user.groups, "\" \""),
                                "\"]) is attempting to grant RBAC permissions not currently held:\n",
                                absl::StrJoin(missing, "\n")));
}

}  // namespace xpu::apiserver
