#include "control-plane/apiserver/http/discovery.h"

#include <algorithm>
#include <map>
#include <set>

#include "absl/strings/str_cat.h"
#include "common/api/kinds.h"
#include "control-plane/apiserver/http/reviews.h"
#include "control-plane/apiserver/http/route.h"

namespace xpu::apiserver {
namespace {

using api::KindInfo;
using nlohmann::json;

// Versions of each group, newest last; the core group is left out: it has a URL of its own.
std::map<std::string, std::set<std::string>> Groups(const KindTable& kinds) {
  std::map<std::string, std::set<std::string>> groups;
  for (const KindPtr& each : kinds.all()) {
    const KindInfo& kind = *each;
    if (!kind.resource.group.empty()) groups[kind.resource.group].insert(kind.resource.version);
  }
  // Of reviews, which are asked and not kept.
  for (const char* group : {"authentication.k8s.io", "authorization.k8s.io"}) groups[group].insert("v1");
  return groups;
}

json Group(const std::string& name, const std::set<std::string>& versions) {
  json list = json::array();
  for (const std::string& version : versions) {
    list.push_back({{"groupVersion", absl::StrCat(name, "/", version)}, {"version", version}});
  }
  return {{"name", name}, {"versions", list}, {"preferredVersion", list.back()}};
}

json WithType(const char* kind, json body) {
  body["kind"] = kind;
  body["apiVersion"] = "v1";
  return body;
}

json VerbsOf(const KindInfo& kind) {
  json verbs = {"create", "delete", "get", "list", "patch", "update", "watch"};
  if (IsDeletedTogether(kind)) verbs.insert(verbs.begin() + 2, "deletecollection");
  return verbs;
}

std::optional<json> Resources(const KindTable& kinds, const std::string& group, const std::string& version) {
  json list = version == "v1" ? ReviewResources(group) : json::array();
  for (const KindPtr& each : kinds.all()) {
    const KindInfo& kind = *each;
    if (kind.resource.group != group || kind.resource.version != version) continue;
    json resource = {{"name", kind.resource.plural},
                     {"singularName", kind.singular},
                     {"namespaced", kind.namespaced},
                     {"kind", kind.resource.kind},
                     {"verbs", VerbsOf(kind)}};
    if (!kind.short_names.empty()) resource["shortNames"] = kind.short_names;
    if (!kind.categories.empty()) resource["categories"] = kind.categories;
    list.push_back(resource);
    if (!kind.has_status) continue;
    list.push_back({{"name", absl::StrCat(kind.resource.plural, "/status")},
                    {"singularName", ""},
                    {"namespaced", kind.namespaced},
                    {"kind", kind.resource.kind},
                    {"verbs", {"get", "patch", "update"}}});
  }
  if (list.empty()) return std::nullopt;
  ResourceKind any{group, version, "", ""};
  return WithType("APIResourceList", {{"groupVersion", any.ApiVersion()}, {"resources", list}});
}

}  // namespace

std::optional<json> Discover(const KindTable& kinds, const std::vector<std::string>& path) {
  if (path.size() == 1 && path[0] == "version") {
    // The level of the API that the semantics follow; clients only look at the numbers.
    return json{{"major", "1"},    {"minor", "25"},           {"gitVersion", "v1.25.0+xpu"},
                {"gitCommit", ""}, {"gitTreeState", "clean"}, {"buildDate", "1970-01-01T00:00:00Z"},
                {"goVersion", ""}, {"compiler", ""},          {"platform", "linux"}};
  }
  if (path.size() == 1 && path[0] == "api") {
    return WithType("APIVersions", {{"versions", {"v1"}}, {"serverAddressByClientCIDRs", json::array()}});
  }
  if (path.size() == 2 && path[0] == "api") return Resources(kinds, "", path[1]);
  if (path.empty() || path.size() > 3 || path[0] != "apis") return std::nullopt;
  std::map<std::string, std::set<std::string>> groups = Groups(kinds);
  if (path.size() == 1) {
    json list = json::array();
    for (const auto& [name, versions] : groups) list.push_back(Group(name, versions));
    return WithType("APIGroupList", {{"groups", list}});
  }
  auto group = groups.find(path[1]);
  if (group == groups.end()) return std::nullopt;
  if (path.size() == 2) return WithType("APIGroup", Group(group->first, group->second));
  return Resources(kinds, path[1], path[2]);
}

}  // namespace xpu::apiserver
