#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "common/api/api.h"
#include "xpu/api/v1alpha1/netdev.pb.h"
#include "xpu/api/v1alpha1/network.pb.h"

namespace xpu::api {
namespace {

using nlohmann::json;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

json Blue() {
  return json::parse(R"({
    "apiVersion": "xpu.opiproject.org/v1alpha1", "kind": "Network",
    "metadata": {"name": "blue", "namespace": "default"},
    "spec": {"vni": 100, "prefixes": ["10.0.0.0/24", "2001:db8::/64"],
             "gateways": ["10.0.0.1", "2001:db8::1"], "mtu": 1500}})");
}

json Function() {
  return json::parse(R"({
    "apiVersion": "xpu.opiproject.org/v1alpha1", "kind": "Netdev",
    "metadata": {"name": "node-1-0000-03-00-2", "namespace": "default"},
    "spec": {"host": "node-1", "function": "0000:03:00.2", "card": "card0", "port": "host0-0", "claim": 1}})");
}

std::vector<std::string> Texts(const FieldErrors& errors) {
  std::vector<std::string> texts;
  for (const FieldError& error : errors) texts.push_back(error.reason + " " + error.ToString());
  return texts;
}

FieldErrors CheckNetwork(const json& object, const json* old = nullptr) {
  return Validate(KindOf<v1alpha1::Network>(), object, old);
}

// The object with the value at a JSON pointer replaced, or taken away if `value` is null.
json With(json object, const char* pointer, json value) {
  json patch = {{{"op", value.is_null() ? "remove" : "add"}, {"path", pointer}}};
  if (!value.is_null()) patch[0]["value"] = std::move(value);
  return object.patch(patch);
}

TEST(ValidateTest, GoodObjectsPass) {
  EXPECT_THAT(Texts(CheckNetwork(Blue())), IsEmpty());
  EXPECT_THAT(Texts(Validate(KindOf<v1alpha1::Netdev>(), Function(), nullptr)), IsEmpty());
}

struct BadField {
  const char* pointer;
  const char* value;
  const char* error;
};

class BadNetworkTest : public ::testing::TestWithParam<BadField> {};

TEST_P(BadNetworkTest, IsRefusedWithPathAndReason) {
  const BadField& bad = GetParam();
  EXPECT_THAT(Texts(CheckNetwork(With(Blue(), bad.pointer, json::parse(bad.value)))),
              ElementsAre(HasSubstr(bad.error)))
      << bad.pointer << " " << bad.value;
}

INSTANTIATE_TEST_SUITE_P(
    All, BadNetworkTest,
    ::testing::Values(
        BadField{"/spec/vni", "null", "FieldValueRequired spec.vni: must be set"},
        BadField{"/spec/vni", "0", "FieldValueInvalid spec.vni: must be between 1 and 16777215, not 0"},
        BadField{"/spec/vni", "16777216", "spec.vni: must be between"},
        BadField{"/spec/vni", "-1", "spec.vni: must be between"},
        BadField{"/spec/vni", "1.5", "FieldValueTypeInvalid spec.vni: must be a whole number, not 1.5"},
        BadField{"/spec/mtu", "1279", "spec.mtu: must be between 1280 and 9216"},
        BadField{"/spec/prefixes/0", "\"10.0.0.7/24\"",
                 "host bits are zero: \"10.0.0.0/24\", not \"10.0.0.7/24\""},
        BadField{"/spec/prefixes/1", "\"\"", "FieldValueInvalid spec.prefixes[1]: must be a prefix"},
        BadField{"/spec/prefixes/1", "\"2001:db8::/129\"", "spec.prefixes[1]: must be a prefix"},
        BadField{"/spec/prefixes/1", "\"10.0.0.128/25\"",
                 "spec.prefixes[1]: 10.0.0.128/25 overlaps 10.0.0.0/24"},
        BadField{"/spec/gateways/0", "\"10.0.1.1\"",
                 "spec.gateways[0]: 10.0.1.1 lies in none of spec.prefixes"},
        BadField{"/spec/gateways/0", "\"10.0.0\"", "spec.gateways[0]: must be an IPv4 or IPv6 address"},
        BadField{"/spec/gateways/0", "\"10.0.0.0\"",
                 "spec.gateways[0]: 10.0.0.0 is the network or broadcast"},
        BadField{"/spec/gateways/0", "\"10.0.0.255\"",
                 "spec.gateways[0]: 10.0.0.255 is the network or broadcast"},
        BadField{"/spec/gateways/2", "\"10.0.0.2\"",
                 "spec.gateways[2]: 10.0.0.0/24 already has the gateway 10.0.0.1"},
        BadField{"/spec/colour", "1", "FieldValueForbidden spec.colour: unknown field"},
        BadField{"/status", "{\"conditions\": [{\"type\": \"Ready\", \"status\": \"Yes\"}]}",
                 "FieldValueNotSupported status.conditions[0].status: must be one of True, False, Unknown"},
        BadField{"/status", "{\"cards\": [{}]}", "FieldValueRequired status.cards[0].card"},
        BadField{"/kind", "\"Netdev\"", "FieldValueInvalid kind: must be \"Network\""},
        BadField{"/apiVersion", "null", "FieldValueRequired apiVersion"},
        BadField{"/metadata/name", "\"Blue\"", "FieldValueInvalid metadata.name"},
        BadField{"/spec", "null", "FieldValueRequired spec: must be set"}));

