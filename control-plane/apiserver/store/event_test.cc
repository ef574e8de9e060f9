#include "control-plane/apiserver/store/event.h"

#include <gtest/gtest.h>

namespace xpu::apiserver {
namespace {

using nlohmann::json;

json Object(const char* app, const char* version) {
  return {{"metadata", {{"name", "blue"}, {"labels", {{"app", app}}}, {"resourceVersion", version}}}};
}

ObjectPtr Ptr(const json& object) {
  return object.is_null() ? nullptr : std::make_shared<const json>(object);
}

std::string Seen(const json& before, const json& after) {
  api::Selector selector = *api::Selector::Parse("app=demo", "");
  std::optional<WatchItem> item =
      Project({7, "g/networks", "default", "blue", Ptr(before), Ptr(after)}, selector);
  if (!item) return "nothing";
  return std::string(item->type) + " " + item->object["metadata"]["labels"]["app"].get<std::string>() + " " +
         item->object["metadata"]["resourceVersion"].get<std::string>();
}

TEST(EventTest, ASelectionSeesWhatComesChangesAndGoes) {
  EXPECT_EQ(Seen(nullptr, Object("demo", "7")), "ADDED demo 7");
  EXPECT_EQ(Seen(Object("demo", "3"), Object("demo", "7")), "MODIFIED demo 7");
  EXPECT_EQ(Seen(Object("demo", "7"), nullptr), "DELETED demo 7");
}

TEST(EventTest, AnObjectThatComesIntoTheSelectionIsAdded) {
  EXPECT_EQ(Seen(Object("other", "3"), Object("demo", "7")), "ADDED demo 7");
}

TEST(EventTest, AnObjectThatLeavesTheSelectionIsDeletedAsItWasUnderTheNewVersion) {
  EXPECT_EQ(Seen(Object("demo", "3"), Object("other", "7")), "DELETED demo 7");
}

TEST(EventTest, WhatIsOutsideBeforeAndAfterIsNotSeen) {
  EXPECT_EQ(Seen(Object("other", "3"), Object("another", "7")), "nothing");
  EXPECT_EQ(Seen(Object("other", "7"), nullptr), "nothing");
}

}  // namespace
}  // namespace xpu::apiserver
