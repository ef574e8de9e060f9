// Expressions over JSON whose type is known, and what an evaluation may cost.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "absl/strings/str_cat.h"
#include "common/cel/expression_testing.h"
#include "nlohmann/json.hpp"

namespace xpu::cel {
namespace {

using nlohmann::json;
using ::testing::HasSubstr;
using Kind = Type::Kind;

TypePtr StringType() { return Type::Of(Kind::kString); }

TypePtr DoorType() {
  return Type::Object("door",
                      {{"side", StringType()}, {"locks", Type::Of(Kind::kInt)}, {"note", StringType()}});
}

TypePtr CarType() {
  return Type::Object("car", {{"seats", Type::Of(Kind::kInt)},
                              {"price", Type::Of(Kind::kDouble)},
                              {"plate", StringType()},
                              {"port", Type::Of(Kind::kDyn)},
                              {"built", Type::Of(Kind::kTimestamp)},
                              {"warranty", Type::Of(Kind::kDuration)},
                              {"key", Type::Of(Kind::kBytes)},
                              {"labels", Type::Map(StringType(), StringType())},
                              {"doors", Type::List(DoorType(), Type::ListSort::kMap, {"side"})},
                              {"colours", Type::List(StringType(), Type::ListSort::kSet, {})},
                              {"wheels", Type::List(Type::Of(Kind::kInt))},
                              {"engine", Type::Object("engine", {{"power", Type::Of(Kind::kInt)}})},
                              {"x-prop", Type::Of(Kind::kInt)},
                              {"a.b/c", Type::Of(Kind::kInt)},
                              {"redact__d", Type::Of(Kind::kInt)},
                              {"namespace", StringType()},
                              {"not for rules", Type::Of(Kind::kInt)}});
}

const std::vector<Variable>& Variables() {
  static const auto& variables = *[] {
    const TypePtr car = CarType();
    return new std::vector<Variable>{{"self", car}, {"oldSelf", car}};
  }();
  return variables;
}

json Car() {
  return json::parse(
      R"({"seats": 4, "price": 3, "plate": "AB-12", "port": "http", "built": "2024-02-29T12:00:00Z",
    "warranty": "24h", "key": "AQI=", "labels": {"a": "b", "c": "d"},
    "doors": [{"side": "left", "locks": 1}, {"side": "right", "locks": 2}], "colours": ["red", "blue"],
    "wheels": [1, 2], "x-prop": 1, "a.b/c": 2, "redact__d": 3, "namespace": "garage", "engine": null, "hidden": [1]})");
}

absl::StatusOr<Value> OnCars(absl::string_view text, const json& self, const json& old,
                             uint64_t steps = kPlenty) {
  const TypePtr& type = Variables()[0].type;
  return RunExpression(text, Variables(), {*Value::FromJson(self, type), *Value::FromJson(old, type)}, steps);
}

bool Holds(absl::string_view text, const json& self, const json& old) {
  const absl::StatusOr<Value> value = OnCars(text, self, old);
  EXPECT_TRUE(value.ok()) << text << ": " << value.status();
  return value.ok() && value->As<bool>() != nullptr && value->as_bool();
}

TEST(CelTypesTest, FieldsHaveTheTypesOfTheirSchema) {
  const json car = Car();
  for (const char* text : {
           "self.seats + 1 == 5 && type(self.seats) == int",
           "self.price == 3.0 && type(self.price) == double",
           "self.plate.matches('^[A-Z]+-[0-9]+$')",
           "self.port == 'http' && type(self.port) == string",
           "self.built < timestamp('2025-01-01T00:00:00Z') && self.built + self.warranty > self.built",
           "self.key == b'\\x01\\x02'",
           "self.labels.a == 'b' && self.labels['c'] == 'd' && 'a' in self.labels",
           "self.labels.all(k, k.size() == 1)",
           "self.labels.exists(k, self.labels[k] == 'd') && size(self.labels) == 2",
           "self.doors.exists(d, d.side == 'left' && d.locks == 1) && self.doors.map(d, d.locks).sum() == 3",
           "'red' in self.colours && self.wheels.isSorted() && self.doors[1].side == 'right'",
           "has(self.seats) && !has(self.engine) && !has(self.doors[0].note) && !has(self.labels.x)",
           "self.x__dash__prop == 1 && self.a__dot__b__slash__c == 2 && self.redact__underscores__d == 3",
           "self.__namespace__ == 'garage'",
           "self.?engine.power.orValue(7) == 7 && self.?plate.orValue('') == 'AB-12'",
           "self == oldSelf && self.doors == oldSelf.doors && self.engine == null || true",
       }) {
    EXPECT_TRUE(Holds(text, car, car)) << text;
  }
}

TEST(CelTypesTest, WhatTheSchemaDoesNotHaveIsRefused) {
  for (const Failure& failure : std::vector<Failure>{
           {"self.nosuch == 1", "at 1:5: there is no field 'nosuch' in car; the schema has "},
           {"has(self.nosuch)", "there is no field 'nosuch'"},
           {"self.doors.all(d, d.nosuch == 1)",
            "there is no field 'nosuch' in door; the schema has locks, note, side"},
           {"self.seats == 'a'", "there is no == for (int, string)"},
           {"self.seats == null", "there is no == for (int, null)"},
           {"self.plate > 1", "there is no > for (string, int)"},
           {"self.doors == self.wheels", "there is no =="},
           {"self.all(k, true)", "all() needs a list or a map, not car"},
           {"self['seats'] == 1", "a car cannot be indexed by string; write .name for a field"},
           {"self.hidden == [1]", "there is no field 'hidden'"},
           {"self.seats.x == 1", "a int has no field 'x'"},
           {"self.built == '2024'", "there is no == for (timestamp, string)"},
       }) {
    ExpectRefused(failure.text, failure.message, Variables());
  }
  const auto program = Program::Compile("self.port == 1 || oldSelf.seats == 2", Variables());
  ASSERT_TRUE(program.ok());
  EXPECT_TRUE((*program)->Uses(0) && (*program)->Uses(1));
  EXPECT_EQ((*program)->type()->kind(), Kind::kBool);
  EXPECT_FALSE((*Program::Compile("self.seats", Variables()))->Uses(1));
}

TEST(CelTypesTest, JsonThatIsNotOfItsTypeIsAnError) {
  json car = Car();
  for (const auto& [field, value, text] : std::vector<std::tuple<const char*, json, const char*>>{
           {"built", "yesterday", "self.built == oldSelf.built"},
           {"warranty", "long", "self.warranty == oldSelf.warranty"},
           {"key", "*", "self.key == oldSelf.key"},
           {"seats", "four", "self.seats == 4"},
           {"seats", 18446744073709551615u, "self.seats == 4"},
           {"price", "3", "self.price == 3.0"},
           {"labels", 3, "self.labels.a == ''"},
           {"doors", 3, "self.doors.size() == 1"}}) {
    json bad = car;
    bad[field] = value;
    const absl::StatusOr<Value> result = OnCars(text, bad, car);
    ASSERT_FALSE(result.ok()) << text;
    EXPECT_THAT(std::string(result.status().message()), HasSubstr("the value is no")) << text;
  }
}

TEST(CelTypesTest, SetsAndKeyedListsAreComparedWithoutOrder) {
  const json car = Car();
  json turned = Car();
  turned["colours"] = {"blue", "red"};
  std::swap(turned["doors"][0], turned["doors"][1]);
  EXPECT_TRUE(Holds("self.colours == oldSelf.colours && self.doors == oldSelf.doors && self == oldSelf",
                    turned, car));
  turned["wheels"] = {2, 1};
  EXPECT_TRUE(Holds("self.wheels != oldSelf.wheels && self != oldSelf", turned, car));
  json other = Car();
  other["doors"][1]["locks"] = 3;
  other["colours"] = {"red", "green"};
  EXPECT_TRUE(Holds("self.doors != oldSelf.doors && self.colours != oldSelf.colours", other, car));
  // A field that rules cannot see still counts.
  other = Car();
  other["hidden"] = {2};
  EXPECT_TRUE(Holds("self != oldSelf", other, car));
  // The same moment, written in another way.
  other = Car();
  other["built"] = "2024-02-29T13:00:00+01:00";
  EXPECT_TRUE(Holds("self.built == oldSelf.built && self == oldSelf", other, car));
}

TEST(CelTypesTest, SetsAndKeyedListsAreAddedByTheirKeys) {
  const json car = Car();
  json other = Car();
  other["colours"] = {"green", "red"};
  other["doors"] = json::parse(R"([{"side": "right", "locks": 9}, {"side": "back"}])");
  EXPECT_TRUE(Holds("(oldSelf.colours + self.colours).map(x, x) == ['red', 'blue', 'green']", other, car));
  EXPECT_TRUE(Holds("(oldSelf.doors + self.doors).map(d, d.side) == ['left', 'right', 'back']", other, car));
  EXPECT_TRUE(Holds("(oldSelf.doors + self.doors)[1].locks == 9", other, car));
  EXPECT_TRUE(Holds("(oldSelf.wheels + self.wheels).size() == 4", other, car));
}

TEST(CelTypesTest, NamesAreEscapedAsKubernetesDoes) {
  for (const auto& [name, escaped] :
       std::vector<std::pair<const char*, const char*>>{{"plain", "plain"},
                                                        {"a-b", "a__dash__b"},
                                                        {"a.b", "a__dot__b"},
                                                        {"a/b", "a__slash__b"},
                                                        {"a__b", "a__underscores__b"},
                                                        {"namespace", "__namespace__"},
                                                        {"in", "__in__"},
                                                        {"_a", "_a"},
                                                        {"1a", ""},
                                                        {"a b", ""},
                                                        {"", ""},
                                                        {"$ref", ""},
                                                        {"int", "int"}}) {
    EXPECT_EQ(EscapeName(name), escaped) << name;
  }
}

TEST(CelTypesTest, AnEvaluationEndsWithItsBudget) {
  json car = Car();
  car["wheels"] = json::array();
  for (int i = 0; i < 2000; ++i) car["wheels"].push_back(i);
  const char* quadratic = "self.wheels.all(x, self.wheels.all(y, x != y || x == y))";
  const absl::StatusOr<Value> spent = OnCars(quadratic, car, car);
  ASSERT_FALSE(spent.ok());
  EXPECT_EQ(spent.status().code(), absl::StatusCode::kResourceExhausted);
  EXPECT_THAT(std::string(spent.status().message()), HasSubstr("maxItems"));
  EXPECT_TRUE(OnCars("self.wheels.all(x, x >= 0)", car, car).ok());
  // Neither || nor exists() swallow it.
  EXPECT_EQ(OnCars(absl::StrCat(quadratic, " || true"), car, car, 1000).status().code(),
            absl::StatusCode::kResourceExhausted);
  // What doubles with every step of the expression.
  std::string doubled = "['abcdefghijklmnopqrstuvwxyz']";
  std::string nested = "[1]";
  for (int i = 0; i < 60; ++i) {
    absl::StrAppend(&doubled, ".map(x, x + x)");
    absl::StrAppend(&nested, ".map(x, [x, x])");
  }
  EXPECT_EQ(RunExpression(doubled + ".size() == 1").status().code(), absl::StatusCode::kResourceExhausted);
  EXPECT_EQ(RunExpression(absl::StrCat(nested, " == ", nested)).status().code(),
            absl::StatusCode::kResourceExhausted);
  EXPECT_EQ(RunExpression(absl::StrCat("'%s'.format([", nested, "]) == ''")).status().code(),
            absl::StatusCode::kResourceExhausted);
  // What is long costs where it is read, copied or looked for.
  json big = Car();
  big["key"] = std::string(400000, 'A');
  big["plate"] = std::string(400000, 'a');
  for (int i = 0; i < 2000; ++i) big["labels"][absl::StrCat("k", i)] = "v";
  for (const char* text : {
           "self.wheels.all(x, self.key.size() > x)",
           "self.wheels.all(x, !(self.plate in self.labels))",
           "self.wheels.all(x, {self.plate: 1}.size() == 1)",
           "self.wheels.all(x, self.labels.exists(k, true))",
           "self.wheels.all(x, ([self.key] + [self.key]).size() == 2)",
           "self.wheels.all(x, [self.plate, self.plate].max() == self.plate)",
           "self.wheels.all(x, self.plate.matches('a*b' + string(x)) || x > 0)",
       }) {
    big["wheels"] = std::vector<int>(200, 1);
    const absl::StatusOr<Value> value = OnCars(text, big, big);
    EXPECT_EQ(value.status().code(), absl::StatusCode::kResourceExhausted) << text << ": " << value.status();
  }
  Budget budget(10);
  EXPECT_TRUE(budget.Spend(10));
  EXPECT_FALSE(budget.Spend(1));
  EXPECT_FALSE(budget.Spend(0)) << "what is spent stays spent";
}

}  // namespace
}  // namespace xpu::cel
