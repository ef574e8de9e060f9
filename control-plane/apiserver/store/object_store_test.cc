#include "control-plane/apiserver/store/object_store.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>
#include <map>
#include <random>
#include <set>

#include "absl/strings/str_cat.h"
#include "common/sqlite/database.h"
#include "control-plane/apiserver/store/api_error.h"
#include "xpu/api/v1alpha1/netdev.pb.h"
#include "xpu/api/v1alpha1/network.pb.h"

namespace xpu::apiserver {
namespace {

using nlohmann::json;
using ::testing::ElementsAre;
using ::testing::IsEmpty;

class FixedClock : public Clock {
 public:
  absl::Time Now() override { return now; }
  absl::Time now = absl::FromUnixSeconds(1'700'000'000);
};

const api::KindInfo& Networks() { return api::KindOf<api::v1alpha1::Network>(); }
const api::KindInfo& Namespaces() { return *api::FindKind("v1", "Namespace"); }

json Network(const std::string& name, const std::string& ns = "default") {
  return {{"apiVersion", "xpu.opiproject.org/v1alpha1"},
          {"kind", "Network"},
          {"metadata", {{"name", name}, {"namespace", ns}}},
          {"spec", {{"vni", 5}, {"prefixes", {"10.0.0.0/24"}}}}};
}

json Namespace(const std::string& name) {
  return {{"apiVersion", "v1"}, {"kind", "Namespace"}, {"metadata", {{"name", name}}}};
}

int Code(const absl::Status& status) { return status.ok() ? 200 : StatusObject(status)["code"].get<int>(); }

class ObjectStoreTest : public ::testing::Test {
 protected:
  void SetUp() override {
    char folder[] = "/tmp/xpu-store-XXXXXX";
    ASSERT_NE(mkdtemp(folder), nullptr);
    folder_ = folder;
    options_.path = folder_ + "/store.db";
    Open();
  }
  void TearDown() override {
    store_.reset();
    std::filesystem::remove_all(folder_);
  }
  void Open() {
    store_.reset();
    absl::StatusOr<std::unique_ptr<ObjectStore>> store = ObjectStore::Open(options_, clock_);
    ASSERT_TRUE(store.ok()) << store.status();
    store_ = *std::move(store);
    store_->OnChange([this](const Change& change) { changes_.push_back(change); });
  }
  json Create(const json& object, const api::KindInfo& kind = Networks()) {
    absl::StatusOr<json> made = store_->Create(kind, object);
    EXPECT_TRUE(made.ok()) << made.status();
    return made.ok() ? *made : json::object();
  }
  json Read(const std::string& name) {
    absl::StatusOr<json> object = store_->Get(Networks(), {"default", name});
    EXPECT_TRUE(object.ok()) << object.status();
    return object.ok() ? *object : json::object();
  }
  Deleted Delete(const api::KindInfo& kind, const ObjectName& name) {
    absl::StatusOr<Deleted> deleted = store_->Delete(kind, name, {});
    EXPECT_TRUE(deleted.ok()) << deleted.status();
    return deleted.ok() ? *deleted : Deleted();
  }
  // "ADDED name" and so on, of all that the store has told of.
  std::vector<std::string> Told() {
    std::vector<std::string> lines;
    for (const Change& change : changes_) {
      lines.push_back(absl::StrCat(Project(change, {})->type, " ", change.name));
    }
    return lines;
  }

