// The API as a client sees it, over a real socket.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "absl/strings/str_cat.h"
#include "common/http/test_http.h"
#include "control-plane/apiserver/test_api_server.h"

namespace xpu::apiserver {
namespace {

using nlohmann::json;
using ::testing::HasSubstr;

constexpr char kGroup[] = "/apis/xpu.opiproject.org/v1alpha1";
constexpr char kNetworks[] = "/apis/xpu.opiproject.org/v1alpha1/namespaces/default/networks";
const std::string kBlue = absl::StrCat(kNetworks, "/blue");

json Network(const std::string& name) {
  return {{"apiVersion", "xpu.opiproject.org/v1alpha1"},
          {"kind", "Network"},
          {"metadata", {{"name", name}}},
          {"spec", {{"vni", 5}, {"prefixes", {"10.0.0.0/24"}}}}};
}

class RestTest : public ::testing::Test {
 protected:
  TestApiServer server_;
  TestHttp http_{server_.endpoint()};
};

TEST_F(RestTest, AnObjectLivesThroughItsLife) {
  TestReply made = http_.Post(kNetworks, Network("blue"));
  ASSERT_EQ(made.code, 201) << made.body;
  EXPECT_EQ(made.content_type, "application/json");
  EXPECT_EQ(made.json["metadata"]["namespace"], "default");
  EXPECT_EQ(made.json["spec"]["mtu"], 1500);
  EXPECT_EQ(http_.Get(kBlue).json, made.json);

  json object = made.json;
  object["spec"]["mtu"] = 9000;
  TestReply put = http_.Put(kBlue, object);
  EXPECT_EQ(put.code, 200);
  EXPECT_EQ(put.json["metadata"]["generation"], 2);
  EXPECT_EQ(http_.Put(kBlue, object).code, 409) << "the version is old now";

  TestReply patched = http_.Merge(kBlue, {{"metadata", {{"labels", {{"app", "demo"}}}}}});
  EXPECT_EQ(patched.code, 200);
  EXPECT_EQ(patched.json["metadata"]["generation"], 2);

  TestReply list = http_.Get(absl::StrCat(kNetworks, "?labelSelector=app%3Ddemo"));
  EXPECT_EQ(list.json["kind"], "NetworkList");
  EXPECT_EQ(list.json["items"], json::array({patched.json}));
  EXPECT_EQ(list.json["metadata"]["resourceVersion"], patched.json["metadata"]["resourceVersion"]);

  TestReply deleted = http_.Do("DELETE", kBlue);
  EXPECT_EQ(deleted.code, 200);
  EXPECT_EQ(deleted.json["status"], "Success");
  EXPECT_EQ(deleted.json["details"]["uid"], made.json["metadata"]["uid"]);
  EXPECT_EQ(http_.Get(kBlue).code, 404);
  EXPECT_EQ(http_.Do("DELETE", kBlue).code, 404);
}

TEST_F(RestTest, KindsOfKubernetesAreKeptAsTheyAre) {
  const std::string leases = "/apis/coordination.k8s.io/v1/namespaces/default/leases";
  const json lease = {{"apiVersion", "coordination.k8s.io/v1"},
                      {"kind", "Lease"},
                      {"metadata", {{"name", "leader"}}},
                      {"spec", {{"holderIdentity", "a"}, {"leaseDurationSeconds", 15}}}};
  TestReply made = http_.Post(leases, lease);
  ASSERT_EQ(made.code, 201) << made.body;
  EXPECT_EQ(made.json["spec"], lease["spec"]);
  EXPECT_EQ(http_.Put(leases + "/leader/status", made.json).code, 404) << "a Lease has no status";

  const std::string slices = "/apis/discovery.k8s.io/v1/namespaces/default/endpointslices";
  json slice = {{"apiVersion", "discovery.k8s.io/v1"},
                {"kind", "EndpointSlice"},
                {"metadata", {{"name", "web-1"}, {"labels", {{"kubernetes.io/service-name", "web"}}}}},
                {"addressType", "IPv4"},
                {"endpoints", {{{"addresses", {"10.0.0.9"}}}}}};
  made = http_.Post(slices, slice);
  ASSERT_EQ(made.code, 201) << made.body;
  EXPECT_EQ(made.json["endpoints"], slice["endpoints"]);
  json changed = made.json;
  changed["endpoints"][0]["addresses"] = {"10.0.0.10"};
  EXPECT_EQ(http_.Put(slices + "/web-1", changed).json["metadata"]["generation"], 2)
      << "a kind without spec has generations too";
  EXPECT_EQ(http_.Get(slices + "?labelSelector=kubernetes.io%2Fservice-name%3Dweb").json["items"].size(), 1u);

  const std::string secrets = "/api/v1/namespaces/default/secrets";
  const json secret = {{"apiVersion", "v1"},
                       {"kind", "Secret"},
                       {"metadata", {{"name", "token"}}},
                       {"stringData", {{"token", "abc"}}}};
  EXPECT_EQ(http_.Post(secrets, secret).json["data"], json({{"token", "YWJj"}}));
  json bad = secret;
  bad["metadata"]["name"] = "bad";
  bad["data"] = {{"token", "!"}};
  bad.erase("stringData");
  TestReply refused = http_.Post(secrets, bad);
  EXPECT_EQ(refused.code, 422);
  EXPECT_THAT(refused.body, HasSubstr("data[\\\"token\\\"]"));

  const json node = {{"apiVersion", "v1"}, {"kind", "Node"}, {"metadata", {{"name", "host-1"}}}};
  EXPECT_EQ(http_.Post("/api/v1/nodes", node).code, 201);
}

TEST_F(RestTest, StatusIsWrittenOnItsOwnUrl) {
  json object = http_.Post(kNetworks, Network("blue")).json;
  object["status"] = {{"cards", {{{"card", "card0"}, {"ports", 1}}}}};
  object["spec"]["mtu"] = 9000;
  TestReply put = http_.Put(kBlue + "/status", object);
  ASSERT_EQ(put.code, 200) << put.body;
  EXPECT_EQ(put.json["spec"]["mtu"], 1500);
  EXPECT_EQ(put.json["status"], object["status"]);
  EXPECT_EQ(http_.Merge(kBlue, {{"status", nullptr}}).json["status"], object["status"]);
  TestReply patched =
      http_.Merge(kBlue + "/status", {{"status", {{"cards", nullptr}}}, {"spec", {{"mtu", 1400}}}});
  EXPECT_EQ(patched.json["status"], json::object());
  EXPECT_EQ(patched.json["spec"]["mtu"], 1500);
  EXPECT_EQ(http_.Get(kBlue + "/status").json, patched.json);
  EXPECT_EQ(http_.Do("DELETE", kBlue + "/status").code, 405);
}

TEST_F(RestTest, JsonPatchIsTakenByItsMediaType) {
  http_.Post(kNetworks, Network("blue"));
  std::string patch = R"([{"op": "add", "path": "/spec/prefixes/-", "value": "10.0.1.0/24"}])";
  EXPECT_EQ(http_.Do("PATCH", kBlue, patch, "application/json-patch+json").json["spec"]["prefixes"].size(),
            2u);
  for (const char* type : {"application/strategic-merge-patch+json", "application/json", "text/plain", ""}) {
    TestReply reply = http_.Do("PATCH", kBlue, "{}", type);
    EXPECT_EQ(reply.code, 415) << type;
    EXPECT_EQ(reply.json["reason"], "UnsupportedMediaType");
  }
}

TEST_F(RestTest, AnInvalidObjectIsAnsweredWithEachFieldsPath) {
  json object = Network("blue");
  object["spec"] = {{"vni", 0}, {"prefixes", {"10.0.0.0/24", "10.0.0.128/25"}}, {"colour", "blue"}};
  TestReply reply = http_.Post(kNetworks, object);
  EXPECT_EQ(reply.code, 422);
  EXPECT_EQ(reply.json["kind"], "Status");
  EXPECT_EQ(reply.json["reason"], "Invalid");
  std::vector<std::string> fields;
  for (const json& cause : reply.json["details"]["causes"]) fields.push_back(cause["field"]);
  EXPECT_THAT(fields, ::testing::ElementsAre("spec.colour", "spec.vni"));
  object["spec"].erase("colour");
  object["spec"]["vni"] = 5;
  EXPECT_EQ(http_.Post(kNetworks, object).json["details"]["causes"][0]["field"], "spec.prefixes[1]");
  EXPECT_EQ(http_.Get(kNetworks).json["items"].size(), 0u);
}

TEST_F(RestTest, NamespacesScopeNames) {
  EXPECT_EQ(http_.Get("/api/v1/namespaces/default").json["status"]["phase"], "Active");
  std::string other = absl::StrCat(kGroup, "/namespaces/team/networks");
  TestReply nowhere = http_.Post(other, Network("blue"));
  EXPECT_EQ(nowhere.code, 404);
  EXPECT_EQ(nowhere.json["message"], "namespaces \"team\" not found");
  EXPECT_EQ(http_
                .Post("/api/v1/namespaces",
                      {{"apiVersion", "v1"}, {"kind", "Namespace"}, {"metadata", {{"name", "team"}}}})
                .code,
            201);
  EXPECT_EQ(http_.Post(other, Network("blue")).code, 201);
  EXPECT_EQ(http_.Post(kNetworks, Network("blue")).code, 201);
  EXPECT_EQ(http_.Get(absl::StrCat(kGroup, "/networks")).json["items"].size(), 2u);
  EXPECT_EQ(http_.Get(other).json["items"].size(), 1u);
  json wrong = Network("red");
  wrong["metadata"]["namespace"] = "team";
  EXPECT_EQ(http_.Post(kNetworks, wrong).code, 400);
  EXPECT_EQ(http_.Post(absl::StrCat(kGroup, "/networks"), Network("red")).code, 405);
  EXPECT_EQ(
      http_.Get(absl::StrCat(kNetworks, "?fieldSelector=metadata.namespace%3Dteam")).json["items"].size(),
      0u);
}

TEST_F(RestTest, UrlsAndMethodsThatAreNotServedSaySo) {
  for (const char* path : {"/nothing", "/api/v1/pods", "/openapi/v9", "/apis/example.org/v1", "/"}) {
    TestReply reply = http_.Get(path);
    EXPECT_EQ(reply.code, 404) << path;
    EXPECT_EQ(reply.json["kind"], "Status") << path;
  }
  for (const char* method : {"PUT", "PATCH", "HEAD", "OPTIONS"}) {
    EXPECT_EQ(http_.Do(method, kNetworks).code, 405) << method;
  }
  EXPECT_EQ(http_.Do("POST", kBlue, "{}").code, 405);
  EXPECT_EQ(http_.Do("POST", "/apis", "{}").code, 405);
  EXPECT_GE(http_.Do("BREW", kNetworks).code, 400);
  EXPECT_EQ(http_.Get("/readyz").body, "ok");
  EXPECT_EQ(http_.Get("/version").json["major"], "1");
}

TEST_F(RestTest, ADryRunAnswersAsIfAndWritesNothing) {
  const TestReply made = http_.Post(absl::StrCat(kNetworks, "?dryRun=All"), Network("blue"));
  EXPECT_EQ(made.code, 201);
  EXPECT_EQ(made.json["spec"]["mtu"], 1500);
  EXPECT_FALSE(made.json["metadata"].contains("resourceVersion"));
  EXPECT_EQ(http_.Get(kBlue).code, 404);
  EXPECT_EQ(http_.Post(absl::StrCat(kNetworks, "?dryRun=Some"), Network("blue")).code, 400);
  const json there = http_.Post(kNetworks, Network("blue")).json;
  const json change = {{"spec", {{"mtu", 1400}}}};
  EXPECT_EQ(http_.Merge(kBlue + "?dryRun=All", change).json["spec"]["mtu"], 1400);
  EXPECT_EQ(http_.Merge(kBlue + "?dryRun=All", {{"spec", {{"vni", 0}}}}).code, 422);
  EXPECT_EQ(http_.Do("DELETE", kBlue + "?dryRun=All").code, 200);
  EXPECT_EQ(http_.Do("DELETE", kBlue, R"({"dryRun": ["All"]})").code, 200);
  EXPECT_EQ(http_.Get(kBlue).json, there);
}

TEST_F(RestTest, AppliesAreTakenAsYamlOrJson) {
  const std::string url = kBlue + "?fieldManager=ann";
  const std::string apply = "application/apply-patch+yaml";
  const std::string yaml =
      "apiVersion: xpu.opiproject.org/v1alpha1\nkind: Network\nspec: {vni: 5, prefixes: [10.0.0.0/24]}\n"
      "metadata: {labels: {app: demo}}\n";
  const TestReply made = http_.Do("PATCH", url, yaml, apply);
  ASSERT_EQ(made.code, 201) << made.body;
  EXPECT_EQ(made.json["metadata"]["managedFields"][0]["manager"], "ann");
  EXPECT_EQ(http_.Do("PATCH", url, Network("blue").dump(), apply).code, 200);
  EXPECT_EQ(http_.Do("PATCH", kBlue, yaml, apply).code, 400) << "who applies says who he is";
  EXPECT_EQ(http_.Do("PATCH", url, Network("red").dump(), apply).code, 400);
  EXPECT_EQ(http_.Do("PATCH", url, "a: [", apply).code, 400);
  for (const char* metadata : {"7", "[]", "null", "{\"ownerReferences\": [7]}"}) {
    const std::string odd = absl::StrCat(
        R"({"apiVersion": "xpu.opiproject.org/v1alpha1", "kind": "Network", "metadata": )", metadata, "}");
    const int code = http_.Do("PATCH", url, odd, apply).code;
    EXPECT_TRUE(code >= 400 && code < 500) << metadata << " " << code;
  }
  EXPECT_EQ(http_.Do("PATCH", url, R"({"metadata": {"managedFields": []}})", apply).code, 400);
}

TEST_F(RestTest, UnknownFieldsAreTreatedAsTheClientAsks) {
  json object = Network("blue");
  object["spec"]["mtuu"] = 1;
  EXPECT_EQ(http_.Post(kNetworks, object).code, 422);
  const TestReply strict = http_.Post(absl::StrCat(kNetworks, "?fieldValidation=Strict"), object);
  EXPECT_EQ(strict.code, 400);
  EXPECT_THAT(strict.body, HasSubstr("unknown field"));
  EXPECT_EQ(http_.Post(absl::StrCat(kNetworks, "?fieldValidation=Odd"), object).code, 400);
  const TestReply pruned = http_.Post(absl::StrCat(kNetworks, "?fieldValidation=Warn"), object);
  EXPECT_EQ(pruned.code, 201);
  EXPECT_FALSE(pruned.json["spec"].contains("mtuu"));
}

TEST_F(RestTest, ADeleteMayNameTheObjectItMeans) {
  http_.Post(kNetworks, Network("blue"));
  EXPECT_EQ(http_.Do("DELETE", kBlue, R"({"preconditions": {"uid": "another"}})").code, 409);
  EXPECT_EQ(http_.Do("DELETE", kBlue, R"([])").code, 400);
  EXPECT_EQ(http_.Do("DELETE", kBlue, R"({"kind": "DeleteOptions", "propagationPolicy": "Background"})").code,
            200);
}

TEST_F(RestTest, ABodyThatIsTooLargeIsRefusedWithAStatus) {
  json object = Network("blue");
  object["metadata"]["annotations"] = {{"note", std::string(4 << 20, 'x')}};
  TestReply reply = http_.Post(kNetworks, object);
  EXPECT_EQ(reply.code, 413);
  EXPECT_EQ(reply.json["reason"], "RequestEntityTooLarge");
  EXPECT_EQ(http_.Post(kNetworks, Network("blue")).code, 201);
}

TEST_F(RestTest, TheSameServerListensOnTheLoopback) {
  TestApiServer server(ApiServerOptions{.listen = {"127.0.0.1:0"}});
  std::string tcp = server.endpoints()[0];
  EXPECT_THAT(tcp, HasSubstr("127.0.0.1:"));
  EXPECT_EQ(TestHttp(tcp).Post(kNetworks, Network("blue")).code, 201);
  EXPECT_EQ(TestHttp(server.endpoint()).Get(kBlue).code, 200);
}

TEST_F(RestTest, ObjectsOutliveTheServer) {
  json made = http_.Post(kNetworks, Network("blue")).json;
  server_.Restart();
  EXPECT_EQ(TestHttp(server_.endpoint()).Get(kBlue).json, made);
}

struct BadBody {
  const char* body;
  int code;
};

class BadBodyTest : public RestTest, public ::testing::WithParamInterface<BadBody> {};

// Every write refuses it with a Status, nothing is stored and the server goes on.
TEST_P(BadBodyTest, IsRefusedByEveryWrite) {
  json red = http_.Post(kNetworks, Network("red")).json;
  const BadBody& bad = GetParam();
  TestReply post = http_.Do("POST", kNetworks, bad.body);
  EXPECT_EQ(post.code, bad.code) << post.body;
  EXPECT_EQ(post.json["kind"], "Status");
  EXPECT_EQ(post.json["code"], bad.code);
  EXPECT_FALSE(post.json["message"].get<std::string>().empty());
  std::string path = absl::StrCat(kNetworks, "/red");
  EXPECT_GE(http_.Do("PUT", path, bad.body).code, 400);
  EXPECT_GE(http_.Do("PUT", path + "/status", bad.body).code, 400);
  // As a patch, an empty list is well formed and does nothing.
  int patched = http_.Do("PATCH", path, bad.body, "application/json-patch+json").code;
  EXPECT_EQ(patched < 400, std::string(bad.body) == "[]") << patched;
  EXPECT_EQ(http_.Get(kNetworks).json["items"], json::array({red}));
}

INSTANTIATE_TEST_SUITE_P(
    All, BadBodyTest,
    ::testing::Values(
        BadBody{"", 400}, BadBody{"{", 400}, BadBody{"null", 400}, BadBody{"7", 400}, BadBody{"\"x\"", 400},
        BadBody{"[]", 400}, BadBody{"true", 400}, BadBody{"\xff\xfe", 400}, BadBody{"{\"a\":1,\"a\":2}", 400},
        BadBody{"apiVersion: v1\nkind: Network\n", 400}, BadBody{"{}", 422},
        BadBody{R"({"metadata": null})", 422}, BadBody{R"({"metadata": 7})", 422},
        BadBody{R"({"metadata": []})", 422}, BadBody{R"({"metadata": {"name": null}})", 422},
        BadBody{R"({"metadata": {"name": {"a": 1}}})", 422},
        BadBody{R"({"metadata": {"name": "a", "labels": 7}})", 422},
        BadBody{R"({"metadata": {"name": "a", "finalizers": {}}})", 422},
        BadBody{R"({"metadata": {"name": "../../etc"}})", 422},
        BadBody{R"({"metadata": {"name": "a"}})", 422},
        BadBody{R"({"kind": 7, "apiVersion": [], "metadata": {"name": "a"}, "spec": "x"})", 422},
        BadBody{R"({"kind": "Netdev", "apiVersion": "xpu.opiproject.org/v1alpha1", "metadata": {"name": "a"},
                    "spec": {"vni": 5, "prefixes": ["10.0.0.0/24"]}})",
                422},
        BadBody{R"({"kind": "Network", "apiVersion": "xpu.opiproject.org/v1alpha1",
                    "metadata": {"name": "a", "namespace": 7}, "spec": {"vni": 5, "prefixes": ["10.0.0.0/24"]}})",
                422},
        BadBody{R"({"kind": "Network", "apiVersion": "xpu.opiproject.org/v1alpha1", "metadata": {"name": "a"},
                    "spec": {"vni": 99999999999999999999, "prefixes": ["10.0.0.0/24"]}})",
                422},
        BadBody{R"({"kind": "Network", "apiVersion": "xpu.opiproject.org/v1alpha1", "metadata": {"name": "a"},
                    "spec": {"vni": 5, "prefixes": [[[[["10.0.0.0/24"]]]]]}})",
                422}));

