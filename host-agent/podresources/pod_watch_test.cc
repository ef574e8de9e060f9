#include "host-agent/podresources/pod_watch.h"

#include <memory>
#include <string>
#include <vector>

#include "absl/synchronization/notification.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "host-agent/alloc/fake_journal.h"
#include "host-agent/podresources/fake_pod_resources.h"

namespace xpu {
namespace {

using ::testing::HasSubstr;

const FunctionId kFunction = PciAddress{0, 3, 0, 2};
const PodName kWeb{"default", "web"};
const HeldDevice kHeld{"xpu.opiproject.org/vf", "0000:03:00.2", kWeb, "main"};

class PodWatchTest : public ::testing::Test {
 protected:
  PodWatchTest() { allocator_ = *Allocator::Open(journal_); }

  void Start() {
    watch_ = std::make_unique<PodWatch>(PodWatch::Parts{
        .pods = pods_,
        .allocator = *allocator_,
        .device_ids =
            [] {
              return DeviceIds{{"0000:03:00.2", kFunction}};
            },
        .unused = [this](const FunctionId& function, int64_t claim) { Found("unused", function, claim); },
        .pod_gone = [this](const FunctionId& function, int64_t claim) { Found("pod_gone", function, claim); },
        .device_gone = [this](const FunctionId& function,
                              int64_t claim) { Found("device_gone", function, claim); },
        .booking = absl::Milliseconds(10)});
    watch_->Start();
  }
  void Found(const std::string& what, const FunctionId& function, int64_t claim) {
    absl::MutexLock lock(&mu_);
    found_.push_back(what + " " + function.ToString() + " " + std::to_string(claim));
  }
  std::vector<std::string> AwaitFound(size_t count) {
    const auto enough = [this, count] {
      mu_.AssertReaderHeld();
      return found_.size() >= count;
    };
    absl::MutexLock lock(&mu_);
    mu_.Await(absl::Condition(&enough));
    return found_;
  }
  // As the agent does it, in the function's turn.
  absl::StatusOr<int64_t> Allocate() {
    absl::Status status = watch_->Allocating(kFunction);
    if (!status.ok()) return status;
    const auto row = allocator_->Begin({.function = kFunction});
    if (!row.ok()) return row.status();
    watch_->Allocated(kFunction, row->claim);
    return row->claim;
  }

  FakePodResources pods_;
  FakeJournal journal_;
  std::unique_ptr<Allocator> allocator_;
  absl::Mutex mu_;
  std::vector<std::string> found_ ABSL_GUARDED_BY(mu_);
  std::unique_ptr<PodWatch> watch_;
};

TEST_F(PodWatchTest, AClaimWhosePodGoesBeforeItsAddIsFound) {
  pods_.AddPod({"default", "other"});
  Start();
  const auto claim = Allocate();
  ASSERT_TRUE(claim.ok()) << claim.status();
  pods_.Hold(kHeld);
  const int lists = pods_.lists();
  watch_->CheckpointWritten();
  pods_.AwaitLists(lists + 1);
  pods_.RemovePod(kWeb);
  watch_->CheckpointWritten();
  EXPECT_EQ(AwaitFound(1).front(), "unused 0000:03:00.2 " + std::to_string(*claim));
  EXPECT_TRUE(watch_->StillUnused(kFunction, *claim));
}

TEST_F(PodWatchTest, AClaimThatWasNeverBookedIsFoundWithoutFurtherNews) {
  pods_.AddPod({"default", "other"});
  Start();
  const auto claim = Allocate();
  ASSERT_TRUE(claim.ok()) << claim.status();
  watch_->CheckpointWritten();
  EXPECT_EQ(AwaitFound(1).front(), "unused 0000:03:00.2 " + std::to_string(*claim));
}

TEST_F(PodWatchTest, WhatAPodHoldsIsNotGivenToAnother) {
  pods_.Hold(kHeld);
  Start();
  const auto claim = Allocate();
  EXPECT_EQ(claim.status().code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_THAT(std::string(claim.status().message()), HasSubstr("default/web"));
  // Gone meanwhile: the kubelet is asked again before anything is refused.
  pods_.RemovePod(kWeb);
  EXPECT_TRUE(Allocate().ok());
}

TEST_F(PodWatchTest, WithoutAKubeletNothingChanges) {
  Start();
  pods_.AwaitLists(1);
  const auto claim = Allocate();
  ASSERT_TRUE(claim.ok()) << claim.status();
  watch_->CheckpointWritten();
  const int lists = pods_.lists();
  watch_->Changed();
  pods_.AwaitLists(lists + 1);
  watch_ = nullptr;
  absl::MutexLock lock(&mu_);
  EXPECT_TRUE(found_.empty());
}

TEST_F(PodWatchTest, AllocatingWaitsForNoKubelet) {
  pods_.AddPod(kWeb);
  Start();
  // The first answer is there when the second question is asked.
  pods_.AwaitLists(1);
  watch_->Changed();
  pods_.AwaitLists(2);
  absl::Notification let_go;
  pods_.OnList([&] { let_go.WaitForNotification(); });
  EXPECT_TRUE(watch_->Allocating(kFunction).ok());
  let_go.Notify();
}

TEST_F(PodWatchTest, WhatChangesDuringAListIsAskedForOnceMore) {
  pods_.AddPod(kWeb);
  absl::Notification begun, let_go;
  pods_.OnList([&] {
    if (!begun.HasBeenNotified()) begun.Notify();
    let_go.WaitForNotification();
  });
  Start();
  begun.WaitForNotification();
  for (int i = 0; i < 5; ++i) watch_->Changed();
  EXPECT_EQ(pods_.lists(), 1);
  let_go.Notify();
  pods_.AwaitLists(2);
  watch_ = nullptr;
  EXPECT_EQ(pods_.lists(), 2);
}

TEST_F(PodWatchTest, EndsWhatIsBeingAsked) {
  pods_.AddPod(kWeb);
  Start();
  watch_ = nullptr;
  EXPECT_EQ(pods_.List().status().code(), absl::StatusCode::kCancelled);
}

}  // namespace
}  // namespace xpu
