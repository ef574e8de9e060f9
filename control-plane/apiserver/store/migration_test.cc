// Files of earlier programs, with what these have left in them: everything is found again.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>

#include "absl/strings/str_cat.h"
#include "common/sqlite/database.h"
#include "control-plane/apiserver/store/store_testing.h"

namespace xpu::apiserver {
namespace {

using nlohmann::json;
using ::testing::ElementsAre;

// What was released, word for word: it must not follow what the program does today.
constexpr char kFirst[] = R"(
  CREATE TABLE objects (
    collection TEXT NOT NULL,
    ns TEXT NOT NULL,
    name TEXT NOT NULL,
    object TEXT NOT NULL,
    PRIMARY KEY (collection, ns, name)
  ) WITHOUT ROWID;
  CREATE INDEX objects_by_namespace ON objects (ns);
  CREATE TABLE history (
    version INTEGER PRIMARY KEY,
    collection TEXT NOT NULL,
    ns TEXT NOT NULL,
    name TEXT NOT NULL,
    before TEXT,
    after TEXT
  );
  CREATE TABLE counters (
    id INTEGER PRIMARY KEY CHECK (id = 0),
    version INTEGER NOT NULL,
    forgotten INTEGER NOT NULL
  );
  INSERT INTO counters VALUES (0, 0, 0);
)";
constexpr char kSecond[] = R"(
  CREATE TABLE owners (
    uid TEXT NOT NULL,
    collection TEXT NOT NULL,
    ns TEXT NOT NULL,
    name TEXT NOT NULL,
    PRIMARY KEY (uid, collection, ns, name)
  ) WITHOUT ROWID;
)";
constexpr char kThird[] = R"(
  CREATE TABLE objects_by_id (
    id INTEGER PRIMARY KEY,
    collection TEXT NOT NULL,
    ns TEXT NOT NULL,
    name TEXT NOT NULL,
    object TEXT NOT NULL
  );
  DROP TABLE objects;
  ALTER TABLE objects_by_id RENAME TO objects;
  CREATE UNIQUE INDEX objects_by_name ON objects (collection, ns, name);
  CREATE INDEX objects_by_namespace ON objects (ns, collection, name);
)";
constexpr char kFourth[] = "DROP INDEX objects_by_namespace";

// Versions up to this one were forgotten, and this many changes came after it.
constexpr int kForgotten = 40;
constexpr int kMaps = 300;
constexpr int kLast = kForgotten + 2 + kMaps + 2;

json Map(const std::string& name, int version, const json& owners = nullptr) {
  json map = {{"apiVersion", "v1"},
              {"kind", "ConfigMap"},
              {"metadata",
               {{"name", name},
                {"namespace", "default"},
                {"uid", "uid-" + name},
                {"generation", 1},
                {"creationTimestamp", "2026-01-02T03:04:05Z"},
                {"resourceVersion", absl::StrCat(version)}}},
              {"data", {{"of", std::string(500, 'x') + "ä€"}}}};
  if (!owners.is_null()) map["metadata"]["ownerReferences"] = owners;
  return map;
}

std::string Name(int i) { return absl::StrCat("map-", i); }

// Its rule names a field that its schema does not have, which this program refuses when it is asked to take
// it.
json Cars(const std::string& rule) {
  return {{"apiVersion", "apiextensions.k8s.io/v1"},
          {"kind", "CustomResourceDefinition"},
          {"metadata",
           {{"name", "cars.example.org"},
            {"uid", "uid-cars"},
            {"generation", 1},
            {"creationTimestamp", "2026-01-02T03:04:05Z"},
            {"resourceVersion", "2"}}},
          {"spec",
           {{"group", "example.org"},
            {"scope", "Namespaced"},
            {"names", {{"plural", "cars"}, {"singular", "car"}, {"kind", "Car"}, {"listKind", "CarList"}}},
            {"versions",
             {{{"name", "v1"},
               {"served", true},
               {"storage", true},
               {"schema",
                {{"openAPIV3Schema",
                  {{"type", "object"},
                   {"properties",
                    {{"spec",
                      {{"type", "object"},
                       {"properties", {{"wheels", {{"type", "integer"}}}}},
                       {"x-kubernetes-validations", {{{"rule", rule}}}}}}}}}}}}}}}}}};
}
const json kCar = {{"apiVersion", "example.org/v1"},
                   {"kind", "Car"},
                   {"metadata",
                    {{"name", "mini"},
                     {"namespace", "default"},
                     {"uid", "uid-mini"},
                     {"generation", 1},
                     {"creationTimestamp", "2026-01-02T03:04:05Z"},
                     {"resourceVersion", "3"}}},
                   {"spec", {{"wheels", 4}}}};

