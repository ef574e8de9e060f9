#include "cni/shim.h"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/mman.h>
#include <unistd.h>

#include <map>
#include <string>

#include "common/base/unique_fd.h"
#include "nlohmann/json.hpp"

namespace xpu {
namespace {

using nlohmann::json;
using ::testing::AllOf;
using ::testing::HasSubstr;

struct ShimRun {
  int status = 0;
  std::string out;
  std::string err;
  json Object() const { return json::parse(out); }
};

UniqueFd MemoryFile(const std::string& content) {
  UniqueFd fd(memfd_create("shim-test", MFD_CLOEXEC));
  EXPECT_EQ(write(fd.get(), content.data(), content.size()), static_cast<ssize_t>(content.size()));
  lseek(fd.get(), 0, SEEK_SET);
  return fd;
}

std::string Content(const UniqueFd& fd) {
  std::string content(static_cast<size_t>(lseek(fd.get(), 0, SEEK_END)), '\0');
  EXPECT_EQ(pread(fd.get(), content.data(), content.size(), 0), static_cast<ssize_t>(content.size()));
  return content;
}

ShimRun RunWith(const std::map<std::string, std::string>& variables, int in) {
  const UniqueFd out = MemoryFile("");
  const UniqueFd err = MemoryFile("");
  ShimOptions options;
  options.get_variable = [&](const char* name) -> const char* {
    const auto found = variables.find(name);
    return found == variables.end() ? nullptr : found->second.c_str();
  };
  options.in = in;
  options.out = out.get();
  options.err = err.get();
  options.time_allowed = std::chrono::milliseconds(200);
  ShimRun run;
  run.status = RunShim(options);
  run.out = Content(out);
  run.err = Content(err);
  return run;
}

ShimRun RunWith(const std::map<std::string, std::string>& variables, const std::string& in) {
  return RunWith(variables, MemoryFile(in).get());
}

// A descriptor that is not open, as standard input is not in some runtimes.
constexpr int kClosed = 9999;

const std::map<std::string, std::string> kVersion = {{"CNI_COMMAND", "VERSION"}};
const std::map<std::string, std::string> kAdd = {{"CNI_COMMAND", "ADD"},
                                                 {"CNI_CONTAINERID", "c0ffee"},
                                                 {"CNI_NETNS", "/run/netns/blue"},
                                                 {"CNI_IFNAME", "net1"},
                                                 {"XPU_HOST_AGENT", "/nowhere/agent.sock"}};

TEST(ShimTest, VersionTellsWhatIsSupported) {
  const ShimRun run = RunWith(kVersion, R"({"cniVersion": "0.4.0"})");
  EXPECT_EQ(run.status, 0);
  EXPECT_EQ(
      run.Object(),
      json::parse(R"({"cniVersion": "0.4.0", "supportedVersions": ["0.3.1", "0.4.0", "1.0.0", "1.1.0"]})"));
}

TEST(ShimTest, VersionNeedsNoConfiguration) {
  EXPECT_EQ(RunWith(kVersion, "").Object()["cniVersion"], "1.1.0");
  EXPECT_EQ(RunWith(kVersion, "{}").Object()["cniVersion"], "1.1.0");
  EXPECT_EQ(RunWith(kVersion, kClosed).Object()["cniVersion"], "1.1.0");
}

TEST(ShimTest, VersionEchoesAVersionThatItDoesNotKnow) {
  EXPECT_EQ(RunWith(kVersion, R"({"cniVersion": "9.\u0001\"é"})").Object()["cniVersion"], "9.\x01\"é");
}

TEST(ShimTest, VersionRefusesWhatIsNoJson) {
  const ShimRun run = RunWith(kVersion, "cniVersion: 1.0.0");
  EXPECT_EQ(run.status, 1);
  EXPECT_EQ(run.Object()["code"], 6);
  EXPECT_EQ(run.Object()["cniVersion"], "1.1.0");
}

TEST(ShimTest, WithoutACommandItSaysWhatItIs) {
  const ShimRun run = RunWith({}, "");
  EXPECT_EQ(run.status, 1);
  EXPECT_THAT(run.err, AllOf(HasSubstr("CNI plugin"), HasSubstr("xpu-host-agent"),
                             HasSubstr("0.3.1, 0.4.0, 1.0.0, 1.1.0")));
  EXPECT_EQ(run.Object()["code"], 4);
  EXPECT_THAT(run.Object()["msg"].get<std::string>(), HasSubstr("CNI_COMMAND"));
}

TEST(ShimTest, MissingVariablesAreNamed) {
  const ShimRun run = RunWith({{"CNI_COMMAND", "DEL"}}, "{}");
  EXPECT_EQ(run.status, 1);
  EXPECT_EQ(run.Object()["code"], 4);
  EXPECT_THAT(run.Object()["msg"].get<std::string>(),
              AllOf(HasSubstr("CNI_CONTAINERID"), HasSubstr("CNI_IFNAME")));
}

TEST(ShimTest, AllButVersionNeedAConfiguration) {
  for (const char* command : {"ADD", "DEL", "CHECK", "GC", "STATUS"}) {
    auto variables = kAdd;
    variables["CNI_COMMAND"] = command;
    for (const char* config : {"", "[]", "{"}) {
      const ShimRun run = RunWith(variables, config);
      EXPECT_EQ(run.status, 1);
      EXPECT_EQ(run.Object()["code"], 6) << command << " " << config;
    }
    EXPECT_EQ(RunWith(variables, kClosed).Object()["code"], 6);
  }
}

TEST(ShimTest, AConfigurationOfMoreThanAMebibyteIsRefused) {
  const std::string config = R"({"cniVersion": "1.0.0", "filler": ")" + std::string(1 << 20, 'x') + "\"}";
  const ShimRun run = RunWith(kAdd, config);
  EXPECT_EQ(run.Object()["code"], 5);
  EXPECT_THAT(run.Object()["details"].get<std::string>(), HasSubstr("1 MiB"));
}

