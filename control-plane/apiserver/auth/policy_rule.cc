#include "control-plane/apiserver/auth/policy_rule.h"

#include <algorithm>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"

namespace xpu::apiserver {
namespace {

using nlohmann::json;

bool Has(const std::vector<std::string>& list, absl::string_view value) {
  return std::find(list.begin(), list.end(), value) != list.end();
}
bool HasOrAll(const std::vector<std::string>& list, absl::string_view value) {
  return Has(list, "*") || Has(list, value);
}

std::vector<std::string> Texts(const json& rule, const char* name) {
  std::vector<std::string> texts;
  const auto it = rule.find(name);
  if (it == rule.end() || !it->is_array()) return texts;
  for (const json& text : *it) {
    if (text.is_string()) texts.push_back(text.get<std::string>());
  }
  return texts;
}

bool MatchesUrl(const std::string& rule, absl::string_view path) {
  if (rule == "*" || rule == path) return true;
  absl::string_view prefix = rule;
  return absl::ConsumeSuffix(&prefix, "*") && absl::StartsWith(path, prefix);
}

// One of each list; a list that is empty means what a single empty text does.
std::vector<std::string> OneOrEmpty(const std::vector<std::string>& list) {
  return list.empty() ? std::vector<std::string>{""} : list;
}

}  // namespace

bool PolicyRule::Allows(const Attributes& wanted) const {
  if (!HasOrAll(verbs, wanted.verb)) return false;
  if (wanted.resource.empty()) {
    return std::any_of(urls.begin(), urls.end(),
                       [&](const std::string& url) { return MatchesUrl(url, wanted.path); });
  }
  if (!HasOrAll(api_groups, wanted.group)) return false;
  const bool of_resource =
      Has(resources, "*") ||
      (wanted.subresource.empty() ? Has(resources, wanted.resource)
                                  : Has(resources, absl::StrCat(wanted.resource, "/", wanted.subresource)) ||
                                        Has(resources, absl::StrCat("*/", wanted.subresource)));
  return of_resource && (resource_names.empty() || Has(resource_names, wanted.name));
}

std::vector<PolicyRule> ReadRules(const json& role) {
  std::vector<PolicyRule> rules;
  const auto list = role.find("rules");
  if (list == role.end() || !list->is_array()) return rules;
  for (const json& rule : *list) {
    if (!rule.is_object()) continue;
    rules.push_back({Texts(rule, "verbs"), Texts(rule, "apiGroups"), Texts(rule, "resources"),
                     Texts(rule, "resourceNames"), Texts(rule, "nonResourceURLs")});
  }
  return rules;
}

json WriteRule(const PolicyRule& rule) {
  json out = {{"verbs", rule.verbs}};
  if (!rule.api_groups.empty()) out["apiGroups"] = rule.api_groups;
  if (!rule.resources.empty()) out["resources"] = rule.resources;
  if (!rule.resource_names.empty()) out["resourceNames"] = rule.resource_names;
  if (!rule.urls.empty()) out["nonResourceURLs"] = rule.urls;
  return out;
}

bool Covers(const std::vector<PolicyRule>& held, const PolicyRule& wanted) {
  const auto allowed = [&](const Attributes& one) {
    return std::any_of(held.begin(), held.end(), [&](const PolicyRule& rule) { return rule.Allows(one); });
  };
  for (const std::string& verb : wanted.verbs) {
    for (const std::string& url : wanted.urls) {
      if (!allowed({.verb = verb, .path = url})) return false;
    }
    for (const std::string& group : wanted.api_groups) {
      for (const std::string& resource : wanted.resources) {
        const size_t slash = resource.find('/');
        for (const std::string& name : OneOrEmpty(wanted.resource_names)) {
          Attributes one = {
              .verb = verb, .group = group, .resource = resource.substr(0, slash), .name = name};
          if (slash != std::string::npos) one.subresource = resource.substr(slash + 1);
          if (!allowed(one)) return false;
        }
      }
    }
  }
  return true;
}

}  // namespace xpu::apiserver