// A file as the program of the schema with that number left it: a namespace, an owner, maps that it owns, and
// two that were changed and deleted last.
class MigrationTest : public MemoryStoreTest, public ::testing::WithParamInterface<int> {
 protected:
  void SetUp() override {
    char folder[] = "/tmp/xpu-migration-XXXXXX";
    ASSERT_NE(mkdtemp(folder), nullptr);
    folder_ = folder;
    Fill();
    Open();
  }
  void TearDown() override {
    store_.reset();
    std::filesystem::remove_all(folder_);
  }
  void Open() {
    store_.reset();
    auto store = ObjectStore::Open({.path = folder_ + "/store.db"}, Clock::Real());
    ASSERT_TRUE(store.ok()) << store.status();
    store_ = *std::move(store);
  }
  const api::KindInfo& Maps() { return Kind("v1", "ConfigMap"); }

 private:
  void Fill() {
    std::vector<std::string> schemas = {kFirst, kSecond, kThird, kFourth};
    schemas.resize(GetParam());
    auto opened = Database::Open(folder_ + "/store.db", schemas);
    ASSERT_TRUE(opened.ok()) << opened.status();
    Database& db = **opened;
    const json ns = {{"apiVersion", "v1"},
                     {"kind", "Namespace"},
                     {"metadata",
                      {{"name", "default"},
                       {"uid", "uid-default"},
                       {"creationTimestamp", "2026-01-02T03:04:05Z"},
                       {"resourceVersion", "1"}}},
                     {"status", {{"phase", "Active"}}}};
    int version = kForgotten;
    const json owner = Map("owner", ++version);
    const json owners = {
        {{"apiVersion", "v1"}, {"kind", "ConfigMap"}, {"name", "owner"}, {"uid", "uid-owner"}}};
    ASSERT_TRUE(db.Transaction([&]() -> absl::Status {
                    Insert(db, "/namespaces", "", "default", ns);
                    Insert(db, "apiextensions.k8s.io/customresourcedefinitions", "", "cars.example.org",
                           Cars("self.nosuch > 0"));
                    Insert(db, "example.org/cars", "default", "mini", kCar);
                    Insert(db, "/configmaps", "default", "owner", owner);
                    Note(db, version, "owner", nullptr, owner);
                    for (int i = 0; i < kMaps; ++i) {
                      const json map = Map(Name(i), ++version, owners);
                      Insert(db, "/configmaps", "default", Name(i), map);
                      Note(db, version, Name(i), nullptr, map);
                      if (GetParam() >= 2) {
                        Run(db, "INSERT INTO owners VALUES (?, ?, ?, ?)",
                            {"uid-owner", "/configmaps", "default", Name(i)});
                      }
                    }
                    const json gone = Map("gone", ++version);
                    Note(db, version, "gone", nullptr, gone);
                    Note(db, ++version, "gone", gone, nullptr);
                    json changed = owner;
                    changed["data"]["more"] = "yes";
                    changed["metadata"]["resourceVersion"] = absl::StrCat(++version);
                    Run(db, "UPDATE objects SET object=? WHERE name='owner'", {changed.dump()});
                    Note(db, version, "owner", owner, changed);
                    EXPECT_EQ(version, kLast);
                    return db.Execute(
                        absl::StrCat("UPDATE counters SET version=", version, ", forgotten=", kForgotten));
                  }).ok());
  }
  static void Run(Database& db, const char* sql, const std::vector<std::string>& parameters) {
    auto statement = db.Prepare(sql);
    ASSERT_TRUE(statement.ok()) << statement.status();
    for (size_t i = 0; i < parameters.size(); ++i) statement->Bind(static_cast<int>(i) + 1, parameters[i]);
    const absl::Status done = statement->Run();
    ASSERT_TRUE(done.ok()) << done;
  }
  static void Insert(Database& db, const std::string& collection, const std::string& ns,
                     const std::string& name, const json& object) {
    Run(db, "INSERT INTO objects (collection, ns, name, object) VALUES (?, ?, ?, ?)",
        {collection, ns, name, object.dump()});
  }
  static void Note(Database& db, int version, const std::string& name, const json& before,
                   const json& after) {
    auto statement = db.Prepare("INSERT INTO history VALUES (?, '/configmaps', 'default', ?, ?, ?)");
    ASSERT_TRUE(statement.ok()) << statement.status();
    statement->Bind(1, int64_t{version}).Bind(2, name);
    before.is_null() ? statement->BindNull(3) : statement->Bind(3, before.dump());
    after.is_null() ? statement->BindNull(4) : statement->Bind(4, after.dump());
    ASSERT_TRUE(statement->Run().ok());
  }