TEST(ShimTest, StandardInputThatCannotBeReadIsAnIoFailure) {
  const UniqueFd folder(open("/", O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  EXPECT_EQ(RunWith(kAdd, folder.get()).Object()["code"], 5);
}

TEST(ShimTest, StandardInputThatNeverEndsMeetsTheDeadline) {
  int pipe[2];
  ASSERT_EQ(pipe2(pipe, O_CLOEXEC), 0);
  const UniqueFd in(pipe[0]);
  const UniqueFd held_open(pipe[1]);
  const ShimRun run = RunWith(kAdd, in.get());
  EXPECT_EQ(run.Object()["code"], 5);
}

TEST(ShimTest, WithoutAnAgentTheRuntimeIsToldToTryAgain) {
  const ShimRun run = RunWith(kAdd, R"({"cniVersion": "0.3.1", "name": "blue"})");
  EXPECT_EQ(run.status, 1);
  const json object = run.Object();
  EXPECT_EQ(object["cniVersion"], "0.3.1");
  EXPECT_EQ(object["code"], 11);
  EXPECT_THAT(object["msg"].get<std::string>(),
              AllOf(HasSubstr("/nowhere/agent.sock"), HasSubstr("No such file")));
  EXPECT_THAT(object["details"].get<std::string>(), HasSubstr("systemctl start xpu-host-agent"));
}

TEST(ShimTest, WithoutAnAgentNothingCanBeServed) {
  auto variables = kAdd;
  variables["CNI_COMMAND"] = "STATUS";
  EXPECT_EQ(RunWith(variables, R"({"cniVersion": "1.1.0", "name": "blue"})").Object()["code"], 50);
}

TEST(ShimTest, WhatWasReadBeforeIsPartOfTheConfiguration) {
  const UniqueFd out = MemoryFile("");
  const UniqueFd in = MemoryFile("rsion\": \"0.4.0\"}");
  ShimOptions options;
  options.get_variable = [](const char* name) {
    return std::string_view(name) == "CNI_COMMAND" ? "VERSION" : nullptr;
  };
  options.in = in.get();
  options.out = out.get();
  options.read_before = "{\"cniVe";
  EXPECT_EQ(RunShim(options), 0);
  EXPECT_EQ(json::parse(Content(out))["cniVersion"], "0.4.0");
}

TEST(ShimTest, TheSocketComesFromEnvironmentThenConfigurationThenDefault) {
  const std::string config = R"({"cniVersion": "1.0.0", "hostAgentSocket": "unix:/nowhere/of-config.sock"})";
  EXPECT_THAT(RunWith(kAdd, config).out, HasSubstr("at /nowhere/agent.sock:"));
  auto variables = kAdd;
  variables["XPU_HOST_AGENT"] = "unix:/nowhere/with-scheme.sock";
  EXPECT_THAT(RunWith(variables, config).out, HasSubstr("at /nowhere/with-scheme.sock:"));
  variables.erase("XPU_HOST_AGENT");
  EXPECT_THAT(RunWith(variables, config).out, HasSubstr("at /nowhere/of-config.sock:"));
}

}  // namespace
}  // namespace xpu
