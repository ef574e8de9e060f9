// An agent that is there but says nothing, as one whose machine hangs: its connection stays, so only the
// missing heartbeat tells.
#include <fcntl.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdio>
#include <memory>
#include <string>

#include "absl/strings/match.h"
#include "absl/strings/strip.h"
#include "absl/time/time.h"
#include "common/base/unique_fd.h"
#include "common/opi/grpc_opi_client.h"
#include "common/opi/port_news.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "test/lib/ovs/child_process.h"

namespace xpu {
namespace {

using ::testing::HasSubstr;

class SilenceTest : public ::testing::Test {
 protected:
  void SetUp() override {
    int ends[2];
    ASSERT_EQ(pipe2(ends, O_CLOEXEC), 0);
    output_.reset(fdopen(ends[0], "r"));
    UniqueFd input(ends[1]);
    auto agent =
        testing::ChildProcess::Start({.argv = {XPU_BIN_DIR "/xpu-agent-on-fakes"}, .output_fd = input.get()});
    ASSERT_TRUE(agent.ok()) << agent.status();
    agent_ = *std::move(agent);
    input.Reset();
    // Beside the address there are words of its log.
    char line[1024];
    do {
      ASSERT_NE(fgets(line, sizeof line, output_.get()), nullptr) << "the agent ended before it served";
    } while (!absl::StartsWith(line, "unix:"));
    auto client = GrpcOpiClient::Make(std::string(absl::StripSuffix(line, "\n")));
    ASSERT_TRUE(client.ok()) << client.status();
    client_ = *std::move(client);
  }
  void TearDown() override {
    if (client_ != nullptr) client_->WatchPorts(nullptr);
    // So that it takes its folder away.
    agent_.Signal(SIGTERM);
    agent_.Signal(SIGCONT);
    EXPECT_EQ(agent_.Wait(absl::Seconds(20)).value_or(-1), 0);
  }

  // Returns when it stands still.
  void StopAgent() {
    agent_.Signal(SIGSTOP);
    siginfo_t stopped{};
    ASSERT_EQ(waitid(P_PID, static_cast<id_t>(agent_.pid()), &stopped, WSTOPPED), 0);
    ASSERT_EQ(stopped.si_code, CLD_STOPPED);
  }
  void ResumeAgent() { agent_.Signal(SIGCONT); }

  struct CloseFile {
    void operator()(FILE* file) const { fclose(file); }
  };
  // What the agent prints; open for as long as it lives, so that it always can.
  std::unique_ptr<FILE, CloseFile> output_;
  testing::ChildProcess agent_;
  PortNews news_;
  std::unique_ptr<GrpcOpiClient> client_;
};

TEST_F(SilenceTest, TheWatcherIsToldThatAnAgentIsSilentAndThatItLivesAgain) {
  client_->WatchPorts(news_.Observer());
  ASSERT_TRUE(news_.AwaitPort("host0-0", true));
  for (int round = 0; round < 2; ++round) {
    ASSERT_NO_FATAL_FAILURE(StopAgent());
    ASSERT_TRUE(news_.AwaitGone());
    EXPECT_THAT(std::string(news_.last().status().message()), HasSubstr("nothing came from it for 900ms"));
    ResumeAgent();
    ASSERT_TRUE(news_.AwaitPort("host0-7", true));
  }
}

TEST_F(SilenceTest, AnAgentThatIsSilentFromTheBeginningIsGone) {
  ASSERT_NO_FATAL_FAILURE(StopAgent());
  client_->WatchPorts(news_.Observer());
  ASSERT_TRUE(news_.AwaitGone());
  EXPECT_EQ(news_.count(), 1u);
  ResumeAgent();
  EXPECT_TRUE(news_.AwaitPort("host0-0", true));
}

TEST_F(SilenceTest, AWatcherThatComesWhileTheAgentIsSilentIsToldToo) {
  client_->WatchPorts(news_.Observer());
  ASSERT_TRUE(news_.AwaitPort("host0-0", true));
  ASSERT_NO_FATAL_FAILURE(StopAgent());
  ASSERT_TRUE(news_.AwaitGone());
  // In the first one's place, and once there was none for a while.
  PortNews second, third;
  client_->WatchPorts(second.Observer());
  EXPECT_TRUE(second.AwaitGone());
  client_->WatchPorts(nullptr);
  client_->WatchPorts(third.Observer());
  EXPECT_TRUE(third.AwaitGone());
  ResumeAgent();
  EXPECT_TRUE(third.AwaitPort("host0-0", true));
  client_->WatchPorts(nullptr);
  EXPECT_TRUE(absl::IsUnavailable(news_.last().status()));
  EXPECT_TRUE(absl::IsUnavailable(second.last().status()));
}

}  // namespace
}  // namespace xpu
