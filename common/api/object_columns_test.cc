#include "common/api/object_columns.h"

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace xpu::api {
namespace {

using ::testing::ElementsAre;

const KindInfo& Network() { return *FindByName("network"); }

TEST(ObjectColumnsTest, FollowTheDeclarationOfTheKind) {
  const nlohmann::json object = nlohmann::json::parse(R"({
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
  EXPECT_EQ(ObjectColumns(*FindByName("namespace"), true, false).Headings()[0], "Name");
}

TEST(ObjectColumnsTest, TakesObjectsOfAnyShape) {
  for (const char* text : {"null", "[]", "{}", R"({"metadata": 7, "spec": [], "status": "x"})",
                           R"({"metadata": {"creationTimestamp": "soon"}})"}) {
    const auto row = ObjectColumns(Network(), true, true).Row(nlohmann::json::parse(text), absl::UnixEpoch());
    EXPECT_THAT(row, testing::Each("")) << text;
  }
}

TEST(ObjectColumnsTest, AgesAreAsPreciseAsAPersonWantsThem) {
  EXPECT_EQ(AgeText(absl::Seconds(-5)), "0s");
  EXPECT_EQ(AgeText(absl::Seconds(119)), "119s");
  EXPECT_EQ(AgeText(absl::Seconds(120)), "2m");
  EXPECT_EQ(AgeText(absl::Seconds(200)), "3m20s");
  EXPECT_EQ(AgeText(absl::Minutes(10)), "10m");
  EXPECT_EQ(AgeText(absl::Minutes(179)), "179m");
  EXPECT_EQ(AgeText(absl::Minutes(185)), "3h5m");
  EXPECT_EQ(AgeText(absl::Hours(47)), "47h");
  EXPECT_EQ(AgeText(absl::Hours(49)), "2d1h");
  EXPECT_EQ(AgeText(absl::Hours(24 * 400)), "400d");
}

}  // namespace
}  // namespace xpu::api