TEST_F(RestTest, AListComesInPagesThatNeitherRepeatNorHide) {
  for (const char* name : {"a", "b", "c", "d", "e"})
    ASSERT_EQ(http_.Post(kNetworks, Network(name)).code, 201);
  const auto names = [](const TestReply& reply) {
    std::string text;
    for (const json& item : reply.json["items"]) text += item["metadata"]["name"].get<std::string>();
    return text;
  };
  const TestReply first = http_.Get(absl::StrCat(kNetworks, "?limit=2"));
  EXPECT_EQ(names(first), "ab");
  const std::string version = first.json["metadata"]["resourceVersion"];
  // Between the pages: what was shown goes, what comes next goes, something new comes.
  ASSERT_EQ(http_.Do("DELETE", absl::StrCat(kNetworks, "/a")).code, 200);
  ASSERT_EQ(http_.Do("DELETE", absl::StrCat(kNetworks, "/c")).code, 200);
  ASSERT_EQ(http_.Post(kNetworks, Network("bb")).code, 201);
  const TestReply second = http_.Get(
      absl::StrCat(kNetworks, "?limit=2&continue=", first.json["metadata"]["continue"].get<std::string>()));
  EXPECT_EQ(names(second), "bbd");
  EXPECT_EQ(second.json["metadata"]["resourceVersion"], version) << "a watch from there hears of all between";
  const TestReply third = http_.Get(
      absl::StrCat(kNetworks, "?limit=2&continue=", second.json["metadata"]["continue"].get<std::string>()));
  EXPECT_EQ(names(third), "e");
  EXPECT_FALSE(third.json["metadata"].contains("continue"));

  EXPECT_EQ(http_.Get(absl::StrCat(kNetworks, "?limit=4")).json["metadata"].contains("continue"), false)
      << "four are left";
  EXPECT_EQ(http_.Get(absl::StrCat(kNetworks, "?limit=2&continue=nonsense")).code, 410);
  EXPECT_EQ(http_.Get(absl::StrCat(kNetworks, "?limit=many")).code, 400);
}

TEST_F(RestTest, AClientMayHaveItsObjectsAsTables) {
  ASSERT_EQ(http_.Post(kNetworks, Network("blue")).code, 201);
  const std::string accept = "application/json;as=Table;v=v1;g=meta.k8s.io,application/json";
  const TestReply list = http_.Get(absl::StrCat(kNetworks, "?limit=500"), accept);
  EXPECT_EQ(list.json["kind"], "Table") << list.body;
  EXPECT_EQ(list.json["rows"][0]["cells"][0], "blue");
  EXPECT_EQ(http_.Get(kBlue, accept).json["rows"].size(), 1u);
  EXPECT_EQ(http_.Get(kBlue, "application/yaml").code, 406);
}

}  // namespace
}  // namespace xpu::apiserver
