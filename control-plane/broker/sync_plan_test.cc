#include "control-plane/broker/sync_plan.h"

#include <gtest/gtest.h>

#include "common/kube/metadata.h"

namespace xpu::broker {
namespace {

const Origin kOrigin{"tenant-a", {}};

Resource Source() {
  return {{"apiVersion", "xpu.opiproject.org/v1alpha1"},
          {"kind", "Network"},
          {"metadata",
           {{"name", "blue"},
            {"namespace", "default"},
            {"uid", "u1"},
            {"generation", 1},
            {"resourceVersion", "1"}}},
          {"spec", {{"vni", 5}}}};
}

Resource Held() {
  Resource source = Source();
  AddFinalizer(&source, FinalizerOf(kOrigin));
  return source;
}

Resource Going(Resource object) {
  object["metadata"]["deletionTimestamp"] = "2026-01-01T00:00:00Z";
  return object;
}

const ResourceName kTarget{"a", "blue"};

Resource Copy(const Resource& source = Held()) {
  Resource copy = MakeCopy(kOrigin, source, kTarget, nullptr);
  copy["metadata"]["uid"] = "t1";
  copy["metadata"]["generation"] = 1;
  return copy;
}

Pair Both(std::optional<Resource> source, std::optional<Resource> copy, bool named = true) {
  return {.source = std::move(source), .named = named, .target = kTarget, .copy = std::move(copy)};
}

Step::Kind Next(const Pair& pair) { return NextStep(kOrigin, pair).kind; }

TEST(SyncPlanTest, ASourceIsHeldBeforeItIsCopied) {
  Step step = NextStep(kOrigin, Both(Source(), std::nullopt));
  EXPECT_EQ(step.kind, Step::kHoldSource);
  EXPECT_TRUE(HasFinalizer(step.object, FinalizerOf(kOrigin)));
  step = NextStep(kOrigin, Both(step.object, std::nullopt));
  EXPECT_EQ(step.kind, Step::kCreateCopy);
  EXPECT_EQ(Next(Both(Held(), Copy())), Step::kNothing);
}

TEST(SyncPlanTest, WhatIsNotNamedIsNeitherHeldNorCopied) {
  EXPECT_EQ(Next(Both(Source(), std::nullopt, false)), Step::kNothing);
  EXPECT_EQ(Next(Both(Held(), Copy(), false)), Step::kDeleteCopy);
  const Step step = NextStep(kOrigin, Both(Held(), std::nullopt, false));
  EXPECT_EQ(step.kind, Step::kReleaseSource);
  EXPECT_FALSE(HasFinalizer(step.object, FinalizerOf(kOrigin)));
}

TEST(SyncPlanTest, ASourceThatGoesTakesItsCopyAlongFirst) {
  EXPECT_EQ(Next(Both(Going(Held()), Copy())), Step::kDeleteCopy);
  EXPECT_EQ(Next(Both(Going(Held()), Going(Copy()))), Step::kWait);
  EXPECT_EQ(Next(Both(Going(Held()), std::nullopt)), Step::kReleaseSource);
  EXPECT_EQ(Next(Both(Going(Source()), std::nullopt)), Step::kNothing) << "somebody else holds it";
  EXPECT_EQ(Next(Both(std::nullopt, Copy())), Step::kDeleteCopy) << "somebody took the finalizer away";
  EXPECT_EQ(Next(Both(std::nullopt, std::nullopt)), Step::kNothing);
}

TEST(SyncPlanTest, AnotherSourceOfThatNameGetsAnotherCopy) {
  Resource again = Held();
  again["metadata"]["uid"] = "u2";
  EXPECT_EQ(Next(Both(again, Copy())), Step::kDeleteCopy);
  EXPECT_EQ(Next(Both(again, Going(Copy()))), Step::kWait);
}

TEST(SyncPlanTest, ACopyThatSomebodyDeletesIsMadeAgain) {
  EXPECT_EQ(Next(Both(Held(), Going(Copy()))), Step::kWait);
  EXPECT_EQ(Next(Both(Held(), std::nullopt)), Step::kCreateCopy);
}

TEST(SyncPlanTest, ObjectsOfOthersAreLeftAlone) {
  Resource other = MakeCopy({"tenant-b", {}}, Source(), kTarget, nullptr);
  EXPECT_EQ(Next(Both(Held(), other)), Step::kTaken);
  EXPECT_EQ(Next(Both(std::nullopt, other)), Step::kNothing);
  EXPECT_EQ(Next(Both(Going(Held()), other)), Step::kReleaseSource);
  Resource plain = Source();
  EXPECT_EQ(Next(Both(Held(), plain)), Step::kTaken);
}

TEST(SyncPlanTest, TheSpecGoesForthAndTheStatusBack) {
  Resource changed = Held();
  changed["spec"]["vni"] = 6;
  changed["metadata"]["generation"] = 2;
  EXPECT_EQ(Next(Both(changed, Copy())), Step::kUpdateCopy);

  Resource copy = Copy();
  copy["status"] = {{"conditions", {{{"type", "Ready"}, {"observedGeneration", 1}}}}};
  Step step = NextStep(kOrigin, Both(Held(), copy));
  EXPECT_EQ(step.kind, Step::kWriteStatus);
  EXPECT_EQ(step.object["status"], copy["status"]);
  EXPECT_EQ(Next(Both(step.object, copy)), Step::kNothing);
  Pair without = Both(Held(), copy);
  without.has_status = false;
  EXPECT_EQ(Next(without), Step::kNothing);
  // Also while it goes.
  EXPECT_EQ(Next(Both(Going(Held()), Going(copy))), Step::kWriteStatus);
}

}  // namespace
}  // namespace xpu::broker
