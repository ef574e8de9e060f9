#include "control-plane/apiserver/http/discovery.h"

#include <gtest/gtest.h>

namespace xpu::apiserver {
namespace {

using nlohmann::json;

TEST(DiscoveryTest, GroupsAndVersionsAreListed) {
  EXPECT_EQ((*Discover({"api"}))["versions"], json({"v1"}));
  json groups = (*Discover({"apis"}))["groups"];
  ASSERT_EQ(groups.size(), 1u);
  EXPECT_EQ(groups[0]["name"], "xpu.opiproject.org");
  EXPECT_EQ(groups[0]["preferredVersion"]["groupVersion"], "xpu.opiproject.org/v1alpha1");
  json group = *Discover({"apis", "xpu.opiproject.org"});
  EXPECT_EQ(group["kind"], "APIGroup");
  EXPECT_EQ(group["versions"], groups[0]["versions"]);
}

TEST(DiscoveryTest, AKindIsDescribedWithItsStatus) {
  json list = *Discover({"apis", "xpu.opiproject.org", "v1alpha1"});
  EXPECT_EQ(list["kind"], "APIResourceList");
  EXPECT_EQ(list["groupVersion"], "xpu.opiproject.org/v1alpha1");
  json found;
  for (const json& resource : list["resources"]) {
    if (resource["name"] == "networks") found = resource;
  }
  EXPECT_EQ(found["kind"], "Network");
  EXPECT_EQ(found["namespaced"], true);
  EXPECT_EQ(found["shortNames"], json({"xnet"}));
  EXPECT_EQ(found["verbs"], json({"create", "delete", "get", "list", "patch", "update", "watch"}));
  EXPECT_EQ(list["resources"].size(), 4u);
}

TEST(DiscoveryTest, TheCoreGroupHasNamespaces) {
  json list = *Discover({"api", "v1"});
  EXPECT_EQ(list["groupVersion"], "v1");
  EXPECT_EQ(list["resources"][0]["name"], "namespaces");
  EXPECT_EQ(list["resources"][0]["namespaced"], false);
}

TEST(DiscoveryTest, OtherUrlsAreNotItsBusiness) {
  EXPECT_FALSE(Discover({}));
  EXPECT_FALSE(Discover({"api", "v2"}));
  EXPECT_FALSE(Discover({"apis", "example.org"}));
  EXPECT_FALSE(Discover({"apis", "xpu.opiproject.org", "v2"}));
  EXPECT_FALSE(Discover({"apis", "xpu.opiproject.org", "v1alpha1", "networks"}));
  EXPECT_TRUE(Discover({"version"}));
}

}  // namespace
}  // namespace xpu::apiserver
