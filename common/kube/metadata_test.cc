#include "common/kube/metadata.h"

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace xpu {
namespace {

const ResourceKind kKind = {"xpu.opiproject.org", "v1alpha1", "Network", "networks"};

TEST(MetadataTest, ReadsWhatTheServerWrote) {
  const Resource object = Resource::parse(R"({"metadata": {"namespace": "ns", "name": "blue", "uid": "u-1",
      "resourceVersion": "17", "generation": 3, "deletionTimestamp": "2026-01-01T00:00:00Z"}})");
  EXPECT_EQ(NameOf(object), (ResourceName{"ns", "blue"}));
  EXPECT_EQ(VersionOf(object), "17");
  EXPECT_EQ(UidOf(object), "u-1");
  EXPECT_EQ(GenerationOf(object), 3);
  EXPECT_TRUE(IsBeingDeleted(object));
}

TEST(MetadataTest, TakesObjectsOfAnyShape) {
  for (const char* text :
       {"null", "[]", "7", "{}", R"({"metadata": 7})", R"({"metadata": {"name": 7}})",
        R"({"metadata": {"finalizers": "x"}, "status": {"conditions": 7}})",
        R"({"metadata": {"finalizers": [1]}, "status": {"conditions": ["x", 7, null]}})"}) {
    const Resource object = Resource::parse(text);
    EXPECT_EQ(NameOf(object), ResourceName()) << text;
    EXPECT_EQ(VersionOf(object), "") << text;
    EXPECT_EQ(GenerationOf(object), 0) << text;
    EXPECT_FALSE(IsBeingDeleted(object)) << text;
    EXPECT_FALSE(HasFinalizer(object, "a/b")) << text;
    EXPECT_EQ(GetCondition(object, "Ready").status, "") << text;
  }
}

TEST(MetadataTest, FinalizersAreAddedOnceAndRemoved) {
  Resource object = MakeResource(kKind, {"ns", "blue"});
  EXPECT_TRUE(AddFinalizer(&object, "a/b"));
  EXPECT_FALSE(AddFinalizer(&object, "a/b"));
  EXPECT_TRUE(AddFinalizer(&object, "a/c"));
  EXPECT_TRUE(HasFinalizer(object, "a/b"));
  EXPECT_TRUE(RemoveFinalizer(&object, "a/b"));
  EXPECT_FALSE(RemoveFinalizer(&object, "a/b"));
  EXPECT_EQ(object["metadata"]["finalizers"], Resource::parse(R"(["a/c"])"));
}

TEST(MetadataTest, ConditionKeepsItsTimeUntilTheStatusChanges) {
  Resource object = MakeResource(kKind, {"ns", "blue"});
  const absl::Time start = absl::FromUnixSeconds(1'800'000'000);
  ConditionValue ready = {"Ready", "False", "NotYet", "wait", 1};
  EXPECT_TRUE(SetCondition(&object, ready, start));
  EXPECT_FALSE(SetCondition(&object, ready, start + absl::Seconds(1)));
  ready.message = "still waiting";
  EXPECT_TRUE(SetCondition(&object, ready, start + absl::Seconds(2)));
  EXPECT_EQ(object["status"]["conditions"][0]["lastTransitionTime"], "2027-01-15T08:00:00Z");
  ready.status = "True";
  EXPECT_TRUE(SetCondition(&object, ready, start + absl::Seconds(3)));
  EXPECT_EQ(object["status"]["conditions"][0]["lastTransitionTime"], "2027-01-15T08:00:03Z");
  EXPECT_EQ(GetCondition(object, "Ready"), ready);
}

TEST(MetadataTest, ConditionsOfOthersAreLeftAlone) {
  Resource object = MakeResource(kKind, {"ns", "blue"});
  SetCondition(&object, {"Other", "True", "Fine", "", 1}, absl::UnixEpoch());
  const Resource other = object["status"]["conditions"][0];
  SetCondition(&object, {"Ready", "True", "Fine", "", 1}, absl::UnixEpoch());
  ASSERT_EQ(object["status"]["conditions"].size(), 2u);
  EXPECT_EQ(object["status"]["conditions"][0], other);
}

TEST(MetadataTest, MakesObjectsOfKindsWithAndWithoutNamespace) {
  EXPECT_EQ(MakeResource(kKind, {"ns", "blue"}),
            Resource::parse(R"({"apiVersion": "xpu.opiproject.org/v1alpha1", "kind": "Network",
                                "metadata": {"namespace": "ns", "name": "blue"}})"));
  EXPECT_EQ(MakeResource({"", "v1", "Namespace", "namespaces"}, {"", "ns"}),
            Resource::parse(R"({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "ns"}})"));
}

}  // namespace
}  // namespace xpu
