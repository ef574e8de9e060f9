#include "common/kube/kube_urls.h"

#include "gtest/gtest.h"

namespace xpu {
namespace {

const ResourceKind kNetworks = {"xpu.opiproject.org", "v1alpha1", "Network", "networks"};
const ResourceKind kNamespaces = {"", "v1", "Namespace", "namespaces"};

TEST(KubeUrlsTest, PathsOfGroupsAndOfTheCore) {
  EXPECT_EQ(CollectionPath(kNetworks, "default"),
            "/apis/xpu.opiproject.org/v1alpha1/namespaces/default/networks");
  EXPECT_EQ(CollectionPath(kNetworks, ""), "/apis/xpu.opiproject.org/v1alpha1/networks");
  EXPECT_EQ(ObjectPath(kNetworks, {"default", "blue"}, "status"),
            "/apis/xpu.opiproject.org/v1alpha1/namespaces/default/networks/blue/status");
  EXPECT_EQ(ObjectPath(kNamespaces, {"", "default"}), "/api/v1/namespaces/default");
}

TEST(KubeUrlsTest, NamesCannotLeaveTheirPlace) {
  EXPECT_EQ(ObjectPath(kNamespaces, {"", "../x?y#z"}), "/api/v1/namespaces/..%2Fx%3Fy%23z");
}

TEST(KubeUrlsTest, QueriesLeaveOutWhatIsEmptyAndEscapeTheRest) {
  EXPECT_EQ(QueryOf({}), "");
  EXPECT_EQ(QueryOf({{"a", ""}}), "");
  EXPECT_EQ(QueryOf({{"a", ""}, {"b", "x=1,y in (p q)"}, {"c", "2"}}), "?b=x%3D1%2Cy%20in%20%28p%20q%29&c=2");
}

}  // namespace
}  // namespace xpu
