#pragma once

#include <string>
#include <vector>

#include "control-plane/apiserver/auth/identity.h"
#include "nlohmann/json.hpp"

namespace xpu::apiserver {

// A rule of a Role or ClusterRole (rbac.authorization.k8s.io/v1 PolicyRule).
struct PolicyRule {
  std::vector<std::string> verbs;
  std::vector<std::string> api_groups;
  std::vector<std::string> resources;  // "networks", "networks/status", "*/status", "*"
  std::vector<std::string> resource_names;
  std::vector<std::string> urls;  // "/healthz", "/healthz/*"

  bool Allows(const Attributes& wanted) const;
  friend bool operator==(const PolicyRule&, const PolicyRule&) = default;
};

// The rules of a Role or ClusterRole; what cannot be read allows nothing.
std::vector<PolicyRule> ReadRules(const nlohmann::json& role);
nlohmann::json WriteRule(const PolicyRule& rule);

// Whether everything that `wanted` allows is allowed by some of `held`.
bool Covers(const std::vector<PolicyRule>& held, const PolicyRule& wanted);

}  // namespace xpu::apiserver
