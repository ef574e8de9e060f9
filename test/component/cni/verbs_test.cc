// Every command in every version that has it: the plugin as a runtime starts it, and a host agent as its
// process runs it, over a kernel and a card in memory. The results are golden, in test/golden/cni;
// XPU_RENEW_GOLDEN=1 writes them anew.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdlib>
#include <fstream>
#include <string>
#include <vector>

#include "common/base/cni.h"
#include "host-agent/service/agent_under_test.h"
#include "nlohmann/json.hpp"
#include "test/lib/runtime/container_runtime.h"

namespace xpu {
namespace {

using nlohmann::json;
using testing::CniCall;
using testing::CniOutcome;
using testing::ContainerRuntime;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;

class CniVerbsTest : public ::testing::TestWithParam<std::string> {
 protected:
  // The configuration that the CNI library hands to the plugin, with `more`.
  json Config(const json& more = json::object(), int vf = 0) const {
    json config = {{"cniVersion", GetParam()},
                   {"name", "blue"},
                   {"type", "xpu-cni"},
                   {"deviceID", world_.vf(vf).ToString()},
                   {"dns", {{"nameservers", {"10.0.0.53"}}}}};
    config.update(more);
    return config;
  }
  CniOutcome Run(const std::string& command, const std::string& pod, const json& config) const {
    const std::string socket = agent_.endpoint().substr(std::string("unix:").size());
    const ContainerRuntime runtime({.plugin = XPU_CNI, .environment = {{"XPU_HOST_AGENT", socket}}});
    CniCall call{.command = command, .config = config.dump()};
    if (!pod.empty()) {
      call.container_id = pod.substr(pod.rfind('/') + 1);
      call.netns = pod;
      call.ifname = "net1";
      call.args = "IgnoreUnknown=1;K8S_POD_NAMESPACE=default;K8S_POD_NAME=web";
    }
    const absl::StatusOr<CniOutcome> outcome = runtime.Run(call);
    EXPECT_TRUE(outcome.ok()) << outcome.status();
    return outcome.ok() ? *outcome : CniOutcome();
  }
  json Add(const std::string& pod, const json& config) const {
    const CniOutcome outcome = Run("ADD", pod, config);
    EXPECT_EQ(outcome.exit_code, 0) << outcome.output;
    return json::parse(outcome.output, nullptr, /*allow_exceptions=*/false);
  }
  // No word on standard output, and success.
  void ExpectSilence(const CniOutcome& outcome) const {
    EXPECT_EQ(outcome.exit_code, 0) << outcome.output;
    EXPECT_EQ(outcome.output, "");
  }
  void ExpectError(const CniOutcome& outcome, int code, const std::string& words) const {
    EXPECT_EQ(outcome.exit_code, 1);
    const json object = json::parse(outcome.output, nullptr, /*allow_exceptions=*/false);
    EXPECT_EQ(object["code"], code) << outcome.output;
    EXPECT_EQ(object["cniVersion"], GetParam());
    EXPECT_THAT(object["msg"].get<std::string>(), HasSubstr(words));
  }
  bool Since(std::string_view version) const { return IsCniVersionSince(GetParam(), version); }
  static void ExpectGolden(const std::string& name, const json& result) {
    const std::string path = std::string(XPU_GOLDEN_DIR) + "/" + name + ".json";
    if (getenv("XPU_RENEW_GOLDEN") != nullptr) std::ofstream(path) << result.dump(2) << "\n";
    std::ifstream file(path);
    ASSERT_TRUE(file) << path << " is not there; XPU_RENEW_GOLDEN=1 writes it";
    EXPECT_EQ(result, json::parse(file)) << path;
  }

