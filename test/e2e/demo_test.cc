// The demo as a person runs it: to its end, kept, and taken away after everything was killed.

#include <signal.h>

#include <filesystem>

#include "absl/time/clock.h"
#include "common/sys/files.h"
#include "common/sys/process.h"
#include "control-plane/sandbox/process_record.h"
#include "control-plane/sandbox/sandbox.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace xpu::testing {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

class DemoTest : public ::testing::Test {
 protected:
  void TearDown() override { EXPECT_TRUE(Sandbox::Down(dir_).ok()); }

  // Exit code and what was printed.
  std::pair<int, std::string> Demo(std::vector<std::string> args) {
    const std::string log = folder_.path() + "/output";
    // As the README has it, where this is the build that './dev demo' runs.
    std::vector<std::string> command = {XPU_BIN_DIR "/xpu-demo"};
    if (std::string(XPU_BIN_DIR) == XPU_SOURCE_DIR "/build/dev/bin")
      command = {XPU_SOURCE_DIR "/dev", "demo"};
    command.insert(command.end(), {"--dir", dir_});
    args.insert(args.begin(), command.begin(), command.end());
    auto process = Process::Spawn({.argv = args, .log_file = log});
    EXPECT_TRUE(process.ok()) << process.status();
    const auto ended = process->Wait(absl::Now() + absl::Seconds(240));
    EXPECT_TRUE(ended.ok()) << ended.status();
    return {ended.ok() ? ended->code : -1, ReadFile(log).value_or("")};
  }

  const TemporaryDirectory folder_ = *TemporaryDirectory::Make();
  const std::string dir_ = folder_.path() + "/s";
};

TEST_F(DemoTest, EverythingHoldsAndNothingIsLeft) {
  const auto [code, text] = Demo({});
  EXPECT_EQ(code, 0) << text;
  EXPECT_THAT(text, HasSubstr("Everything holds."));
  EXPECT_THAT(text, Not(HasSubstr("FAILED")));
  EXPECT_FALSE(std::filesystem::exists(dir_));
}

// Whoever asks and whoever answers see no difference: what the demo shows holds with any number of clusters.
TEST_F(DemoTest, HoldsWithATenantsClusterAndOneOfTheCards) {
  const auto [code, text] = Demo({"--clusters", "2"});
  EXPECT_EQ(code, 0) << text;
  EXPECT_THAT(text, HasSubstr("tenant -> infra"));
  EXPECT_THAT(text, HasSubstr("Everything holds."));
}

TEST_F(DemoTest, HoldsWithABrokerApiInTheMiddle) {
  const auto [code, text] = Demo({"--clusters", "3"});
  EXPECT_EQ(code, 0) << text;
  EXPECT_THAT(text, HasSubstr("tenant -> broker -> infra"));
  EXPECT_THAT(text, HasSubstr("Everything holds."));
  EXPECT_FALSE(std::filesystem::exists(dir_));
}

TEST_F(DemoTest, IsKeptUntilItIsTakenAwayAlsoAfterAKill) {
  const auto [code, text] = Demo({"--keep"});
  ASSERT_EQ(code, 0) << text;
  EXPECT_THAT(text, HasSubstr("XPU_SERVER="));
  auto sandbox = Sandbox::Open(dir_);
  ASSERT_TRUE(sandbox.ok()) << sandbox.status();
  std::vector<ProcessRecord> records;
  for (const auto& state : sandbox->Status()) {
    EXPECT_TRUE(state.alive) << state.name;
    records.push_back(*ProcessRecord::Read(sandbox->layout().record(state.name)));
  }
  ASSERT_TRUE(sandbox->Kill("xpu-host-agent", SIGKILL).ok());
  ASSERT_TRUE(sandbox->Kill("xpu-card-emulator", SIGKILL).ok());
  ASSERT_TRUE(sandbox->Kill("ovs-vswitchd-0", SIGKILL).ok());

  const auto [down_code, down_text] = Demo({"--down"});
  EXPECT_EQ(down_code, 0) << down_text;
  EXPECT_FALSE(std::filesystem::exists(dir_));
  for (const ProcessRecord& record : records) EXPECT_FALSE(record.Alive()) << record.pid;
  EXPECT_THAT(ReadFile("/proc/self/mountinfo").value_or(""), Not(HasSubstr(dir_)));
  EXPECT_EQ(Demo({"--down"}).first, 0) << "taking away nothing is fine";
}

}  // namespace
}  // namespace xpu::testing
