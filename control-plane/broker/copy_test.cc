#include "control-plane/broker/copy.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "common/kube/metadata.h"

namespace xpu::broker {
namespace {

using ::testing::HasSubstr;

const Origin kOrigin{"tenant-a", {"example.org/"}};
const ResourceName kTarget{"a-default", "web"};

Resource Source() {
  return {{"apiVersion", "v1"},
          {"kind", "Service"},
          {"metadata",
           {{"name", "web"},
            {"namespace", "default"},
            {"uid", "u1"},
            {"generation", 4},
            {"resourceVersion", "77"},
            {"labels", {{"app", "web"}}},
            {"annotations", {{"example.org/size", "big"}, {"other.org/x", "y"}}},
            {"ownerReferences", {{{"uid", "o"}}}},
            {"finalizers", {"x/y"}}}},
          {"spec", {{"ports", {{{"port", 80}}}}, {"selector", {{"app", "web"}}}}},
          {"status", {{"loadBalancer", Resource::object()}}}};
}

// What the target's server makes of a copy.
Resource Stored(Resource copy, int64_t generation = 1) {
  copy["metadata"]["uid"] = "t1";
  copy["metadata"]["generation"] = generation;
  copy["metadata"]["resourceVersion"] = "5";
  copy["spec"]["sessionAffinity"] = "None";
  copy["spec"]["ports"][0]["protocol"] = "TCP";
  return copy;
}

TEST(CopyTest, ACopyHasAllButWhatBelongsToItsCluster) {
  const Resource copy = MakeCopy(kOrigin, Source(), kTarget, nullptr);
  EXPECT_EQ(copy["spec"], Source()["spec"]);
  EXPECT_FALSE(copy.contains("status"));
  EXPECT_EQ(NameOf(copy), kTarget);
  EXPECT_EQ(copy["metadata"]["labels"]["app"], "web");
  EXPECT_EQ(copy["metadata"]["annotations"]["example.org/size"], "big");
  EXPECT_FALSE(copy["metadata"]["annotations"].contains("other.org/x"));
  for (const char* field : {"uid", "resourceVersion", "ownerReferences", "finalizers", "generation"}) {
    EXPECT_FALSE(copy["metadata"].contains(field)) << field;
  }
  const Marks marks = MarksOf(copy);
  EXPECT_EQ(marks.origin, "tenant-a");
  EXPECT_EQ(marks.ns, "default");
  EXPECT_EQ(marks.uid, "u1");
  EXPECT_EQ(marks.generation, 4);
}

TEST(CopyTest, WhatTheTargetFillsInIsNoDifference) {
  const Resource stored = Stored(MakeCopy(kOrigin, Source(), kTarget, nullptr));
  EXPECT_EQ(MakeCopy(kOrigin, Source(), kTarget, &stored), stored);
}

TEST(CopyTest, AFieldThatSomebodyChangedComesBack) {
  Resource stored = Stored(MakeCopy(kOrigin, Source(), kTarget, nullptr));
  stored["spec"]["ports"][0]["port"] = 8080;
  EXPECT_EQ(MakeCopy(kOrigin, Source(), kTarget, &stored)["spec"], Source()["spec"]);
  stored = Stored(MakeCopy(kOrigin, Source(), kTarget, nullptr));
  stored["spec"]["ports"].push_back({{"port", 81}});
  EXPECT_EQ(MakeCopy(kOrigin, Source(), kTarget, &stored)["spec"]["ports"].size(), 1u);
}

TEST(CopyTest, AFieldThatTheSourceDropsGoesToo) {
  Resource source = Source();
  source["spec"]["externalName"] = "x";
  const Resource stored = Stored(MakeCopy(kOrigin, source, kTarget, nullptr));
  const Resource changed = MakeCopy(kOrigin, Source(), kTarget, &stored);
  EXPECT_FALSE(changed["spec"].contains("externalName"));
  EXPECT_EQ(changed["metadata"]["resourceVersion"], "5") << "or another's change would be overwritten";
}

TEST(CopyTest, LabelsOfTheTargetStayAndThoseOfTheSourceFollow) {
  Resource stored = Stored(MakeCopy(kOrigin, Source(), kTarget, nullptr));
  stored["metadata"]["labels"]["infra"] = "1";
  stored["metadata"]["finalizers"] = {"infra/agent"};
  Resource source = Source();
  source["metadata"]["labels"] = {{"tier", "front"}};
  const Resource changed = MakeCopy(kOrigin, source, kTarget, &stored);
  EXPECT_EQ(changed["metadata"]["labels"],
            (Resource{{"infra", "1"}, {"tier", "front"}, {kOriginLabel, "tenant-a"}}));
  EXPECT_EQ(changed["metadata"]["finalizers"], (Resource{"infra/agent"}));
}

TEST(CopyTest, ASourceThatIsACopyItselfDoesNotPassItsMarksOn) {
  Resource hop = Stored(MakeCopy(kOrigin, Source(), kTarget, nullptr));
  const Resource copy = MakeCopy({"site", {"xpu.opiproject.org/"}}, hop, {"infra", "web"}, nullptr);
  EXPECT_EQ(MarksOf(copy).origin, "site");
  EXPECT_EQ(MarksOf(copy).ns, "a-default");
  EXPECT_EQ(MarksOf(copy).uid, "t1");
}

TEST(CopyTest, AStatusComesBackInTheSourcesGenerations) {
  Resource copy = Stored(MakeCopy(kOrigin, Source(), kTarget, nullptr), 2);
  EXPECT_FALSE(StatusFor(Source(), copy)) << "there is none yet";
  copy["status"] = {{"conditions", {{{"type", "Ready"}, {"observedGeneration", 2}}}},
                    {"cards", {{{"card", "a"}, {"confirmedGeneration", 1}}}},
                    {"generation", 2}};
  const std::optional<Resource> status = StatusFor(Source(), copy);
  ASSERT_TRUE(status);
  EXPECT_EQ((*status)["conditions"][0]["observedGeneration"], 4);
  EXPECT_EQ((*status)["cards"][0]["confirmedGeneration"], 3) << "not of the newest yet";
  EXPECT_EQ((*status)["generation"], 2) << "any other number is left alone";

  Resource newer = Source();
  newer["metadata"]["generation"] = 5;
  EXPECT_FALSE(StatusFor(newer, copy)) << "it is about an older source";
  newer["metadata"]["deletionTimestamp"] = "2026-01-01T00:00:00Z";
  EXPECT_TRUE(StatusFor(newer, copy)) << "there will be no newer one";
  Resource other = Source();
  other["metadata"]["uid"] = "u2";
  EXPECT_FALSE(StatusFor(other, copy));
}

TEST(CopyTest, ObjectsOfAnyShapeAreReadAsFarAsTheyGo) {
  for (const Resource& strange : {Resource(), Resource(7), Resource::array(), Resource{{"metadata", 1}},
                                  Resource{{"metadata", {{"labels", {{"a", 1}}}, {"annotations", "x"}}}}}) {
    EXPECT_EQ(MarksOf(strange).origin, "");
    const Resource copy = MakeCopy(kOrigin, strange, kTarget, &strange);
    EXPECT_EQ(MarksOf(copy).origin, "tenant-a") << strange;
  }
}

}  // namespace
}  // namespace xpu::broker
