// Many objects deleted by one request.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "common/http/test_http.h"
#include "control-plane/apiserver/test_api_server.h"

namespace xpu::apiserver {
namespace {

using nlohmann::json;
using ::testing::ElementsAre;

constexpr char kNetworks[] = "/apis/xpu.opiproject.org/v1alpha1/namespaces/default/networks";
constexpr char kConfigMaps[] = "/api/v1/namespaces/default/configmaps";

class CollectionTest : public ::testing::Test {
 protected:
  json Make(const std::string& name, const std::string& colour, const json& more = json::object()) {
    json network = {{"apiVersion", "xpu.opiproject.org/v1alpha1"},
                    {"kind", "Network"},
                    {"metadata", {{"name", name}, {"labels", {{"colour", colour}}}}},
                    {"spec", {{"vni", 5}, {"prefixes", {"10.0.0.0/24"}}}}};
    network["metadata"].update(more);
    const TestReply made = http_.Post(kNetworks, network);
    EXPECT_EQ(made.code, 201) << made.body;
    return made.json;
  }
  std::vector<std::string> Names(const json& list) {
    std::vector<std::string> names;
    for (const json& item : list["items"]) names.push_back(item["metadata"]["name"]);
    return names;
  }
  std::vector<std::string> Left() { return Names(http_.Get(kNetworks).json); }

  TestApiServer server_;
  TestHttp http_{server_.endpoint()};
};

TEST_F(CollectionTest, WhatIsSelectedGoesAndTheAnswerListsIt) {
  Make("a", "red");
  Make("b", "blue");
  Make("c", "red");
  const TestReply reply = http_.Do("DELETE", absl::StrCat(kNetworks, "?labelSelector=colour%3Dred"));
  EXPECT_EQ(reply.code, 200) << reply.body;
  EXPECT_EQ(reply.json["kind"], "NetworkList");
  EXPECT_THAT(Names(reply.json), ElementsAre("a", "c"));
  EXPECT_THAT(Left(), ElementsAre("b"));
  Make("a", "red");
  EXPECT_THAT(Names(http_.Do("DELETE", absl::StrCat(kNetworks, "?fieldSelector=metadata.name%3Da")).json),
              ElementsAre("a"));
  EXPECT_EQ(http_.Do("DELETE", kNetworks).code, 200);
  EXPECT_THAT(Left(), ElementsAre());
}

TEST_F(CollectionTest, ADryRunALimitAndOptionsCount) {
  for (const char* name : {"a", "b", "c"}) Make(name, "red");
  EXPECT_THAT(Names(http_.Do("DELETE", absl::StrCat(kNetworks, "?dryRun=All")).json),
              ElementsAre("a", "b", "c"));
  EXPECT_THAT(Left(), ElementsAre("a", "b", "c"));
  EXPECT_THAT(Names(http_.Do("DELETE", absl::StrCat(kNetworks, "?limit=2")).json), ElementsAre("a", "b"));
  EXPECT_THAT(Left(), ElementsAre("c"));
  EXPECT_EQ(http_.Do("DELETE", kNetworks, R"({"kind":"DeleteOptions","dryRun":["All"]})").code, 200);
  EXPECT_THAT(Left(), ElementsAre("c"));
  EXPECT_EQ(http_.Do("DELETE", kNetworks, R"({"propagationPolicy":"Sideways"})").code, 400);
  EXPECT_EQ(http_.Do("DELETE", absl::StrCat(kNetworks, "?labelSelector=%3D%3D")).code, 400);
  EXPECT_THAT(Left(), ElementsAre("c"));
}

TEST_F(CollectionTest, WhatTheyOwnStaysOrGoesAndFinalizersAreWaitedFor) {
  const json owner = Make("owner", "red");
  const json reference = {{"apiVersion", "xpu.opiproject.org/v1alpha1"},
                          {"kind", "Network"},
                          {"name", "owner"},
                          {"uid", owner["metadata"]["uid"]}};
  const auto own = [&](const std::string& name) {
    EXPECT_EQ(http_
                  .Post(kConfigMaps, {{"apiVersion", "v1"},
                                      {"kind", "ConfigMap"},
                                      {"metadata", {{"name", name}, {"ownerReferences", {reference}}}}})
                  .code,
              201);
  };
  own("kept");
  Make("slow", "red", {{"finalizers", {"example.org/wait"}}});
  const TestReply reply = http_.Do("DELETE", absl::StrCat(kNetworks, "?propagationPolicy=Orphan"));
  EXPECT_EQ(reply.code, 200) << reply.body;
  EXPECT_EQ(http_.Get(absl::StrCat(kConfigMaps, "/kept")).code, 200);
  EXPECT_THAT(Left(), ElementsAre("slow"));
  EXPECT_TRUE(http_.Get(absl::StrCat(kNetworks, "/slow")).json["metadata"].contains("deletionTimestamp"));
}

TEST_F(CollectionTest, OfNamespacesAndOfAllNamespacesNothingGoesAtOnce) {
  Make("a", "red");
  EXPECT_EQ(http_.Do("DELETE", "/api/v1/namespaces").code, 405);
  EXPECT_EQ(http_.Do("DELETE", "/apis/xpu.opiproject.org/v1alpha1/networks").code, 405);
  EXPECT_THAT(Left(), ElementsAre("a"));
  const json served = http_.Get("/api/v1").json;
  for (const json& resource : served["resources"]) {
    if (resource["name"] != "namespaces" && resource["name"] != "configmaps") continue;
    const json& verbs = resource["verbs"];
    EXPECT_EQ(std::find(verbs.begin(), verbs.end(), "deletecollection") != verbs.end(),
              resource["name"] == "configmaps");
    EXPECT_NE(std::find(verbs.begin(), verbs.end(), "delete"), verbs.end());
  }
}

}  // namespace
}  // namespace xpu::apiserver
