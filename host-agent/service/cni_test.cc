// CNI calls as the host agent answers them, in memory: what each does to functions, and what it refuses.

#include <sys/stat.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <string>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "host-agent/cni/cni_error.h"
#include "host-agent/service/agent_under_test.h"
#include "host-agent/service/cni_log.h"
#include "host-agent/service/function_watch.h"
#include "nlohmann/json.hpp"

namespace xpu {
namespace {

using nlohmann::json;
using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;
using ::testing::SizeIs;
namespace pb = hostagent::v1;

class CniTest : public ::testing::Test {
 protected:
  // The configuration of AgentUnderTest::Add for virtual function 0, with `more`.
  json Config(const json& more = json::object()) const {
    json config = {{"cniVersion", "1.1.0"},
                   {"name", "blue"},
                   {"type", "xpu-cni"},
                   {"deviceID", world_.vf(0).ToString()}};
    config.update(more);
    return config;
  }
  json Added(int vf, const std::string& pod, const json& more = json::object()) {
    json config = {{"cniVersion", "1.1.0"}};
    config.update(more);
    const pb::CniResponse response = agent_.Add(vf, pod, config);
    EXPECT_TRUE(response.has_result()) << response.error().msg() << "; " << response.error().details();
    return json::parse(response.result(), nullptr, /*allow_exceptions=*/false);
  }
  std::vector<std::string> Pods() {
    std::vector<std::string> pods;
    for (const pb::Claim& claim : agent_.Claims()) pods.push_back(claim.container_id());
    return pods;
  }
  static json Valid(const std::vector<std::string>& containers) {
    json list = json::array();
    for (const std::string& container : containers)
      list.push_back({{"containerID", container}, {"ifname", "net1"}});
    return {
        {"cniVersion", "1.1.0"}, {"name", "blue"}, {"type", "xpu-cni"}, {"cni.dev/valid-attachments", list}};
  }

