#include "control-plane/apiserver/store/managed_fields.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "control-plane/apiserver/store/store_testing.h"

namespace xpu::apiserver {
namespace {

using nlohmann::json;
using ::testing::HasSubstr;

class ApplyTest : public MemoryStoreTest {
 protected:
  const api::KindInfo& Maps() { return Kind("v1", "ConfigMap"); }
  static json Map(const json& data) {
    return {{"apiVersion", "v1"},
            {"kind", "ConfigMap"},
            {"metadata", {{"name", "m"}, {"namespace", "default"}}},
            {"data", data}};
  }
  absl::StatusOr<ObjectStore::Applied> Apply(const std::string& manager, const json& data,
                                             bool force = false) {
    return store_->Apply(Maps(), {"default", "m"}, Part::kMain, Map(data), force, {.manager = manager});
  }
  json Get() { return *store_->Get(Maps(), {"default", "m"}); }
  // What a manager owns of `data`.
  json Owned(const std::string& manager, const std::string& operation) {
    const json object = Get();
    for (const json& entry : object["metadata"]["managedFields"]) {
      if (entry["manager"] == manager && entry["operation"] == operation) return entry["fieldsV1"]["f:data"];
    }
    return nullptr;
  }
};

TEST_F(ApplyTest, TheFirstApplyMakesTheObjectAndTheSecondChangesNothing) {
  auto first = Apply("ann", {{"a", "1"}});
  ASSERT_TRUE(first.ok()) << first.status();
  EXPECT_TRUE(first->created);
  EXPECT_EQ(first->object["metadata"]["managedFields"][0]["apiVersion"], "v1");
  EXPECT_EQ(first->object["metadata"]["managedFields"][0]["fieldsType"], "FieldsV1");
  EXPECT_EQ(Owned("ann", "Apply"), json({{"f:a", json::object()}}));
  auto second = Apply("ann", {{"a", "1"}});
  ASSERT_TRUE(second.ok());
  EXPECT_FALSE(second->created);
  EXPECT_EQ(second->object, first->object);
}

TEST_F(ApplyTest, WhatAManagerLeavesOutGoesUnlessItIsAnothersToo) {
  ASSERT_TRUE(Apply("ann", {{"a", "1"}, {"b", "2"}, {"c", "3"}}).ok());
  ASSERT_TRUE(Apply("bob", {{"c", "3"}, {"d", "4"}}).ok());
  ASSERT_TRUE(Apply("ann", {{"a", "1"}}).ok());
  EXPECT_EQ(Get()["data"], json({{"a", "1"}, {"c", "3"}, {"d", "4"}}));
}

TEST_F(ApplyTest, AFieldOfAnothersIsAConflictAndCanBeTakenOver) {
  ASSERT_TRUE(Apply("ann", {{"a", "1"}, {"b", "2"}}).ok());
  const absl::Status refused = Apply("bob", {{"a", "9"}}).status();
  EXPECT_EQ(Code(refused), 409);
  EXPECT_EQ(refused.message(), "Apply failed with 1 conflict: conflict with \"ann\" using v1: .data.a");
  const json causes = StatusObject(refused)["details"]["causes"];
  ASSERT_EQ(causes.size(), 1u);
  EXPECT_EQ(causes[0]["reason"], "FieldManagerConflict");
  EXPECT_EQ(causes[0]["field"], ".data.a");
  EXPECT_EQ(Get()["data"]["a"], "1");

  ASSERT_TRUE(Apply("bob", {{"a", "9"}}, /*force=*/true).ok());
  EXPECT_EQ(Get()["data"], json({{"a", "9"}, {"b", "2"}}));
  EXPECT_EQ(Owned("ann", "Apply"), json({{"f:b", json::object()}}));
  EXPECT_EQ(Code(Apply("ann", {{"a", "1"}, {"b", "2"}}).status()), 409);
}

TEST_F(ApplyTest, TwoWhoWantTheSameShareIt) {
  ASSERT_TRUE(Apply("ann", {{"a", "1"}}).ok());
  ASSERT_TRUE(Apply("bob", {{"a", "1"}}).ok());
  EXPECT_EQ(Owned("ann", "Apply"), Owned("bob", "Apply"));
  EXPECT_EQ(Code(Apply("ann", {{"a", "2"}}).status()), 409);
}

TEST_F(ApplyTest, WhoChangesAFieldByAnotherWayOwnsItFromThenOn) {
  ASSERT_TRUE(Apply("ann", {{"a", "1"}, {"b", "2"}}).ok());
  json object = Get();
  object["data"]["a"] = "changed";
  object["data"]["new"] = "x";
  ASSERT_TRUE(store_->Update(Maps(), {"default", "m"}, Part::kMain, object, {.manager = "editor"}).ok());
  EXPECT_EQ(Owned("editor", "Update"), json({{"f:a", json::object()}, {"f:new", json::object()}}));
  EXPECT_EQ(Owned("ann", "Apply"), json({{"f:b", json::object()}}));
  EXPECT_THAT(std::string(Apply("ann", {{"a", "1"}, {"b", "2"}}).status().message()),
              HasSubstr("\"editor\" using v1 at "));
}

TEST_F(ApplyTest, WhatWasThereBeforeTheFirstApplyBelongsToNobodyInParticular) {
  Make(Map({{"a", "1"}, {"b", "2"}}));
  EXPECT_FALSE(Get()["metadata"].contains("managedFields")) << "who never applies pays nothing";
  EXPECT_THAT(std::string(Apply("ann", {{"a", "9"}}).status().message()), HasSubstr("before-first-apply"));
  ASSERT_TRUE(Apply("ann", {{"a", "1"}, {"c", "3"}}).ok());
  ASSERT_TRUE(Apply("ann", {{"c", "3"}}).ok());
  EXPECT_EQ(Get()["data"], json({{"a", "1"}, {"b", "2"}, {"c", "3"}})) << "it is still the other's";
}

TEST_F(ApplyTest, ItemsOfAListWithKeysHaveOwnersOfTheirOwn) {
  const api::KindInfo& networks = Kind("xpu.opiproject.org/v1alpha1", "Network");
  json network = {{"apiVersion", "xpu.opiproject.org/v1alpha1"},
                  {"kind", "Network"},
                  {"metadata", {{"name", "n"}, {"namespace", "default"}}},
                  {"spec", {{"vni", 5}, {"prefixes", {"10.0.0.0/24"}}}}};
  Make(network);
  const auto status = [&](const char* manager, const char* type) {
    json applied = network;
    applied.erase("spec");
    applied["status"]["conditions"] = {{{"type", type}, {"status", "True"}}};
    return store_->Apply(networks, {"default", "n"}, Part::kStatus, applied, false, {.manager = manager});
  };
  ASSERT_TRUE(status("card0", "Ready").ok());
  const auto both = status("card1", "Other");
  ASSERT_TRUE(both.ok()) << both.status();
  EXPECT_EQ(both->object["status"]["conditions"].size(), 2u);
  EXPECT_EQ(both->object["spec"]["vni"], 5);
  const auto moved = status("card0", "Third");
  ASSERT_TRUE(moved.ok()) << moved.status();
  EXPECT_EQ(moved->object["status"]["conditions"][0]["type"], "Other");
  EXPECT_EQ(moved->object["status"]["conditions"][1]["type"], "Third");
}

TEST_F(ApplyTest, ADryRunSaysWhatWouldBeAndWritesNothing) {
  const auto made = store_->Apply(Maps(), {"default", "m"}, Part::kMain, Map({{"a", "1"}}), false,
                                  {.dry_run = true, .manager = "ann"});
  ASSERT_TRUE(made.ok()) << made.status();
  EXPECT_TRUE(made->created);
  EXPECT_EQ(Code(store_->Get(Maps(), {"default", "m"}).status()), 404);
}

TEST_F(ApplyTest, AppliedObjectsAreHeldToTheRulesToo) {
  EXPECT_EQ(
      Code(store_->Apply(Maps(), {"default", "m"}, Part::kMain, Map(7), false, {.manager = "ann"}).status()),
      422);
  ASSERT_TRUE(Apply("ann", {{"a", "1"}}).ok());
  json stale = Map({{"a", "2"}});
  stale["metadata"]["resourceVersion"] = "1";
  EXPECT_EQ(
      Code(store_->Apply(Maps(), {"default", "m"}, Part::kMain, stale, true, {.manager = "ann"}).status()),
      409);
}

}  // namespace
}  // namespace xpu::apiserver
