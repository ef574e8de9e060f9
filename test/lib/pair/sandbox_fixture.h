#pragma once

#include <memory>
#include <string>
#include <utility>

#include "absl/time/clock.h"
#include "common/sys/files.h"
#include "control-plane/sandbox/sandbox.h"
#include "gtest/gtest.h"
#include "test/lib/pair/leftovers.h"
#include "test/lib/pair/pair.h"

namespace xpu::testing {

// A sandbox of the test's own, of the programs in XPU_BIN_DIR, with a kubelet and a runtime; it goes with the
// test.
class SandboxTest : public ::testing::Test {
 protected:
  // The folders of `options` are for the fixture to say.
  explicit SandboxTest(SandboxOptions options) : options_(std::move(options)) {
    options_.dir = folder_.path() + "/s";
    options_.bin_dir = XPU_BIN_DIR;
  }

  void SetUp() override {
    auto sandbox = Sandbox::Up(options_);
    ASSERT_TRUE(sandbox.ok()) << sandbox.status();
    sandbox_ = std::make_unique<Sandbox>(*std::move(sandbox));
    auto pair = Pair::Connect(*sandbox_);
    ASSERT_TRUE(pair.ok()) << pair.status();
    pair_ = *std::move(pair);
    // The kubelet knows of all that there is.
    ASSERT_TRUE(pair_->AwaitDevices(options_.cards * options_.vfs).ok());
  }
  void TearDown() override {
    pair_.reset();
    EXPECT_TRUE(Sandbox::Down(options_.dir).ok());
  }

  // "blue" and "green", ready on every card.
  void MakeExampleNetworks() {
    ASSERT_TRUE(pair_->Xpuctl({"apply", "-f", XPU_SOURCE_DIR "/examples/networks.yaml"}).ok());
    ASSERT_TRUE(pair_->WaitUntilNetworksReady(absl::Now() + absl::Seconds(30)).ok());
  }

  // What there is now is what ExpectNothingLeft expects later.
  void CountWhatIsThere() {
    const auto before = CountLeftovers(*pair_);
    ASSERT_TRUE(before.ok()) << before.status();
    before_ = *before;
  }
  void ExpectNothingLeft() {
    const absl::Status released = WaitUntilReleased(*pair_, absl::Now() + absl::Seconds(60));
    EXPECT_TRUE(released.ok()) << released;
    const auto after = CountLeftovers(*pair_);
    ASSERT_TRUE(after.ok()) << after.status();
    EXPECT_EQ(*after, before_) << "before: " << before_.ToString() << "\nafter:  " << after->ToString();
  }

  // An agent is killed and started again.
  void Restart(const std::string& agent, int signal) {
    ASSERT_TRUE(sandbox_->Kill(agent, signal).ok());
    const absl::Status started = sandbox_->Start(agent);
    ASSERT_TRUE(started.ok()) << agent << ": " << started;
  }

  // For whatever the test needs beside the sandbox.
  TemporaryDirectory folder_ = *TemporaryDirectory::Make();
  SandboxOptions options_;
  std::unique_ptr<Sandbox> sandbox_;
  std::unique_ptr<Pair> pair_;
  Leftovers before_;
};

}  // namespace xpu::testing
