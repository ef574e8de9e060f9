#include "common/api/field_path.h"

#include "common/api/api.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace xpu::api {
namespace {

using ::testing::HasSubstr;

const nlohmann::json& Object() {
  static const auto& object = *new nlohmann::json(nlohmann::json::parse(R"({
      "metadata": {"name": "blue", "labels": {"app.io/name": "demo"}},
      "spec": {"vni": 100, "prefixes": ["10.0.0.0/24", "fd00::/64"], "deep": {"er": true}, "nothing": null},
      "status": {"conditions": [{"type": "Ready", "status": "True", "n": 1},
                                {"type": "Other", "status": "False", "n": 2}, "odd"]}})"));
  return object;
}

std::string Text(const std::string& path) {
  const auto parsed = FieldPath::Parse(path);
  EXPECT_TRUE(parsed.ok()) << parsed.status();
  return parsed.ok() ? parsed->Text(Object()) : "";
}

TEST(FieldPathTest, FindsFields) {
  EXPECT_EQ(Text(".metadata.name"), "blue");
  EXPECT_EQ(Text(".spec.vni"), "100");
  EXPECT_EQ(Text(".spec.deep.er"), "true");
  EXPECT_EQ(Text(".spec['vni']"), "100");
  EXPECT_EQ(Text(".metadata.labels.app\\.io/name"), "demo");
  EXPECT_EQ(Text(".metadata.labels['app.io/name']"), "demo");
}

TEST(FieldPathTest, ListsAreJoinedAndIndexed) {
  EXPECT_EQ(Text(".spec.prefixes"), "10.0.0.0/24,fd00::/64");
  EXPECT_EQ(Text(".spec.prefixes[0]"), "10.0.0.0/24");
  EXPECT_EQ(Text(".spec.prefixes[-1]"), "fd00::/64");
  EXPECT_EQ(Text(".spec.prefixes[*]"), "10.0.0.0/24,fd00::/64");
  EXPECT_EQ(Text(".status.conditions[*].type"), "Ready,Other");
  EXPECT_EQ(Text(".spec.deep[*]"), "true");
}

TEST(FieldPathTest, FiltersChooseElements) {
  EXPECT_EQ(Text(".status.conditions[?(@.type==\"Ready\")].status"), "True");
  EXPECT_EQ(Text(".status.conditions[?(@.type=='Other')].status"), "False");
  EXPECT_EQ(Text(".status.conditions[?(@.type != \"Ready\")].type"), "Other");
  EXPECT_EQ(Text(".status.conditions[?(@.n==2)].type"), "Other");
  EXPECT_EQ(Text(".status.conditions[?(@.type==\"None\")].status"), "");
}

TEST(FieldPathTest, WhatIsNotThereIsEmpty) {
  for (const char* path :
       {".nothing", ".spec.nothing", ".spec.vni.deeper", ".spec.prefixes[9]", ".spec.prefixes[-9]",
        ".spec[0]", ".metadata.name[*]", ".spec.prefixes.name", ".spec.vni[?(@.a==1)]"}) {
    EXPECT_EQ(Text(path), "") << path;
  }
}

TEST(FieldPathTest, ObjectsAreShownAsJson) { EXPECT_EQ(Text(".spec.deep"), R"({"er":true})"); }

TEST(FieldPathTest, PathsThatCannotBeReadSayWhere) {
  for (const char* path : {"spec", "..a", ".a..b", ".a[", ".a[]", ".a[x]", ".a[1", ".a['b]", ".a[?(@.b)]",
                           ".a[?(@.b==]", ".a[?(@.b==\"c\"]", ".a[?(b==1)]", ".a]"}) {
    const auto parsed = FieldPath::Parse(path);
    EXPECT_TRUE(absl::IsInvalidArgument(parsed.status())) << path;
    EXPECT_THAT(parsed.status().message(), HasSubstr("at character")) << path;
  }
}

TEST(FieldPathTest, TheColumnsOfEveryKindCanBeRead) {
  for (const KindInfo& kind : AllKinds()) {
    for (const Column& column : kind.columns) {
      const auto parsed = FieldPath::Parse(column.path);
      EXPECT_TRUE(parsed.ok()) << kind.resource.kind << " " << column.name << ": " << parsed.status();
    }
  }
}

}  // namespace
}  // namespace xpu::api
