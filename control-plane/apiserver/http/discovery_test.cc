#include "control-plane/apiserver/http/discovery.h"

#include <gtest/gtest.h>

namespace xpu::apiserver {
namespace {

using nlohmann::json;

TEST(DiscoveryTest, GroupsAndVersionsAreListed) {
  EXPECT_EQ((*Discover(KindTable(), {"api"}))["versions"], json({"v1"}));
  json groups = (*Discover(KindTable(), {"apis"}))["groups"];
  json names = json::array();
  for (const json& group : groups) names.push_back(group["name"]);
  EXPECT_EQ(names, json({"apiextensions.k8s.io", "authentication.k8s.io", "authorization.k8s.io",
                         "coordination.k8s.io", "discovery.k8s.io", "networking.k8s.io",
                         "rbac.authorization.k8s.io", "xpu.opiproject.org"}));
  const json& ours = groups.back();
  EXPECT_EQ(ours["preferredVersion"]["groupVersion"], "xpu.opiproject.org/v1alpha1");
  json group = *Discover(KindTable(), {"apis", "xpu.opiproject.org"});
  EXPECT_EQ(group["kind"], "APIGroup");
  EXPECT_EQ(group["versions"], ours["versions"]);
}

TEST(DiscoveryTest, AKindIsDescribedWithItsStatus) {
  json list = *Discover(KindTable(), {"apis", "xpu.opiproject.org", "v1alpha1"});
  EXPECT_EQ(list["kind"], "APIResourceList");
  EXPECT_EQ(list["groupVersion"], "xpu.opiproject.org/v1alpha1");
  json found;
  for (const json& resource : list["resources"]) {
    if (resource["name"] == "networks") found = resource;
  }
  EXPECT_EQ(found["kind"], "Network");
  EXPECT_EQ(found["namespaced"], true);
  EXPECT_EQ(found["shortNames"], json({"xnet"}));
  EXPECT_EQ(found["verbs"],
            json({"create", "delete", "deletecollection", "get", "list", "patch", "update", "watch"}));
  bool has_status = false;
  for (const json& resource : list["resources"]) has_status |= resource["name"] == "networks/status";
  EXPECT_TRUE(has_status);
}

TEST(DiscoveryTest, TheCoreGroupHasNamespaces) {
  json list = *Discover(KindTable(), {"api", "v1"});
  EXPECT_EQ(list["groupVersion"], "v1");
  json scopes;
  for (const json& resource : list["resources"])
    scopes[resource["name"].get<std::string>()] = resource["namespaced"];
  EXPECT_EQ(scopes["namespaces"], false);
  EXPECT_EQ(scopes["nodes"], false);
  EXPECT_EQ(scopes["secrets"], true);
}

TEST(DiscoveryTest, WhatHasNoStatusHasNoUrlForIt) {
  json list = *Discover(KindTable(), {"apis", "coordination.k8s.io", "v1"});
  ASSERT_EQ(list["resources"].size(), 1u);
  EXPECT_EQ(list["resources"][0]["name"], "leases");
}

TEST(DiscoveryTest, OtherUrlsAreNotItsBusiness) {
  EXPECT_FALSE(Discover(KindTable(), {}));
  EXPECT_FALSE(Discover(KindTable(), {"api", "v2"}));
  EXPECT_FALSE(Discover(KindTable(), {"apis", "example.org"}));
  EXPECT_FALSE(Discover(KindTable(), {"apis", "xpu.opiproject.org", "v2"}));
  EXPECT_FALSE(Discover(KindTable(), {"apis", "xpu.opiproject.org", "v1alpha1", "networks"}));
  EXPECT_TRUE(Discover(KindTable(), {"version"}));
}

}  // namespace
}  // namespace xpu::apiserver
