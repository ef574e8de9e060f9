#include "control-plane/apiserver/store/object_map.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace xpu::apiserver {
namespace {

using nlohmann::json;
using ::testing::ElementsAre;
using ::testing::IsEmpty;

json Object(const std::string& name, const std::string& value, const std::string& owner = "") {
  json object = {{"metadata", {{"name", name}}}, {"value", value}};
  if (!owner.empty()) object["metadata"]["ownerReferences"] = {{{"uid", owner}}};
  return object;
}

class ObjectMapTest : public ::testing::Test {
 protected:
  // A null `after` removes it.
  void Change(const std::string& collection, const std::string& ns, const std::string& name,
              const json& after) {
    apiserver::Change change{++version_, collection, ns, name, nullptr, nullptr};
    if (!after.is_null()) {
      change.after = std::make_shared<const json>(after);
      change.text = ObjectText(after);
    }
    map_.Apply(change);
  }
  json Read(const std::string& collection, const std::string& ns, const std::string& name) {
    const auto read = map_.Read(collection, ns, name);
    EXPECT_TRUE(read.ok()) << read.status();
    return read.ok() && *read != nullptr ? **read : json();
  }
  // The names behind those, at most so many.
  std::vector<std::string> Scan(const std::string& ns, const std::string& after_ns = "",
                                const std::string& after_name = "", size_t limit = 100) {
    std::vector<std::string> names;
    const absl::Status done =
        map_.Scan("g/a", ns, after_ns, after_name, [&](const ObjectPtr& object) -> absl::StatusOr<bool> {
          names.push_back((*object)["metadata"]["name"]);
          return names.size() < limit;
        });
    EXPECT_TRUE(done.ok()) << done;
    return names;
  }
  static std::vector<std::string> Names(const std::vector<ObjectMap::Key>& keys) {
    std::vector<std::string> names;
    for (const ObjectMap::Key& key : keys) names.push_back(key.collection + ":" + key.ns + "/" + key.name);
    return names;
  }

