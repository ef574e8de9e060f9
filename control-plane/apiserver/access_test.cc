// Who may do what, as clients with tokens and certificates see it, over real sockets.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>

#include "absl/strings/escaping.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "common/http/test_http.h"
#include "common/rpc/tls_testing.h"
#include "control-plane/apiserver/test_api_server.h"
#include "control-plane/apiserver/test_watch.h"

namespace xpu::apiserver {
namespace {

using nlohmann::json;
using ::testing::Contains;
using ::testing::HasSubstr;

constexpr char kNetworks[] = "/apis/xpu.opiproject.org/v1alpha1/namespaces/default/networks";
constexpr char kRbac[] = "/apis/rbac.authorization.k8s.io/v1";

json Network(const std::string& name) {
  return {{"apiVersion", "xpu.opiproject.org/v1alpha1"},
          {"kind", "Network"},
          {"metadata", {{"name", name}}},
          {"spec", {{"vni", 5}, {"prefixes", {"10.0.0.0/24"}}}}};
}

class AccessTest : public ::testing::Test {
 protected:
  void SetUp() override {
    char folder[] = "/tmp/xpu-access-XXXXXX";
    ASSERT_NE(mkdtemp(folder), nullptr);
    folder_ = folder;
    WriteTokens("ann-token,ann,1,\"dev\"\n");
    authority_ = std::make_unique<testing::TestAuthority>(folder_, "ours");
    ApiServerOptions options;
    options.listen = {"tls:127.0.0.1:0"};
    options.tls = authority_->Sign("server");
    options.token_file = folder_ + "/tokens";
    server_ = std::make_unique<TestApiServer>(options);
    admin_ = std::make_unique<TestHttp>(server_->endpoint());
  }
  void TearDown() override {
    server_.reset();
    std::filesystem::remove_all(folder_);
  }
  void WriteTokens(const std::string& text) {
    std::ofstream(folder_ + "/new") << text;
    std::filesystem::rename(folder_ + "/new", folder_ + "/tokens");
  }
  std::unique_ptr<TestHttp> Client(const std::string& token) {
    auto http = std::make_unique<TestHttp>(server_->endpoints()[0]);
    http->UseTls(folder_ + "/ours.ca.crt", "", "");
    if (!token.empty()) http->UseToken(token);
    return http;
  }
  // Lets `user` do `verbs` with Networks in the namespace "default".
  void Grant(const std::string& subject_kind, const std::string& user, const json& verbs) {
    const std::string role = absl::StrCat("role-", ++roles_);
    EXPECT_EQ(
        admin_
            ->Post(
                absl::StrCat(kRbac, "/namespaces/default/roles"),
                {{"apiVersion", "rbac.authorization.k8s.io/v1"},
                 {"kind", "Role"},
                 {"metadata", {{"name", role}}},
                 {"rules",
                  {{{"verbs", verbs}, {"apiGroups", {"xpu.opiproject.org"}}, {"resources", {"networks"}}}}}})
            .code,
        201);
    EXPECT_EQ(admin_
                  ->Post(absl::StrCat(kRbac, "/namespaces/default/rolebindings"),
                         {{"apiVersion", "rbac.authorization.k8s.io/v1"},
                          {"kind", "RoleBinding"},
                          {"metadata", {{"name", role}}},
                          {"roleRef", {{"kind", "Role"}, {"name", role}}},
                          {"subjects", {{{"kind", subject_kind}, {"name", user}}}}})
                  .code,
              201);
  }

