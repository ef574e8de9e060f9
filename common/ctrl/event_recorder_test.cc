#include "common/ctrl/event_recorder.h"

#include <atomic>
#include <memory>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/synchronization/notification.h"
#include "common/kube/fake_store.h"
#include "common/kube/metadata.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace xpu {
namespace {

using Call = FakeStore::Call;
using Type = EventRecorder::Type;

const ResourceKind kEvents = {"", "v1", "Event", "events"};
const ResourceKind kNetworks = {"xpu.opiproject.org", "v1alpha1", "Network", "networks"};

class SetClock : public Clock {
 public:
  absl::Time Now() override { return absl::FromUnixSeconds(seconds_); }
  std::atomic<int64_t> seconds_ = 1'800'000'000;
};

class EventRecorderTest : public ::testing::Test {
 protected:
  EventRecorderTest() { Restart(); }
  void Restart(EventRecorder::Options options = {}) {
    options.component = "xpu-agent";
    options.host = "node-1";
    options.backoff = {.initial = absl::Milliseconds(1), .max = absl::Milliseconds(5)};
    recorder_ = std::make_unique<EventRecorder>(options, store_, clock_);
  }
  static Resource Object(const std::string& name, const std::string& uid = "u1") {
    Resource object = MakeResource(kNetworks, {"blue", name});
    object["metadata"]["uid"] = uid;
    return object;
  }
  // Waits until the Events' counts sum up to `times`; every Event then.
  std::vector<Resource> WaitForTimes(int64_t times) {
    while (true) {
      const ResourceList list = store_.List(kEvents, "").value();
      int64_t sum = 0;
      for (const Resource& event : list.items) sum += event.value("count", 0);
      if (sum >= times) return list.items;
      // The next change of any Event.
      absl::Notification changed;
      std::atomic<bool> told = false;
      const auto watcher = store_.Watch(kEvents, "", list.resource_version, {},
                                        {[&](const WatchEvent&) {
                                           if (!told.exchange(true)) changed.Notify();
                                         },
                                         [](const absl::Status&) {}});
      if (!changed.WaitForNotificationWithTimeout(absl::Seconds(30))) {
        ADD_FAILURE() << "the Events say it " << sum << " times, not " << times;
        return list.items;
      }
    }
  }

