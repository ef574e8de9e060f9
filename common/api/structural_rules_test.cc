#include "common/api/structural_rules.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "absl/strings/str_cat.h"
#include "common/api/structural_schema.h"

namespace xpu::api {
namespace {

using nlohmann::json;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

// A schema whose spec has these properties and rules.
json SpecSchema(const char* properties, json rules) {
  return {{"type", "object"},
          {"properties",
           {{"spec",
             {{"type", "object"},
              {"properties", json::parse(properties)},
              {"x-kubernetes-validations", std::move(rules)}}},
            {"status", {{"type", "object"}, {"x-kubernetes-preserve-unknown-fields", true}}}}}};
}

std::shared_ptr<const StructuralSchema> ReadSchema(const json& schema) {
  FieldErrors errors;
  auto out = StructuralSchema::Parse(schema, "schema", &errors);
  EXPECT_THAT(errors, IsEmpty()) << ToStatus(errors, "the schema");
  return out;
}

// "path: message" of what is wrong with the schema.
std::string RuleProblem(const json& schema) {
  FieldErrors errors;
  EXPECT_EQ(StructuralSchema::Parse(schema, "schema", &errors), nullptr) << schema;
  return std::string(ToStatus(errors, "the schema").message());
}

std::string RuleProblem(const char* properties, const char* rule) {
  return RuleProblem(SpecSchema(properties, {{{"rule", rule}}}));
}

// "reason path: message" of each error.
std::vector<std::string> RuleErrors(const json& schema, const json& spec, const json* old_spec = nullptr) {
  const json object = {{"apiVersion", "v1"}, {"kind", "Car"}, {"metadata", {{"name", "a"}}}, {"spec", spec}};
  json before = object;
  if (old_spec != nullptr) before["spec"] = *old_spec;
  std::vector<std::string> out;
  for (const FieldError& error :
       ReadSchema(schema)->Validate(object, old_spec == nullptr ? nullptr : &before)) {
    out.push_back(absl::StrCat(error.reason, " ", error.field, ": ", error.message));
  }
  return out;
}

constexpr char kScaling[] = R"({"minReplicas": {"type": "integer"}, "replicas": {"type": "integer"},
  "maxReplicas": {"type": "integer"}, "name": {"type": "string"}, "mode": {"type": "string"},
  "port": {"x-kubernetes-int-or-string": true}, "note": {"type": "string", "nullable": true},
  "a-b": {"type": "integer"}, "namespace": {"type": "string"},
  "labels": {"type": "object", "additionalProperties": {"type": "string"}},
  "free": {"type": "object", "x-kubernetes-preserve-unknown-fields": true},
  "any": {"x-kubernetes-preserve-unknown-fields": true},
  "inner": {"type": "object", "properties": {"deep.er": {"type": "integer"}}},
  "since": {"type": "string", "format": "date-time"}, "hold": {"type": "string", "format": "duration"},
  "octets": {"type": "string", "format": "byte"}})";

TEST(StructuralRulesTest, ARuleThatDoesNotHoldRefusesTheObject) {
  const json schema = SpecSchema(
      kScaling, {{{"rule", "self.minReplicas <= self.replicas && self.replicas <= self.maxReplicas"},
                  {"message", "replicas must be between minReplicas and maxReplicas"}},
                 {{"rule", "!has(self.name) || self.name.startsWith('x')"}}});
  EXPECT_THAT(RuleErrors(schema, {{"minReplicas", 1}, {"replicas", 2}, {"maxReplicas", 3}}), IsEmpty());
  EXPECT_THAT(
      RuleErrors(schema, {{"minReplicas", 1}, {"replicas", 4}, {"maxReplicas", 3}, {"name", "a"}}),
      ElementsAre(
          "FieldValueInvalid spec: Invalid value: \"object\": replicas must be between minReplicas and "
          "maxReplicas",
          "FieldValueInvalid spec: Invalid value: \"object\": failed rule: !has(self.name) || "
          "self.name.startsWith('x')"));
  // What a rule reads must be there: an error of its evaluation refuses, too.
  EXPECT_THAT(RuleErrors(schema, {{"replicas", 4}}),
              ElementsAre(HasSubstr("no such key: minReplicas evaluating rule: replicas must be between")));
}

