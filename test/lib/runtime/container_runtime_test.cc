#include "test/lib/runtime/container_runtime.h"

#include <sys/stat.h>

#include <fstream>

#include "common/sys/files.h"
#include "gtest/gtest.h"

namespace xpu::testing {
namespace {

class ContainerRuntimeTest : public ::testing::Test {
 protected:
  // A plugin that is a shell script.
  ContainerRuntime Plugin(const std::string& script, absl::Duration deadline = absl::Seconds(30)) {
    const std::string path = folder_.path() + "/plugin";
    std::ofstream(path) << "#!/bin/sh\n" << script;
    chmod(path.c_str(), 0755);
    return ContainerRuntime({.plugin = path, .environment = {{"EXTRA", "e"}}, .deadline = deadline});
  }
  TemporaryDirectory folder_ = *TemporaryDirectory::Make();
};

TEST_F(ContainerRuntimeTest, HandsOverVariablesAndConfiguration) {
  const auto outcome =
      Plugin("echo $CNI_COMMAND $CNI_CONTAINERID $CNI_NETNS $CNI_IFNAME $CNI_ARGS $EXTRA; cat")
          .Run({"ADD", "c1", "/run/netns/x", "eth0", "K=V", "{}"});
  ASSERT_TRUE(outcome.ok()) << outcome.status();
  EXPECT_EQ(outcome->output, "ADD c1 /run/netns/x eth0 K=V e\n{}");
  EXPECT_TRUE(outcome->ok());
}

TEST_F(ContainerRuntimeTest, InheritsNothingElse) {
  setenv("XPU_LEAK", "1", 1);
  EXPECT_EQ(Plugin("echo \"[$XPU_LEAK]\"").Run({.command = "VERSION"})->output, "[]\n");
}

TEST_F(ContainerRuntimeTest, AFailureIsAnOutcome) {
  const auto outcome = Plugin("echo no; echo why >&2; exit 1").Run({.command = "ADD"});
  ASSERT_TRUE(outcome.ok());
  EXPECT_EQ(outcome->exit_code, 1);
  EXPECT_EQ(outcome->output, "no\n");
  EXPECT_EQ(outcome->error_output, "why\n");
  EXPECT_EQ(Plugin("kill -9 $$").Run({.command = "ADD"})->exit_code, 137);
}

TEST_F(ContainerRuntimeTest, KillsWhatHangs) {
  EXPECT_EQ(Plugin("exec sleep 1000", absl::Milliseconds(50)).Run({.command = "ADD"}).status().code(),
            absl::StatusCode::kDeadlineExceeded);
}

TEST_F(ContainerRuntimeTest, AMissingPluginIsSaidToBe) {
  EXPECT_EQ(ContainerRuntime({.plugin = "/nonexistent"}).Run({.command = "ADD"}).status().code(),
            absl::StatusCode::kNotFound);
}

}  // namespace
}  // namespace xpu::testing
