#include "control-plane/apiserver/http/kube_protobuf.h"

#include <gtest/gtest.h>

#include "control-plane/apiserver/store/api_error.h"
#include "kubernetes/objects.pb.h"

namespace xpu::apiserver {
namespace {

using nlohmann::json;

std::string Body(const char* api_version, const char* kind, const google::protobuf::Message& object) {
  kubernetes::Unknown envelope;
  envelope.mutable_type_meta()->set_api_version(api_version);
  envelope.mutable_type_meta()->set_kind(kind);
  envelope.set_raw(object.SerializeAsString());
  return std::string("k8s\0", 4) + envelope.SerializeAsString();
}

TEST(KubeProtobufTest, AnObjectIsTheSameAsInJson) {
  kubernetes::Secret secret;
  secret.mutable_metadata()->set_name("login");
  (*secret.mutable_metadata()->mutable_labels())["app"] = "demo";
  (*secret.mutable_data())["password"] = std::string("\0x", 2);
  secret.set_type("Opaque");
  const auto read = FromKubeProtobuf(Body("v1", "Secret", secret));
  ASSERT_TRUE(read.ok()) << read.status();
  EXPECT_EQ(*read, json::parse(R"({"apiVersion": "v1", "kind": "Secret", "type": "Opaque",
      "metadata": {"name": "login", "labels": {"app": "demo"}}, "data": {"password": "AHg="}})"));
  kubernetes::Role role;
  role.add_rules()->add_non_resource_urls("/healthz");
  EXPECT_EQ((*FromKubeProtobuf(Body("rbac.authorization.k8s.io/v1", "ClusterRole", role)))["rules"][0],
            json({{"nonResourceURLs", {"/healthz"}}}));
}

TEST(KubeProtobufTest, WhatCannotBeReadIsRefused) {
  for (const std::string& body :
       {std::string(), std::string("k8s"), std::string("{}"), std::string("k8s\0\xff\xff", 6)}) {
    EXPECT_EQ(StatusObject(FromKubeProtobuf(body).status())["code"], 400);
  }
  EXPECT_EQ(StatusObject(FromKubeProtobuf(Body("v1", "Pod", kubernetes::Secret())).status())["code"], 415);
  kubernetes::Unknown odd;
  odd.mutable_type_meta()->set_api_version("v1");
  odd.mutable_type_meta()->set_kind("Secret");
  odd.set_raw("\xff\xff");
  EXPECT_EQ(
      StatusObject(FromKubeProtobuf(std::string("k8s\0", 4) + odd.SerializeAsString()).status())["code"],
      400);
}

}  // namespace
}  // namespace xpu::apiserver