TEST(StructuralRulesTest, TheErrorIsWhereAndWhatTheRuleSays) {
  const auto one = [](json rule) {
    rule["rule"] = "self.replicas < 3";
    const std::vector<std::string> errors = RuleErrors(SpecSchema(kScaling, {rule}), {{"replicas", 7}});
    return errors.size() == 1 ? errors[0] : absl::StrCat(errors.size(), " errors");
  };
  EXPECT_EQ(one({{"reason", "FieldValueForbidden"}, {"message", "no"}, {"fieldPath", ".replicas"}}),
            "FieldValueForbidden spec.replicas: Forbidden: no");
  EXPECT_EQ(one({{"reason", "FieldValueRequired"}, {"message", "no"}, {"fieldPath", ".inner['deep.er']"}}),
            "FieldValueRequired spec.inner.deep.er: Required value: no");
  EXPECT_EQ(one({{"reason", "FieldValueDuplicate"}, {"message", "no"}, {"fieldPath", ".labels.x"}}),
            "FieldValueDuplicate spec.labels.x: Duplicate value: \"object\": no");
  EXPECT_EQ(
      one({{"message", "unused"}, {"messageExpression", "'has %d, at most 2'.format([self.replicas])"}}),
      "FieldValueInvalid spec: Invalid value: \"object\": has 7, at most 2");
  // A message that cannot be made, is empty or has lines falls back.
  for (const char* expression : {"self.name", "''", "'a\\nb'", "' '"}) {
    EXPECT_EQ(one({{"message", "fallen back"}, {"messageExpression", expression}}),
              "FieldValueInvalid spec: Invalid value: \"object\": fallen back");
  }
}

TEST(StructuralRulesTest, RulesSeeValuesAsTheSchemaDescribesThem) {
  const json spec =
      json::parse(R"({"replicas": 2, "name": "x", "port": 80, "note": null, "a-b": 1, "namespace": "n",
    "labels": {"app": "x"}, "free": {"x": 1}, "inner": {"deep.er": 5}, "since": "2024-02-29T12:00:00Z", "hold": "1h",
    "octets": "AQ=="})");
  json rules = json::array();
  for (const char* rule : {
           "type(self.port) == int ? self.port < 100 : self.port == 'http'",
           "!has(self.note)",
           "self.a__dash__b == 1 && self.__namespace__ == 'n' && self.inner.deep__dot__er == 5",
           "self.labels.all(k, k == 'app' && self.labels[k] == self.name)",
           "self.since + self.hold > timestamp('2024-02-29T12:30:00Z') && self.octets == b'\\x01'",
           "has(self.free) && !has(self.maxReplicas)",
           "self.?maxReplicas.orValue(9) == 9",
       }) {
    rules.push_back({{"rule", rule}});
  }
  EXPECT_THAT(RuleErrors(SpecSchema(kScaling, rules), spec), IsEmpty());
  EXPECT_THAT(RuleErrors(SpecSchema(kScaling, {{{"rule", "self.since == self.since"}}}), {{"since", "2024"}}),
              ElementsAre(HasSubstr("must be of type date-time"), HasSubstr("the value is no timestamp")));
}

TEST(StructuralRulesTest, TheRootHasNameAndKindAlone) {
  json schema = SpecSchema(kScaling, json::array());
  schema["x-kubernetes-validations"] = {
      {{"rule", "self.metadata.name == 'a' && self.kind == 'Car' && self.apiVersion == 'v1'"}},
      {{"rule", "!has(self.metadata.generateName) && has(self.spec.name)"}, {"message", "needs a name"}}};
  EXPECT_THAT(RuleErrors(schema, {{"name", "x"}}), IsEmpty());
  EXPECT_THAT(RuleErrors(schema, json::object()),
              ElementsAre("FieldValueInvalid : Invalid value: \"object\": needs a name"));
  schema["x-kubernetes-validations"] = {{{"rule", "self.metadata.labels.size() == 0"}}};
  EXPECT_THAT(RuleProblem(schema),
              HasSubstr("there is no field 'labels' in metadata; the schema has generateName, name"));
}