  FakeWorld world_;
  AgentUnderTest agent_{world_};
};

TEST_F(CniTest, CheckFindsWhatAddHasMade) {
  const std::string pod = world_.MakePod("web");
  const json result = Added(0, pod);
  const pb::CniResponse checked = agent_.Check(pod, Config({{"prevResult", result}}));
  EXPECT_TRUE(checked.has_result()) << checked.error().msg();
  EXPECT_EQ(checked.result(), "");
}

TEST_F(CniTest, CheckTellsWhatIsGone) {
  const std::string pod = world_.MakePod("web");
  const json result = Added(0, pod);
  world_.kernel.UnplugLink(world_.InPod(pod, "net1")->mac);
  EXPECT_THAT(agent_.Check(pod, Config({{"prevResult", result}})).error().msg(), HasSubstr("net1"));
  EXPECT_EQ(agent_.Check(world_.MakePod("other"), Config({{"prevResult", result}})).error().code(), 3u)
      << "a container that was never added";
}

TEST_F(CniTest, CheckNeedsAVersionThatHasItAndThePreviousResult) {
  const std::string pod = world_.MakePod("web");
  const json result = Added(0, pod);
  const pb::CniResponse old = agent_.Check(pod, Config({{"cniVersion", "0.3.1"}, {"prevResult", result}}));
  EXPECT_EQ(old.error().code(), 1u);
  EXPECT_THAT(old.error().msg(), HasSubstr("\"0.3.1\" has no CHECK"));
  const pb::CniResponse without = agent_.Check(pod, Config());
  EXPECT_EQ(without.error().code(), 7u);
  EXPECT_THAT(without.error().msg(), HasSubstr("prevResult"));
}

TEST_F(CniTest, GcTakesBackWhatTheRuntimeDoesNotList) {
  Added(0, world_.MakePod("web"));
  Added(1, world_.MakePod("db"));
  Added(2, world_.MakePod("else"), {{"name", "other"}, {"network", "blue"}});
  EXPECT_FALSE(agent_.Gc(Valid({"cdb"})).has_error());
  EXPECT_THAT(Pods(), ElementsAre("cdb", "celse"))
      << "another network's attachments are no business of this one";
  EXPECT_TRUE(world_.AtHome(0).has_value());
  EXPECT_THAT(world_.Bindings(), SizeIs(2));
  EXPECT_FALSE(agent_.Gc(Valid({})).has_error());
  EXPECT_THAT(Pods(), ElementsAre("celse"));
  EXPECT_FALSE(agent_.Gc(Valid({})).has_error()) << "as often as one likes";
}

TEST_F(CniTest, GcTakesBackFromPodsThatAreGone) {
  const std::string pod = world_.MakePod("web");
  Added(0, pod);
  world_.RemovePod(pod);
  EXPECT_FALSE(agent_.Gc(Valid({})).has_error());
  EXPECT_THAT(Pods(), IsEmpty());
}

TEST_F(CniTest, GcGoesOnToThePluginThatGivesTheAddresses) {
  Added(0, world_.MakePod("web"), {{"network", "blue"}, {"ipam", {{"type", "host-local"}}}});
  json config = Valid({});
  config["ipam"] = {{"type", "host-local"}};
  EXPECT_FALSE(agent_.Gc(config).has_error());
  EXPECT_THAT(world_.ipam.Given(), IsEmpty());
  EXPECT_THAT(world_.ipam.Commands().back(), HasSubstr("GC"));
  world_.ipam.SetError(absl::InternalError("the file is locked"));
  EXPECT_THAT(agent_.Gc(config).error().msg(), HasSubstr("the file is locked"));
}

TEST_F(CniTest, GcLeavesAnAddAloneThatIsUnderWay) {
  const std::string pod = world_.MakePod("web");
  world_.opi.BlockCalls("BindPort");
  std::thread add([&] { EXPECT_FALSE(agent_.Add(0, pod).has_error()); });
  ASSERT_TRUE(world_.opi.WaitForBlocked("BindPort", 1));
  EXPECT_FALSE(agent_.Gc(Valid({})).has_error());
  world_.opi.ReleaseCalls("BindPort");
  add.join();
  EXPECT_THAT(Pods(), ElementsAre("cweb"));
  EXPECT_TRUE(world_.InPod(pod, "net1").has_value());
}

TEST_F(CniTest, GcNeedsAVersionThatHasItAndTheList) {
  json config = Valid({});
  config["cniVersion"] = "1.0.0";
  EXPECT_EQ(agent_.Gc(config).error().code(), 1u);
  config = Valid({});
  config.erase("cni.dev/valid-attachments");
  const pb::CniResponse without = agent_.Gc(config);
  EXPECT_EQ(without.error().code(), 7u);
  EXPECT_THAT(without.error().msg(), HasSubstr("cni.dev/valid-attachments is missing"));
}

TEST_F(CniTest, StatusIsReadyAsLongAsAFunctionIsFitForUse) {
  const json config = {{"cniVersion", "1.1.0"}, {"name", "blue"}, {"type", "xpu-cni"}};
  EXPECT_FALSE(agent_.Status(config).has_error());
  for (int vf = 0; vf < 3; ++vf) Added(vf, world_.MakePod("pod" + std::to_string(vf)));
  EXPECT_FALSE(agent_.Status(config).has_error()) << "in use is not unfit";
  json old = config;
  old["cniVersion"] = "1.0.0";
  EXPECT_EQ(agent_.Status(old).error().code(), 1u);
}

TEST_F(CniTest, StatusIsWhatThePluginSaysThatGivesTheAddresses) {
  const json config = {
      {"cniVersion", "1.1.0"}, {"name", "blue"}, {"type", "xpu-cni"}, {"ipam", {{"type", "host-local"}}}};
  EXPECT_FALSE(agent_.Status(config).has_error());
  world_.ipam.SetError(CniErrorStatus(CniCode::kLimitedConnectivity, "the range is used up"));
  const pb::CniResponse status = agent_.Status(config);
  EXPECT_EQ(status.error().code(), 51u);
  EXPECT_EQ(status.error().msg(), "the range is used up");
}

TEST_F(CniTest, StatusIsNotAvailableWhereNoFunctionIsFitForUse) {
  agent_.SetUnhealthyPorts({"host0-0", "host0-1"});
  const json config = {{"cniVersion", "1.1.0"}, {"name", "blue"}, {"type", "xpu-cni"}};
  EXPECT_FALSE(agent_.Status(config).has_error());
  agent_.SetUnhealthyPorts({"host0-0", "host0-1", "host0-2"});
  FunctionWatch watch(agent_.agent());
  ASSERT_TRUE(watch.WaitFor([](const pb::WatchFunctionsResponse& list) {
    return list.functions_size() == 3 &&
           std::none_of(list.functions().begin(), list.functions().end(),
                        [](const pb::Function& function) { return function.healthy(); });
  }));
  const pb::CniResponse status = agent_.Status(config);
  EXPECT_EQ(status.error().code(), 50u);
  EXPECT_THAT(status.error().msg(), HasSubstr("none of this host's functions"));
  EXPECT_THAT(status.error().details(), HasSubstr("the representor has no carrier"));
}

TEST_F(CniTest, InAChainTheInterfaceComesAfterThoseOfThePluginsBefore) {
  const json prev = {{"cniVersion", "1.1.0"},
                     {"interfaces", {{{"name", "eth0"}, {"sandbox", "/run/netns/web"}}}},
                     {"ips", {{{"address", "10.9.0.2/24"}, {"interface", 0}}}}};
  const std::string pod = world_.MakePod("web");
  const json result = Added(0, pod, {{"prevResult", prev}});
  ASSERT_EQ(result["interfaces"].size(), 2u);
  EXPECT_EQ(result["interfaces"][0], prev["interfaces"][0]);
  EXPECT_EQ(result["interfaces"][1]["name"], "net1");
  EXPECT_EQ(result["ips"][0], prev["ips"][0]);
  EXPECT_EQ(result["ips"][1]["interface"], 1);
  // The result of the whole chain is what is checked.
  const pb::CniResponse checked = agent_.Check(pod, Config({{"prevResult", result}}));
  EXPECT_FALSE(checked.has_error()) << checked.error().msg();
}

TEST_F(CniTest, InAChainTheNameOfTheInterfaceMustBeFree) {
  const json prev = {{"interfaces", {{{"name", "net1"}, {"sandbox", "/run/netns/web"}}}}};
  const pb::CniResponse refused = agent_.Add(0, world_.MakePod("web"), {{"prevResult", prev}});
  EXPECT_EQ(refused.error().code(), 7u);
  EXPECT_THAT(refused.error().msg(), HasSubstr("net1"));
  EXPECT_THAT(Pods(), IsEmpty());
}

TEST_F(CniTest, ADefinitionForSriovCniIsOfTheCardsVlan) {
  const std::string pod = world_.MakePod("web");
  const json result = Added(
      0, pod, {{"name", "sriov-net"}, {"type", "sriov"}, {"vlan", 0}, {"ipam", {{"type", "host-local"}}}});
  EXPECT_EQ(result["ips"][0]["address"], "10.0.0.2/24");
  ASSERT_THAT(world_.Bindings(), SizeIs(1));
  EXPECT_EQ(world_.Bindings()[0].vlan(), 0u);
  EXPECT_EQ(world_.Bindings()[0].logical_bridge(), "");
  EXPECT_FALSE(agent_.Del(pod).has_error());
  EXPECT_THAT(world_.ipam.Given(), IsEmpty());
}

TEST_F(CniTest, AConfigurationMayHaveALogOfItsOwn) {
  const std::filesystem::path file =
      std::filesystem::path(agent_.dpu_operator_socket()).parent_path() / "cni.log";
  const std::string pod = world_.MakePod("web");
  Added(0, pod, {{"logFile", file}, {"logLevel", "info"}});
  agent_.Add(0, world_.MakePod("db"), {{"logFile", file}, {"logLevel", "error"}});
  std::ostringstream text;
  text << std::ifstream(file).rdbuf();
  EXPECT_THAT(text.str(), AllOf(HasSubstr("[info] CNI ADD cweb net1"), HasSubstr(": done\n"),
                                HasSubstr("[error] CNI ADD cdb net1"), Not(HasSubstr("[debug]"))));
}

class CniLogTest : public ::testing::Test {
 protected:
  CniLogTest() {
    char folder[] = "/tmp/xpu-cni-log-XXXXXX";
    folder_ = mkdtemp(folder);
  }
  ~CniLogTest() override { std::filesystem::remove_all(folder_); }
  std::string folder_;
};

TEST_F(CniLogTest, TakesLinesUpToItsLevel) {
  const CniLog log{CniLog::Level::kWarning, folder_ + "/log"};
  EXPECT_TRUE(AppendCniLog(log, CniLog::Level::kWarning, absl::UnixEpoch(), "one").ok());
  EXPECT_TRUE(AppendCniLog(log, CniLog::Level::kInfo, absl::UnixEpoch(), "two").ok());
  EXPECT_TRUE(AppendCniLog(log, CniLog::Level::kPanic, absl::UnixEpoch(), "three").ok());
  std::ostringstream text;
  text << std::ifstream(log.file).rdbuf();
  EXPECT_EQ(text.str(), "1970-01-01T00:00:00+00:00 [warning] one\n1970-01-01T00:00:00+00:00 [panic] three\n");
}

TEST_F(CniLogTest, IsNeverWaitedFor) {
  const std::string fifo = folder_ + "/fifo";
  ASSERT_EQ(mkfifo(fifo.c_str(), 0600), 0);
  EXPECT_FALSE(AppendCniLog({CniLog::Level::kInfo, fifo}, CniLog::Level::kInfo, absl::Now(), "x").ok());
  const std::string link = folder_ + "/link";
  std::filesystem::create_symlink(folder_ + "/elsewhere", link);
  EXPECT_FALSE(AppendCniLog({CniLog::Level::kInfo, link}, CniLog::Level::kInfo, absl::Now(), "x").ok());
  EXPECT_FALSE(
      AppendCniLog({CniLog::Level::kInfo, folder_ + "/none/log"}, CniLog::Level::kInfo, absl::Now(), "x")
          .ok());
}

}  // namespace
}  // namespace xpu
