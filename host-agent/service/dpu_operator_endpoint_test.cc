// openshift/dpu-operator's CNI plugin, played by a client that sends what it sends.

#include "host-agent/service/dpu_operator_endpoint.h"

#include <sys/stat.h>

#include <string>
#include <thread>

#include "absl/strings/escaping.h"
#include "common/http/test_http.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "host-agent/service/agent_under_test.h"
#include "nlohmann/json.hpp"

namespace xpu {
namespace {

using nlohmann::json;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;

class DpuOperatorEndpointTest : public ::testing::Test {
 protected:
  // As the plugin's process does it: a connection for one request, with all of its environment.
  TestReply Post(const std::string& command, const std::string& pod, const json& config) {
    const json body = {{"env",
                        {{"PATH", "/usr/bin"},
                         {"CNI_COMMAND", command},
                         {"CNI_CONTAINERID", "c" + pod.substr(pod.rfind('/') + 1)},
                         {"CNI_NETNS", pod},
                         {"CNI_IFNAME", "net1"},
                         {"CNI_ARGS", "IgnoreUnknown=true;K8S_POD_NAMESPACE=default;K8S_POD_NAME=web"},
                         {"CNI_PATH", "/opt/cni/bin"}}},
                       {"config", absl::Base64Escape(config.dump())}};
    return TestHttp("unix:" + agent_.dpu_operator_socket()).Post("/cni", body);
  }
  json Config(int vf, const json& more = json::object()) const {
    json config = {{"cniVersion", "0.4.0"},
                   {"name", "dpu-cni"},
                   {"type", "dpu-cni"},
                   {"deviceID", world_.vf(vf).ToString()}};
    config.update(more);
    return config;
  }

  FakeWorld world_;
  AgentUnderTest agent_{world_};
};

TEST_F(DpuOperatorEndpointTest, TheSocketIsForRootOnly) {
  struct stat info;
  ASSERT_EQ(stat(agent_.dpu_operator_socket().c_str(), &info), 0);
  EXPECT_EQ(info.st_mode & 0777, 0600u);
  const std::string folder = agent_.dpu_operator_socket().substr(0, agent_.dpu_operator_socket().rfind('/'));
  ASSERT_EQ(stat(folder.c_str(), &info), 0);
  EXPECT_EQ(info.st_mode & 0777, 0700u);
}

TEST_F(DpuOperatorEndpointTest, AddGivesTheResultAndDelTakesItBack) {
  const std::string pod = world_.MakePod("web");
  const json config = Config(0, {{"BridgeID", "blue"}, {"ipam", {{"type", "host-local"}}}});
  const TestReply added = Post("ADD", pod, config);
  ASSERT_EQ(added.code, 200) << added.body;
  EXPECT_EQ(added.content_type, "application/json");
  const json& result = added.json["Result"];
  // The plugin makes 0.4.0 of it.
  EXPECT_EQ(result["cniVersion"], "1.0.0");
  EXPECT_EQ(result["interfaces"][0]["name"], "net1");
  EXPECT_EQ(result["interfaces"][0]["sandbox"], pod);
  EXPECT_EQ(result["ips"][0]["address"], "10.0.0.2/24");
  EXPECT_FALSE(result["ips"][0].contains("version"));
  ASSERT_THAT(world_.Bindings(), SizeIs(1));

  const TestReply deleted = Post("DEL", pod, config);
  EXPECT_EQ(deleted.code, 200);
  EXPECT_EQ(deleted.body, R"({"Result":null})");
  EXPECT_THAT(agent_.Claims(), IsEmpty());
  EXPECT_EQ(Post("DEL", pod, config).code, 200) << "as often as one likes";
}

TEST_F(DpuOperatorEndpointTest, AResultOfTheNewestVersionIsThat) {
  const TestReply added =
      Post("ADD", world_.MakePod("web"), Config(0, {{"cniVersion", "1.1.0"}, {"BridgeID", "blue"}}));
  ASSERT_EQ(added.code, 200) << added.body;
  EXPECT_EQ(added.json["Result"]["cniVersion"], "1.1.0");
  EXPECT_EQ(added.json["Result"]["interfaces"][0]["pciID"], world_.vf(0).ToString());
}

TEST_F(DpuOperatorEndpointTest, ADefinitionThatNamesNoNetworkIsOfTheUntaggedOne) {
  const TestReply added = Post("ADD", world_.MakePod("web"), Config(0));
  ASSERT_EQ(added.code, 200) << added.body;
  EXPECT_EQ(added.json["Result"]["interfaces"][0]["name"], "net1");
  EXPECT_EQ(added.json["Result"]["ips"], json::array());
  ASSERT_THAT(world_.Bindings(), SizeIs(1));
  EXPECT_TRUE(world_.Bindings()[0].has_vlan());
  EXPECT_EQ(world_.Bindings()[0].vlan(), 0u);
}

TEST_F(DpuOperatorEndpointTest, BridgeIdNamesTheNetwork) {
  const TestReply added = Post("ADD", world_.MakePod("web"), Config(0, {{"BridgeID", "blue"}}));
  ASSERT_EQ(added.code, 200) << added.body;
  EXPECT_THAT(world_.Bindings()[0].logical_bridge(), HasSubstr("default.blue"));
}

TEST_F(DpuOperatorEndpointTest, ErrorsAreTextOfABadRequest) {
  const TestReply unknown = Post("ADD", world_.MakePod("web"), Config(0, {{"colour", "blue"}}));
  EXPECT_EQ(unknown.code, 400);
  EXPECT_THAT(unknown.content_type, HasSubstr("text/plain"));
  EXPECT_THAT(unknown.body, HasSubstr("unknown key \"colour\""));
  EXPECT_EQ(Post("UPDATE", "/run/netns/x", Config(0)).code, 400);
  TestHttp http("unix:" + agent_.dpu_operator_socket());
  EXPECT_EQ(http.Do("POST", "/cni", "nonsense").code, 400);
  EXPECT_EQ(http.Get("/cni").code, 405);
  EXPECT_EQ(http.Do("POST", "/", "{}").code, 404);
  EXPECT_EQ(http.Do("POST", "/cni", std::string(3 << 20, ' ')).code, 413);
  EXPECT_EQ(http.Do("POST", "/cni", "nonsense").code, 400) << "it serves on";
}

TEST_F(DpuOperatorEndpointTest, ACallThatHangsDoesNotHoldUpAnother) {
  const std::string web = world_.MakePod("web"), db = world_.MakePod("db");
  world_.opi.BlockCalls("BindPort");
  std::thread slow([&] { EXPECT_EQ(Post("ADD", web, Config(0, {{"BridgeID", "blue"}})).code, 200); });
  ASSERT_TRUE(world_.opi.WaitForBlocked("BindPort", 1));
  EXPECT_EQ(Post("DEL", db, Config(1)).code, 200);
  world_.opi.ReleaseCalls("BindPort");
  slow.join();
}

}  // namespace
}  // namespace xpu