TEST(StructuralRulesTest, TransitionRulesAreForUpdatesOfWhatWasThere) {
  const json schema = SpecSchema(
      R"({"name": {"type": "string", "x-kubernetes-validations": [{"rule": "self == oldSelf", "message": "is for ever"}]},
          "replicas": {"type": "integer", "x-kubernetes-validations": [{"rule": "self >= oldSelf"}]},
          "doors": {"type": "array", "x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["side"],
                    "items": {"type": "object", "required": ["side"],
                              "x-kubernetes-validations": [{"rule": "self.locks >= oldSelf.locks"}],
                              "properties": {"side": {"type": "string"}, "locks": {"type": "integer"}}}}})",
      {{{"rule", "has(self.name) == has(oldSelf.name)"}, {"message", "is set once and for all"}}});
  const json old = json::parse(
      R"({"name": "a", "replicas": 2, "doors": [{"side": "l", "locks": 1}, {"side": "r", "locks": 2}]})");
  EXPECT_THAT(RuleErrors(schema, old), IsEmpty()) << "a creation";
  EXPECT_THAT(RuleErrors(schema, old, &old), IsEmpty());
  json next = old;
  std::swap(next["doors"][0], next["doors"][1]);
  next["doors"].push_back({{"side", "back"}, {"locks", 0}});
  EXPECT_THAT(RuleErrors(schema, next, &old), IsEmpty()) << "items are found by their keys";
  next["doors"][0]["locks"] = 0;
  next["name"] = "b";
  next["replicas"] = 1;
  EXPECT_THAT(
      RuleErrors(schema, next, &old),
      ElementsAre(HasSubstr("spec.doors[0]"),
                  "FieldValueInvalid spec.name: Invalid value: \"string\": is for ever",
                  HasSubstr("spec.replicas: Invalid value: \"integer\": failed rule: self >= oldSelf")));
  next = old;
  next.erase("name");
  EXPECT_THAT(RuleErrors(schema, next, &old), ElementsAre(HasSubstr("is set once and for all")));
  const json nothing = json::object();
  EXPECT_THAT(RuleErrors(schema, {{"replicas", 1}}, &nothing), IsEmpty())
      << "there was nothing to compare it with";
}

TEST(StructuralRulesTest, AnOptionalOldSelfIsThereOnCreationsToo) {
  const json schema = SpecSchema(
      kScaling,
      {{{"rule", "oldSelf.hasValue() ? self.replicas >= oldSelf.value().replicas : self.replicas == 1"},
        {"optionalOldSelf", true},
        {"message", "begins with 1 and grows"}},
       {{"rule", "oldSelf.optMap(o, o.mode == self.mode).orValue(true)"}, {"optionalOldSelf", true}}});
  const json one = {{"replicas", 1}, {"mode", "a"}}, two = {{"replicas", 2}, {"mode", "a"}};
  EXPECT_THAT(RuleErrors(schema, one), IsEmpty());
  EXPECT_THAT(RuleErrors(schema, two), ElementsAre(HasSubstr("begins with 1 and grows")));
  EXPECT_THAT(RuleErrors(schema, two, &one), IsEmpty());
  EXPECT_THAT(RuleErrors(schema, one, &two), ElementsAre(HasSubstr("begins with 1 and grows")));
}

TEST(StructuralRulesTest, WhatDidNotChangeIsNotHeldToRulesThatCameLater) {
  const json schema = SpecSchema(
      R"({"name": {"type": "string", "x-kubernetes-validations": [{"rule": "self.size() < 3"}]},
          "size": {"type": "integer"},
          "list": {"type": "array", "items": {"type": "object", "x-kubernetes-validations": [{"rule": "self.n > 0"}],
                   "properties": {"n": {"type": "integer"}}}}})",
      json::array());
  const json old = json::parse(R"({"name": "long", "size": 1, "list": [{"n": 0}, {"n": 1}]})");
  EXPECT_EQ(RuleErrors(schema, old).size(), 2u) << "a creation";
  json next = old;
  next["size"] = 2;
  EXPECT_THAT(RuleErrors(schema, next, &old), IsEmpty());
  next["name"] = "longer";
  next["list"].push_back({{"n", 2}});
  EXPECT_THAT(RuleErrors(schema, next, &old), ElementsAre(HasSubstr("spec.list[0]"), HasSubstr("spec.name")));
}