  FakeWorld world_;
  AgentUnderTest agent_{world_};
};

TEST_P(CniVerbsTest, AddAnswersInTheFormOfTheVersion) {
  const std::string pod = world_.MakePod("web");
  ExpectGolden("result-" + GetParam(), Add(pod, Config()));
  // The same again is the same.
  ExpectGolden("result-" + GetParam(), Add(pod, Config()));
  EXPECT_TRUE(world_.InPod(pod, "net1").has_value());
}

TEST_P(CniVerbsTest, AddInAChainAddsToThePreviousResult) {
  const std::string pod = world_.MakePod("web");
  json ip = {{"interface", 1}, {"address", "10.1.0.2/16"}, {"gateway", "10.1.0.1"}};
  if (!Since("1.0.0")) ip["version"] = "4";
  const json prev = {{"cniVersion", GetParam()},
                     {"interfaces",
                      {{{"name", "cni0"}, {"mac", "02:00:00:00:00:01"}},
                       {{"name", "eth0"}, {"mac", "02:00:00:00:00:02"}, {"sandbox", pod}}}},
                     {"ips", {ip}},
                     {"routes", {{{"dst", "0.0.0.0/0"}, {"gw", "10.1.0.1"}}}},
                     {"dns", json::object()}};
  ExpectGolden("chained-" + GetParam(), Add(pod, Config({{"prevResult", prev}})));
}

TEST_P(CniVerbsTest, DelTakesBackAsOftenAsOneLikes) {
  const std::string pod = world_.MakePod("web");
  const json result = Add(pod, Config());
  // From 0.4.0 on the runtime passes the result.
  const json config = Since(kCniVersionOfCheck) ? Config({{"prevResult", result}}) : Config();
  ExpectSilence(Run("DEL", pod, config));
  EXPECT_THAT(agent_.Claims(), IsEmpty());
  EXPECT_THAT(world_.Bindings(), IsEmpty());
  ExpectSilence(Run("DEL", pod, config));
  ExpectSilence(Run("DEL", "/run/netns/never-there", Config({{"nonsense", 1}})));
}

TEST_P(CniVerbsTest, CheckComparesWithTheResult) {
  const std::string pod = world_.MakePod("web");
  const json result = Add(pod, Config());
  const json config = Config({{"prevResult", result}});
  if (!Since(kCniVersionOfCheck)) {
    ExpectError(Run("CHECK", pod, config), 1, "has no CHECK");
    return;
  }
  ExpectSilence(Run("CHECK", pod, config));
  json other = result;
  other["ips"][0]["address"] = "10.0.0.77/24";
  EXPECT_EQ(Run("CHECK", pod, Config({{"prevResult", other}})).exit_code, 1);
  world_.kernel.UnplugLink(world_.InPod(pod, "net1")->mac);
  EXPECT_EQ(Run("CHECK", pod, config).exit_code, 1);
}

TEST_P(CniVerbsTest, GcTakesBackWhatLostPodsHad) {
  const std::string web = world_.MakePod("web"), db = world_.MakePod("db"), gone = world_.MakePod("gone");
  Add(web, Config(json::object(), 0));
  Add(db, Config(json::object(), 1));
  Add(gone, Config(json::object(), 2));
  world_.RemovePod(gone);
  json config = Config({{"cni.dev/valid-attachments", {{{"containerID", "web"}, {"ifname", "net1"}}}}});
  config.erase("deviceID");
  if (!Since(kCniVersionOfGcAndStatus)) {
    ExpectError(Run("GC", "", config), 1, "has no GC");
    EXPECT_THAT(agent_.Claims(), SizeIs(3));
    return;
  }
  ExpectSilence(Run("GC", "", config));
  ASSERT_THAT(agent_.Claims(), SizeIs(1));
  EXPECT_EQ(agent_.Claims()[0].container_id(), "web");
  EXPECT_THAT(world_.InterfacesOf(db), IsEmpty());
  EXPECT_THAT(world_.InterfacesOf(web), ElementsAre("net1"));
}

TEST_P(CniVerbsTest, StatusSaysWhetherAddsAreServed) {
  json config = Config();
  config.erase("deviceID");
  if (!Since(kCniVersionOfGcAndStatus)) {
    ExpectError(Run("STATUS", "", config), 1, "has no STATUS");
    return;
  }
  ExpectSilence(Run("STATUS", "", config));
  agent_.Stop();
  ExpectError(Run("STATUS", "", config), 50, "cannot reach the xpu host agent");
}

TEST_P(CniVerbsTest, VersionTellsAllVersions) {
  const json version = json::parse(Run("VERSION", "", {{"cniVersion", GetParam()}}).output);
  EXPECT_EQ(version["cniVersion"], GetParam());
  EXPECT_EQ(version["supportedVersions"], (json{"0.3.1", "0.4.0", "1.0.0", "1.1.0"}));
}

TEST_P(CniVerbsTest, ADefinitionForSriovCniHasItsAddressesFromItsPlugin) {
  const std::string pod = world_.MakePod("web");
  const json config = Config({{"type", "sriov"},
                              {"network", "blue"},
                              {"mac", "02:00:00:00:00:77"},
                              {"ipam", {{"type", "host-local"}, {"subnet", "10.0.0.0/24"}}}});
  ExpectGolden("ipam-" + GetParam(), Add(pod, config));
  EXPECT_THAT(world_.ipam.Given(), SizeIs(1));
  ExpectSilence(Run("DEL", pod, config));
  EXPECT_THAT(world_.ipam.Given(), IsEmpty());
}

INSTANTIATE_TEST_SUITE_P(Versions, CniVerbsTest,
                         ::testing::ValuesIn(std::vector<std::string>(kCniVersions.begin(),
                                                                      kCniVersions.end())),
                         [](const auto& test) {
                           std::string name = "V" + test.param;
                           std::replace(name.begin(), name.end(), '.', '_');
                           return name;
                         });

}  // namespace
}  // namespace xpu
