#include <gmock/gmock.h>
#include <google/protobuf/descriptor.pb.h>
#include <gtest/gtest.h>

#include <fstream>
#include <iterator>
#include <map>
#include <set>

#include "absl/strings/str_replace.h"
#include "common/api/api.h"
#include "common/api/kindgen/crd.h"
#include "common/api/kindgen/declaration.h"
#include "common/api/kindgen/page.h"
#include "common/api/structural_schema.h"
#include "common/api/yaml.h"

namespace xpu::api {
namespace {

using google::protobuf::FileDescriptorSet;
using nlohmann::json;
using ::testing::HasSubstr;

// What protoc makes of testdata/car.proto.
std::string DescriptorSet() {
  std::ifstream in(XPU_CAR_DESCRIPTORS, std::ios::binary);
  return std::string(std::istreambuf_iterator<char>(in), {});
}

class KindgenTest : public ::testing::Test {
 protected:
  void SetUp() override {
    absl::StatusOr<Declarations> declarations = Declarations::Read(DescriptorSet());
    ASSERT_TRUE(declarations.ok()) << declarations.status();
    declarations_ = *std::move(declarations);
    ASSERT_EQ(declarations_.kinds().size(), 1u);
  }
  const KindInfo& kind() const { return declarations_.kinds()[0]; }
  Declarations declarations_;
};

TEST_F(KindgenTest, TheCrdNamesTheKindAndShowsItsColumns) {
  json crd = MakeCrd(kind());
  EXPECT_EQ(crd["metadata"]["name"], "cars.example.org");
  EXPECT_EQ(crd["spec"]["names"], json::parse(R"({"kind": "Car", "listKind": "CarList", "plural": "cars",
                                                  "singular": "car", "shortNames": ["c"]})"));
  EXPECT_EQ(crd["spec"]["scope"], "Namespaced");
  const json& version = crd["spec"]["versions"][0];
  EXPECT_EQ(version["subresources"], json::parse(R"({"status": {}})"));
  EXPECT_EQ(version["selectableFields"], json::parse(R"([{"jsonPath": ".spec.seats"}])"));
  EXPECT_EQ(version["additionalPrinterColumns"], json::parse(R"([
      {"name": "Seats", "type": "integer", "jsonPath": ".spec.seats"},
      {"name": "Tags", "type": "string", "jsonPath": ".spec.tags", "priority": 1},
      {"name": "Age", "type": "date", "jsonPath": ".metadata.creationTimestamp"}])"));
}

TEST_F(KindgenTest, TheSchemaHoldsTheRulesAndTheComments) {
  json schema = MakeCrd(kind())["spec"]["versions"][0]["schema"]["openAPIV3Schema"];
  EXPECT_EQ(schema["description"], "A car that is for hire | rent.");
  EXPECT_EQ(schema["required"], json({"spec"}));
  EXPECT_EQ(schema["properties"]["metadata"], json({{"type", "object"}}));
  EXPECT_EQ(schema["properties"]["spec"], json::parse(R"({
      "type": "object", "required": ["seats"], "properties": {
        "seats": {"type": "integer", "format": "int64", "minimum": 1, "maximum": 9,
                  "description": "How many can sit.",
                  "x-kubernetes-validations": [
                    {"rule": "self == oldSelf", "message": "cannot be changed once it is set"}]},
        "tags": {"type": "array", "maxItems": 3,
                 "items": {"type": "string", "maxLength": 63, "pattern": "^([a-z0-9]([-a-z0-9]*[a-z0-9])?)$"}},
        "wheels": {"type": "integer", "format": "int32", "default": 4},
        "address": {"type": "string", "anyOf": [{"format": "ipv4"}, {"format": "ipv6"}, {"maxLength": 0}]},
        "isOpen": {"type": "boolean"}}})"));
  EXPECT_EQ(schema["properties"]["status"], json::parse(R"({
      "type": "object", "properties": {
        "doors": {"type": "array", "x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["side"], "items": {"type": "object", "description": "One door.", "required": ["side"],
                                             "properties": {"side": {"type": "string", "minLength": 1}}}},
        "colour": {"type": "string", "enum": ["red", "blue", ""]}}})"));
}

TEST_F(KindgenTest, TheCrdIsTheSameAsYaml) {
  json crd = MakeCrd(kind());
  absl::StatusOr<std::vector<YamlDocument>> read = YamlToJson(JsonToYaml(crd), "crd");
  ASSERT_TRUE(read.ok()) << read.status();
  EXPECT_EQ((*read)[0].value, crd);
}

TEST_F(KindgenTest, ThePageHasATableForEveryObject) {
  std::string page = MakePage(kind());
  EXPECT_THAT(page, HasSubstr("# Car\n\nA car that is for hire | rent.\n"));
  EXPECT_THAT(page, HasSubstr("| apiVersion | `example.org/v1` |\n"));
  EXPECT_THAT(page, HasSubstr("| field selectors | `spec.seats` |\n"));
  EXPECT_THAT(page, HasSubstr("| one item for each `side` |"));
  EXPECT_THAT(page, HasSubstr("## spec\n\n| Field | Type | Rules | Meaning |\n"));
  EXPECT_THAT(page,
              HasSubstr("| `seats` | integer | required; cannot be changed once set; 1 to 9 | How many can "
                        "sit. |\n"));
  EXPECT_THAT(page, HasSubstr("| `tags` | list of strings | DNS label; at most 3 items |  |\n"));
  EXPECT_THAT(page, HasSubstr("| `wheels` | integer | default `4` |  |\n"));
  EXPECT_THAT(page, HasSubstr("## status.doors[]\n\nOne door.\n\n"));
  EXPECT_THAT(page, HasSubstr("| `colour` | string | one of `red`, `blue` |"));
}

TEST(DeclarationsTest, WhatIsNoDescriptorSetIsRefused) {
  EXPECT_FALSE(Declarations::Read("nonsense").ok());
  FileDescriptorSet alone;
  alone.add_file()->set_name("car.proto");
  alone.mutable_file(0)->add_dependency("nowhere.proto");
  EXPECT_FALSE(Declarations::Read(alone.SerializeAsString()).ok());
}

// What CRDs say in CEL: by the path of the value that a rule is about.
void CollectRules(const json& schema, const std::string& path, std::map<std::string, std::string>* rules) {
  for (const json& rule : schema.value("x-kubernetes-validations", json::array())) {
    EXPECT_TRUE(rules->emplace(path, rule["rule"].get<std::string>()).second) << path << " has two rules";
  }
  const json properties = schema.value("properties", json::object());
  for (const auto& [name, inner] : properties.items()) {
    CollectRules(inner, path + "/" + name, rules);
  }
  if (schema.contains("items")) CollectRules(schema["items"], path + "/0", rules);
}

// A rule that a kube-apiserver evaluates is kept by the one validation of C++ too, which the webhook and
// xpu-apiserver run, and by the schema's own, which xpu-apiserver runs for kinds that are declared at run
// time.
TEST(RulesTest, WhateverCrdsSayInCelIsValidatedHereToo) {
  // A valid object of each kind that has rules, and another valid value for each path that one is about.
  const std::map<std::string, json> objects = {
      {"Network", {{"vni", 100}, {"prefixes", {"10.0.0.0/24"}}, {"mtu", 1500}}},
      {"Netdev",
       {{"host", "node-1"},
        {"function", "0000:03:00.2"},
        {"card", "card0"},
        {"port", "host0-0"},
        {"claim", 1}}},
      {"AddressBlock", {{"network", "blue"}, {"prefix", "10.0.0.0/28"}, {"card", "card0"}}}};
  const std::map<std::string, json> others = {{"Network/spec/vni", 101},
                                              {"Netdev/spec/host", "node-2"},
                                              {"Netdev/spec/function", "0000:03:00.3"},
                                              {"Netdev/spec/card", "card1"},
                                              {"Netdev/spec/port", "host0-1"},
                                              {"AddressBlock/spec/network", "red"},
                                              {"AddressBlock/spec/card", "card1"},
                                              {"AddressBlock/spec/prefix", "10.0.0.16/28"}};
  std::set<std::string> seen;
  for (const KindInfo& kind : AllKinds()) {
    if (kind.resource.group != "xpu.opiproject.org") continue;
    const json crd = MakeCrd(kind);
    const json& source = crd["spec"]["versions"][0]["schema"]["openAPIV3Schema"];
    FieldErrors errors;
    const auto schema = StructuralSchema::Parse(source, "", &errors);
    ASSERT_NE(schema, nullptr) << kind.resource.kind;
    std::map<std::string, std::string> rules;
    CollectRules(source, "", &rules);
    for (const auto& [path, rule] : rules) {
      const std::string where = kind.resource.kind + path;
      SCOPED_TRACE(where);
      EXPECT_EQ(rule, "self == oldSelf") << "this test does not know how to break it";
      ASSERT_TRUE(objects.contains(kind.resource.kind) && others.contains(where))
          << "give it an example here";
      seen.insert(where);
      const json old = {{"apiVersion", kind.resource.ApiVersion()},
                        {"kind", kind.resource.kind},
                        {"metadata", {{"name", "x"}, {"namespace", "default"}}},
                        {"spec", objects.at(kind.resource.kind)}};
      json changed = old;
      changed[json::json_pointer(path)] = others.at(where);
      const std::string field = absl::StrReplaceAll(path.substr(1), {{"/", "."}});
      EXPECT_TRUE(Validate(kind, old, nullptr).empty() && Validate(kind, changed, nullptr).empty());
      EXPECT_TRUE(Validate(kind, old, &old).empty());
      EXPECT_THAT(schema->Validate(old, &old), ::testing::IsEmpty());
      for (const FieldErrors& found : {Validate(kind, changed, &old), schema->Validate(changed, &old)}) {
        ASSERT_EQ(found.size(), 1u);
        EXPECT_EQ(found[0].field, field);
      }
      // In CEL a rule about two values is not asked when one is taken away, so that must not be possible.
      json without = old;
      without["spec"].erase(path.substr(path.rfind('/') + 1));
      EXPECT_FALSE(Validate(kind, without, &old).empty());
      EXPECT_FALSE(schema->Validate(without, &old).empty());
    }
  }
  EXPECT_EQ(seen.size(), others.size()) << "there is an example without a rule";
}

}  // namespace
}  // namespace xpu::api