TEST(StructuralRulesTest, RulesWaitUntilTheObjectIsWhole) {
  json schema = SpecSchema(kScaling, {{{"rule", "self.replicas == 1"}}});
  schema["properties"]["spec"]["required"] = {"name"};
  EXPECT_THAT(RuleErrors(schema, {{"replicas", 2}}),
              ElementsAre(HasSubstr("FieldValueRequired spec.name"),
                          HasSubstr("some validation rules were not checked")));
  EXPECT_THAT(
      RuleErrors(schema, {{"replicas", "2"}, {"name", "a"}}),
      ElementsAre(HasSubstr("FieldValueTypeInvalid"), HasSubstr("some validation rules were not checked")));
  EXPECT_THAT(RuleErrors(schema, {{"replicas", 1}}),
              ElementsAre(HasSubstr("Required"), HasSubstr("not checked")));
}

TEST(StructuralRulesTest, RulesThatCannotBeEvaluatedAreRefusedWithPathRuleAndPosition) {
  const std::string problem = RuleProblem(kScaling, "self.nosuch == 1");
  EXPECT_THAT(problem, HasSubstr("schema.properties[spec].x-kubernetes-validations[0].rule"));
  EXPECT_THAT(
      problem,
      HasSubstr(
          "\"self.nosuch == 1\": at 1:5: there is no field 'nosuch' in self; the schema has a__dash__b"));
  EXPECT_THAT(RuleProblem(kScaling, "self.replicas"), HasSubstr("must evaluate to a bool, not int"));
  EXPECT_THAT(RuleProblem(kScaling, "self.port"), HasSubstr("must evaluate to a bool, not dyn"));
  EXPECT_THAT(RuleProblem(kScaling, "self.replicas == 'a'"), HasSubstr("there is no == for (int, string)"));
  EXPECT_THAT(RuleProblem(kScaling, "self.free.x == 1"), HasSubstr("there is no field 'x' in free"));
  EXPECT_THAT(RuleProblem(kScaling, "has(self.any)"), HasSubstr("there is no field 'any'"));
  EXPECT_THAT(RuleProblem(kScaling, "other == 1"), HasSubstr("there is no 'other' here, but self, oldSelf"));
  EXPECT_THAT(RuleProblem(kScaling, "authorizer.path('/x').check('get').allowed()"),
              HasSubstr("there is no function allowed()"));
  EXPECT_THAT(RuleProblem(kScaling, "self.name.reverse() == ''"),
              HasSubstr("there is no function reverse()"));
  EXPECT_THAT(RuleProblem(kScaling, "  "), HasSubstr("rule is not specified"));
  EXPECT_THAT(RuleProblem(kScaling, "true\n|| true"),
              HasSubstr("message must be specified if rule contains line breaks"));
  const auto with = [](const char* name, const json& value) {
    return RuleProblem(SpecSchema(kScaling, {{{"rule", "self.replicas > 1"}, {name, value}}}));
  };
  EXPECT_THAT(with("message", " "), HasSubstr("message must be non-empty"));
  EXPECT_THAT(with("message", "a\nb"), HasSubstr("message must not contain line breaks"));
  EXPECT_THAT(with("message", std::string(3000, 'a')), HasSubstr("at most 2048"));
  EXPECT_THAT(with("message", 7), HasSubstr("must be a string"));
  EXPECT_THAT(with("messageExpression", "1"), HasSubstr("must evaluate to a string, not int"));
  EXPECT_THAT(with("messageExpression", "self."), HasSubstr("x-kubernetes-validations[0].messageExpression"));
  EXPECT_THAT(with("reason", "Because"), HasSubstr("must be FieldValueInvalid"));
  EXPECT_THAT(with("fieldPath", ".nosuch"), HasSubstr("the schema has no field \"nosuch\""));
  EXPECT_THAT(with("fieldPath", ".labels[0]"), HasSubstr("must be a path such as"));
  EXPECT_THAT(with("optionalOldSelf", true), HasSubstr("may not be set to true if oldSelf is not used"));
  EXPECT_THAT(with("optionalOldSelf", "yes"), HasSubstr("must be a boolean"));
  EXPECT_THAT(RuleProblem(SpecSchema(kScaling, {"self"})), HasSubstr("must be an object"));
  EXPECT_THAT(RuleProblem(SpecSchema(kScaling, {{"rule", "true"}})), HasSubstr("must be a list of rules"));
}

