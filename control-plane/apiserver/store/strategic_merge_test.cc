#include "control-plane/apiserver/store/strategic_merge.h"

#include <gtest/gtest.h>

namespace xpu::apiserver {
namespace {

using nlohmann::json;

json Merge(const char* target, const char* patch) {
  auto merged = StrategicMerge(json::parse(target), json::parse(patch));
  EXPECT_TRUE(merged.ok()) << merged.status();
  return merged.ok() ? *merged : json();
}

TEST(StrategicMergeTest, ObjectsAreMergedAndNullsRemove) {
  EXPECT_EQ(Merge(R"({"data": {"a": "1", "b": "2"}})", R"({"data": {"a": "9", "b": null}})"),
            json::parse(R"({"data": {"a": "9"}})"));
  EXPECT_EQ(Merge(R"({"data": {"a": "1"}})", R"({"data": {"$patch": "replace", "b": "2"}})"),
            json::parse(R"({"data": {"b": "2"}})"));
  EXPECT_EQ(Merge(R"({"data": {"a": "1"}, "x": 1})", R"({"data": {"$patch": "delete"}})"),
            json::parse(R"({"x": 1})"));
  EXPECT_EQ(Merge(R"({"spec": {"a": 1, "b": 2}})", R"({"spec": {"$retainKeys": ["a"], "a": 3}})"),
            json::parse(R"({"spec": {"a": 3}})"));
}

TEST(StrategicMergeTest, ItemsWithKeysAreMergedOneByOne) {
  const char* service = R"({"ports": [{"port": 80, "name": "http"}, {"port": 443, "name": "https"}]})";
  EXPECT_EQ(Merge(service, R"({"ports": [{"port": 80, "targetPort": 8080}, {"port": 90}]})"),
            json::parse(R"({"ports": [{"port": 80, "name": "http", "targetPort": 8080},
                                      {"port": 443, "name": "https"}, {"port": 90}]})"));
  EXPECT_EQ(Merge(service, R"({"ports": [{"port": 80, "$patch": "delete"}]})"),
            json::parse(R"({"ports": [{"port": 443, "name": "https"}]})"));
  EXPECT_EQ(Merge(service, R"({"ports": [{"$patch": "replace"}, {"port": 1}]})"),
            json::parse(R"({"ports": [{"port": 1}]})"));
  EXPECT_EQ(
      Merge(service, R"({"$setElementOrder/ports": [{"port": 443}, {"port": 80}]})")["ports"][0]["port"],
      443);
}

TEST(StrategicMergeTest, ListsWithoutKeysAreReplacedAndSetsAreJoined) {
  EXPECT_EQ(Merge(R"({"rules": [1, 2]})", R"({"rules": [3]})"), json::parse(R"({"rules": [3]})"));
  EXPECT_EQ(Merge(R"({"metadata": {"finalizers": ["a", "b"]}})",
                  R"({"metadata": {"finalizers": ["c"], "$deleteFromPrimitiveList/finalizers": ["a"]}})"),
            json::parse(R"({"metadata": {"finalizers": ["b", "c"]}})"));
}

TEST(StrategicMergeTest, WhatMakesNoSenseIsRefused) {
  EXPECT_FALSE(StrategicMerge(json::object(), json::array()).ok());
  EXPECT_FALSE(StrategicMerge(json::parse(R"({"a": {}})"), json::parse(R"({"a": {"$patch": "what"}})")).ok());
  EXPECT_FALSE(
      StrategicMerge(json::parse(R"({"ports": []})"), json::parse(R"({"ports": [{"name": "x"}]})")).ok());
}

}  // namespace
}  // namespace xpu::apiserver
