// DEL needs nothing but its arguments: with the namespace, the DPU and the configuration gone it still gives
// the function back, and the DPU hears of it when it is there again.

#include <signal.h>

#include <string>

#include "common/sys/process.h"
#include "gtest/gtest.h"
#include "test/lib/pair/probe.h"
#include "test/lib/pair/sandbox_fixture.h"

namespace xpu::testing {
namespace {

class DelTest : public SandboxTest {
 protected:
  DelTest() : SandboxTest({.name = "del", .vfs = 4}) {}
  void SetUp() override {
    ASSERT_NO_FATAL_FAILURE(SandboxTest::SetUp());
    ASSERT_NO_FATAL_FAILURE(MakeExampleNetworks());
    CountWhatIsThere();
  }
  Pod Start(const std::string& name, const nlohmann::json& definition = {}) {
    auto pod = pair_->StartPod({.name = name, .network = "blue", .definition = definition});
    EXPECT_TRUE(pod.ok()) << pod.status();
    return pod.value_or(Pod());
  }
  // What a runtime that has lost the network's definition still has to say.
  static Pod WithoutConfiguration(Pod pod) {
    pod.config = R"({"cniVersion":"1.0.0","name":"lost","type":"xpu-cni"})";
    pod.device.clear();
    return pod;
  }
  // Again and again, as runtimes do.
  void Del(const Pod& pod) {
    for (int i = 0; i < 2; ++i) {
      const auto outcome = pair_->Cni("DEL", pod);
      ASSERT_TRUE(outcome.ok()) << outcome.status();
      EXPECT_TRUE(outcome->ok()) << outcome->output;
    }
    EXPECT_TRUE(pair_->Deallocate(pod.name).ok());
  }
  void RemoveNamespace(const Pod& pod) { EXPECT_TRUE(sandbox_->RemovePodNamespace("pod-" + pod.name).ok()); }
  size_t FunctionsAtHome() {
    const auto now = CountLeftovers(*pair_);
    EXPECT_TRUE(now.ok()) << now.status();
    return now.ok() ? now->functions_at_home.size() : 0;
  }
};

TEST_F(DelTest, WithoutAConfiguration) {
  const Pod pod = Start("a");
  ASSERT_NO_FATAL_FAILURE(Del(WithoutConfiguration(pod)));
  RemoveNamespace(pod);
  ExpectNothingLeft();
}

TEST_F(DelTest, WithoutANamespace) {
  const Pod pod = Start("a");
  RemoveNamespace(pod);
  ASSERT_NO_FATAL_FAILURE(Del(pod));
  ExpectNothingLeft();
}

TEST_F(DelTest, WithoutTheDpuTheFunctionIsBackAtOnceAndTheDpuHearsOfItLater) {
  const Pod a = Start("a");
  const Pod b = Start("b");
  const nlohmann::json vlan = {
      {"cniVersion", "1.0.0"},
      {"name", "vlan100"},
      {"type", "xpu-cni"},
      {"vlan", 100},
      {"ipam", {{"type", "host-local"}, {"dataDir", folder_.path() + "/books"}, {"subnet", "10.1.0.0/24"}}}};
  const Pod c = Start("c", vlan);
  ASSERT_TRUE(*PingUntilAnswered(a.netns, *b.v4));
  ASSERT_TRUE(sandbox_->Kill("xpu-agent-0", SIGKILL).ok());
  // One with all that it needs, one with nothing, one of a VLAN.
  ASSERT_NO_FATAL_FAILURE(Del(a));
  RemoveNamespace(b);
  ASSERT_NO_FATAL_FAILURE(Del(WithoutConfiguration(b)));
  ASSERT_NO_FATAL_FAILURE(Del(c));
  ASSERT_TRUE(sandbox_->Start("xpu-agent-0").ok());
  ExpectNothingLeft();
  for (const Pod* pod : {&a, &c}) RemoveNamespace(*pod);
  EXPECT_EQ(FunctionsAtHome(), before_.functions_at_home.size());
  // And they can be had again.
  const Pod again = Start("again");
  const Pod other = Start("other");
  EXPECT_TRUE(*PingUntilAnswered(again.netns, *other.v4));
  EXPECT_TRUE(pair_->StopPod(again).ok());
  EXPECT_TRUE(pair_->StopPod(other).ok());
}

}  // namespace
}  // namespace xpu::testing
