#include "control-plane/sandbox/processes.h"

#include <algorithm>
#include <set>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace xpu {
namespace {

using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

SandboxOptions Options(int cards) {
  return {.name = "t", .cards = cards, .vfs = 4, .dir = "/run/t", .bin_dir = "/bin-dir", .ovs_dir = "/ovs"};
}

std::vector<std::string> Names(int cards) {
  std::vector<std::string> names;
  for (const ProcessSpec& spec : SandboxProcesses(Options(cards))) names.push_back(spec.name);
  return names;
}

TEST(SandboxProcessesTest, StartsWhatOthersNeedFirst) {
  EXPECT_THAT(Names(1),
              ElementsAre("xpu-card-emulator", "ovsdb-server-0", "ovs-vswitchd-0", "xpu-apiserver",
                          "xpu-agent-0", "xpu-host-agent", "xpu-kubelet-standin", "xpu-device-plugin"));
}

// The process's arguments and the files that it reads.
std::string Told(const SandboxOptions& options, const std::string& process) {
  std::string text;
  for (const ProcessSpec& spec : SandboxProcesses(options)) {
    if (spec.name != process) continue;
    text = absl::StrJoin(spec.argv, " ");
    for (const auto& [path, content] : spec.files) absl::StrAppend(&text, "\n", content);
  }
  return text;
}

TEST(SandboxProcessesTest, ClustersDifferInConfigurationOnly) {
  SandboxOptions options = Options(1);
  EXPECT_THAT(Told(options, "xpu-host-agent"), HasSubstr("--api-server unix:/run/t/apiserver.sock "));
  EXPECT_THAT(Told(options, "xpu-agent-0"), HasSubstr("--api-server unix:/run/t/apiserver.sock "));
  options.clusters = 2;
  EXPECT_THAT(Told(options, "xpu-host-agent"), HasSubstr("--api-server unix:/run/t/apiserver.sock "));
  EXPECT_THAT(Told(options, "xpu-agent-0"), HasSubstr("--api-server unix:/run/t/apiserver-infra.sock "));
  EXPECT_THAT(Told(options, "xpu-broker-tenant"),
              HasSubstr("source: {server: \"unix:/run/t/apiserver.sock\"}\n"
                        "target: {server: \"unix:/run/t/apiserver-infra.sock\"}\n"));
  options.clusters = 3;
  EXPECT_THAT(Told(options, "xpu-broker-tenant"),
              HasSubstr("source: {server: \"unix:/run/t/apiserver.sock\"}\n"
                        "target: {server: \"unix:/run/t/apiserver-broker.sock\"}\n"));
  EXPECT_THAT(Told(options, "xpu-broker-broker"),
              HasSubstr("source: {server: \"unix:/run/t/apiserver-broker.sock\"}\n"
                        "target: {server: \"unix:/run/t/apiserver-infra.sock\"}\n"));
  EXPECT_THAT(Told(options, "xpu-agent-0"), HasSubstr("--api-server unix:/run/t/apiserver-infra.sock "));
}

TEST(SandboxProcessesTest, EachCardHasASwitchAndAnAgentInItsOwnNamespace) {
  for (const ProcessSpec& spec : SandboxProcesses(Options(2))) {
    if (spec.name.ends_with("-1")) {
      EXPECT_EQ(spec.netns, "dpu1") << spec.name;
    }
    if (spec.name == "xpu-host-agent") {
      EXPECT_THAT(spec.argv, Contains("card0=0000:03:00.0=unix:/run/t/dpu0/xpu-agent.sock"));
      EXPECT_THAT(spec.argv, Contains("card1=0000:04:00.0=unix:/run/t/dpu1/xpu-agent.sock"));
    }
  }
  const auto names = Names(2);
  EXPECT_EQ(std::set<std::string>(names.begin(), names.end()).size(), names.size());
  EXPECT_THAT(names, Contains("xpu-agent-1"));
}

TEST(SandboxProcessesTest, JoinsThePhysicalPortsOfAllCards) {
  std::set<std::string> fabric, brought_up;
  for (const auto& [netns, command] : FabricCommands(Options(2))) {
    if (netns == "fabric") {
      fabric.insert(command[3]);
    } else {
      EXPECT_EQ(command[2], "set");
      brought_up.insert(netns + " " + command[3]);
    }
  }
  EXPECT_THAT(fabric, ElementsAre("lan", "lan0", "lan1", "underlay", "underlay0", "underlay1"));
  EXPECT_THAT(brought_up, ElementsAre("dpu0 p0", "dpu0 p1", "dpu1 p0", "dpu1 p1"));
}

TEST(SandboxProcessesTest, NothingIsWrittenOutsideTheSandbox) {
  for (const ProcessSpec& spec : SandboxProcesses(Options(1))) {
    for (size_t i = 1; i < spec.argv.size(); ++i) {
      const size_t slash = spec.argv[i].find('/');
      if (slash == std::string::npos || spec.argv[i] == "xpu.opiproject.org/vf") continue;
      EXPECT_EQ(spec.argv[i].substr(slash, 7), "/run/t/") << spec.name << " " << spec.argv[i];
    }
  }
}

}  // namespace
}  // namespace xpu
