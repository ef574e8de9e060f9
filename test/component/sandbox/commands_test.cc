// The verbs of xpuctl sandbox, as a person types them.

#include "control-plane/sandbox/commands.h"

#include <signal.h>

#include <string>
#include <utility>

#include "CLI/CLI.hpp"
#include "absl/strings/str_cat.h"
#include "common/sys/files.h"
#include "control-plane/sandbox/sandbox.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "nlohmann/json.hpp"

namespace xpu {
namespace {

using ::testing::HasSubstr;

struct Outcome {
  int code = 0;
  std::string output;
  std::string errors;
};

class SandboxCommands : public ::testing::Test {
 protected:
  void TearDown() override { EXPECT_TRUE(Sandbox::Down(dir_).ok()); }

  Outcome Run(const std::string& arguments) const {
    CLI::App app;
    AddSandboxCommands(app);
    Outcome outcome;
    ::testing::internal::CaptureStdout();
    ::testing::internal::CaptureStderr();
    try {
      app.parse(absl::StrCat("sandbox ", arguments, " --dir ", dir_));
    } catch (const CLI::Error& error) {
      outcome.code = app.exit(error);
    }
    outcome.output = ::testing::internal::GetCapturedStdout();
    outcome.errors = ::testing::internal::GetCapturedStderr();
    return outcome;
  }

  TemporaryDirectory folder_ = *TemporaryDirectory::Make();
  const std::string dir_ = folder_.path() + "/s";
};

TEST_F(SandboxCommands, UpTellsEachStepStatusShowsItAndDownTakesItAway) {
  const Outcome up = Run("up --name a-try --vfs 3 --bin-dir " XPU_BIN_DIR);
  EXPECT_EQ(up.code, 0) << up.errors;
  for (const char* step : {"network namespaces", "xpu-card-emulator", "ovs-vswitchd-0", "xpu-agent-0"}) {
    EXPECT_THAT(up.output, HasSubstr(step));
  }
  EXPECT_THAT(up.output, HasSubstr("\"a-try\" is up: 1 card(s) of 3 VFs in " + dir_));

  const Outcome table = Run("status");
  EXPECT_EQ(table.code, 0);
  EXPECT_THAT(table.output, HasSubstr("PROCESS"));
  EXPECT_THAT(table.output, HasSubstr("unix:" + dir_ + "/host-agent.sock"));
  EXPECT_EQ(table.output.find("stopped"), std::string::npos) << table.output;

  ASSERT_TRUE(Sandbox::Open(dir_)->Kill("xpu-card-emulator", SIGKILL).ok());
  const auto json = nlohmann::json::parse(Run("status -o json").output);
  EXPECT_EQ(json["vfs"], 3);
  for (const auto& process : json["processes"]) {
    EXPECT_EQ(process["alive"], process["name"] != "xpu-card-emulator") << process;
    EXPECT_GT(process["pid"], 0);
  }

  EXPECT_EQ(Run("down").code, 0);
  EXPECT_TRUE(absl::IsNotFound(ListDirectory(dir_).status()));
  EXPECT_EQ(Run("down").code, 0) << "a second time";
}

TEST_F(SandboxCommands, WithoutASandboxStatusSaysHowToMakeOne) {
  const Outcome status = Run("status");
  EXPECT_EQ(status.code, 1);
  EXPECT_THAT(status.errors, HasSubstr("there is no sandbox in " + dir_));
  EXPECT_THAT(status.errors, HasSubstr("xpuctl sandbox up"));
}

TEST_F(SandboxCommands, WrongOptionsAreRefusedBeforeAnythingIsMade) {
  for (const char* arguments : {"up --cards 0", "up --vfs 1000", "up --clusters 4", "up --name ../etc",
                                "up --cards many", "sideways"}) {
    EXPECT_NE(Run(arguments).code, 0) << arguments;
    EXPECT_TRUE(absl::IsNotFound(ListDirectory(dir_).status())) << arguments;
  }
}

}  // namespace
}  // namespace xpu