  std::string folder_;
  std::unique_ptr<testing::TestAuthority> authority_;
  std::unique_ptr<TestApiServer> server_;
  std::unique_ptr<TestHttp> admin_;
  int roles_ = 0;
};

TEST_F(AccessTest, AStrangerIsUnauthorizedAndMayOnlyAskForHealth) {
  for (const char* token : {"", "wrong", "xpu-sa.nonsense.x"}) {
    const TestReply reply = Client(token)->Get(kNetworks);
    EXPECT_EQ(reply.code, 401) << token;
    EXPECT_EQ(reply.json["reason"], "Unauthorized");
    EXPECT_EQ(reply.json["message"], "Unauthorized");
  }
  EXPECT_EQ(Client("")->Get("/apis").code, 401);
  EXPECT_EQ(Client("")->Get("/healthz").body, "ok");
}

TEST_F(AccessTest, AUserDoesWhatHisRolesSayAndNothingElse) {
  auto ann = Client("ann-token");
  EXPECT_EQ(ann->Get("/apis").code, 200);
  const TestReply refused = ann->Get(kNetworks);
  EXPECT_EQ(refused.code, 403);
  EXPECT_EQ(refused.json["reason"], "Forbidden");
  EXPECT_EQ(refused.json["details"]["kind"], "networks");
  EXPECT_EQ(refused.json["message"],
            "networks.xpu.opiproject.org is forbidden: User \"ann\" cannot "
            "list resource \"networks\" in API group "
            "\"xpu.opiproject.org\" in the namespace \"default\"");
  Grant("User", "ann", {"list", "get", "watch"});
  Grant("Group", "dev", {"create"});
  EXPECT_EQ(ann->Get(kNetworks).code, 200);
  EXPECT_EQ(ann->Post(kNetworks, Network("blue")).code, 201);
  EXPECT_EQ(ann->Do("DELETE", absl::StrCat(kNetworks, "/blue")).code, 403);
  EXPECT_EQ(ann->Put(absl::StrCat(kNetworks, "/blue/status"), Network("blue")).code, 403);
  EXPECT_EQ(ann->Get("/apis/xpu.opiproject.org/v1alpha1/networks").code, 403) << "all namespaces";
  EXPECT_EQ(ann->Get("/no/such/path").code, 403);
  EXPECT_EQ(admin_->Get("/no/such/path").code, 404);
}

TEST_F(AccessTest, OnTheUnixSocketEverybodyMayDoEverythingButWhoShowsATokenIsThatUser) {
  EXPECT_EQ(admin_->Get(kNetworks).code, 200);
  TestHttp ann(server_->endpoint());
  ann.UseToken("ann-token");
  EXPECT_EQ(ann.Get(kNetworks).code, 403);
  ann.UseToken("wrong");
  EXPECT_EQ(ann.Get(kNetworks).code, 401);
}

TEST_F(AccessTest, ACertificateNamesAUserAndHisGroups) {
  const std::string base = folder_ + "/bob";
  const std::string ours = folder_ + "/ours.ca";
  ASSERT_EQ(system(absl::StrCat("exec 2>/dev/null; set -e; openssl req -newkey ec "
                                "-pkeyopt ec_paramgen_curve:P-256 "
                                "-nodes -keyout ",
                                base, ".key -out ", base,
                                ".csr -subj /O=team/O=ops/CN=bob; "
                                "openssl x509 -req -in ",
                                base, ".csr -CA ", ours, ".crt -CAkey ", ours,
                                ".key -CAcreateserial -days 2 -out ", base, ".crt")
                       .c_str()),
            0);
  TestHttp bob(server_->endpoints()[0]);
  bob.UseTls(ours + ".crt", base + ".crt", base + ".key");
  const TestReply me = bob.Post("/apis/authentication.k8s.io/v1/selfsubjectreviews", json::object());
  ASSERT_EQ(me.code, 201) << me.body;
  EXPECT_EQ(me.json["status"]["userInfo"]["username"], "bob");
  EXPECT_THAT(me.json["status"]["userInfo"]["groups"], Contains("ops"));
  EXPECT_EQ(bob.Get(kNetworks).code, 403);
  Grant("Group", "team", {"list"});
  EXPECT_EQ(bob.Get(kNetworks).code, 200);

  // One that somebody else has signed is nobody's.
  const TlsFiles strange = testing::TestAuthority(folder_, "theirs").Sign("eve");
  TestHttp eve(server_->endpoints()[0]);
  eve.UseTls(ours + ".crt", strange.certificate, strange.key);
  EXPECT_EQ(eve.Get(kNetworks).code, 401);
}

TEST_F(AccessTest, ATokenCountsFromTheMomentThatItIsInTheFile) {
  WriteTokens("bob-token,bob,2\n");
  // The loop hears of the file while TLS is still being agreed on.
  EXPECT_EQ(Client("bob-token")->Get("/version").code, 200);
  EXPECT_EQ(Client("ann-token")->Get("/version").code, 401);
}

TEST_F(AccessTest, AServiceAccountHasATokenInASecretUntilEitherIsGone) {
  const std::string accounts = "/api/v1/namespaces/default/serviceaccounts";
  const std::string secrets = "/api/v1/namespaces/default/secrets";
  const json secret = {
      {"apiVersion", "v1"},
      {"kind", "Secret"},
      {"type", "kubernetes.io/service-account-token"},
      {"metadata",
       {{"name", "robot-token"}, {"annotations", {{"kubernetes.io/service-account.name", "robot"}}}}}};
  EXPECT_EQ(admin_->Post(secrets, secret).code, 422) << "there is no such account";
  const json account = {{"apiVersion", "v1"}, {"kind", "ServiceAccount"}, {"metadata", {{"name", "robot"}}}};
  ASSERT_EQ(admin_->Post(accounts, account).code, 201);
  const TestReply made = admin_->Post(secrets, secret);
  ASSERT_EQ(made.code, 201) << made.body;
  std::string token;
  ASSERT_TRUE(absl::Base64Unescape(made.json["data"]["token"].get<std::string>(), &token));
  auto robot = Client(token);
  EXPECT_EQ(robot->Get(kNetworks).code, 403);
  Grant("ServiceAccount", "robot", {"list"});
  EXPECT_EQ(robot->Get(kNetworks).code, 200);
  EXPECT_EQ(Client(token + "x")->Get(kNetworks).code, 401);
  // One who is made again under that name is somebody else.
  ASSERT_EQ(admin_->Do("DELETE", accounts + "/robot").code, 200);
  EXPECT_EQ(robot->Get(kNetworks).code, 401);
  ASSERT_EQ(admin_->Post(accounts, account).code, 201);
  EXPECT_EQ(robot->Get(kNetworks).code, 401);
}

TEST_F(AccessTest, ReviewsAnswerWhatOneMayDo) {
  Grant("User", "ann", {"list"});
  auto ann = Client("ann-token");
  const auto may = [&](const char* verb) {
    const TestReply reply = ann->Post("/apis/authorization.k8s.io/v1/selfsubjectaccessreviews",
                                      {{"apiVersion", "authorization.k8s.io/v1"},
                                       {"kind", "SelfSubjectAccessReview"},
                                       {"spec",
                                        {{"resourceAttributes",
                                          {{"verb", verb},
                                           {"group", "xpu.opiproject.org"},
                                           {"resource", "networks"},
                                           {"namespace", "default"}}}}}});
    EXPECT_EQ(reply.code, 201) << reply.body;
    return reply.json["status"]["allowed"] == true;
  };
  EXPECT_TRUE(may("list"));
  EXPECT_FALSE(may("delete"));
  const TestReply rules = ann->Post("/apis/authorization.k8s.io/v1/selfsubjectrulesreviews",
                                    {{"spec", {{"namespace", "default"}}}});
  EXPECT_THAT(rules.body, HasSubstr("xpu.opiproject.org"));
  EXPECT_EQ(ann->Post("/apis/authorization.k8s.io/v1/subjectaccessreviews", json::object()).code, 403);
  EXPECT_EQ(
      ann->Post("/apis/authorization.k8s.io/v1/selfsubjectaccessreviews", {{"spec", json::object()}}).code,
      400);
}

TEST_F(AccessTest, NobodyRaisesHimself) {
  EXPECT_EQ(admin_
                ->Post(absl::StrCat(kRbac, "/clusterrolebindings"),
                       {{"apiVersion", "rbac.authorization.k8s.io/v1"},
                        {"kind", "ClusterRoleBinding"},
                        {"metadata", {{"name", "ann-binds"}}},
                        {"roleRef", {{"kind", "ClusterRole"}, {"name", "binder"}}},
                        {"subjects", {{{"kind", "User"}, {"name", "ann"}}}}})
                .code,
            201);
  EXPECT_EQ(admin_
                ->Post(absl::StrCat(kRbac, "/clusterroles"),
                       {{"apiVersion", "rbac.authorization.k8s.io/v1"},
                        {"kind", "ClusterRole"},
                        {"metadata", {{"name", "binder"}}},
                        {"rules",
                         {{{"verbs", {"create"}},
                           {"apiGroups", {"rbac.authorization.k8s.io"}},
                           {"resources", {"clusterrolebindings", "clusterroles"}}}}}})
                .code,
            201);
  auto ann = Client("ann-token");
  const TestReply reply = ann->Post(absl::StrCat(kRbac, "/clusterrolebindings"),
                                    {{"apiVersion", "rbac.authorization.k8s.io/v1"},
                                     {"kind", "ClusterRoleBinding"},
                                     {"metadata", {{"name", "mine"}}},
                                     {"roleRef", {{"kind", "ClusterRole"}, {"name", "cluster-admin"}}},
                                     {"subjects", {{{"kind", "User"}, {"name", "ann"}}}}});
  EXPECT_EQ(reply.code, 403);
  EXPECT_THAT(reply.body, HasSubstr("not currently held"));
}

TEST_F(AccessTest, WhoMayImpersonateActsWithTheRightsOfTheOther) {
  Grant("User", "bob", {"list"});
  Grant("Group", "readers", {"list"});
  const auto as = [&](const std::string& user, const std::vector<std::string>& groups) {
    auto http = Client("ann-token");
    if (!user.empty()) http->UseHeader("Impersonate-User: " + user);
    for (const std::string& group : groups) http->UseHeader("Impersonate-Group: " + group);
    return http->Get(kNetworks).code;
  };
  EXPECT_EQ(as("bob", {}), 403) << "nobody has let ann do that";
  const auto allow = [&](const std::string& resource, const std::string& name) {
    EXPECT_EQ(
        admin_
            ->Post(absl::StrCat(kRbac, "/clusterroles"), {{"apiVersion", "rbac.authorization.k8s.io/v1"},
                                                          {"kind", "ClusterRole"},
                                                          {"metadata", {{"name", name}}},
                                                          {"rules",
                                                           {{{"verbs", {"impersonate"}},
                                                             {"apiGroups", {""}},
                                                             {"resources", {resource}},
                                                             {"resourceNames", {name}}}}}})
            .code,
        201);
    EXPECT_EQ(admin_
                  ->Post(absl::StrCat(kRbac, "/clusterrolebindings"),
                         {{"apiVersion", "rbac.authorization.k8s.io/v1"},
                          {"kind", "ClusterRoleBinding"},
                          {"metadata", {{"name", name}}},
                          {"roleRef", {{"kind", "ClusterRole"}, {"name", name}}},
                          {"subjects", {{{"kind", "User"}, {"name", "ann"}}}}})
                  .code,
              201);
  };
  allow("users", "bob");
  allow("users", "eve");
  EXPECT_EQ(as("bob", {}), 200);
  EXPECT_EQ(as("eve", {}), 403) << "she is not let do it herself";
  EXPECT_EQ(as("eve", {"readers"}), 403) << "the group must be allowed, too";
  EXPECT_EQ(as("bob", {"system:masters"}), 403);
  allow("groups", "readers");
  EXPECT_EQ(as("eve", {"readers"}), 200);
  EXPECT_EQ(as("eve", {"readers", "system:masters"}), 403) << "each of them";
  EXPECT_EQ(as("", {"readers"}), 400) << "groups of nobody";
  EXPECT_EQ(as("system:serviceaccount:default:agent", {}), 403);

  // Who may do everything may do that, and is then somebody who may not.
  TestHttp master(server_->endpoint());
  master.UseHeader("Impersonate-User: system:serviceaccount:default:agent");
  EXPECT_EQ(master.Get(kNetworks).code, 403);
  const json who =
      master.Post("/apis/authentication.k8s.io/v1/selfsubjectreviews", {{"kind", "SelfSubjectReview"}}).json;
  EXPECT_EQ(who["status"]["userInfo"]["username"], "system:serviceaccount:default:agent");
  EXPECT_THAT(who["status"]["userInfo"]["groups"], Contains("system:serviceaccounts:default"));
}

TEST_F(AccessTest, ATokenIsReviewedForWhoMayAsk) {
  const std::string path = "/apis/authentication.k8s.io/v1/tokenreviews";
  const TestReply known = admin_->Post(path, {{"kind", "TokenReview"}, {"spec", {{"token", "ann-token"}}}});
  EXPECT_EQ(known.code, 201);
  EXPECT_EQ(known.json["status"]["authenticated"], true);
  EXPECT_EQ(known.json["status"]["user"]["username"], "ann");
  EXPECT_THAT(known.json["status"]["user"]["groups"], Contains("dev"));
  const TestReply unknown = admin_->Post(path, {{"spec", {{"token", "wrong"}}}});
  EXPECT_EQ(unknown.code, 201);
  EXPECT_EQ(unknown.json["status"]["authenticated"], false);
  EXPECT_EQ(admin_->Post(path, {{"spec", json::object()}}).code, 400);
  EXPECT_EQ(Client("ann-token")->Post(path, {{"spec", {{"token", "ann-token"}}}}).code, 403);
}

}  // namespace
}  // namespace xpu::apiserver
