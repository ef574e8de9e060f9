#include "control-plane/apiserver/store/crd.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <functional>

#include "common/api/structural_schema.h"
#include "common/api/yaml.h"
#include "control-plane/apiserver/store/store_testing.h"

namespace xpu::apiserver {
namespace {

using nlohmann::json;
using ::testing::HasSubstr;

constexpr char kApi[] = "apiextensions.k8s.io/v1";

json CarCrd() {
  return json::parse(R"({
    "apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition",
    "metadata": {"name": "cars.example.org"},
    "spec": {"group": "example.org", "scope": "Namespaced",
             "names": {"kind": "Car", "plural": "cars", "shortNames": ["c"], "categories": ["all"]},
             "versions": [
               {"name": "v1", "served": true, "storage": true, "subresources": {"status": {}},
                "selectableFields": [{"jsonPath": ".spec.colour"}],
                "additionalPrinterColumns": [{"name": "Seats", "type": "integer", "jsonPath": ".spec.seats"}],
                "schema": {"openAPIV3Schema": {"type": "object", "properties": {
                  "spec": {"type": "object", "required": ["seats"], "properties": {
                    "seats": {"type": "integer", "minimum": 1},
                    "colour": {"type": "string", "default": "red"}}},
                  "status": {"type": "object", "x-kubernetes-preserve-unknown-fields": true}}}}},
               {"name": "v2", "served": true, "storage": false,
                "schema": {"openAPIV3Schema": {"type": "object", "x-kubernetes-preserve-unknown-fields": true}}}]}})");
}

json Car(const char* name) {
  return {{"apiVersion", "example.org/v1"},
          {"kind", "Car"},
          {"metadata", {{"name", name}, {"namespace", "default"}}},
          {"spec", {{"seats", 4}, {"wings", 2}}}};
}

class CrdTest : public MemoryStoreTest {};

TEST(KindTableTest, EachOfOurOwnKindsHasTheSchemaOfItsCrd) {
  const KindTable table;
  int ours = 0;
  for (const KindPtr& kind : table.all()) {
    if (kind->resource.group != "xpu.opiproject.org") continue;
    EXPECT_NE(kind->schema, nullptr) << kind->resource.kind;
    ++ours;
  }
  EXPECT_EQ(static_cast<size_t>(ours), OwnCrds().size());
}

TEST_F(CrdTest, AKindIsServedFromTheMomentThatItIsDeclared) {
  EXPECT_EQ(store_->kinds().FindKind("example.org/v1", "Car"), nullptr);
  const json crd = Make(CarCrd());
  EXPECT_EQ(crd["status"]["conditions"][1]["type"], "Established");
  EXPECT_EQ(crd["status"]["storedVersions"], json({"v1"}));
  EXPECT_EQ(crd["spec"]["names"]["singular"], "car");
  const api::KindInfo& kind = Kind("example.org/v1", "Car");
  EXPECT_TRUE(kind.has_status);
  EXPECT_EQ(kind.columns.size(), 1u);
  const json made = Make(Car("a"));
  EXPECT_EQ(made["spec"], json({{"seats", 4}, {"colour", "red"}})) << "pruned and completed";
  json bad = Car("b");
  bad["spec"]["seats"] = 0;
  EXPECT_EQ(Code(store_->Create(kind, bad).status()), 422);
  const auto listed = store_->List(kind, "", *api::Selector::Parse("", "spec.colour=red"));
  EXPECT_EQ(listed->items.size(), 1u);
  // The other version shows the same object.
  EXPECT_EQ((*store_->Get(Kind("example.org/v2", "Car"), {"default", "a"}))["apiVersion"], "example.org/v2");
}

TEST_F(CrdTest, UnknownFieldsAreTreatedAsTheClientAsks) {
  Make(CarCrd());
  const api::KindInfo& kind = Kind("example.org/v1", "Car");
  std::vector<std::string> warnings;
  WriteOptions options{.warnings = &warnings};
  ASSERT_TRUE(store_->Create(kind, Car("a"), options).ok());
  EXPECT_THAT(warnings, ::testing::ElementsAre("unknown field \"spec.wings\""));
  options.unknown = UnknownFields::kIgnore;
  ASSERT_TRUE(store_->Create(kind, Car("b"), options).ok());
  EXPECT_EQ(warnings.size(), 1u);
  options.unknown = UnknownFields::kStrict;
  const absl::Status strict = store_->Create(kind, Car("c"), options).status();
  EXPECT_EQ(Code(strict), 400);
  EXPECT_THAT(std::string(strict.message()),
              HasSubstr("strict decoding error: unknown field \"spec.wings\""));
}

TEST_F(CrdTest, ItGoesWithAllOfItsObjectsAndWaitsForThoseThatMustAgree) {
  Make(CarCrd());
  const api::KindInfo& kind = Kind("example.org/v1", "Car");
  const api::KindInfo& crds = Kind(kApi, "CustomResourceDefinition");
  Make(Car("a"));
  json held = Car("held");
  held["metadata"]["finalizers"] = {"example.org/hold"};
  held = Make(held);
  const auto deleted = store_->Delete(crds, {"", "cars.example.org"}, {});
  ASSERT_TRUE(deleted.ok()) << deleted.status();
  EXPECT_TRUE(deleted->waits);
  EXPECT_EQ(Code(store_->Get(kind, {"default", "a"}).status()), 404);
  EXPECT_EQ(Code(store_->Create(kind, Car("new")).status()), 405);
  held = *store_->Get(kind, {"default", "held"});
  held["metadata"]["finalizers"] = json::array();
  ASSERT_TRUE(store_->Update(kind, {"default", "held"}, Part::kMain, held).ok());
  EXPECT_EQ(Code(store_->Get(crds, {"", "cars.example.org"}).status()), 404);
  EXPECT_EQ(store_->kinds().FindKind("example.org/v1", "Car"), nullptr);
}

TEST_F(CrdTest, WhatCannotBeServedIsRefused) {
  const auto refused = [&](const char* pointer, const json& value) {
    json crd = CarCrd();
    crd[json::json_pointer(pointer)] = value;
    const absl::Status status = store_->Create(Kind(kApi, "CustomResourceDefinition"), crd).status();
    EXPECT_EQ(Code(status), 422) << pointer;
    return std::string(status.message());
  };
  EXPECT_THAT(refused("/metadata/name", "other.example.org"), HasSubstr("metadata.name"));
  EXPECT_THAT(refused("/spec/scope", "Galaxy"), HasSubstr("spec.scope"));
  EXPECT_THAT(refused("/spec/versions", json::array()), HasSubstr("spec.versions"));
  EXPECT_THAT(refused("/spec/versions/1/storage", true), HasSubstr("exactly one"));
  EXPECT_THAT(refused("/spec/versions/0/schema", json::object()), HasSubstr("schemas are required"));
  EXPECT_THAT(
      refused("/spec/versions/0/schema/openAPIV3Schema/x-kubernetes-validations",
              {{{"rule", "self.spec.wings < 9"}}}),
      HasSubstr("x-kubernetes-validations[0].rule: Invalid value: \"self.spec.wings < 9\": at 1:10: there is "
                "no field 'wings' in spec"));
  EXPECT_THAT(refused("/spec/conversion", {{"strategy", "Webhook"}}), HasSubstr("conversion"));
  EXPECT_EQ(store_->kinds().FindKind("example.org/v1", "Car"), nullptr);
  EXPECT_EQ(
      Code(store_->Create(Kind(kApi, "CustomResourceDefinition"), {{"metadata", {{"name", "a"}}}}).status()),
      422);
}

TEST_F(CrdTest, RulesInCelHoldForSpecAndStatus) {
  json crd = CarCrd();
  json& schema = crd["spec"]["versions"][0]["schema"]["openAPIV3Schema"];
  schema["properties"]["spec"]["x-kubernetes-validations"] = {
      {{"rule", "self.seats < 9 || self.colour == 'white'"}, {"message", "buses are white"}},
      {{"rule", "self.seats >= oldSelf.seats"}, {"fieldPath", ".seats"}, {"reason", "FieldValueForbidden"}}};
  schema["properties"]["status"] = {{"type", "object"}, {"properties", {{"wheels", {{"type", "integer"}}}}}};
  schema["x-kubernetes-validations"] = {
      {{"rule", "!has(self.status) || !has(self.status.wheels) || self.status.wheels <= self.spec.seats"},
       {"messageExpression", "'%s has more wheels than seats'.format([self.metadata.name])"}}};
  Make(crd);
  const api::KindInfo& kind = Kind("example.org/v1", "Car");
  json bus = Car("bus");
  bus["spec"]["seats"] = 50;
  const absl::Status red = store_->Create(kind, bus).status();
  EXPECT_EQ(Code(red), 422);
  EXPECT_THAT(std::string(red.message()), HasSubstr("spec: Invalid value: \"object\": buses are white"));
  bus["spec"]["colour"] = "white";
  bus = Make(bus);
  bus["spec"]["seats"] = 40;
  const absl::Status smaller = store_->Update(kind, {"default", "bus"}, Part::kMain, bus).status();
  EXPECT_EQ(Code(smaller), 422);
  EXPECT_THAT(std::string(smaller.message()),
              HasSubstr("spec.seats: Forbidden: failed rule: self.seats >= oldSelf.seats"));
  bus["spec"]["seats"] = 60;
  bus = *store_->Update(kind, {"default", "bus"}, Part::kMain, bus);
  bus["status"]["wheels"] = 61;
  const absl::Status wheels = store_->Update(kind, {"default", "bus"}, Part::kStatus, bus).status();
  EXPECT_EQ(Code(wheels), 422);
  EXPECT_THAT(std::string(wheels.message()), HasSubstr("bus has more wheels than seats"));
  bus["status"]["wheels"] = 6;
  EXPECT_TRUE(store_->Update(kind, {"default", "bus"}, Part::kStatus, bus).ok());
}

TEST_F(CrdTest, RulesOfOurOwnCrdsSayWhatTheProgramHolds) {
  const api::KindInfo& kind = Kind("xpu.opiproject.org/v1alpha1", "Netdev");
  json rules = json::array();
  const std::function<void(const json&)> collect = [&](const json& schema) {
    if (!schema.is_structured()) return;
    if (schema.is_object() && schema.contains("x-kubernetes-validations")) rules.push_back(schema);
    for (const json& inner : schema) collect(inner);
  };
  collect(kind.schema->source());
  EXPECT_GE(rules.size(), 3u);
  const json before = {
      {"spec",
       {{"card", "card0"}, {"function", "0000:03:00.2"}, {"host", "h"}, {"port", "p"}, {"claim", 1}}}};
  for (const char* field : {"card", "function", "host"}) {
    json after = before;
    after["spec"][field] = field == std::string("function") ? "0000:03:00.3" : "other";
    EXPECT_THAT(api::ToStatus(kind.schema->Validate(after, &before), "netdev").message(),
                HasSubstr(std::string("spec.") + field +
                          ": Invalid value: \"string\": cannot be changed once it is set"));
  }
}

TEST_F(CrdTest, OurOwnCrdsMayBeApplied) {
  for (absl::string_view text : OwnCrds()) {
    const auto crd = api::YamlToJson(text, "crd");
    ASSERT_TRUE(crd.ok()) << crd.status();
    Make(crd->front().value);
  }
  const api::KindInfo& kind = Kind("xpu.opiproject.org/v1alpha1", "Network");
  EXPECT_NE(kind.message, nullptr) << "the program's own rules count";
  const auto deleted =
      store_->Delete(Kind(kApi, "CustomResourceDefinition"), {"", "networks.xpu.opiproject.org"}, {});
  ASSERT_TRUE(deleted.ok()) << deleted.status();
  EXPECT_NE(store_->kinds().FindKind("xpu.opiproject.org/v1alpha1", "Network"), nullptr);
}

}  // namespace
}  // namespace xpu::apiserver
