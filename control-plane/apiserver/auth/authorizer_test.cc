#include "control-plane/apiserver/auth/authorizer.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "common/base/clock.h"

namespace xpu::apiserver {
namespace {

using nlohmann::json;
using ::testing::HasSubstr;

constexpr char kVersion[] = "rbac.authorization.k8s.io/v1";
const User kAnn{"ann", "", {"dev", "system:authenticated"}};
const User kRobot{"system:serviceaccount:team-a:robot", "", {"system:authenticated"}};
const User kMaster{"root", "", {"system:masters"}};

class AuthorizerTest : public ::testing::Test {
 protected:
  void SetUp() override {
    auto store = ObjectStore::Open({.path = ":memory:"}, Clock::Real());
    ASSERT_TRUE(store.ok()) << store.status();
    store_ = *std::move(store);
    authorizer_ = std::make_unique<Authorizer>(*store_);
    store_->OnChange([this](const Change& change) { authorizer_->OnChange(change); });
    Make("v1", "Namespace", "", "team-a", json::object());
    Make(kVersion, "Role", "team-a", "reader",
         {{"rules", json::parse(R"([{"verbs": ["get"], "apiGroups": [""], "resources": ["configmaps"]}])")}});
    Make(kVersion, "ClusterRole", "", "lister",
         {{"rules", json::parse(R"([{"verbs": ["list"], "apiGroups": [""], "resources": ["nodes"]}])")}});
  }
  json Object(const char* api_version, const char* kind, const char* ns, const char* name, json rest) {
    rest["apiVersion"] = api_version;
    rest["kind"] = kind;
    rest["metadata"]["name"] = name;
    if (*ns != '\0') rest["metadata"]["namespace"] = ns;
    return rest;
  }
  void Make(const char* api_version, const char* kind, const char* ns, const char* name, json rest) {
    const absl::Status made =
        store_
            ->Create(*api::FindKind(api_version, kind), Object(api_version, kind, ns, name, std::move(rest)))
            .status();
    EXPECT_TRUE(made.ok()) << made;
  }
  static json Binding(const char* role_kind, const char* role, const char* subject_kind,
                      const char* subject) {
    return {{"roleRef", {{"apiGroup", "rbac.authorization.k8s.io"}, {"kind", role_kind}, {"name", role}}},
            {"subjects", {{{"kind", subject_kind}, {"name", subject}}}}};
  }
  bool May(const User& user, const char* verb, const char* resource, const char* ns) {
    const auto allowed = authorizer_->Allows(user, {.verb = verb, .resource = resource, .ns = ns});
    EXPECT_TRUE(allowed.ok()) << allowed.status();
    return allowed.ok() && *allowed;
  }

  std::unique_ptr<ObjectStore> store_;
  std::unique_ptr<Authorizer> authorizer_;
};

TEST_F(AuthorizerTest, ABindingCountsInItsNamespaceFromTheMomentThatItIsThere) {
  EXPECT_FALSE(May(kAnn, "get", "configmaps", "team-a"));
  Make(kVersion, "RoleBinding", "team-a", "b", Binding("Role", "reader", "User", "ann"));
  EXPECT_TRUE(May(kAnn, "get", "configmaps", "team-a"));
  EXPECT_FALSE(May(kAnn, "get", "configmaps", "default"));
  EXPECT_FALSE(May(kAnn, "list", "configmaps", "team-a"));
  ASSERT_TRUE(store_->Delete(*api::FindKind(kVersion, "RoleBinding"), {"team-a", "b"}, {}).ok());
  EXPECT_FALSE(May(kAnn, "get", "configmaps", "team-a"));
}

TEST_F(AuthorizerTest, GroupsAndServiceAccountsAreSubjectsToo) {
  Make(kVersion, "ClusterRoleBinding", "", "b", Binding("ClusterRole", "lister", "Group", "dev"));
  EXPECT_TRUE(May(kAnn, "list", "nodes", ""));
  EXPECT_FALSE(May(kRobot, "list", "nodes", ""));
  Make(kVersion, "RoleBinding", "team-a", "r", Binding("Role", "reader", "ServiceAccount", "robot"));
  EXPECT_TRUE(May(kRobot, "get", "configmaps", "team-a"));
}

TEST_F(AuthorizerTest, WhoMayNotIsToldWhatAsKubernetesSaysIt) {
  const absl::Status one =
      authorizer_->Check(kAnn, {.verb = "get", .group = "g", .resource = "cars", .ns = "n", .name = "a"});
  EXPECT_EQ(one.message(),
            "cars.g \"a\" is forbidden: User \"ann\" cannot get resource "
            "\"cars\" in API group \"g\" in the namespace \"n\"");
  const absl::Status all = authorizer_->Check(kAnn, {.verb = "list", .group = "g", .resource = "cars"});
  EXPECT_EQ(all.message(),
            "cars.g is forbidden: User \"ann\" cannot list resource \"cars\" "
            "in API group \"g\" at the cluster scope");
  EXPECT_EQ(authorizer_->Check(kAnn, {.verb = "get", .path = "/metrics"}).message(),
            "forbidden: User \"ann\" cannot get path \"/metrics\"");
  EXPECT_TRUE(authorizer_->Check(kAnn, {.verb = "get", .path = "/apis/x"}).ok());
}

TEST_F(AuthorizerTest, NobodyGivesWhatHeHasNotGot) {
  const api::KindInfo& bindings = *api::FindKind(kVersion, "RoleBinding");
  const api::KindInfo& roles = *api::FindKind(kVersion, "Role");
  const json give = Object(kVersion, "RoleBinding", "team-a", "b", Binding("Role", "reader", "User", "eve"));
  EXPECT_TRUE(authorizer_->CheckGrant(kMaster, bindings, nullptr, give).ok());
  const absl::Status refused = authorizer_->CheckGrant(kAnn, bindings, nullptr, give);
  EXPECT_TRUE(absl::IsPermissionDenied(refused));
  EXPECT_THAT(std::string(refused.message()), HasSubstr("configmaps"));
  const json role = Object(
      kVersion, "Role", "team-a", "mine",
      {{"rules", json::parse(R"([{"verbs": ["get"], "apiGroups": [""], "resources": ["configmaps"]}])")}});
  EXPECT_TRUE(absl::IsPermissionDenied(authorizer_->CheckGrant(kAnn, roles, nullptr, role)));

  Make(kVersion, "RoleBinding", "team-a", "has", Binding("Role", "reader", "User", "ann"));
  EXPECT_TRUE(authorizer_->CheckGrant(kAnn, bindings, nullptr, give).ok());
  EXPECT_TRUE(authorizer_->CheckGrant(kAnn, roles, nullptr, role).ok());
  const json other =
      Object(kVersion, "RoleBinding", "team-a", "b", Binding("ClusterRole", "lister", "User", "eve"));
  EXPECT_TRUE(absl::IsInvalidArgument(authorizer_->CheckGrant(kMaster, bindings, &give, other)))
      << "a binding's role is for ever";
}

}  // namespace
}  // namespace xpu::apiserver
