// A representor that somebody on the DPU sets down or takes away: the kubelet is told that its function is
// not to be used, within a second, and that it is again.

#include <algorithm>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "common/sys/net_namespaces_real.h"
#include "common/sys/process.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "test/lib/pair/probe.h"
#include "test/lib/pair/sandbox_fixture.h"

namespace xpu::testing {
namespace {

constexpr int kVfs = 4;

class RepresentorTest : public SandboxTest {
 protected:
  RepresentorTest() : SandboxTest({.name = "representor", .vfs = kVfs}) {}

  // As a person does it.
  void Ip(const std::string& where, const std::vector<std::string>& words) {
    NetNamespacesReal namespaces;
    const auto ns = namespaces.Open(sandbox_->layout().netns(where));
    ASSERT_TRUE(ns.ok()) << ns.status();
    std::vector<std::string> argv = {"ip", "link", "set"};
    argv.insert(argv.end(), words.begin(), words.end());
    cause_ = absl::Now();
    const auto done = RunProgram({.argv = argv, .net_namespace = *ns}, absl::Now() + absl::Seconds(30));
    ASSERT_TRUE(done.ok()) << done.status();
  }
  // Notes how long it took from the last command until the kubelet knows.
  void ExpectUnhealthy(const std::string& device) {
    const absl::Status told = pair_->AwaitUnhealthy(device);
    ASSERT_TRUE(told.ok()) << told;
    const absl::Duration took = absl::Now() - cause_;
    printf("the kubelet knew after %s\n", absl::FormatDuration(took).c_str());
    best_ = std::min(best_, took);
  }
  // The card's second function, which virtual function 1 is.
  static constexpr char kRepresentor[] = "pf0vf1";
  static constexpr char kDevice[] = "0000:03:00.3";
  absl::Time cause_;
  absl::Duration best_ = absl::InfiniteDuration();
};

TEST_F(RepresentorTest, OneThatIsSetDownByHandMakesItsFunctionUnhealthyUntilItIsUpAgain) {
  for (int round = 0; round < 3; ++round) {
    ASSERT_NO_FATAL_FAILURE(Ip("dpu0", {kRepresentor, "down"}));
    ASSERT_NO_FATAL_FAILURE(ExpectUnhealthy(kDevice));
    ASSERT_NO_FATAL_FAILURE(Ip("dpu0", {kRepresentor, "up"}));
    ASSERT_TRUE(pair_->AwaitDevices(kVfs).ok());
  }
  // A busy machine takes longer now and then.
  EXPECT_LT(best_, absl::Seconds(1));
}

TEST_F(RepresentorTest, OneThatIsTakenAwayMakesItsFunctionUnhealthyAndNoOtherUntilItIsBack) {
  ASSERT_NO_FATAL_FAILURE(Ip("dpu0", {kRepresentor, "netns", sandbox_->layout().netns("fabric")}));
  ASSERT_NO_FATAL_FAILURE(ExpectUnhealthy(kDevice));
  ASSERT_TRUE(pair_->AwaitDevices(kVfs - 1).ok());
  ASSERT_NO_FATAL_FAILURE(MakeExampleNetworks());
  std::vector<Pod> pods;
  for (const char* name : {"a", "b", "c"}) {
    const auto pod = pair_->StartPod({.name = name, .network = "blue"});
    ASSERT_TRUE(pod.ok()) << pod.status();
    EXPECT_NE(pod->device, kDevice);
    pods.push_back(*pod);
  }
  EXPECT_TRUE(*PingUntilAnswered(pods[0].netns, *pods[1].v4));
  for (const Pod& pod : pods) EXPECT_TRUE(pair_->StopPod(pod).ok()) << pod.name;
  // Back again, it is down, as the kernel leaves it.
  ASSERT_NO_FATAL_FAILURE(Ip("fabric", {kRepresentor, "netns", sandbox_->layout().netns("dpu0")}));
  ASSERT_NO_FATAL_FAILURE(Ip("dpu0", {kRepresentor, "up"}));
  ASSERT_TRUE(pair_->AwaitDevices(kVfs).ok());
}

TEST_F(RepresentorTest, APodKeepsItsFunctionWhileItsRepresentorIsDown) {
  ASSERT_NO_FATAL_FAILURE(MakeExampleNetworks());
  CountWhatIsThere();
  const auto a = pair_->StartPod({.name = "a", .network = "blue"});
  const auto b = pair_->StartPod({.name = "b", .network = "blue"});
  ASSERT_TRUE(a.ok()) << a.status();
  ASSERT_TRUE(b.ok()) << b.status();
  ASSERT_TRUE(*PingUntilAnswered(a->netns, *b->v4));
  const int vf = a->device.back() - '2';
  const std::string representor = absl::StrCat("pf0vf", vf);
  ASSERT_NO_FATAL_FAILURE(Ip("dpu0", {representor, "down"}));
  ASSERT_NO_FATAL_FAILURE(ExpectUnhealthy(a->device));
  EXPECT_FALSE(*Ping(a->netns, *b->v4));
  ASSERT_NO_FATAL_FAILURE(Ip("dpu0", {representor, "up"}));
  ASSERT_TRUE(pair_->AwaitDevices(kVfs).ok());
  EXPECT_TRUE(*PingUntilAnswered(a->netns, *b->v4));
  EXPECT_TRUE(pair_->StopPod(*a).ok());
  EXPECT_TRUE(pair_->StopPod(*b).ok());
  ExpectNothingLeft();
}

}  // namespace
}  // namespace xpu::testing