TEST(ValidateTest, AllErrorsAreFoundAtOnce) {
  json object = Blue();
  object["metadata"]["name"] = "B";
  object["spec"]["vni"] = 0;
  object["spec"]["prefixes"] = {"x", 7};
  object["spec"]["colour"] = "blue";
  std::vector<std::string> fields;
  for (const FieldError& error : CheckNetwork(object)) fields.push_back(error.field);
  EXPECT_THAT(fields, ::testing::UnorderedElementsAre("metadata.name", "spec.vni", "spec.prefixes[0]",
                                                      "spec.prefixes[1]", "spec.colour"));
}

TEST(ValidateTest, AListHasBounds) {
  EXPECT_THAT(Texts(CheckNetwork(With(Blue(), "/spec/prefixes", json::array()))),
              ::testing::Contains(HasSubstr("FieldValueRequired spec.prefixes")));
  json many = json::array();
  for (int i = 0; i < 17; ++i) many.push_back(absl::StrCat("10.1.", i, ".0/24"));
  json object = With(With(Blue(), "/spec/prefixes", many), "/spec/gateways", json::array());
  EXPECT_THAT(Texts(CheckNetwork(object)),
              ElementsAre(HasSubstr("FieldValueTooMany spec.prefixes: must have at most 16 items, has 17")));
}

TEST(ValidateTest, AnImmutableFieldMayBeSetOnceAndThenStays) {
  json old = Blue();
  EXPECT_THAT(Texts(CheckNetwork(old, &old)), IsEmpty());
  EXPECT_THAT(Texts(CheckNetwork(With(old, "/spec/vni", 101), &old)),
              ElementsAre(HasSubstr("spec.vni: cannot be changed once it is set (it is 100)")));
  json unset = With(old, "/spec/vni", nullptr);
  EXPECT_THAT(Texts(CheckNetwork(old, &unset)), IsEmpty());
  EXPECT_THAT(Texts(CheckNetwork(With(old, "/spec/mtu", 9000), &old)), IsEmpty());
}