  std::string folder_;
  ObjectStore::Options options_;
  FixedClock clock_;
  std::unique_ptr<ObjectStore> store_;
  std::vector<Change> changes_;
};

TEST_F(ObjectStoreTest, ObjectsAreThereAfterTheStoreIsOpenedAgain) {
  json made = Create(Network("blue"));
  int64_t version = store_->version();
  Open();
  const auto text = store_->GetText(Networks(), {"default", "blue"});
  ASSERT_TRUE(text.ok()) << text.status();
  EXPECT_EQ(*text, made.dump());
  EXPECT_EQ(Code(store_->GetText(Networks(), {"default", "red"}).status()), 404);
  EXPECT_EQ(Read("blue"), made);
  EXPECT_EQ(store_->version(), version);
  EXPECT_GT(std::stoll(Create(Network("red"))["metadata"]["resourceVersion"].get<std::string>()), version);
}

TEST_F(ObjectStoreTest, EveryWriteHasTheNextVersion) {
  int64_t version = store_->version();
  json object = Create(Network("blue"));
  EXPECT_EQ(object["metadata"]["resourceVersion"], absl::StrCat(version + 1));
  object["spec"]["mtu"] = 9000;
  EXPECT_EQ(
      (*store_->Update(Networks(), {"default", "blue"}, Part::kMain, object))["metadata"]["resourceVersion"],
      absl::StrCat(version + 2));
  EXPECT_EQ(Delete(Networks(), {"default", "blue"}).object["metadata"]["resourceVersion"],
            absl::StrCat(version + 3));
  ASSERT_EQ(changes_.size(), 3u);
  for (size_t i = 0; i < changes_.size(); ++i)
    EXPECT_EQ(changes_[i].version, version + 1 + static_cast<int64_t>(i));
}

TEST_F(ObjectStoreTest, AFailedWriteLeavesNothing) {
  json made = Create(Network("blue"));
  int64_t version = store_->version();
  changes_.clear();
  EXPECT_EQ(Code(store_->Create(Networks(), Network("blue")).status()), 409);
  EXPECT_EQ(Code(store_->Create(Networks(), Network("green", "nowhere")).status()), 404);
  json bad = Network("blue");
  bad["spec"]["vni"] = "x";
  EXPECT_EQ(Code(store_->Update(Networks(), {"default", "blue"}, Part::kMain, bad).status()), 422);
  EXPECT_EQ(store_->version(), version);
  EXPECT_THAT(Told(), IsEmpty());
  EXPECT_EQ(Read("blue"), made);
  EXPECT_EQ(store_->List(Networks(), "", {})->items.size(), 1u);
}

TEST_F(ObjectStoreTest, WritingWhatIsThereChangesNothing) {
  json made = Create(Network("blue"));
  changes_.clear();
  EXPECT_EQ(*store_->Update(Networks(), {"default", "blue"}, Part::kMain, Network("blue")), made);
  EXPECT_EQ(*store_->Patch(Networks(), {"default", "blue"}, Part::kMain, PatchKind::kMerge,
                           {{"spec", {{"vni", 5}}}}),
            made);
  EXPECT_THAT(Told(), IsEmpty());
}

TEST_F(ObjectStoreTest, GeneratedNamesDiffer) {
  json object = Network("");
  object["metadata"].erase("name");
  object["metadata"]["generateName"] = "blue-";
  std::set<std::string> names;
  for (int i = 0; i < 20; ++i) names.insert(Create(object)["metadata"]["name"].get<std::string>());
  EXPECT_EQ(names.size(), 20u);
  for (const std::string& name : names) EXPECT_EQ(name.size(), 10u) << name;
}

TEST_F(ObjectStoreTest, UidsAreOfVersionFourAndDiffer) {
  std::set<std::string> uids;
  for (int i = 0; i < 50; ++i) {
    auto uid = Create(Network(absl::StrCat("n", i)))["metadata"]["uid"].get<std::string>();
    EXPECT_THAT(uid, ::testing::MatchesRegex("[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-["
                                             "89ab][0-9a-f]{3}-[0-9a-f]{12}"));
    uids.insert(uid);
  }
  EXPECT_EQ(uids.size(), 50u);
}

TEST_F(ObjectStoreTest, FinalizersHoldAnObjectUntilTheLastIsGone) {
  json object = Network("blue");
  object["metadata"]["finalizers"] = {"example.org/a"};
  Create(object);
  changes_.clear();
  EXPECT_TRUE(Delete(Networks(), {"default", "blue"}).waits);
  EXPECT_EQ(Read("blue")["metadata"]["deletionTimestamp"], "2023-11-14T22:13:20Z");
  clock_.now += absl::Hours(1);
  EXPECT_TRUE(Delete(Networks(), {"default", "blue"}).waits);
  EXPECT_EQ(Read("blue")["metadata"]["deletionTimestamp"], "2023-11-14T22:13:20Z");
  ASSERT_TRUE(store_
                  ->Patch(Networks(), {"default", "blue"}, Part::kMain, PatchKind::kMerge,
                          {{"metadata", {{"finalizers", nullptr}}}})
                  .ok());
  EXPECT_EQ(Code(store_->Get(Networks(), {"default", "blue"}).status()), 404);
  EXPECT_THAT(Told(), ElementsAre("MODIFIED blue", "DELETED blue"));
}

TEST_F(ObjectStoreTest, ADeleteWithPreconditionsNeedsThatObject) {
  json made = Create(Network("blue"));
  ObjectName name{"default", "blue"};
  EXPECT_EQ(Code(store_->Delete(Networks(), name, {.uid = "another"}).status()), 409);
  EXPECT_EQ(Code(store_->Delete(Networks(), name, {.resource_version = "1"}).status()), 409);
  EXPECT_EQ(Code(store_
                     ->Delete(Networks(), name,
                              {.uid = made["metadata"]["uid"].get<std::string>(),
                               .resource_version = made["metadata"]["resourceVersion"].get<std::string>()})
                     .status()),
            200);
}

TEST_F(ObjectStoreTest, ANamespaceTakesItsContentsAlong) {
  Create(Namespace("team"), Namespaces());
  Create(Network("blue", "team"));
  Create(Network("stays"));
  json held = Network("held", "team");
  held["metadata"]["finalizers"] = {"example.org/a"};
  Create(held);
  changes_.clear();
  EXPECT_TRUE(Delete(Namespaces(), {"", "team"}).waits);
  EXPECT_EQ((*store_->Get(Namespaces(), {"", "team"}))["status"]["phase"], "Terminating");
  EXPECT_EQ(Code(store_->Create(Networks(), Network("late", "team")).status()), 403);
  ASSERT_TRUE(store_
                  ->Patch(Networks(), {"team", "held"}, Part::kMain, PatchKind::kMerge,
                          {{"metadata", {{"finalizers", nullptr}}}})
                  .ok());
  EXPECT_EQ(Code(store_->Get(Namespaces(), {"", "team"}).status()), 404);
  EXPECT_THAT(Told(),
              ElementsAre("MODIFIED team", "DELETED blue", "MODIFIED held", "DELETED held", "DELETED team"));
  EXPECT_EQ(store_->List(Networks(), "", {})->items.size(), 1u);
}

TEST_F(ObjectStoreTest, AnEmptyNamespaceGoesAtOnceAndMayComeAgain) {
  Create(Namespace("team"), Namespaces());
  changes_.clear();
  EXPECT_FALSE(Delete(Namespaces(), {"", "team"}).waits);
  EXPECT_THAT(Told(), ElementsAre("DELETED team"));
  Create(Namespace("team"), Namespaces());
}

TEST_F(ObjectStoreTest, ANamespaceWhoseContentsGoAtOnceIsGoneInOneStep) {
  Create(Namespace("team"), Namespaces());
  Create(Network("blue", "team"));
  EXPECT_FALSE(Delete(Namespaces(), {"", "team"}).waits);
  EXPECT_EQ(Code(store_->Get(Namespaces(), {"", "team"}).status()), 404);
}

TEST_F(ObjectStoreTest, TheDefaultNamespaceStays) {
  EXPECT_EQ(Code(store_->Delete(Namespaces(), {"", "default"}, {}).status()), 403);
  EXPECT_EQ((*store_->Get(Namespaces(), {"", "default"}))["status"]["phase"], "Active");
}

json Value(const ObjectPtr& object) { return object == nullptr ? json() : *object; }

TEST_F(ObjectStoreTest, TheHistoryIsReadInOrderFromAnyVersion) {
  int64_t start = store_->version();
  for (int i = 0; i < 10; ++i) Create(Network(absl::StrCat("n", i)));
  Delete(Networks(), {"default", "n3"});
  absl::StatusOr<std::vector<Change>> all = store_->ChangesSince(Networks(), "", start, 100);
  ASSERT_TRUE(all.ok()) << all.status();
  ASSERT_EQ(all->size(), 11u);
  for (size_t i = 0; i < all->size(); ++i) {
    EXPECT_EQ((*all)[i].version, changes_[i].version);
    EXPECT_EQ(Value((*all)[i].before), Value(changes_[i].before));
    EXPECT_EQ(Value((*all)[i].after), Value(changes_[i].after));
  }
  EXPECT_EQ(store_->ChangesSince(Networks(), "", start + 4, 3)->front().name, "n4");
  EXPECT_EQ(store_->ChangesSince(Networks(), "", start, 3)->size(), 3u);
  EXPECT_THAT(*store_->ChangesSince(Networks(), "", store_->version(), 100), IsEmpty());
  EXPECT_THAT(*store_->ChangesSince(Networks(), "other", start, 100), IsEmpty());
  EXPECT_THAT(*store_->ChangesSince(Namespaces(), "", start, 100), IsEmpty());
}

TEST_F(ObjectStoreTest, TheHistoryIsBoundedAndSaysWhatItHasForgotten) {
  options_.history = 100;
  Open();
  int64_t start = store_->version();
  json object = Create(Network("blue"));
  for (int i = 0; i < 400; ++i) {
    ASSERT_TRUE(store_
                    ->Patch(Networks(), {"default", "blue"}, Part::kMain, PatchKind::kMerge,
                            {{"spec", {{"mtu", 1300 + i}}}})
                    .ok());
  }
  int64_t now = store_->version();
  EXPECT_EQ(Code(store_->ChangesSince(Networks(), "", start, 1000).status()), 410);
  absl::StatusOr<std::vector<Change>> recent = store_->ChangesSince(Networks(), "", now - 100, 1000);
  ASSERT_TRUE(recent.ok()) << recent.status();
  EXPECT_EQ(recent->size(), 100u);
  int64_t oldest = now - 100;
  while (oldest > start && store_->ChangesSince(Networks(), "", oldest - 1, 1).ok()) --oldest;
  EXPECT_LT(now - oldest, 200);
  Open();
  EXPECT_EQ(Code(store_->ChangesSince(Networks(), "", oldest - 1, 1).status()), 410);
  EXPECT_TRUE(store_->ChangesSince(Networks(), "", oldest, 1).ok());
}

TEST_F(ObjectStoreTest, AVersionThatHasNotHappenedIsExpired) {
  EXPECT_EQ(Code(store_->ChangesSince(Networks(), "", store_->version() + 1, 1).status()), 410);
}

TEST_F(ObjectStoreTest, ASecondStoreOnTheSameFileIsKeptOut) {
  absl::StatusOr<std::unique_ptr<ObjectStore>> second = ObjectStore::Open(options_, clock_);
  EXPECT_EQ(second.status().code(), absl::StatusCode::kFailedPrecondition) << second.status();
  Create(Network("blue"));
}

TEST_F(ObjectStoreTest, WhatTheHistoryForgetsIsStillThereAfterARestart) {
  options_.history = 100;
  options_.full_sync = false;
  Open();
  const unsigned seed = std::random_device()();
  SCOPED_TRACE(absl::StrCat("seed ", seed));
  std::mt19937 random(seed);
  std::map<std::string, json> there;
  const auto listed = [&] {
    std::map<std::string, json> found;
    const Listing listing = *store_->List(Networks(), "", {});
    for (const json& object : listing.items) found[object["metadata"]["name"]] = object;
    return found;
  };
  for (int i = 0; i < 1000; ++i) {
    // Some change often, and some hardly ever.
    const std::string name = absl::StrCat("n", random() % (i % 3 == 0 ? 200 : 8));
    const auto old = there.find(name);
    if (old == there.end()) {
      there[name] = Create(Network(name));
    } else if (random() % 4 == 0) {
      Delete(Networks(), {"default", name});
      there.erase(old);
    } else {
      json changed = old->second;
      changed["metadata"]["annotations"]["i"] = absl::StrCat(i);
      const auto written = store_->Update(Networks(), {"default", name}, Part::kMain, changed);
      ASSERT_TRUE(written.ok()) << written.status();
      old->second = *written;
    }
    if (random() % 100 != 0) continue;
    if (random() % 2 == 0) {
      ASSERT_TRUE(store_->Compact().ok());
    }
    const int64_t version = store_->version();
    store_.reset();
    Open();
    EXPECT_EQ(store_->version(), version);
    ASSERT_EQ(listed(), there);
  }
  ASSERT_EQ(listed(), there);
}

TEST_F(ObjectStoreTest, ADamagedRowIsAnErrorForWhoeverAsksForIt) {
  json good = Create(Network("good"));
  Create(Network("bad"));
  store_.reset();
  for (const char* damage : {"", "{", "7", "{}", "{\"metadata\":7}"}) {
    {
      auto raw = Database::Open(options_.path, {"SELECT 1", "SELECT 1", "SELECT 1", "SELECT 1"});
      ASSERT_TRUE(raw.ok()) << raw.status();
      auto update = (*raw)->Prepare("UPDATE history SET after=? WHERE name='bad'");
      ASSERT_TRUE(update.ok()) << update.status();
      ASSERT_TRUE(update->Bind(1, absl::string_view(damage)).Run().ok());
      EXPECT_EQ((*raw)->Changes(), 1);
    }
    Open();
    EXPECT_EQ(Code(store_->GetText(Networks(), {"default", "bad"}).status()), 500) << damage;
    EXPECT_EQ(Code(store_->Get(Networks(), {"default", "bad"}).status()), 500) << damage;
    EXPECT_EQ(Code(store_->Delete(Networks(), {"default", "bad"}, {}).status()), 500);
    EXPECT_EQ(Code(store_->List(Networks(), "", {}).status()), 500);
    EXPECT_EQ(Read("good"), good);
    store_.reset();
  }
}

TEST_F(ObjectStoreTest, ASelectionIsListedInOrder) {
  Create(Namespace("a"), Namespaces());
  for (const char* name : {"z", "b", "a"}) Create(Network(name));
  Create(Network("c", "a"));
  std::vector<std::string> names;
  absl::StatusOr<Listing> listing =
      store_->List(Networks(), "", *api::Selector::Parse("", "spec.vni=5,metadata.name!=b"));
  ASSERT_TRUE(listing.ok()) << listing.status();
  for (const json& object : listing->items) {
    names.push_back(absl::StrCat(object["metadata"]["namespace"].get<std::string>(), "/",
                                 object["metadata"]["name"].get<std::string>()));
  }
  EXPECT_THAT(names, ElementsAre("a/c", "default/a", "default/z"));
  EXPECT_EQ(listing->version, store_->version());
}

TEST_F(ObjectStoreTest, HoldsAsMuchAsItMayAndSmallerObjectsAlways) {
  const auto with = [&](const std::string& name, size_t filling) {
    json network = Network(name);
    network["metadata"]["annotations"]["filling"] = std::string(filling, 'x');
    return network;
  };
  store_.reset();
  auto store =
      ObjectStore::Open({.path = ":memory:", .full_sync = false, .most_bytes = 20'000}, Clock::Real());
  ASSERT_TRUE(store.ok()) << store.status();
  store_ = *std::move(store);
  ASSERT_TRUE(store_->Create(Networks(), with("a", 15'000)).ok());
  const int64_t version = store_->version();
  const absl::Status full = store_->Create(Networks(), with("b", 15'000)).status();
  EXPECT_EQ(Code(full), 507);
  EXPECT_THAT(std::string(full.message()), ::testing::HasSubstr("--object-bytes"));
  EXPECT_EQ(Code(store_->Get(Networks(), {"default", "b"}).status()), 404);
  EXPECT_EQ(store_->version(), version);
  ASSERT_TRUE(store_->Update(Networks(), {"default", "a"}, Part::kMain, with("a", 10)).ok());
  EXPECT_TRUE(store_->Create(Networks(), with("b", 15'000)).ok());
}

class ObjectStoreGroupTest : public ObjectStoreTest {
 protected:
  void SetUp() override {
    ObjectStoreTest::SetUp();
    store_->Group([this] { ++begun_; });
    store_->OnChange([this](const Change& change) { told_.push_back(change.name); });
  }
  // What another life of the server would find.
  std::vector<std::string> OnDisk() {
    store_.reset();
    Open();
    std::vector<std::string> names;
    const Listing listed = *store_->List(Networks(), "", {});
    for (const json& object : listed.items) names.push_back(object["metadata"]["name"]);
    return names;
  }
  int begun_ = 0;
  std::vector<std::string> told_;
};

TEST_F(ObjectStoreGroupTest, IsCommittedAndToldAsOne) {
  const int64_t before = store_->version();
  ASSERT_TRUE(store_->Create(Networks(), Network("a")).ok());
  ASSERT_TRUE(store_->Create(Networks(), Network("b")).ok());
  EXPECT_EQ(begun_, 1);
  EXPECT_THAT(told_, IsEmpty());
  EXPECT_EQ(store_->version(), before);
  EXPECT_THAT(*store_->ChangesSince(Networks(), "", before, 10), IsEmpty()) << "nobody else is told yet";
  EXPECT_EQ(store_->List(Networks(), "", {})->items.size(), 2u) << "whoever asks is answered after the flush";
  ASSERT_TRUE(store_->Flush().ok());
  EXPECT_FALSE(store_->has_group());
  EXPECT_THAT(told_, ElementsAre("a", "b"));
  EXPECT_EQ(store_->version(), before + 2);
  EXPECT_EQ(store_->ChangesSince(Networks(), "", before, 10)->size(), 2u);
  ASSERT_TRUE(store_->Create(Networks(), Network("c")).ok());
  EXPECT_EQ(begun_, 2);
  ASSERT_TRUE(store_->Flush().ok());
  EXPECT_THAT(OnDisk(), ElementsAre("a", "b", "c"));
}

TEST_F(ObjectStoreGroupTest, WhatFailsLeavesTheOthersAlone) {
  EXPECT_EQ(Code(store_->Create(Networks(), Network("a", "nowhere")).status()), 404);
  EXPECT_FALSE(store_->has_group()) << "nothing has changed";
  ASSERT_TRUE(store_->Create(Networks(), Network("a")).ok());
  EXPECT_EQ(Code(store_->Create(Networks(), Network("a")).status()), 409);
  json same = *store_->Get(Networks(), {"default", "a"});
  EXPECT_EQ(*store_->Update(Networks(), {"default", "a"}, Part::kMain, same), same);
  ASSERT_TRUE(store_->Create(Networks(), Network("b")).ok());
  ASSERT_TRUE(store_->Flush().ok());
  EXPECT_THAT(told_, ElementsAre("a", "b"));
  EXPECT_THAT(OnDisk(), ElementsAre("a", "b"));
}

TEST_F(ObjectStoreGroupTest, WithoutAFlushNothingHasHappened) {
  ASSERT_TRUE(store_->Create(Networks(), Network("a")).ok());
  ASSERT_TRUE(store_->Flush().ok());
  ASSERT_TRUE(store_->Create(Networks(), Network("b")).ok());
  EXPECT_THAT(OnDisk(), ElementsAre("a"));
}

}  // namespace
}  // namespace xpu::apiserver