  ObjectMap map_;
  int64_t version_ = 0;
};

TEST_F(ObjectMapTest, HoldsTheLastStateOfEach) {
  Change("g/a", "n", "x", Object("x", "1"));
  Change("g/a", "n", "x", Object("x", "2"));
  Change("g/b", "n", "x", Object("x", "3"));
  EXPECT_EQ(Read("g/a", "n", "x"), Object("x", "2"));
  EXPECT_EQ(Read("g/b", "n", "x"), Object("x", "3"));
  EXPECT_EQ(Read("g/a", "", "x"), json());
  EXPECT_EQ(Read("g/c", "n", "x"), json());
  EXPECT_EQ(map_.bytes(), ObjectText(Object("x", "2")).size() + ObjectText(Object("x", "3")).size());
  Change("g/a", "n", "x", nullptr);
  Change("g/b", "n", "x", nullptr);
  EXPECT_EQ(Read("g/a", "n", "x"), json());
  EXPECT_EQ(map_.bytes(), 0u);
}

TEST_F(ObjectMapTest, IsReadInTheOrderOfNamespaceAndNameFromAnywhere) {
  for (const auto& [ns, name] : std::vector<std::pair<std::string, std::string>>{
           {"n", "b"}, {"m", "z"}, {"n", "a"}, {"nn", "a"}, {"n", "\xc3\xa4"}, {"n", "c"}}) {
    Change("g/a", ns, name, Object(ns + name, ""));
  }
  Change("g/b", "n", "other", Object("other", ""));
  EXPECT_THAT(Scan(""), ElementsAre("mz", "na", "nb", "nc", "n\xc3\xa4", "nna"));
  EXPECT_THAT(Scan("n"), ElementsAre("na", "nb", "nc", "n\xc3\xa4"));
  EXPECT_THAT(Scan("", "n", "b"), ElementsAre("nc", "n\xc3\xa4", "nna"));
  EXPECT_THAT(Scan("n", "n", "b", 1), ElementsAre("nc"));
  EXPECT_THAT(Scan("o"), IsEmpty());
  EXPECT_THAT(Names(map_.KeysIn("n")),
              ElementsAre("g/a:n/a", "g/a:n/b", "g/a:n/c", "g/a:n/\xc3\xa4", "g/b:n/other"));
  EXPECT_THAT(Names(map_.KeysOf("g/b")), ElementsAre("g/b:n/other"));
}

TEST_F(ObjectMapTest, ChangesAreTakenBackUntilTheyAreSettled) {
  map_.Load({"g/a", "n", "loaded"}, ObjectText(Object("loaded", "0")));
  Change("g/a", "n", "x", Object("x", "1", "u-1"));
  map_.Settle(version_);
  const int64_t settled = version_;
  const size_t bytes = map_.bytes();
  Change("g/a", "n", "x", Object("x", "2", "u-2"));
  Change("g/a", "n", "loaded", nullptr);
  Change("g/a", "n", "new", Object("new", "1", "u-1"));
  const int64_t middle = version_;
  Change("g/a", "n", "x", nullptr);
  Change("g/a", "n", "x", Object("x", "3"));
  EXPECT_THAT(Names(map_.DependentsOf("u-2")), IsEmpty());

  map_.Revert(middle);
  EXPECT_EQ(Read("g/a", "n", "x"), Object("x", "2", "u-2"));
  EXPECT_EQ(Read("g/a", "n", "loaded"), json());
  EXPECT_THAT(Names(map_.DependentsOf("u-1")), ElementsAre("g/a:n/new"));
  EXPECT_THAT(Names(map_.DependentsOf("u-2")), ElementsAre("g/a:n/x"));

  map_.Revert(settled);
  EXPECT_EQ(Read("g/a", "n", "x"), Object("x", "1", "u-1"));
  EXPECT_EQ(Read("g/a", "n", "loaded"), Object("loaded", "0"));
  EXPECT_EQ(Read("g/a", "n", "new"), json());
  EXPECT_THAT(Names(map_.DependentsOf("u-1")), ElementsAre("g/a:n/x"));
  EXPECT_THAT(Names(map_.DependentsOf("u-2")), IsEmpty());
  EXPECT_EQ(map_.bytes(), bytes);

  map_.Revert(0);
  EXPECT_EQ(Read("g/a", "n", "x"), Object("x", "1", "u-1")) << "what is settled stays";
}

TEST_F(ObjectMapTest, OwnersAreThoseOfTheFileUntilTheObjectChanges) {
  map_.Load({"g/a", "n", "x"}, ObjectText(Object("x", "0", "u-1")));
  map_.LoadOwner({"g/a", "n", "x"}, "u-1");
  map_.LoadOwner({"g/a", "n", "nobody"}, "u-1");
  EXPECT_THAT(Names(map_.DependentsOf("u-1")), ElementsAre("g/a:n/x"));
  Change("g/a", "n", "x", Object("x", "1"));
  EXPECT_THAT(Names(map_.DependentsOf("u-1")), IsEmpty());
}

TEST_F(ObjectMapTest, WhatWasNotInUseForLongIsReadAnew) {
  map_ = ObjectMap(10'000);
  const std::string large(1'000, 'x');
  for (int i = 0; i < 20; ++i) Change("g/a", "n", std::to_string(i), Object(std::to_string(i), large));
  const ObjectPtr last = *map_.Read("g/a", "n", "19");
  EXPECT_EQ(*map_.Read("g/a", "n", "19"), last) << "it is the same one";
  std::weak_ptr<const json> first = *map_.Read("g/a", "n", "0");
  EXPECT_FALSE(first.expired());
  for (int i = 1; i < 20; ++i)
    EXPECT_EQ(Read("g/a", "n", std::to_string(i)), Object(std::to_string(i), large));
  EXPECT_TRUE(first.expired());
  EXPECT_EQ(Read("g/a", "n", "0"), Object("0", large));
  // More than all that is kept.
  const std::string huge(11'000, 'x');
  Change("g/a", "n", "0", Object("0", huge));
  EXPECT_EQ(Read("g/a", "n", "0"), Object("0", huge));
  EXPECT_EQ(Read("g/a", "n", "1"), Object("1", large));
}

TEST_F(ObjectMapTest, TheTextIsThatOfTheLastState) {
  map_.Load({"g/a", "n", "loaded"}, ObjectText(Object("loaded", "0")));
  Change("g/a", "n", "x", Object("x", "1"));
  Change("g/a", "n", "x", Object("x", "2"));
  const auto text = [&](const char* name) {
    const auto read = map_.Text("g/a", "n", name);
    EXPECT_TRUE(read.ok()) << read.status();
    return read.ok() && *read != nullptr ? **read : "";
  };
  EXPECT_EQ(text("loaded"), ObjectText(Object("loaded", "0")));
  EXPECT_EQ(text("x"), ObjectText(Object("x", "2")));
  map_.Revert(1);
  EXPECT_EQ(text("x"), ObjectText(Object("x", "1")));
  Change("g/a", "n", "x", nullptr);
  EXPECT_EQ(text("x"), "");
  EXPECT_EQ(text("nobody"), "");
}

TEST_F(ObjectMapTest, WhatIsNoObjectIsToldWhenItIsRead) {
  map_.Load({"g/a", "n", "x"}, "no JSON");
  EXPECT_TRUE(absl::IsDataLoss(map_.Text("g/a", "n", "x").status()));
  EXPECT_TRUE(absl::IsDataLoss(map_.Read("g/a", "n", "x").status()));
  EXPECT_THAT(Names(map_.KeysOf("g/a")), ElementsAre("g/a:n/x"));
}

}  // namespace
}  // namespace xpu::apiserver
