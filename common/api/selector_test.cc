#include "common/api/selector.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace xpu::api {
namespace {

using nlohmann::json;

json Object() {
  return json::parse(R"({
    "metadata": {"name": "blue", "namespace": "default",
                 "labels": {"app": "demo", "tier": "front", "example.org/empty": ""}},
    "spec": {"host": "node-1", "vni": 100, "pod": {"name": "p"}}})");
}

bool Matches(const std::string& labels, const std::string& fields) {
  absl::StatusOr<Selector> selector = Selector::Parse(labels, fields);
  EXPECT_TRUE(selector.ok()) << selector.status();
  return selector.ok() && selector->Matches(Object());
}

TEST(SelectorTest, TheEmptyOneSelectsEverything) {
  EXPECT_TRUE(Selector().everything());
  EXPECT_TRUE(Selector().Matches(Object()));
  EXPECT_TRUE(Matches("", ""));
  EXPECT_TRUE(Selector::Parse(" ", "")->everything());
}

TEST(SelectorTest, LabelsAreComparedAsKubectlWritesThem) {
  for (const char* text : {"app=demo", "app==demo", "app = demo", "app!=x", "other!=x", "app in (x, demo)",
                           "app notin (x)", "other notin (x)", "app", "!other", "app=demo,tier=front",
                           "app in (demo,x),tier", "example.org/empty=", "app,!other,tier!=back"}) {
    EXPECT_TRUE(Matches(text, "")) << text;
  }
  for (const char* text : {"app=x", "app!=demo", "app in (x)", "app notin (demo,x)", "other", "!app",
                           "app=demo,tier=back", "other=", "example.org/empty=x"}) {
    EXPECT_FALSE(Matches(text, "")) << text;
  }
}

TEST(SelectorTest, FieldsAreComparedAsText) {
  for (const char* text :
       {"metadata.name=blue", "metadata.namespace==default", "spec.host=node-1", "spec.vni=100",
        "spec.pod.name=p", "spec.host!=node-2", "spec.card=", "metadata.name=blue,spec.host=node-1"}) {
    EXPECT_TRUE(Matches("", text)) << text;
  }
  for (const char* text : {"metadata.name=red", "spec.host!=node-1", "spec.host=", "spec.host.x=y", "spec=x",
                           "metadata.name=blue,spec.host=node-2"}) {
    EXPECT_FALSE(Matches("", text)) << text;
  }
}

TEST(SelectorTest, WhatCannotBeReadIsRefused) {
  for (const char* text : {"=x", "a b=c", "app in demo", "app in (demo", "app within (demo)", "app,", ",",
                           "!", "app=a=b", "(x)"}) {
    EXPECT_FALSE(Selector::Parse(text, "").ok()) << text;
  }
  for (const char* text : {"metadata.name", "=x", "a b=c"}) {
    EXPECT_FALSE(Selector::Parse("", text).ok()) << text;
  }
}

TEST(SelectorTest, OnlyFieldsThatTheKindDeclaresCanBeSelected) {
  const KindInfo& netdev = *FindKind("xpu.opiproject.org/v1alpha1", "Netdev");
  EXPECT_TRUE(
      Selector::Parse("", "spec.card=a,metadata.name=b,metadata.namespace!=c")->CheckFields(netdev).ok());
  EXPECT_TRUE(Selector::Parse("app=x", "")->CheckFields(netdev).ok());
  const absl::Status refused = Selector::Parse("", "spec.mac=a")->CheckFields(netdev);
  EXPECT_TRUE(absl::IsInvalidArgument(refused));
  EXPECT_THAT(std::string(refused.message()), testing::HasSubstr("field label not supported: spec.mac"));
}

TEST(SelectorTest, AnObjectWithoutMetadataMatchesNoLabel) {
  EXPECT_FALSE(Selector::Parse("app", "")->Matches(json::object()));
  EXPECT_FALSE(Selector::Parse("app", "")->Matches(json::parse(R"({"metadata": {"labels": 7}})")));
}

}  // namespace
}  // namespace xpu::api
