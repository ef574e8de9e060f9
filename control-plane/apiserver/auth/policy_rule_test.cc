#include "control-plane/apiserver/auth/policy_rule.h"

#include <gtest/gtest.h>

namespace xpu::apiserver {
namespace {

using nlohmann::json;

PolicyRule Rule(const char* text) { return ReadRules({{"rules", json::array({json::parse(text)})}}).at(0); }

Attributes Wants(const char* verb, const char* resource, const char* name = "",
                 const char* subresource = "") {
  return {
      .verb = verb, .group = "g", .resource = resource, .subresource = subresource, .ns = "n", .name = name};
}

TEST(PolicyRuleTest, VerbsGroupsResourcesAndNamesMustAllFit) {
  const PolicyRule rule =
      Rule(R"({"verbs": ["get", "list"], "apiGroups": ["g"], "resources": ["cars", "cars/status"]})");
  EXPECT_TRUE(rule.Allows(Wants("get", "cars", "a")));
  EXPECT_TRUE(rule.Allows(Wants("list", "cars")));
  EXPECT_TRUE(rule.Allows(Wants("get", "cars", "a", "status")));
  EXPECT_FALSE(rule.Allows(Wants("get", "cars", "a", "scale")));
  EXPECT_FALSE(rule.Allows(Wants("delete", "cars", "a")));
  EXPECT_FALSE(rule.Allows(Wants("get", "boats", "a")));
  EXPECT_FALSE(rule.Allows({.verb = "get", .group = "", .resource = "cars"}));
  EXPECT_FALSE(rule.Allows({.verb = "get", .path = "/version"}));
}

TEST(PolicyRuleTest, ARuleOfNamesIsOfThoseAlone) {
  const PolicyRule rule =
      Rule(R"({"verbs": ["*"], "apiGroups": ["*"], "resources": ["*"], "resourceNames": ["mine"]})");
  EXPECT_TRUE(rule.Allows(Wants("delete", "cars", "mine")));
  EXPECT_TRUE(rule.Allows(Wants("watch", "cars", "mine")));
  EXPECT_FALSE(rule.Allows(Wants("delete", "cars", "other")));
  EXPECT_FALSE(rule.Allows(Wants("list", "cars")));
  EXPECT_FALSE(rule.Allows(Wants("create", "cars")));
}

TEST(PolicyRuleTest, SubresourcesOfAllAndUrlsWithAStar) {
  const PolicyRule status = Rule(R"({"verbs": ["update"], "apiGroups": ["g"], "resources": ["*/status"]})");
  EXPECT_TRUE(status.Allows(Wants("update", "cars", "a", "status")));
  EXPECT_FALSE(status.Allows(Wants("update", "cars", "a")));
  const PolicyRule urls = Rule(R"({"verbs": ["get"], "nonResourceURLs": ["/healthz", "/logs/*"]})");
  EXPECT_TRUE(urls.Allows({.verb = "get", .path = "/healthz"}));
  EXPECT_TRUE(urls.Allows({.verb = "get", .path = "/logs/today"}));
  EXPECT_FALSE(urls.Allows({.verb = "get", .path = "/healthz/more"}));
  EXPECT_FALSE(urls.Allows(Wants("get", "cars")));
}

TEST(PolicyRuleTest, WhatIsHeldCoversWhatIsLessOnly) {
  const std::vector<PolicyRule> held = {
      Rule(R"({"verbs": ["get", "list"], "apiGroups": ["g"], "resources": ["cars", "boats"]})"),
      Rule(R"({"verbs": ["delete"], "apiGroups": ["g"], "resources": ["cars"], "resourceNames": ["mine"]})")};
  EXPECT_TRUE(Covers(held, Rule(R"({"verbs": ["get"], "apiGroups": ["g"], "resources": ["boats"]})")));
  EXPECT_TRUE(Covers(held, Rule(R"({"verbs": ["delete"], "apiGroups": ["g"], "resources": ["cars"],
                                    "resourceNames": ["mine"]})")));
  EXPECT_FALSE(Covers(held, Rule(R"({"verbs": ["delete"], "apiGroups": ["g"], "resources": ["cars"]})")));
  EXPECT_FALSE(Covers(held, Rule(R"({"verbs": ["*"], "apiGroups": ["g"], "resources": ["cars"]})")));
  EXPECT_FALSE(Covers(held, Rule(R"({"verbs": ["get"], "apiGroups": ["g"], "resources": ["*"]})")));
  EXPECT_FALSE(Covers(held, Rule(R"({"verbs": ["get"], "nonResourceURLs": ["*"]})")));
}

TEST(PolicyRuleTest, WhatIsNoRoleAllowsNothing) {
  EXPECT_TRUE(ReadRules(json::parse(R"({"rules": 7})")).empty());
  EXPECT_TRUE(ReadRules(json::parse(R"({})")).empty());
  EXPECT_FALSE(ReadRules(json::parse(R"({"rules": [7, {"verbs": "get", "apiGroups": [7]}]})"))
                   .at(0)
                   .Allows(Wants("get", "cars")));
}

}  // namespace
}  // namespace xpu::apiserver
