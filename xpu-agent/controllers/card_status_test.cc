#include "xpu-agent/controllers/card_status.h"

#include <cstdint>
#include <string>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace xpu {
namespace {

const absl::Status kConflict = absl::AlreadyExistsError("somebody has it");
const absl::Status kNoneLeft = absl::ResourceExhaustedError("no VLAN is left");

Resource SharedObject(int64_t generation) { return {{"metadata", {{"generation", generation}}}}; }

// What the card writes when it has acted.
void Tell(Resource* object, const std::string& card, const absl::Status& outcome) {
  if (outcome.ok()) CardEntry(object, card)["confirmedGeneration"] = GenerationOf(*object);
  SetReadyOfCard(object, card, outcome, absl::UnixEpoch());
}

std::string ReadyOf(const Resource& object) {
  const ConditionValue ready = GetCondition(object, "Ready");
  return ready.status + " " + ready.reason + " " + ready.message;
}

TEST(CardStatusTest, AnEntrySaysWhatIsWrongOnItsCard) {
  Resource object = SharedObject(3);
  EXPECT_EQ(ReadyOnCard(object, "a"), ConditionValue());
  Tell(&object, "a", kConflict);
  EXPECT_EQ(ProblemOnCard(object, "a"),
            (Resource{{"reason", "Conflict"}, {"message", "somebody has it"}, {"observedGeneration", 3}}));
  EXPECT_EQ(ReadyOnCard(object, "a"),
            (ConditionValue{"Ready", "False", "Conflict", "card a: somebody has it", 3}));
  EXPECT_EQ(GetCondition(object, "Ready"), ReadyOnCard(object, "a"));
  EXPECT_EQ(ReadyOnCard(object, "b"), ConditionValue());
  Tell(&object, "a", absl::OkStatus());
  EXPECT_TRUE(ProblemOnCard(object, "a").is_null());
  EXPECT_EQ(ReadyOnCard(object, "a"), (ConditionValue{"Ready", "True", "Confirmed", "", 3}));
  EXPECT_EQ(GetCondition(object, "Ready"), ReadyOnCard(object, "a"));
}

TEST(CardStatusTest, TheConditionIsTheFirstThatSpokeAndThenTheNextByName) {
  Resource object = SharedObject(1);
  Tell(&object, "d", absl::OkStatus());
  Tell(&object, "b", kConflict);
  Tell(&object, "c", kNoneLeft);
  Tell(&object, "a", kConflict);
  EXPECT_EQ(ReadyOf(object), "False Conflict card b: somebody has it");
  Tell(&object, "b", kNoneLeft);
  EXPECT_EQ(ReadyOf(object), "False NoneLeft card b: no VLAN is left");
  // Those who have nothing to take back leave it alone.
  Tell(&object, "a", absl::OkStatus());
  Tell(&object, "a", kConflict);
  Tell(&object, "d", absl::OkStatus());
  EXPECT_EQ(ReadyOf(object), "False NoneLeft card b: no VLAN is left");
  Tell(&object, "b", absl::OkStatus());
  EXPECT_EQ(ReadyOf(object), "False Conflict card a: somebody has it");
  Tell(&object, "a", absl::OkStatus());
  EXPECT_EQ(ReadyOf(object), "False NoneLeft card c: no VLAN is left");
  Tell(&object, "c", absl::OkStatus());
  EXPECT_EQ(ReadyOf(object), "True Confirmed ");
}

TEST(CardStatusTest, WhatWasSaidOfAnEarlierGenerationIsNotHandedOn) {
  Resource object = SharedObject(1);
  Tell(&object, "a", kConflict);
  Tell(&object, "b", kConflict);
  object["metadata"]["generation"] = 2;
  Tell(&object, "c", absl::OkStatus());
  EXPECT_EQ(ReadyOf(object), "True Confirmed ");
  Tell(&object, "b", kConflict);
  EXPECT_EQ(ReadyOf(object), "False Conflict card b: somebody has it");
}

TEST(CardStatusTest, SilenceIsNoNewsOfWhatTheCardHasConfirmed) {
  Resource object = SharedObject(1);
  EXPECT_FALSE(StaysConfirmed(object, "a"));
  Tell(&object, "b", kConflict);
  EXPECT_FALSE(StaysConfirmed(object, "a"));
  Tell(&object, "a", absl::OkStatus());
  EXPECT_TRUE(StaysConfirmed(object, "a"));
  EXPECT_FALSE(StaysConfirmed(object, "b"));
}

TEST(CardStatusTest, StatusesOfAnyShapeAreRead) {
  for (const char* text : {R"({})", R"({"status": []})", R"({"status": {"cards": {}}})",
                           R"({"status": {"cards": [1, {"card": 2}, {"card": "b"}]}})",
                           R"({"status": {"cards": [{"card": "a", "problem": 1}]}})",
                           R"({"status": {"cards": [{"card": "a", "confirmedGeneration": "x"}]}})"}) {
    const Resource object = Resource::parse(text);
    EXPECT_EQ(ReadyOnCard(object, "a"), ConditionValue()) << text;
    EXPECT_TRUE(ProblemOnCard(object, "a").is_null()) << text;
  }
  const Resource bare =
      Resource::parse(R"({"status": {"cards": [{"card": "a", "problem": {"reason": 5}}]}})");
  EXPECT_EQ(ReadyOnCard(bare, "a"), (ConditionValue{"Ready", "False", "", "card a: ", 0}));
}

}  // namespace
}  // namespace xpu
