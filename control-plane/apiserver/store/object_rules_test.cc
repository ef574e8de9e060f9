#include "control-plane/apiserver/store/object_rules.h"

#include <gtest/gtest.h>

#include "control-plane/apiserver/store/api_error.h"
#include "xpu/api/v1alpha1/network.pb.h"

namespace xpu::apiserver {
namespace {

using nlohmann::json;

const absl::Time kNow = absl::FromUnixSeconds(1'700'000'000);

const api::KindInfo& Networks() { return api::KindOf<api::v1alpha1::Network>(); }

json Sent() {
  return json::parse(R"({"apiVersion": "xpu.opiproject.org/v1alpha1", "kind": "Network",
                         "metadata": {"name": "blue", "namespace": "default"},
                         "spec": {"vni": 5, "prefixes": ["10.0.0.0/24"]}})");
}

json Stored() {
  json object = *NewObject(Networks(), Sent(), "uid-1", kNow);
  object["metadata"]["resourceVersion"] = "7";
  object["status"] = {{"cards", {{{"card", "card0"}}}}};
  return object;
}

json CodeAndFields(const absl::StatusOr<json>& result) {
  if (result.ok()) return 200;
  json status = StatusObject(result.status());
  json out = {status["code"]};
  if (!status.contains("details")) return out;
  for (const json& cause : status["details"].value("causes", json::array())) out.push_back(cause["field"]);
  return out;
}

absl::StatusOr<json> Change(Part part, const json& sent) {
  return ChangedObject(Networks(), part, Stored(), sent);
}

TEST(ObjectRulesTest, ANewObjectGetsWhatTheServerOwns) {
  json sent = Sent();
  sent["metadata"]["uid"] = "mine";
  sent["metadata"]["generation"] = 99;
  sent["metadata"]["deletionTimestamp"] = "2000-01-01T00:00:00Z";
  sent["metadata"]["managedFields"] = json::array({1});
  sent["metadata"]["labels"] = {{"a", "b"}};
  sent["status"] = {{"cards", {{{"card", "x"}}}}};
  absl::StatusOr<json> made = NewObject(Networks(), sent, "uid-1", kNow);
  ASSERT_TRUE(made.ok()) << made.status();
  EXPECT_EQ((*made)["metadata"], json::parse(R"({"name": "blue", "namespace": "default", "uid": "uid-1",
      "generation": 1, "creationTimestamp": "2023-11-14T22:13:20Z", "labels": {"a": "b"}})"));
  EXPECT_EQ((*made)["spec"]["mtu"], 1500);
  EXPECT_FALSE(made->contains("status"));
}

TEST(ObjectRulesTest, ANewObjectHasNoVersion) {
  json sent = Sent();
  sent["metadata"]["resourceVersion"] = "3";
  EXPECT_EQ(CodeAndFields(NewObject(Networks(), sent, "uid-1", kNow)), json({400}));
}

TEST(ObjectRulesTest, AnInvalidObjectIsRefusedWithAllItsFields) {
  json sent = Sent();
  sent["spec"]["vni"] = 0;
  sent["spec"]["colour"] = "blue";
  sent["metadata"]["labels"] = {{"a", "-"}};
  EXPECT_EQ(CodeAndFields(NewObject(Networks(), sent, "uid-1", kNow)), json({422, "metadata.labels[a]"}));
  sent["metadata"].erase("labels");
  EXPECT_EQ(CodeAndFields(NewObject(Networks(), sent, "uid-1", kNow)),
            json({422, "spec.colour", "spec.vni"}));
}

TEST(ObjectRulesTest, AnUpdateTakesAllButStatus) {
  json sent = Sent();
  sent["spec"]["mtu"] = 9000;
  sent["metadata"]["labels"] = {{"a", "b"}};
  sent["metadata"]["generation"] = 99;
  absl::StatusOr<json> changed = Change(Part::kMain, sent);
  ASSERT_TRUE(changed.ok()) << changed.status();
  EXPECT_EQ((*changed)["status"], Stored()["status"]);
  EXPECT_EQ((*changed)["spec"]["mtu"], 9000);
  EXPECT_EQ((*changed)["metadata"], json::parse(R"({"name": "blue", "namespace": "default", "uid": "uid-1",
      "generation": 2, "creationTimestamp": "2023-11-14T22:13:20Z", "labels": {"a": "b"},
      "resourceVersion": "7"})"));
}

TEST(ObjectRulesTest, AStatusUpdateTakesOnlyStatus) {
  json sent = Sent();
  sent["spec"]["mtu"] = 9000;
  sent["metadata"]["labels"] = {{"a", "b"}};
  sent["status"] = {{"cards", {{{"card", "card1"}}}}};
  absl::StatusOr<json> changed = Change(Part::kStatus, sent);
  ASSERT_TRUE(changed.ok()) << changed.status();
  json wanted = Stored();
  wanted["status"] = sent["status"];
  EXPECT_EQ(*changed, wanted);
}

TEST(ObjectRulesTest, NothingNewIsTheOldObject) {
  EXPECT_EQ(*Change(Part::kMain, Stored()), Stored());
  EXPECT_EQ(*Change(Part::kMain, Sent()), Stored());
  EXPECT_EQ(*Change(Part::kStatus, Stored()), Stored());
}

TEST(ObjectRulesTest, AnotherVersionOrAnotherObjectIsAConflict) {
  for (Part part : {Part::kMain, Part::kStatus}) {
    json sent = Stored();
    sent["metadata"]["resourceVersion"] = "6";
    EXPECT_EQ(CodeAndFields(Change(part, sent)), json({409}));
    sent = Stored();
    sent["metadata"]["uid"] = "uid-2";
    EXPECT_EQ(CodeAndFields(Change(part, sent)), json({409}));
    sent = Stored();
    sent["metadata"]["name"] = "red";
    EXPECT_EQ(CodeAndFields(Change(part, sent)), json({400}));
  }
}

TEST(ObjectRulesTest, OnlyThePartThatIsWrittenIsHeldAgainstTheWriter) {
  json old = Stored();
  old["status"] = {{"cards", {{{"ports", "many"}}}}};
  old["spec"]["vni"] = -1;
  json sent = old;
  sent["status"]["cards"][0] = {{"card", "card0"}};
  EXPECT_EQ(CodeAndFields(ChangedObject(Networks(), Part::kStatus, old, sent)), 200);
  sent = old;
  sent["spec"]["vni"] = 5;
  EXPECT_EQ(CodeAndFields(ChangedObject(Networks(), Part::kMain, old, sent)), json({422, "spec.vni"}));
  old["spec"].erase("vni");
  EXPECT_EQ(CodeAndFields(ChangedObject(Networks(), Part::kMain, old, sent)), 200);
}

TEST(ObjectRulesTest, TheTypeIsCheckedForBothParts) {
  for (Part part : {Part::kMain, Part::kStatus}) {
    json sent = Stored();
    sent["kind"] = "Netdev";
    EXPECT_EQ(CodeAndFields(Change(part, sent)), json({422, "kind"}));
  }
}

TEST(ObjectRulesTest, FinalizersOnlyGoFromAnObjectThatIsBeingDeleted) {
  json old = Stored();
  old["metadata"]["finalizers"] = {"example.org/a", "example.org/b"};
  old = MarkedForDeletion(Networks(), old, kNow);
  EXPECT_TRUE(IsMarked(old));
  EXPECT_FALSE(MayGo(old));
  json sent = old;
  sent["metadata"]["finalizers"] = {"example.org/a", "example.org/c"};
  EXPECT_EQ(CodeAndFields(ChangedObject(Networks(), Part::kMain, old, sent)),
            json({422, "metadata.finalizers"}));
  sent["metadata"]["finalizers"] = {"example.org/b"};
  EXPECT_FALSE(MayGo(*ChangedObject(Networks(), Part::kMain, old, sent)));
  sent["metadata"].erase("finalizers");
  EXPECT_TRUE(MayGo(*ChangedObject(Networks(), Part::kMain, old, sent)));
}

TEST(ObjectRulesTest, TheFirstDeletionCounts) {
  json marked = MarkedForDeletion(Networks(), Stored(), kNow);
  EXPECT_EQ(marked["metadata"]["deletionTimestamp"], "2023-11-14T22:13:20Z");
  EXPECT_EQ(MarkedForDeletion(Networks(), marked, kNow + absl::Hours(1)), marked);
}

}  // namespace
}  // namespace xpu::apiserver
