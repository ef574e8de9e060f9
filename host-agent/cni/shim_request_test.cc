#include "host-agent/cni/shim_request.h"

#include <string>

#include "absl/strings/escaping.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "host-agent/cni/cni_error.h"
#include "nlohmann/json.hpp"

namespace xpu {
namespace {

using nlohmann::json;
using ::testing::HasSubstr;

TEST(ShimRequest, HasEnvironmentAndConfiguration) {
  const std::string config = R"({"cniVersion": "0.4.0"})";
  const json body = {{"env",
                      {{"CNI_COMMAND", "ADD"},
                       {"CNI_CONTAINERID", "c0ffee"},
                       {"CNI_NETNS", "/run/netns/web"},
                       {"CNI_IFNAME", "net1"},
                       {"CNI_ARGS", "K8S_POD_NAME=web"},
                       {"CNI_PATH", "/opt/cni/bin"},
                       {"HOME", "/root"}}},
                     {"config", absl::Base64Escape(config)},
                     {"type", "pci"},
                     {"pci", {{"pci-address", "0000:03:00.2"}}}};
  const auto request = ParseShimRequest(body.dump());
  ASSERT_TRUE(request.ok()) << request.status();
  EXPECT_EQ(request->command, "ADD");
  EXPECT_EQ(request->parameters.container_id, "c0ffee");
  EXPECT_EQ(request->parameters.netns, "/run/netns/web");
  EXPECT_EQ(request->parameters.ifname, "net1");
  EXPECT_EQ(request->parameters.args, "K8S_POD_NAME=web");
  EXPECT_EQ(request->parameters.path, "/opt/cni/bin");
  EXPECT_EQ(request->config, config);
}

TEST(ShimRequest, WhatIsNotThereIsEmptyAndTheInterfaceIsEth0) {
  for (const char* body :
       {R"({"env": {"CNI_COMMAND": "DEL"}})", R"({"env": {"CNI_COMMAND": "DEL"}, "config": null})",
        R"({"env": {"CNI_COMMAND": "DEL"}, "config": ""})"}) {
    const auto request = ParseShimRequest(body);
    ASSERT_TRUE(request.ok()) << request.status();
    EXPECT_EQ(request->parameters.ifname, "eth0");
    EXPECT_EQ(request->parameters.netns, "");
    EXPECT_EQ(request->config, "");
  }
}

TEST(ShimRequest, WhatIsNoRequestIsADecodeFailure) {
  for (const char* body : {"", "x", "[]", "{}", R"({"env": []})", R"({"env": {"CNI_COMMAND": 1}})",
                           R"({"env": {"CNI_COMMAND": "ADD"}, "config": "%"})",
                           R"({"env": {"CNI_COMMAND": "ADD"}, "config": {}})"}) {
    EXPECT_EQ(ToCniFailure(ParseShimRequest(body).status()).code, CniCode::kDecodeFailure) << body;
  }
  EXPECT_FALSE(ParseShimRequest(std::string(1 << 20, '[')).ok());
}

TEST(ShimRequest, CommandsThatThePluginDoesNotHaveAreNamed) {
  for (const char* command : {"", "UPDATE", "GC", "add"}) {
    const json body = {{"env", {{"CNI_COMMAND", command}}}};
    const CniFailure failure = ToCniFailure(ParseShimRequest(body.dump()).status());
    EXPECT_EQ(failure.code, CniCode::kInvalidEnvironment);
    EXPECT_THAT(failure.msg, HasSubstr("CNI_COMMAND"));
  }
}

TEST(ShimAnswer, WrapsTheResult) {
  EXPECT_EQ(FormatShimAnswer(R"({"cniVersion":"1.0.0"})"), R"({"Result":{"cniVersion":"1.0.0"}})");
  EXPECT_EQ(FormatShimAnswer(""), R"({"Result":null})");
}

}  // namespace
}  // namespace xpu