  FakeStore store_;
  SetClock clock_;
  std::unique_ptr<EventRecorder> recorder_;
};

TEST_F(EventRecorderTest, SaysWhatHappenedToWhom) {
  recorder_->Record(Object("net"), Type::kWarning, "NoPrefix", "the network has no prefix");
  const Resource event = WaitForTimes(1).at(0);
  EXPECT_EQ(NameOf(event).ns, "blue");
  EXPECT_EQ(event["involvedObject"]["kind"], "Network");
  EXPECT_EQ(event["involvedObject"]["name"], "net");
  EXPECT_EQ(event["involvedObject"]["uid"], "u1");
  EXPECT_EQ(event["type"], "Warning");
  EXPECT_EQ(event["reason"], "NoPrefix");
  EXPECT_EQ(event["message"], "the network has no prefix");
  EXPECT_EQ(event["source"]["component"], "xpu-agent");
  EXPECT_EQ(event["firstTimestamp"], "2027-01-15T08:00:00Z");
  EXPECT_EQ(event["count"], 1);
}

TEST_F(EventRecorderTest, TheSameAgainCountsUpAlsoAfterARestart) {
  recorder_->Record(Object("net"), Type::kNormal, "Made", "made");
  WaitForTimes(1);
  clock_.seconds_ += 60;
  for (int i = 0; i < 4; ++i) recorder_->Record(Object("net"), Type::kNormal, "Made", "made");
  WaitForTimes(5);
  Restart();
  recorder_->Record(Object("net"), Type::kNormal, "Made", "made");
  const std::vector<Resource> events = WaitForTimes(6);
  ASSERT_EQ(events.size(), 1u);
  EXPECT_EQ(events[0]["count"], 6);
  EXPECT_EQ(events[0]["firstTimestamp"], "2027-01-15T08:00:00Z");
  EXPECT_EQ(events[0]["lastTimestamp"], "2027-01-15T08:01:00Z");
  recorder_->Record(Object("net", "u2"), Type::kNormal, "Made", "made");
  EXPECT_EQ(WaitForTimes(7).size(), 2u) << "another object of the same name";
}

TEST_F(EventRecorderTest, AStoreThatIsAwayGetsItLater) {
  store_.FailNext(Call::kCreate, {absl::UnavailableError("away")}, 3);
  store_.FailNext(Call::kCreate, {absl::UnavailableError("away"), /*after_effect=*/true}, 1);
  recorder_->Record(Object("net"), Type::kNormal, "Made", "made");
  // The create whose answer was lost is found, and counted up.
  EXPECT_EQ(WaitForTimes(2).size(), 1u);
}

TEST_F(EventRecorderTest, AnEventThatTheServerHasDroppedIsWrittenAnew) {
  recorder_->Record(Object("net"), Type::kNormal, "Made", "made");
  const Resource event = WaitForTimes(1).at(0);
  ASSERT_TRUE(store_.Delete(kEvents, NameOf(event)).ok());
  recorder_->Record(Object("net"), Type::kNormal, "Made", "made");
  EXPECT_EQ(WaitForTimes(1).at(0)["count"], 1);
}

TEST_F(EventRecorderTest, AnObjectWithTooMuchToSayIsCutShort) {
  Restart({.burst = 3, .refill = absl::Seconds(10)});
  for (int i = 0; i < 10; ++i)
    recorder_->Record(Object("net"), Type::kNormal, "N", absl::StrCat("message ", i));
  recorder_->Record(Object("other", "u2"), Type::kNormal, "N", "another object has its own share");
  EXPECT_EQ(WaitForTimes(4).size(), 4u);
  clock_.seconds_ += 10;
  for (int i = 10; i < 20; ++i)
    recorder_->Record(Object("net"), Type::kNormal, "N", absl::StrCat("message ", i));
  EXPECT_EQ(WaitForTimes(5).size(), 5u);
}

class EventRecorderDropsTest : public EventRecorderTest,
                               public ::testing::WithParamInterface<absl::Status> {};

TEST_P(EventRecorderDropsTest, WhatIsRefusedAndTellsTheNext) {
  store_.FailNext(Call::kCreate, {GetParam()});
  recorder_->Record(Object("net"), Type::kNormal, "Made", "made");
  ASSERT_TRUE(store_.WaitForCalls(Call::kCreate, 1));
  recorder_->Record(Object("net"), Type::kNormal, "Gone", "gone");
  const std::vector<Resource> events = WaitForTimes(1);
  ASSERT_EQ(events.size(), 1u);
  EXPECT_EQ(events[0]["reason"], "Gone");
}

INSTANTIATE_TEST_SUITE_P(All, EventRecorderDropsTest,
                         ::testing::Values(absl::PermissionDeniedError("no"),
                                           absl::NotFoundError("no namespace blue")));

TEST_F(EventRecorderTest, NeedsNoRightToRead) {
  recorder_->Record(Object("net"), Type::kNormal, "Made", "made");
  WaitForTimes(1);
  Restart();
  recorder_->Record(Object("net"), Type::kNormal, "Made", "made");
  WaitForTimes(2);
  recorder_.reset();
  EXPECT_EQ(store_.calls(Call::kGet), 0);
}

TEST_F(EventRecorderTest, AllObjectsTogetherHaveARate) {
  // The fourth would have its turn in a quarter of an hour.
  Restart({.per_second = 0.001, .burst_of_all = 3});
  for (int i = 0; i < 50; ++i)
    recorder_->Record(Object(absl::StrCat("n", i), absl::StrCat("u", i)), Type::kWarning, "N", "failed");
  WaitForTimes(3);
  // Without waiting for the others.
  recorder_.reset();
  EXPECT_EQ(store_.List(kEvents, "").value().items.size(), 3u);
}

TEST_F(EventRecorderTest, WhatIsRememberedIsBounded) {
  Restart({.per_second = 1e6, .capacity = 4});
  for (int i = 0; i < 50; ++i) {
    recorder_->Record(Object(absl::StrCat("n", i), absl::StrCat("u", i)), Type::kNormal, "Made", "made");
    WaitForTimes(i + 1);
  }
  recorder_->Record(Object("n0", "u0"), Type::kNormal, "Made", "made");
  EXPECT_EQ(WaitForTimes(51).size(), 50u) << "one that was forgotten is found in the store";
}

}  // namespace
}  // namespace xpu