 protected:
  std::string folder_;
};

TEST_P(MigrationTest, ObjectsAreThereWithTheirVersions) {
  EXPECT_EQ(store_->version(), kLast);
  const auto listed = store_->List(Maps(), "default", {});
  ASSERT_TRUE(listed.ok()) << listed.status();
  EXPECT_EQ(listed->items.size(), size_t{kMaps} + 1);
  EXPECT_EQ(listed->version, kLast);
  const json owners = {
      {{"apiVersion", "v1"}, {"kind", "ConfigMap"}, {"name", "owner"}, {"uid", "uid-owner"}}};
  for (const int i : {0, 1, 150, kMaps - 1}) {
    const auto map = store_->Get(Maps(), {"default", Name(i)});
    ASSERT_TRUE(map.ok()) << map.status();
    EXPECT_EQ(*map, Map(Name(i), kForgotten + 2 + i, owners));
  }
  EXPECT_EQ(store_->Get(Maps(), {"default", "owner"})->at("data")["more"], "yes");
  EXPECT_EQ(Code(store_->Get(Maps(), {"default", "gone"}).status()), 404);
}

TEST_P(MigrationTest, AWatchGoesOnWhereItStoppedOrIsToldThatItCannot) {
  const auto changes = store_->ChangesSince(Maps(), "default", kLast - 3, 100);
  ASSERT_TRUE(changes.ok()) << changes.status();
  std::vector<std::string> told;
  for (const Change& change : *changes) {
    told.push_back(absl::StrCat(change.version, " ", change.name, " ", change.before == nullptr ? 0 : 1,
                                change.after == nullptr ? 0 : 1));
  }
  EXPECT_THAT(told, ElementsAre(absl::StrCat(kLast - 2, " gone 01"), absl::StrCat(kLast - 1, " gone 10"),
                                absl::StrCat(kLast, " owner 11")));
  EXPECT_EQ(store_->ChangesSince(Maps(), "", kForgotten, 1000)->size(), size_t{kMaps} + 4);
  EXPECT_EQ(Code(store_->ChangesSince(Maps(), "", kForgotten - 1, 1000).status()), 410);
}

TEST_P(MigrationTest, WritesGoOnUnderTheNextVersionAndStay) {
  json map = *store_->Get(Maps(), {"default", "map-7"});
  map["data"]["of"] = "new";
  const auto changed = store_->Update(Maps(), {"default", "map-7"}, Part::kMain, map);
  ASSERT_TRUE(changed.ok()) << changed.status();
  EXPECT_EQ((*changed)["metadata"]["resourceVersion"], absl::StrCat(kLast + 1));
  EXPECT_EQ((*changed)["metadata"]["uid"], "uid-map-7");
  Open();
  EXPECT_EQ(*store_->Get(Maps(), {"default", "map-7"}), *changed);
  EXPECT_EQ(store_->version(), kLast + 1);
}

TEST_P(MigrationTest, WhatAnOwnerTakesAlongIsKnown) {
  ASSERT_TRUE(store_->Delete(Maps(), {"default", "owner"}, {}).ok());
  EXPECT_TRUE(store_->List(Maps(), "default", {})->items.empty());
}

TEST_P(MigrationTest, AKindThatCannotBeServedAnyMoreKeepsItsObjectsUntilItIsPutRight) {
  EXPECT_EQ(store_->kinds().FindKind("example.org/v1", "Car"), nullptr);
  const api::KindInfo& crds = Kind("apiextensions.k8s.io/v1", "CustomResourceDefinition");
  json cars = *store_->Get(crds, {"", "cars.example.org"});
  cars["spec"] = Cars("self.wheels > 2")["spec"];
  const auto changed = store_->Update(crds, {"", "cars.example.org"}, Part::kMain, cars);
  ASSERT_TRUE(changed.ok()) << changed.status();
  const KindPtr kind = store_->kinds().FindKind("example.org/v1", "Car");
  ASSERT_NE(kind, nullptr);
  EXPECT_EQ(*store_->Get(*kind, {"default", "mini"}), kCar);
}

INSTANTIATE_TEST_SUITE_P(Schema, MigrationTest, ::testing::Values(1, 2, 3, 4));

}  // namespace
}  // namespace xpu::apiserver