TEST(ValidateTest, FieldsOfAFunctionHaveTheirFormats) {
  const KindInfo& kind = KindOf<v1alpha1::Netdev>();
  for (auto [pointer, value] :
       std::initializer_list<std::pair<const char*, const char*>>{{"/spec/function", "03:00.2"},
                                                                  {"/spec/function", "0000:03:00.0-sf088"},
                                                                  {"/spec/function", "0000:03:20.0"},
                                                                  {"/spec/host", "Node_1"},
                                                                  {"/spec/port", "host0.0"},
                                                                  {"/spec/mac", "02:00:00:00:00"},
                                                                  {"/spec/mac", "01:00:5e:00:00:01"},
                                                                  {"/spec/mac", "00:00:00:00:00:00"}}) {
    EXPECT_EQ(Validate(kind, With(Function(), pointer, value), nullptr).size(), 1u)
        << pointer << " " << value;
  }
  EXPECT_THAT(Texts(Validate(kind, With(Function(), "/spec/function", "0000:03:00.0-sf88"), nullptr)),
              IsEmpty());
  EXPECT_THAT(Texts(Validate(kind, With(Function(), "/spec/addresses", {"10.0.0.5", "fd00::5/64"}), nullptr)),
              IsEmpty());
  EXPECT_THAT(Texts(Validate(kind, With(Function(), "/spec/addresses", {"10.0.0.5/99"}), nullptr)),
              ElementsAre(HasSubstr("spec.addresses[0]")));
  EXPECT_THAT(Texts(Validate(kind, With(Function(), "/spec/vlan", 0), nullptr)), IsEmpty());
  EXPECT_THAT(Texts(Validate(kind, With(Function(), "/spec/vlan", 4095), nullptr)),
              ElementsAre(HasSubstr("spec.vlan")));
  json twice = With(Function(), "/spec/addresses", {"10.0.0.1", "10.0.0.1"});
  EXPECT_THAT(Texts(Validate(kind, twice, nullptr)),
              ElementsAre(HasSubstr("FieldValueDuplicate spec.addresses[1]")));
  json status = With(Function(), "/status", {{"state", "Attached"}, {"addresses", {"10.0.0.5/24"}}});
  EXPECT_THAT(Texts(Validate(kind, status, nullptr)), IsEmpty());
  status["status"]["addresses"][0] = "10.0.0.5";
  EXPECT_THAT(Texts(Validate(kind, status, nullptr)), ElementsAre(HasSubstr("status.addresses[0]")));
}

TEST(ValidateTest, DefaultsFillWhatIsAbsentAndNothingElse) {
  json object = With(Blue(), "/spec/mtu", nullptr);
  object["spec"]["gateways"] = nullptr;
  object["metadata"]["creationTimestamp"] = nullptr;
  ApplyDefaults(KindOf<v1alpha1::Network>(), &object);
  EXPECT_EQ(object["spec"]["mtu"], 1500);
  EXPECT_FALSE(object["spec"].contains("gateways"));
  EXPECT_FALSE(object["metadata"].contains("creationTimestamp"));
  EXPECT_FALSE(object.contains("status"));
  object["spec"]["mtu"] = 9000;
  ApplyDefaults(KindOf<v1alpha1::Network>(), &object);
  EXPECT_EQ(object["spec"]["mtu"], 9000);
}

TEST(ValidateTest, AMessageThatIsNoKindHasNoEnvelope) {
  const auto& type = *v1alpha1::NetworkSpec::descriptor();
  EXPECT_THAT(Texts(ValidateMessage(type, Blue()["spec"])), IsEmpty());
  EXPECT_THAT(Texts(ValidateMessage(type, {{"kind", "Network"}, {"vni", 1}, {"prefixes", {"10.0.0.0/24"}}})),
              ElementsAre(HasSubstr("FieldValueForbidden kind: unknown field")));
  EXPECT_THAT(Texts(ValidateMessage(type, {{"vni", 0}, {"prefixes", {"10.0.0.0/24"}}})),
              ElementsAre(HasSubstr("vni: must be between 1 and")));
}

TEST(ValidateTest, AnyValueIsAnsweredAndNoneCrashes) {
  const std::vector<json> values = {nullptr,
                                    true,
                                    7,
                                    -1,
                                    1.5,
                                    "text",
                                    json::array(),
                                    json::object(),
                                    UINT64_MAX,
                                    "\xff\xfe",
                                    {{"a", {{"b", nullptr}}}}};
  std::vector<std::string> pointers = {""};
  const json flat = Blue().flatten();
  for (const auto& [pointer, leaf] : flat.items()) {
    for (size_t end = pointer.find('/', 1); end != std::string::npos; end = pointer.find('/', end + 1)) {
      pointers.push_back(pointer.substr(0, end));
    }
    pointers.push_back(pointer);
  }
  int refused = 0;
  for (const std::string& pointer : pointers) {
    for (const json& value : values) {
      json object = Blue();
      object[json::json_pointer(pointer)] = value;
      ApplyDefaults(KindOf<v1alpha1::Network>(), &object);
      json old = Blue();
      if (!CheckNetwork(object, &old).empty()) ++refused;
    }
  }
  EXPECT_GT(refused, 100);
}

}  // namespace
}  // namespace xpu::api
