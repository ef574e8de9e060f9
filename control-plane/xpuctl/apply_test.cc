#include "control-plane/xpuctl/apply.h"

#include "gtest/gtest.h"

namespace xpu {
namespace {

TEST(ApplyPatchTest, TheFirstTimeThePatchIsTheManifest) {
  const Resource manifest = Resource::parse(R"({"spec": {"a": 1}})");
  EXPECT_EQ(ApplyPatch(manifest, nullptr), manifest);
}

TEST(ApplyPatchTest, WhatTheManifestNoLongerSaysGoes) {
  const Resource last = Resource::parse(
      R"({"metadata": {"labels": {"a": "1", "b": "2"}}, "spec": {"x": 1, "deep": {"y": 2, "z": 3}, "whole": {"w": 1}}})");
  const Resource manifest =
      Resource::parse(R"({"metadata": {"labels": {"a": "1"}}, "spec": {"x": 5, "deep": {"z": 3}}})");
  EXPECT_EQ(ApplyPatch(manifest, last), Resource::parse(R"({
      "metadata": {"labels": {"a": "1", "b": null}},
      "spec": {"x": 5, "deep": {"y": null, "z": 3}, "whole": null}})"));
}

TEST(ApplyPatchTest, WhatOthersWroteStays) {
  Resource object = Resource::parse(R"({"spec": {"mine": 1, "theirs": 2, "list": [1, 2]}})");
  const Resource last = Resource::parse(R"({"spec": {"mine": 1, "list": [1, 2]}})");
  const Resource manifest = Resource::parse(R"({"spec": {"list": [3]}})");
  object.merge_patch(ApplyPatch(manifest, last));
  EXPECT_EQ(object, Resource::parse(R"({"spec": {"theirs": 2, "list": [3]}})"));
}

TEST(ApplyPatchTest, LabelsOfOthersStayWhenTheManifestHasNoneAnyMore) {
  Resource object = Resource::parse(R"({"metadata": {"labels": {"mine": "1", "theirs": "2"}}})");
  const Resource last = Resource::parse(R"({"metadata": {"labels": {"mine": "1"}}})");
  object.merge_patch(ApplyPatch(Resource::parse(R"({"metadata": {}})"), last));
  EXPECT_EQ(object, Resource::parse(R"({"metadata": {"labels": {"theirs": "2"}}})"));
}

TEST(ApplyPatchTest, AValueMayBecomeAnObjectAndTheOtherWayRound) {
  const Resource was = Resource::parse(R"({"a": 1, "b": {"c": 1}})");
  const Resource is = Resource::parse(R"({"a": {"c": 1}, "b": 1})");
  Resource object = was;
  object.merge_patch(ApplyPatch(is, was));
  EXPECT_EQ(object, is);
}

}  // namespace
}  // namespace xpu
