// What happens to objects whose owners are deleted.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "absl/strings/str_cat.h"
#include "control-plane/apiserver/store/store_testing.h"

namespace xpu::apiserver {
namespace {

using nlohmann::json;

class GarbageTest : public MemoryStoreTest {
 protected:
  const api::KindInfo& Maps() { return Kind("v1", "ConfigMap"); }
  // A ConfigMap that is owned by others.
  json Put(const std::string& name, const std::vector<json>& owners = {}, bool block = true) {
    json object = {{"apiVersion", "v1"},
                   {"kind", "ConfigMap"},
                   {"metadata", {{"name", name}, {"namespace", "default"}}}};
    for (const json& owner : owners) {
      object["metadata"]["ownerReferences"].push_back({{"apiVersion", "v1"},
                                                       {"kind", "ConfigMap"},
                                                       {"name", owner["metadata"]["name"]},
                                                       {"uid", owner["metadata"]["uid"]},
                                                       {"blockOwnerDeletion", block}});
    }
    return Make(object);
  }
  bool There(const std::string& name) { return store_->Get(Maps(), {"default", name}).ok(); }
  json Get(const std::string& name) { return *store_->Get(Maps(), {"default", name}); }
  Deleted Delete(const std::string& name, Propagation propagation) {
    auto deleted = store_->Delete(Maps(), {"default", name}, {}, {}, propagation);
    EXPECT_TRUE(deleted.ok()) << deleted.status();
    return deleted.ok() ? *deleted : Deleted();
  }
  void Hold(const std::string& name, const json& finalizers) {
    json object = Get(name);
    object["metadata"]["finalizers"] = finalizers;
    EXPECT_TRUE(store_->Update(Maps(), {"default", name}, Part::kMain, object).ok());
  }
};

TEST_F(GarbageTest, InTheBackgroundAllThatIsOwnedFollows) {
  const json root = Put("root");
  const json child = Put("child", {root});
  Put("grandchild", {child});
  Put("other");
  EXPECT_FALSE(Delete("root", Propagation::kBackground).waits);
  EXPECT_FALSE(There("child"));
  EXPECT_FALSE(There("grandchild"));
  EXPECT_TRUE(There("other"));
}

TEST_F(GarbageTest, WhoHasAnotherOwnerStays) {
  const json one = Put("one");
  const json two = Put("two");
  Put("shared", {one, two});
  Delete("one", Propagation::kBackground);
  ASSERT_TRUE(There("shared"));
  EXPECT_EQ(Get("shared")["metadata"]["ownerReferences"].size(), 1u);
  Delete("two", Propagation::kBackground);
  EXPECT_FALSE(There("shared"));
}

TEST_F(GarbageTest, OrphansStayAndOwnNobody) {
  const json root = Put("root");
  Put("child", {root});
  Delete("root", Propagation::kOrphan);
  EXPECT_FALSE(There("root"));
  ASSERT_TRUE(There("child"));
  EXPECT_FALSE(Get("child")["metadata"].contains("ownerReferences"));
}

TEST_F(GarbageTest, InTheForegroundTheOwnerWaits) {
  const json root = Put("root");
  Put("child", {root});
  Put("loose", {root}, /*block=*/false);
  Hold("child", {"example.org/hold"});
  EXPECT_TRUE(Delete("root", Propagation::kForeground).waits);
  EXPECT_EQ(Get("root")["metadata"]["finalizers"], json({kForegroundFinalizer}));
  EXPECT_TRUE(Get("child")["metadata"].contains("deletionTimestamp"));
  EXPECT_FALSE(There("loose"));
  Hold("child", json::array());
  EXPECT_FALSE(There("child"));
  EXPECT_FALSE(There("root"));
}

TEST_F(GarbageTest, WhatNobodyHoldsGoesAtOnceAlsoInTheForeground) {
  const json root = Put("root");
  Put("child", {root});
  EXPECT_FALSE(Delete("root", Propagation::kForeground).waits);
  EXPECT_FALSE(There("root"));
  EXPECT_FALSE(There("child"));
}

TEST_F(GarbageTest, OneWhoWaitsForItselfTakesItsDependentsWhenItGoes) {
  const json root = Put("root");
  Put("child", {root});
  Hold("root", {"example.org/hold"});
  Delete("root", Propagation::kBackground);
  EXPECT_TRUE(There("child"));
  Hold("root", json::array());
  EXPECT_FALSE(There("child"));
}

TEST_F(GarbageTest, AnOwnerOfThatNameWithAnotherUidIsNone) {
  const json first = Put("root");
  Delete("root", Propagation::kBackground);
  Put("root");
  Put("child", {first});
  Delete("root", Propagation::kBackground);
  EXPECT_TRUE(There("child"));
}

TEST_F(GarbageTest, ALongChainGoesWhole) {
  for (Propagation propagation : {Propagation::kBackground, Propagation::kForeground}) {
    json owner = Put("n-0");
    for (int i = 1; i < 300; ++i) owner = Put(absl::StrCat("n-", i), {owner});
    Delete("n-0", propagation);
    EXPECT_EQ(store_->List(Maps(), "", {})->items.size(), 0u);
  }
}

TEST_F(GarbageTest, ADryRunDeletesNothing) {
  const json root = Put("root");
  Put("child", {root});
  ASSERT_TRUE(store_->Delete(Maps(), {"default", "root"}, {}, {.dry_run = true}).ok());
  EXPECT_TRUE(There("root"));
  EXPECT_TRUE(There("child"));
}

}  // namespace
}  // namespace xpu::apiserver
