// Kills the agents with -9 in the middle of random ADDs and DELs, starts them again, and counts what is left.

#include <signal.h>

#include <atomic>
#include <map>
#include <optional>
#include <random>
#include <thread>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/clock.h"
#include "common/base/test_seed.h"
#include "common/sys/process.h"
#include "gtest/gtest.h"
#include "test/lib/pair/probe.h"
#include "test/lib/pair/sandbox_fixture.h"

namespace xpu::testing {
namespace {

constexpr int kOperations = 100;
constexpr int kWorkers = 4;
constexpr int kKills = 6;

class KillTest : public SandboxTest {
 protected:
  KillTest() : SandboxTest({.name = "kill", .vfs = 8}) {}
  void SetUp() override {
    ASSERT_NO_FATAL_FAILURE(SandboxTest::SetUp());
    ASSERT_NO_FATAL_FAILURE(MakeExampleNetworks());
    CountWhatIsThere();
  }

  // What a container runtime does with one pod, over and over: it has an interface, or it has not, and after
  // a failure the runtime tears down. Failures are expected while an agent is away.
  void Work(int worker, uint64_t seed) {
    std::mt19937_64 random(seed + worker);
    std::optional<Pod> attached;
    while (NextOperation() <= kOperations) {
      if (attached.has_value()) {
        Stop(*attached);
        attached.reset();
        continue;
      }
      // A kubelet admits no pod while the plugin has nothing to offer.
      ASSERT_TRUE(pair_->AwaitDevices(1).ok());
      const std::string name = absl::StrCat("w", worker, "-", random() % 1000000);
      Pod pod = pair_->Describe({.name = name, .network = random() % 2 == 0 ? "blue" : "green"});
      ASSERT_TRUE(sandbox_->AddPodNamespace("pod-" + name).ok());
      const auto device = pair_->Allocate(name);
      if (device.ok()) pod.device = *device;
      const auto added = device.ok() ? pair_->Cni("ADD", pod) : absl::StatusOr<CniOutcome>(device.status());
      if (added.ok() && added->ok()) {
        attached = pod;
      } else {
        ++failed_;
        Stop(pod);
      }
    }
    if (attached.has_value()) Stop(*attached);
  }

  // Tears a pod down as a runtime does; what fails now is tried again at the end, when the agents are there.
  void Stop(const Pod& pod) {
    const auto outcome = pair_->Cni("DEL", pod);
    ASSERT_TRUE(outcome.ok()) << outcome.status();
    // A pod's namespace is gone before its DEL was answered, as often as not.
    EXPECT_TRUE(sandbox_->RemovePodNamespace("pod-" + pod.name).ok());
    if (!outcome->ok()) {
      absl::MutexLock lock(&mu_);
      unfinished_.push_back(pod);
    }
    EXPECT_TRUE(pair_->Deallocate(pod.name).ok());
  }

  int NextOperation() {
    absl::MutexLock lock(&mu_);
    return ++operation_;
  }
  void AwaitOperation(int number) {
    absl::MutexLock lock(&mu_);
    const auto reached = [&] { return operation_ >= number; };
    mu_.Await(absl::Condition(&reached));
  }

  // The switch's flows without their counters, and how many seconds each has been there: one that is written
  // again is young again.
  std::map<std::string, double> FlowAges() {
    const auto dump =
        RunProgram({.argv = {sandbox_->options().ovs_dir + "/bin/ovs-ofctl", "-OOpenFlow14", "dump-flows",
                             absl::StrCat("unix:", sandbox_->layout().ovs_dir(0), "/br-xpu.mgmt")}},
                   absl::Now() + absl::Seconds(30));
    EXPECT_TRUE(dump.ok()) << dump.status();
    std::map<std::string, double> ages;
    for (absl::string_view line : absl::StrSplit(dump.value_or(""), '\n')) {
      if (!absl::StrContains(line, "cookie=")) continue;
      double age = -1;
      std::vector<std::string> rest;
      for (absl::string_view field : absl::StrSplit(line, ", ")) {
        if (absl::ConsumePrefix(&field, "duration=")) {
          EXPECT_TRUE(absl::SimpleAtod(absl::StripSuffix(field, "s"), &age)) << line;
        } else if (!absl::StartsWith(field, "n_") && !absl::StartsWith(field, "idle_age=")) {
          rest.emplace_back(field);
        }
      }
      ages[absl::StrJoin(rest, ",")] = age;
    }
    EXPECT_FALSE(ages.empty());
    return ages;
  }

