#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "common/api/api.h"
#include "xpu/api/v1alpha1/network.pb.h"

namespace xpu::api {
namespace {

using nlohmann::json;

std::string Errors(const json& metadata, const KindInfo& kind = KindOf<v1alpha1::Network>()) {
  std::string out;
  for (const FieldError& error : ValidateMetadata(kind, {{"metadata", metadata}})) out += error.field + " ";
  return out;
}

TEST(MetadataTest, TakesWhatKubernetesTakes) {
  EXPECT_EQ(Errors(json::parse(R"({
      "name": "blue.example", "namespace": "team-a", "labels": {"app": "demo", "example.org/tier": "a_B.c", "e": ""},
      "annotations": {"Example.org/Note": "anything at all"}, "finalizers": ["example.org/guard"],
      "uid": "x", "resourceVersion": "7", "generation": 3, "creationTimestamp": null,
      "ownerReferences": [], "managedFields": []})")),
            "");
  EXPECT_EQ(Errors({{"generateName", "blue-"}}), "");
}

struct BadCase {
  const char* metadata;
  const char* fields;
};

class BadMetadataTest : public ::testing::TestWithParam<BadCase> {};

TEST_P(BadMetadataTest, IsRefusedWithTheFieldsPath) {
  EXPECT_EQ(Errors(json::parse(GetParam().metadata)), GetParam().fields) << GetParam().metadata;
}

INSTANTIATE_TEST_SUITE_P(
    All, BadMetadataTest,
    ::testing::Values(BadCase{R"({})", "metadata.name "}, BadCase{R"({"name": "Blue"})", "metadata.name "},
                      BadCase{R"({"name": "-blue"})", "metadata.name "},
                      BadCase{R"({"name": "a..b"})", "metadata.name "},
                      BadCase{R"({"name": "a/b"})", "metadata.name "},
                      BadCase{R"({"name": 7})", "metadata.name metadata.name "},
                      BadCase{R"({"name": "a", "namespace": "a.b"})", "metadata.namespace "},
                      BadCase{R"({"generateName": "Blue-"})", "metadata.generateName "},
                      BadCase{R"({"name": "a", "lables": {}})", "metadata.lables "},
                      BadCase{R"({"name": "a", "labels": []})", "metadata.labels "},
                      BadCase{R"({"name": "a", "labels": {"x": 1}})", "metadata.labels[x] "},
                      BadCase{R"({"name": "a", "labels": {"x y": "z"}})", "metadata.labels[x y] "},
                      BadCase{R"({"name": "a", "labels": {"x": "-"}})", "metadata.labels[x] "},
                      BadCase{R"({"name": "a", "labels": {"Up/x": "z"}})", "metadata.labels[Up/x] "},
                      BadCase{R"({"name": "a", "annotations": {"": "z"}})", "metadata.annotations[] "},
                      BadCase{R"({"name": "a", "finalizers": ["ok", "a b"]})", "metadata.finalizers[1] "},
                      BadCase{R"({"name": "a", "finalizers": [1]})", "metadata.finalizers[0] "},
                      BadCase{R"({"name": "a", "generation": "1"})", "metadata.generation "},
                      BadCase{R"("blue")", "metadata "}, BadCase{R"(null)", "metadata "}));

TEST(MetadataTest, NamesHaveTheLengthsOfTheirFormats) {
  EXPECT_EQ(Errors({{"name", std::string(63, 'a') + "." + std::string(189, 'a')}}), "");
  EXPECT_EQ(Errors({{"name", std::string(254, 'a')}}), "metadata.name ");
  EXPECT_EQ(Errors({{"name", "a"}, {"namespace", std::string(64, 'a')}}), "metadata.namespace ");
  EXPECT_EQ(Errors({{"name", "a"}, {"labels", {{"x", std::string(64, 'a')}}}}), "metadata.labels[x] ");
  EXPECT_EQ(Errors({{"name", "a"}, {"annotations", {{"x", std::string(256 * 1024, 'a')}}}}),
            "metadata.annotations ");
}

TEST(MetadataTest, ANamespaceHasALabelForItsNameAndNoNamespace) {
  const KindInfo& kind = *FindKind("v1", "Namespace");
  EXPECT_EQ(Errors({{"name", "team-a"}}, kind), "");
  EXPECT_EQ(Errors({{"name", "team.a"}}, kind), "metadata.name ");
  EXPECT_EQ(Errors({{"name", "team-a"}, {"namespace", "default"}}, kind), "metadata.namespace ");
}

}  // namespace
}  // namespace xpu::api
