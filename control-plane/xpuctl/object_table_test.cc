#include "control-plane/xpuctl/object_table.h"

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace xpu {
namespace {

using ::testing::ElementsAre;

const api::KindInfo& Network() { return *api::FindByName("network"); }

TEST(ObjectColumnsTest, FollowTheDeclarationOfTheKind) {
  const Resource object = Resource::parse(R"({
      "metadata": {"namespace": "ns", "name": "blue", "creationTimestamp": "2026-01-01T00:00:00Z"},
      "spec": {"vni": 7, "prefixes": ["10.0.0.0/24", "fd00::/64"], "mtu": 1400},
      "status": {"conditions": [{"type": "Ready", "status": "True"}]}})");
  absl::Time now;
  ASSERT_TRUE(absl::ParseTime(absl::RFC3339_full, "2026-01-01T00:01:00Z", &now, nullptr));

  const ObjectColumns narrow(Network(), false, false);
  EXPECT_THAT(narrow.Headings(), ElementsAre("Name", "VNI", "Prefixes", "Ready", "Age"));
  EXPECT_THAT(narrow.Row(object, now), ElementsAre("blue", "7", "10.0.0.0/24,fd00::/64", "True", "60s"));
  const ObjectColumns wide(Network(), true, true);
  EXPECT_THAT(wide.Headings(), ElementsAre("Namespace", "Name", "VNI", "Prefixes", "MTU", "Ready", "Age"));
  EXPECT_THAT(wide.Row(object, now),
              ElementsAre("ns", "blue", "7", "10.0.0.0/24,fd00::/64", "1400", "True", "60s"));
}

TEST(ObjectColumnsTest, KindsWithoutNamespacesHaveNoColumnForThem) {
  EXPECT_EQ(ObjectColumns(*api::FindByName("namespace"), true, false).Headings()[0], "Name");
}

TEST(ObjectColumnsTest, TakesObjectsOfAnyShape) {
  for (const char* text : {"null", "[]", "{}", R"({"metadata": 7, "spec": [], "status": "x"})",
                           R"({"metadata": {"creationTimestamp": "soon"}})"}) {
    const auto row = ObjectColumns(Network(), true, true).Row(Resource::parse(text), absl::UnixEpoch());
    EXPECT_THAT(row, testing::Each("")) << text;
  }
}

}  // namespace
}  // namespace xpu
