#include "control-plane/apiserver/http/openapi.h"

#include <gtest/gtest.h>

#include "gnostic/openapi/v2/document.pb.h"

namespace xpu::apiserver {
namespace {

using nlohmann::json;

constexpr char kNetwork[] = "org.opiproject.xpu.v1alpha1.Network";

TEST(OpenApiTest, ADefinitionSaysWhatAKindLooksLike) {
  const json document = OpenApiV2(KindTable());
  const json& network = document["definitions"][kNetwork];
  EXPECT_EQ(network["x-kubernetes-group-version-kind"][0]["kind"], "Network");
  EXPECT_EQ(network["properties"]["spec"]["properties"]["vni"]["type"], "integer");
  EXPECT_FALSE(network["properties"]["spec"]["properties"]["vni"]["description"].get<std::string>().empty());
  const json& patch = document["paths"]
                              ["/apis/xpu.opiproject.org/v1alpha1/namespaces/"
                               "{namespace}/networks/{name}"]["patch"];
  EXPECT_EQ(patch["x-kubernetes-group-version-kind"]["kind"], "Network");
  EXPECT_EQ(patch["parameters"].size(), 3u);
  EXPECT_FALSE(document["definitions"].contains("io.k8s.api.core.v1.ConfigMap")) << "any fields are taken";
}

TEST(OpenApiTest, TheBinaryFormSaysTheSame) {
  const json document = OpenApiV2(KindTable());
  openapi::v2::Document message;
  ASSERT_TRUE(message.ParseFromString(ToBinary(document)));
  EXPECT_EQ(static_cast<size_t>(message.definitions().additional_properties_size()),
            document["definitions"].size());
  EXPECT_EQ(static_cast<size_t>(message.paths().path_size()), document["paths"].size());
  for (const auto& definition : message.definitions().additional_properties()) {
    if (definition.name() != kNetwork) continue;
    EXPECT_EQ(definition.value().type().value(0), "object");
    EXPECT_EQ(definition.value().vendor_extension(0).name(), "x-kubernetes-group-version-kind");
  }
}

TEST(OpenApiTest, EachGroupAndVersionHasADocument) {
  const KindTable kinds;
  OpenApi api(kinds);
  const auto get = [&](const std::vector<std::string>& path, const std::string& accept = "") {
    HttpRequest request;
    request.path = path;
    request.accept = accept;
    return api.Answer(request);
  };
  const auto index = get({"openapi", "v3"});
  ASSERT_TRUE(index && index->ok());
  EXPECT_TRUE(json::parse((*index)->body)["paths"].contains("apis/xpu.opiproject.org/v1alpha1"));
  const auto ours = get({"openapi", "v3", "apis", "xpu.opiproject.org", "v1alpha1"});
  ASSERT_TRUE(ours && ours->ok());
  EXPECT_TRUE(json::parse((*ours)->body)["components"]["schemas"].contains(kNetwork));
  EXPECT_FALSE(get({"openapi", "v3", "apis", "nobody", "v1"})->ok());
  EXPECT_FALSE(get({"apis"}).has_value());
  EXPECT_EQ(
      (*get({"openapi", "v2"}, "application/com.github.proto-openapi.spec.v2@v1.0+protobuf"))->content_type,
      "application/com.github.proto-openapi.spec.v2.v1.0+protobuf");
  EXPECT_FALSE(get({"openapi", "v2"}, "text/html")->ok());
}

}  // namespace
}  // namespace xpu::apiserver
