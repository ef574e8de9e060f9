#pragma once

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "common/api/kinds.h"
#include "control-plane/apiserver/auth/identity.h"
#include "control-plane/apiserver/auth/policy_rule.h"
#include "control-plane/apiserver/store/event.h"
#include "control-plane/apiserver/store/object_store.h"

namespace xpu::apiserver {

// Says who may do what, by the Roles and Bindings of the store (Kubernetes, "Using RBAC Authorization").
// Everybody whom the server knows may discover what there is and ask what he may do; system:masters may do
// everything. Keeps the rules in memory until one of those objects changes. On the loop's thread.
class Authorizer {
 public:
  // `store` must outlive it.
  explicit Authorizer(ObjectStore& store) : store_(store) {}

  // Makes the ClusterRoles that people expect: cluster-admin, edit and view, unless they are there.
  absl::Status MakeDefaultRoles();

  // Of each change in the store, and when all of it has changed.
  void OnChange(const Change& change);
  void OnRestore() { loaded_ = false; }

  absl::StatusOr<bool> Allows(const User& user, const Attributes& wanted);
  // OK, or Forbidden (403) as Kubernetes says it.
  absl::Status Check(const User& user, const Attributes& wanted);
  // All rules that hold for the user in a namespace; empty: everywhere.
  absl::StatusOr<std::vector<PolicyRule>> RulesOf(const User& user, const std::string& ns);

  // Nobody may give what he has not got (Kubernetes, "Privilege escalation prevention and bootstrapping"):
  // whether `user` may write `object`, if it is of RBAC. Invalid for a binding whose role is another than
  // before (`old`, null for none) or that cannot be read.
  absl::Status CheckGrant(const User& user, const api::KindInfo& kind, const nlohmann::json* old,
                          const nlohmann::json& object);

 private:
  struct Grant {
    std::string ns;  // empty: everywhere
    std::shared_ptr<const std::vector<PolicyRule>> rules;
  };
  absl::Status Load();
  absl::Status LoadBindings(
      const api::KindInfo& kind,
      const std::map<std::string, std::shared_ptr<const std::vector<PolicyRule>>>& roles);

  ObjectStore& store_;
  bool loaded_ = false;
  // By "User:x", "Group:x".
  std::map<std::string, std::vector<Grant>> grants_;
};

}  // namespace xpu::apiserver