TEST(StructuralRulesTest, TransitionRulesNeedSomethingToCompareWith) {
  const auto below = [](json list) {
    list["items"]["x-kubernetes-validations"] = {{{"rule", "self == oldSelf"}}};
    list["type"] = "array";
    return json{{"type", "object"}, {"properties", {{"list", list}}}};
  };
  const json text = {{"type", "string"}};
  EXPECT_THAT(RuleProblem(below({{"items", text}})), HasSubstr("oldSelf cannot be used here"));
  EXPECT_THAT(RuleProblem(below({{"items", text}, {"x-kubernetes-list-type", "set"}})),
              HasSubstr("oldSelf cannot be used"));
  const json keyed = {{"items", {{"type", "object"}, {"properties", {{"k", text}}}}},
                      {"x-kubernetes-list-type", "map"},
                      {"x-kubernetes-list-map-keys", {"k"}}};
  ReadSchema(below(keyed));
  json atomic = {
      {"type", "object"},
      {"properties",
       {{"map",
         {{"type", "object"},
          {"x-kubernetes-map-type", "atomic"},
          {"additionalProperties",
           {{"type", "string"}, {"x-kubernetes-validations", {{{"rule", "self == oldSelf"}}}}}}}}}}};
  EXPECT_THAT(RuleProblem(atomic), HasSubstr("oldSelf cannot be used here"));
  // Nothing is known of these, and rules of alternatives would be of no type.
  json any = {{"type", "object"},
              {"properties", {{"any", json::parse(R"({"x-kubernetes-preserve-unknown-fields": true})")}}}};
  any["properties"]["any"]["x-kubernetes-validations"] = {{{"rule", "true"}}};
  EXPECT_THAT(RuleProblem(any), HasSubstr("the schema does not say what the value is"));
  json nested = {{"type", "object"}, {"properties", {{"a", text}}}};
  nested["properties"]["a"]["anyOf"] = {{{"x-kubernetes-validations", {{{"rule", "true"}}}}}};
  EXPECT_THAT(RuleProblem(nested), HasSubstr("cannot stand below allOf, anyOf, oneOf and not"));
}

TEST(StructuralRulesTest, AnObjectWhoseRulesCostTooMuchIsRefused) {
  constexpr char kList[] = R"({"list": {"type": "array", "items": {"type": "integer"}}})";
  json object = {{"spec", {{"list", json::array()}}}};
  for (int i = 0; i < 100; ++i) object["spec"]["list"].push_back(i);
  const auto messages = [&](json rules) {
    const auto schema = ReadSchema(SpecSchema(kList, std::move(rules)));
    FieldErrors errors;
    CheckRules(schema->root(), object, nullptr, &errors, {.steps_per_rule = 2000, .steps_per_object = 5000});
    std::vector<std::string> out;
    for (const FieldError& error : errors) out.push_back(error.message);
    return out;
  };
  const json linear = {{"rule", "self.list.all(x, x >= 0)"}, {"message", "grow"}};
  const json quadratic = {{"rule", "self.list.all(x, self.list.exists_one(y, x == y))"},
                          {"message", "differ"}};
  const json never = {{"rule", "false"}};
  EXPECT_THAT(messages({linear, never}), ElementsAre(HasSubstr("failed rule: false")));
  EXPECT_THAT(
      messages({quadratic, never}),
      ElementsAre(HasSubstr("costs more steps than a rule may; bound lists, maps and strings by maxItems, "
                            "maxProperties and maxLength, or make the rule simpler evaluating rule: differ; "
                            "no further validation rules were run")));
  // All rules together have a budget, too.
  EXPECT_THAT(messages(std::vector<json>(5, linear)), IsEmpty());
  EXPECT_THAT(messages(std::vector<json>(20, linear)),
              ElementsAre(HasSubstr("costs more steps than a rule may")));
}

}  // namespace
}  // namespace xpu::api
