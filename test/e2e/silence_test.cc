// An xPU agent that stands still: the host notices, the pods do not.

#include <signal.h>

#include <algorithm>
#include <chrono>
#include <string>

#include "common/rpc/rpc.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "test/lib/pair/probe.h"
#include "test/lib/pair/sandbox_fixture.h"
#include "xpu/hostagent/v1/host_agent.grpc.pb.h"

namespace xpu::testing {
namespace {

using hostagent::v1::WatchFunctionsResponse;

class SilentAgentTest : public SandboxTest {
 protected:
  SilentAgentTest() : SandboxTest({.name = "silence", .vfs = 4}) {}

  void SignalAgent(int signal) {
    for (const Sandbox::ProcessState& process : sandbox_->Status()) {
      if (process.name != "xpu-agent-0") continue;
      ASSERT_EQ(kill(process.pid, signal), 0);
    }
  }
  // Waits until the host agent says of all functions that they are fit for use, or of all that they are not;
  // gives its reason.
  absl::StatusOr<std::string> AwaitFunctions(bool healthy) {
    const auto channel = MakeChannel(sandbox_->layout().host_agent());
    if (!channel.ok()) return channel.status();
    const auto stub = hostagent::v1::HostAgentService::NewStub(*channel);
    grpc::ClientContext context;
    context.set_wait_for_ready(true);
    context.set_deadline(std::chrono::system_clock::now() + std::chrono::seconds(30));
    const auto reader = stub->WatchFunctions(&context, {});
    for (WatchFunctionsResponse response; reader->Read(&response);) {
      const auto& functions = response.functions();
      if (functions.empty() || !std::all_of(functions.begin(), functions.end(), [&](const auto& function) {
            return function.healthy() == healthy;
          })) {
        continue;
      }
      context.TryCancel();
      reader->Finish();
      return functions[0].reason();
    }
    return FromGrpc(reader->Finish());
  }
};

TEST_F(SilentAgentTest, FunctionsAreNotOfferedMeanwhileAndPodsKeepTheirNetwork) {
  const nlohmann::json definition = {
      {"cniVersion", "1.1.0"},
      {"name", "vlan100"},
      {"type", "xpu-cni"},
      {"vlan", 100},
      {"ipam", {{"type", "host-local"}, {"dataDir", folder_.path() + "/books"}, {"subnet", "10.1.0.0/24"}}}};
  const auto a = pair_->StartPod({.name = "a", .definition = definition});
  const auto b = pair_->StartPod({.name = "b", .definition = definition});
  ASSERT_TRUE(a.ok()) << a.status();
  ASSERT_TRUE(b.ok()) << b.status();
  ASSERT_TRUE(AwaitFunctions(true).ok());

  ASSERT_NO_FATAL_FAILURE(SignalAgent(SIGSTOP));
  const auto reason = AwaitFunctions(false);
  ASSERT_TRUE(reason.ok()) << reason.status();
  EXPECT_THAT(*reason, ::testing::HasSubstr("nothing came from it"));
  EXPECT_TRUE(*PingUntilAnswered(a->netns, *b->v4));

  ASSERT_NO_FATAL_FAILURE(SignalAgent(SIGCONT));
  const auto healthy = AwaitFunctions(true);
  ASSERT_TRUE(healthy.ok()) << healthy.status();
  EXPECT_TRUE(*PingUntilAnswered(a->netns, *b->v4));
  const auto c = pair_->StartPod({.name = "c", .definition = definition});
  ASSERT_TRUE(c.ok()) << c.status();
  EXPECT_TRUE(*PingUntilAnswered(c->netns, *a->v4));
  for (const auto& pod : {a, b, c}) EXPECT_TRUE(pair_->StopPod(*pod).ok()) << pod->name;
}

}  // namespace
}  // namespace xpu::testing
