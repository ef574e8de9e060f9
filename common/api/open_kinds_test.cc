#include "common/api/open_kinds.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "common/api/api.h"

namespace xpu::api {
namespace {

using nlohmann::json;
using testing::ElementsAre;
using testing::Field;

json Object(const char* version, const char* kind) {
  return {{"apiVersion", version}, {"kind", kind}, {"metadata", {{"name", "a"}, {"namespace", "default"}}}};
}

TEST(OpenKindsTest, FieldsOfOthersAreTakenAsTheyAre) {
  const KindInfo& kind = *FindKind("discovery.k8s.io/v1", "EndpointSlice");
  json slice = Object("discovery.k8s.io/v1", "EndpointSlice");
  slice["addressType"] = "IPv4";
  slice["endpoints"] = {{{"addresses", {"10.0.0.1"}}, {"conditions", {{"ready", true}}}}};
  slice["ports"] = json::array({nullptr});
  const json before = slice;
  ApplyDefaults(kind, &slice);
  EXPECT_EQ(slice, before);
  EXPECT_TRUE(Validate(kind, slice, nullptr).empty());
}

TEST(OpenKindsTest, TheirMetadataIsCheckedLikeAnybodys) {
  const KindInfo& kind = *FindKind("v1", "Service");
  json service = Object("v1", "Service");
  service["metadata"]["labels"] = {{"bad key", "x"}};
  EXPECT_EQ(Validate(kind, service, nullptr).size(), 1u);
  service["metadata"].erase("labels");
  service["kind"] = "Server";
  EXPECT_THAT(Validate(kind, service, nullptr), ElementsAre(Field(&FieldError::field, "kind")));
}

TEST(OpenKindsTest, WhatHasNoStatusOfItsOwnSaysSo) {
  EXPECT_FALSE(FindKind("coordination.k8s.io/v1", "Lease")->has_status);
  EXPECT_FALSE(FindKind("v1", "ConfigMap")->has_status);
  EXPECT_TRUE(FindKind("v1", "Service")->has_status);
  EXPECT_FALSE(FindKind("v1", "Node")->namespaced);
}

TEST(OpenKindsTest, PlainTextOfASecretBecomesData) {
  const KindInfo& kind = *FindKind("v1", "Secret");
  json secret = Object("v1", "Secret");
  secret["data"] = {{"user", "cm9vdA=="}, {"password", "b2xk"}};
  secret["stringData"] = {{"password", "new"}};
  ApplyDefaults(kind, &secret);
  EXPECT_EQ(secret["data"], (json{{"user", "cm9vdA=="}, {"password", "bmV3"}}));
  EXPECT_FALSE(secret.contains("stringData"));
  EXPECT_TRUE(Validate(kind, secret, nullptr).empty());
}

TEST(OpenKindsTest, DataThatIsNoneIsRefusedWithItsPath) {
  json secret = Object("v1", "Secret");
  secret["data"] = {{"a", "not base64!"}, {"b/c", "eA=="}, {"d", 1}};
  const FieldErrors errors = Validate(*FindKind("v1", "Secret"), secret, nullptr);
  EXPECT_THAT(errors, ElementsAre(Field(&FieldError::field, "data[\"a\"]"),
                                  Field(&FieldError::field, "data[\"b/c\"]"),
                                  Field(&FieldError::field, "data[\"d\"]")));
  secret["data"] = nullptr;
  secret["stringData"] = {{"n", 7}};
  ApplyDefaults(*FindKind("v1", "Secret"), &secret);
  EXPECT_THAT(Validate(*FindKind("v1", "Secret"), secret, nullptr),
              ElementsAre(Field(&FieldError::field, "stringData[\"n\"]")));
  json map = Object("v1", "ConfigMap");
  map["data"] = {{"text", "any text"}};
  map["binaryData"] = {{"bytes", "??"}};
  EXPECT_THAT(Validate(*FindKind("v1", "ConfigMap"), map, nullptr),
              ElementsAre(Field(&FieldError::field, "binaryData[\"bytes\"]")));
}

}  // namespace
}  // namespace xpu::api