  std::atomic<int> failed_ = 0;
  absl::Mutex mu_;
  int operation_ ABSL_GUARDED_BY(mu_) = 0;
  std::vector<Pod> unfinished_ ABSL_GUARDED_BY(mu_);
};

TEST_F(KillTest, AgentsKilledAmidRandomAddsAndDelsLeaveNothingBehind) {
  const uint64_t seed = TestSeed();
  std::vector<std::thread> workers;
  for (int worker = 0; worker < kWorkers; ++worker)
    workers.emplace_back([this, worker, seed] { Work(worker, seed); });

  std::mt19937_64 random(seed);
  for (int kill = 1; kill <= kKills; ++kill) {
    AwaitOperation(kill * kOperations / (kKills + 1));
    const std::string agent = random() % 2 == 0 ? "xpu-host-agent" : "xpu-agent-0";
    ASSERT_NO_FATAL_FAILURE(Restart(agent, SIGKILL));
  }
  for (std::thread& worker : workers) worker.join();
  printf("%d of %d operations were ADDs that failed while an agent was away\n", failed_.load(), kOperations);
  // Most operations must have been real ones, or this test says nothing.
  EXPECT_LT(failed_, kOperations / 2);

  absl::MutexLock lock(&mu_);
  for (const Pod& pod : unfinished_) {
    const auto outcome = pair_->Cni("DEL", pod);
    ASSERT_TRUE(outcome.ok()) << outcome.status();
    EXPECT_TRUE(outcome->ok()) << outcome->output;
  }
  ExpectNothingLeft();

  // And the system still works.
  const auto a = pair_->StartPod({.name = "a", .network = "blue"});
  const auto b = pair_->StartPod({.name = "b", .network = "blue"});
  ASSERT_TRUE(a.ok()) << a.status();
  ASSERT_TRUE(b.ok()) << b.status();
  EXPECT_TRUE(*PingUntilAnswered(a->netns, *b->v4));
  EXPECT_TRUE(*PingUntilAnswered(a->netns, *b->v6));
  EXPECT_TRUE(pair_->StopPod(*a).ok());
  EXPECT_TRUE(pair_->StopPod(*b).ok());
}

TEST_F(KillTest, RestartingAgentsThatChangeNothingTouchesNothing) {
  const auto a = pair_->StartPod({.name = "a", .network = "blue"});
  const auto b = pair_->StartPod({.name = "b", .network = "blue"});
  ASSERT_TRUE(a.ok()) << a.status();
  ASSERT_TRUE(b.ok()) << b.status();
  const auto before = CountLeftovers(*pair_);
  ASSERT_TRUE(before.ok()) << before.status();
  ASSERT_TRUE(*PingUntilAnswered(a->netns, *b->v4));
  const auto flows_before = FlowAges();
  for (const char* agent : {"xpu-agent-0", "xpu-host-agent"}) {
    ASSERT_TRUE(sandbox_->Kill(agent, SIGKILL).ok());
    EXPECT_TRUE(*PingUntilAnswered(a->netns, *b->v4)) << "while " << agent << " is dead";
    ASSERT_TRUE(sandbox_->Start(agent).ok());
    EXPECT_TRUE(*PingUntilAnswered(a->netns, *b->v6)) << "after " << agent << " was started again";
  }
  const auto flows_after = FlowAges();
  EXPECT_EQ(flows_after.size(), flows_before.size());
  for (const auto& [flow, age] : flows_before) {
    ASSERT_TRUE(flows_after.contains(flow)) << flow;
    EXPECT_GE(flows_after.at(flow), age) << "was written again: " << flow;
  }
  const auto after = CountLeftovers(*pair_);
  ASSERT_TRUE(after.ok()) << after.status();
  EXPECT_EQ(*after, *before) << before->ToString() << "\n" << after->ToString();
  EXPECT_TRUE(pair_->StopPod(*a).ok());
  EXPECT_TRUE(pair_->StopPod(*b).ok());
  EXPECT_TRUE(WaitUntilReleased(*pair_, absl::Now() + absl::Seconds(30)).ok());
}

}  // namespace
}  // namespace xpu::testing
