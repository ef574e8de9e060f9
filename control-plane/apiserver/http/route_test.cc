#include "control-plane/apiserver/http/route.h"

#include <gtest/gtest.h>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"

namespace xpu::apiserver {
namespace {

std::string Find(const std::string& path) {
  absl::StatusOr<Route> route = FindRoute(KindTable(), absl::StrSplit(path, '/', absl::SkipEmpty()));
  if (!route.ok()) return "none";
  return absl::StrCat(route->kind->resource.kind, " ns=", route->ns, " name=", route->name,
                      route->status ? " status" : "");
}

TEST(RouteTest, UrlsNameCollectionsAndObjects) {
  const std::string group = "/apis/xpu.opiproject.org/v1alpha1";
  EXPECT_EQ(Find(group + "/networks"), "Network ns= name=");
  EXPECT_EQ(Find(group + "/namespaces/default/networks"), "Network ns=default name=");
  EXPECT_EQ(Find(group + "/namespaces/default/networks/blue"), "Network ns=default name=blue");
  EXPECT_EQ(Find(group + "/namespaces/default/netdevs/n/status"), "Netdev ns=default name=n status");
  EXPECT_EQ(Find("/api/v1/namespaces"), "Namespace ns= name=");
  EXPECT_EQ(Find("/api/v1/namespaces/team"), "Namespace ns= name=team");
  EXPECT_EQ(Find("/api/v1/namespaces/team/status"), "Namespace ns= name=team status");
}

TEST(RouteTest, OtherUrlsNameNothing) {
  for (const char* path :
       {"/", "/api", "/api/v1", "/apis/xpu.opiproject.org/v1alpha1", "/api/v1/pods",
        "/api/v1/namespaces/team/pods", "/api/v1/namespaces/team/status/x", "/api/v1/namespaces/team/scale",
        "/apis/xpu.opiproject.org/v1/networks", "/apis/example.org/v1alpha1/networks",
        "/apis/xpu.opiproject.org/v1alpha1/networks/blue",
        "/apis/xpu.opiproject.org/v1alpha1/namespaces/default/networks/blue/"
        "scale",
        "/apis/xpu.opiproject.org/v1alpha1/namespaces/default/networks/blue/"
        "status/x",
        "/apis/xpu.opiproject.org/v1alpha1/namespaces", "/apis/xpu.opiproject.org/v1alpha1/pods", "/metrics",
        "/openapi/v2"}) {
    EXPECT_EQ(Find(path), "none") << path;
  }
}

}  // namespace
}  // namespace xpu::apiserver
