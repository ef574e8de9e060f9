#include "common/api/structural_schema.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "absl/strings/str_cat.h"

namespace xpu::api {
namespace {

using nlohmann::json;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

std::shared_ptr<const StructuralSchema> Read(const char* text) {
  FieldErrors errors;
  auto schema = StructuralSchema::Parse(json::parse(text), "schema", &errors);
  EXPECT_THAT(errors, IsEmpty()) << ToStatus(errors, "the schema");
  return schema;
}

std::string Problem(const char* text) {
  FieldErrors errors;
  EXPECT_EQ(StructuralSchema::Parse(json::parse(text), "schema", &errors), nullptr);
  return std::string(ToStatus(errors, "the schema").message());
}

constexpr char kCar[] = R"({
  "type": "object", "required": ["spec"],
  "properties": {
    "apiVersion": {"type": "string"}, "kind": {"type": "string"}, "metadata": {"type": "object"},
    "spec": {"type": "object", "required": ["seats"], "properties": {
      "seats": {"type": "integer", "minimum": 1, "maximum": 9},
      "plate": {"type": "string", "pattern": "^[A-Z]+-[0-9]+$", "maxLength": 8},
      "colour": {"type": "string", "enum": ["red", "blue"], "default": "red"},
      "port": {"x-kubernetes-int-or-string": true},
      "address": {"type": "string", "anyOf": [{"format": "ipv4"}, {"format": "ipv6"}]},
      "free": {"type": "object", "x-kubernetes-preserve-unknown-fields": true},
      "labels": {"type": "object", "additionalProperties": {"type": "string"}},
      "note": {"type": "string", "nullable": true},
      "doors": {"type": "array", "maxItems": 2, "x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["side"],
                "items": {"type": "object", "required": ["side"], "properties": {
                  "side": {"type": "string"},
                  "locks": {"type": "integer", "default": 1}}}}}}}})";

std::vector<std::string> Errors(const char* spec) {
  const auto schema = Read(kCar);
  const json object = {{"spec", json::parse(spec)}};
  std::vector<std::string> fields;
  for (const FieldError& error : schema->Validate(object, nullptr)) {
    fields.push_back(error.reason + " " + error.field);
  }
  return fields;
}

TEST(StructuralSchemaTest, WhatFitsIsTaken) {
  EXPECT_THAT(Errors(R"({"seats": 4, "plate": "AB-12", "colour": "blue", "port": "http", "address": "::1",
                         "free": {"x": [1]}, "labels": {"a": "b"}, "note": null,
                         "doors": [{"side": "left"}, {"side": "right"}]})"),
              IsEmpty());
  EXPECT_THAT(Errors(R"({"seats": 4.0, "port": 80, "address": "10.0.0.1"})"), IsEmpty());
}

TEST(StructuralSchemaTest, EachRuleIsHeld) {
  EXPECT_THAT(Errors("{}"), ElementsAre("FieldValueRequired spec.seats"));
  EXPECT_THAT(Errors(R"({"seats": 0})"), ElementsAre("FieldValueInvalid spec.seats"));
  EXPECT_THAT(Errors(R"({"seats": 10})"), ElementsAre("FieldValueInvalid spec.seats"));
  EXPECT_THAT(Errors(R"({"seats": 1.5})"), ElementsAre("FieldValueTypeInvalid spec.seats"));
  EXPECT_THAT(Errors(R"({"seats": null})"), ElementsAre("FieldValueTypeInvalid spec.seats"));
  EXPECT_THAT(Errors(R"({"seats": 1, "plate": "ab"})"), ElementsAre("FieldValueInvalid spec.plate"));
  EXPECT_THAT(Errors(R"({"seats": 1, "plate": "ABCDE-1234"})"), ElementsAre("FieldValueTooLong spec.plate"));
  EXPECT_THAT(Errors(R"({"seats": 1, "colour": "green"})"),
              ElementsAre("FieldValueNotSupported spec.colour"));
  EXPECT_THAT(Errors(R"({"seats": 1, "port": true})"), ElementsAre("FieldValueTypeInvalid spec.port"));
  EXPECT_THAT(Errors(R"({"seats": 1, "address": "10.0.0"})"), ElementsAre("FieldValueInvalid spec.address"));
  EXPECT_THAT(Errors(R"({"seats": 1, "labels": {"a": 1}})"),
              ElementsAre("FieldValueTypeInvalid spec.labels.a"));
  EXPECT_THAT(Errors(R"({"seats": 1, "doors": [{"side": "l"}, {"side": "l"}]})"),
              ElementsAre("FieldValueDuplicate spec.doors[1]"));
  EXPECT_THAT(Errors(R"({"seats": 1, "doors": [{}, {"side": "l"}, {"side": "r"}]})"),
              ElementsAre("FieldValueTooMany spec.doors", "FieldValueRequired spec.doors[0].side"));
  EXPECT_THAT(Errors("7"), ElementsAre("FieldValueTypeInvalid spec"));
}

TEST(StructuralSchemaTest, DefaultsAreFilledInAtEveryDepth) {
  json object = {{"metadata", {{"name", "a"}}},
                 {"spec", {{"seats", 1}, {"colour", nullptr}, {"doors", {{{"side", "l"}}}}}}};
  Read(kCar)->Default(&object);
  EXPECT_EQ(object["spec"]["colour"], "red");
  EXPECT_EQ(object["spec"]["doors"], json::parse(R"([{"side": "l", "locks": 1}])"));
}

TEST(StructuralSchemaTest, WhatNobodyNamedIsPruned) {
  json object =
      json::parse(R"({"apiVersion": "v1", "kind": "Car", "metadata": {"name": "a", "x": 1}, "what": 1,
      "spec": {"seats": 1, "wings": 2, "free": {"x": {"y": 1}}, "labels": {"any": "one"},
               "doors": [{"side": "l", "handle": 1}]}})");
  EXPECT_THAT(Read(kCar)->Prune(&object), ElementsAre("spec.doors[0].handle", "spec.wings", "what"));
  EXPECT_EQ(object, json::parse(R"({"apiVersion": "v1", "kind": "Car", "metadata": {"name": "a", "x": 1},
      "spec": {"seats": 1, "free": {"x": {"y": 1}}, "labels": {"any": "one"}, "doors": [{"side": "l"}]}})"));
}

TEST(StructuralSchemaTest, WhatIsNotStructuralOrCannotBeHeldToIsRefused) {
  EXPECT_THAT(Problem("7"), HasSubstr("must be an object"));
  EXPECT_THAT(Problem(R"({"type": "string"})"), HasSubstr("must be object at the root"));
  EXPECT_THAT(Problem(R"({"type": "object", "properties": {"spec": {}}})"),
              HasSubstr("schema.properties[spec].type"));
  EXPECT_THAT(Problem(R"({"type": "object", "properties": {"a": {"type": "array"}}})"), HasSubstr("items"));
  EXPECT_THAT(Problem(R"({"type": "object", "properties": {"a": {"type": "text"}}})"), HasSubstr("\"text\""));
  EXPECT_THAT(Problem(R"({"type": "object", "properties": {"a": {"type": "string", "pattern": "("}}})"),
              HasSubstr("regular expression"));
  std::string deep = R"({"type": "object"})";
  for (int i = 0; i < 100; ++i) deep = absl::StrCat(R"({"type": "object", "properties": {"a": )", deep, "}}");
  EXPECT_THAT(Problem(deep.c_str()), HasSubstr("too deeply"));
}

}  // namespace
}  // namespace xpu::api
