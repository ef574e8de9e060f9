#include "common/ctrl/controller.h"

#include <memory>
#include <vector>

#include "absl/time/clock.h"
#include "common/kube/kube_errors.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace xpu {
namespace {

const ResourceName kBlue = {"ns", "blue"};
const ResourceName kRed = {"ns", "red"};

// Keeps the turns, and can hold them up and make them fail.
class Turns {
 public:
  absl::Status operator()(const ResourceName& name) {
    absl::MutexLock lock(&mu_);
    begun_.push_back(name.name);
    ++running_[name];
    most_at_once_ = std::max(most_at_once_, running_[name]);
    const auto free = [this, &name] { return !held_.contains(name); };
    mu_.Await(absl::Condition(&free));
    --running_[name];
    ++done_[name];
    if (failures_[name] > 0) {
      --failures_[name];
      return absl::UnavailableError("told to fail");
    }
    return absl::OkStatus();
  }

  void Hold(const ResourceName& name) {
    absl::MutexLock lock(&mu_);
    held_.insert(name);
  }
  void Release(const ResourceName& name) {
    absl::MutexLock lock(&mu_);
    held_.erase(name);
  }
  void Fail(const ResourceName& name, int times) {
    absl::MutexLock lock(&mu_);
    failures_[name] = times;
  }
  // Until so many turns have begun in all.
  bool WaitForBegun(size_t count) {
    const auto reached = [&] { return begun_.size() >= count; };
    absl::MutexLock lock(&mu_);
    return mu_.AwaitWithTimeout(absl::Condition(&reached), absl::Seconds(20));
  }
  bool WaitForDone(const ResourceName& name, int count) {
    const auto reached = [&] { return done_[name] >= count; };
    absl::MutexLock lock(&mu_);
    return mu_.AwaitWithTimeout(absl::Condition(&reached), absl::Seconds(20));
  }
  int done(const ResourceName& name) {
    absl::MutexLock lock(&mu_);
    return done_[name];
  }
  int most_at_once() {
    absl::MutexLock lock(&mu_);
    return most_at_once_;
  }
  std::vector<std::string> begun() {
    absl::MutexLock lock(&mu_);
    return begun_;
  }

 private:
  absl::Mutex mu_;
  std::vector<std::string> begun_;
  std::map<ResourceName, int> running_;
  std::map<ResourceName, int> done_;
  std::map<ResourceName, int> failures_;
  std::set<ResourceName> held_;
  int most_at_once_ = 0;
};

class ControllerTest : public ::testing::Test {
 protected:
  void Start(int workers, absl::Duration delay = absl::Milliseconds(1)) {
    Controller::Options options;
    options.name = "test";
    options.workers = workers;
    options.backoff.initial = delay;
    options.backoff.max = delay;
    controller_ =
        std::make_unique<Controller>(options, [this](const ResourceName& name) { return turns_(name); });
  }

  Turns turns_;
  std::unique_ptr<Controller> controller_;
};

TEST_F(ControllerTest, EachObjectGetsATurn) {
  Start(1);
  controller_->Enqueue(kBlue);
  controller_->Enqueue(kRed);
  EXPECT_TRUE(turns_.WaitForDone(kBlue, 1));
  EXPECT_TRUE(turns_.WaitForDone(kRed, 1));
}

TEST_F(ControllerTest, AnObjectThatWaitsForItsTurnHasOnlyOne) {
  Start(1);
  turns_.Hold(kRed);
  controller_->Enqueue(kRed);
  ASSERT_TRUE(turns_.WaitForBegun(1));
  for (int i = 0; i < 10; ++i) controller_->Enqueue(kBlue);
  const ResourceName last = {"ns", "last"};
  controller_->Enqueue(last);
  turns_.Release(kRed);
  ASSERT_TRUE(turns_.WaitForDone(last, 1));
  EXPECT_THAT(turns_.begun(), testing::ElementsAre("red", "blue", "last"));
}

TEST_F(ControllerTest, AChangeDuringATurnGivesExactlyOneMore) {
  Start(2);
  turns_.Hold(kBlue);
  controller_->Enqueue(kBlue);
  ASSERT_TRUE(turns_.WaitForBegun(1));
  for (int i = 0; i < 5; ++i) controller_->Enqueue(kBlue);
  controller_->Enqueue(kRed);
  ASSERT_TRUE(turns_.WaitForDone(kRed, 1)) << "others do not wait";
  EXPECT_EQ(turns_.done(kBlue), 0);
  turns_.Release(kBlue);
  ASSERT_TRUE(turns_.WaitForDone(kBlue, 2));
  controller_->Enqueue(kRed);
  ASSERT_TRUE(turns_.WaitForDone(kRed, 2));
  EXPECT_EQ(turns_.done(kBlue), 2);
  EXPECT_EQ(turns_.most_at_once(), 1) << "never two turns of one object at the same time";
}

TEST_F(ControllerTest, WorkersShareTheObjects) {
  Start(2);
  turns_.Hold(kBlue);
  turns_.Hold(kRed);
  controller_->Enqueue(kBlue);
  controller_->Enqueue(kRed);
  EXPECT_TRUE(turns_.WaitForBegun(2));
  turns_.Release(kBlue);
  turns_.Release(kRed);
  EXPECT_TRUE(turns_.WaitForDone(kRed, 1));
}

TEST_F(ControllerTest, AnErrorComesBackUntilItIsGone) {
  Start(1);
  turns_.Fail(kBlue, 3);
  controller_->Enqueue(kBlue);
  EXPECT_TRUE(turns_.WaitForDone(kBlue, 4));
  // Forgotten: the next turn comes from the next change only.
  controller_->Enqueue(kRed);
  ASSERT_TRUE(turns_.WaitForDone(kRed, 1));
  EXPECT_EQ(turns_.done(kBlue), 4);
}

TEST(ControllerRetryTest, AServerThatWantsToBeLeftAloneIsLeftAloneForThatLong) {
  constexpr absl::Duration kAlone = absl::Milliseconds(300);
  absl::Mutex mu;
  std::vector<absl::Time> turns;
  Controller controller(
      {.name = "test", .backoff = {.initial = absl::Milliseconds(1), .max = absl::Milliseconds(1)}},
      [&](const ResourceName&) {
        absl::MutexLock lock(&mu);
        turns.push_back(absl::Now());
        return turns.size() == 1 ? FromHttpError(503, "", "PUT blue", kAlone) : absl::OkStatus();
      });
  controller.Enqueue(kBlue);
  const auto twice = [&] { return turns.size() == 2; };
  absl::MutexLock lock(&mu);
  ASSERT_TRUE(mu.AwaitWithTimeout(absl::Condition(&twice), absl::Seconds(20)));
  EXPECT_GE(turns[1] - turns[0], kAlone);
}

TEST_F(ControllerTest, AFailingObjectDoesNotHoldUpOthers) {
  Start(1, absl::Hours(1));
  turns_.Fail(kBlue, 1000);
  controller_->Enqueue(kBlue);
  ASSERT_TRUE(turns_.WaitForDone(kBlue, 1));
  controller_->Enqueue(kRed);
  EXPECT_TRUE(turns_.WaitForDone(kRed, 1));
  EXPECT_EQ(turns_.done(kBlue), 1) << "its delay is an hour";
}

TEST_F(ControllerTest, AChangeBringsADelayedTurnForward) {
  Start(1, absl::Hours(1));
  turns_.Fail(kBlue, 1);
  controller_->Enqueue(kBlue);
  ASSERT_TRUE(turns_.WaitForDone(kBlue, 1));
  // A turn of another after the failed one shows that the failed one is waiting out its delay.
  controller_->Enqueue(kRed);
  ASSERT_TRUE(turns_.WaitForDone(kRed, 1));
  controller_->Enqueue(kBlue);
  EXPECT_TRUE(turns_.WaitForDone(kBlue, 2));
}

TEST_F(ControllerTest, ATurnMayEnqueue) {
  std::unique_ptr<Controller> chain;
  absl::Mutex mu;
  std::vector<std::string> seen;
  chain = std::make_unique<Controller>(Controller::Options{}, [&](const ResourceName& name) {
    if (name == kBlue) chain->Enqueue(kRed);
    absl::MutexLock lock(&mu);
    seen.push_back(name.name);
    return absl::OkStatus();
  });
  chain->Enqueue(kBlue);
  {
    const auto both = [&] { return seen.size() == 2; };
    absl::MutexLock lock(&mu);
    EXPECT_TRUE(mu.AwaitWithTimeout(absl::Condition(&both), absl::Seconds(20)));
    EXPECT_THAT(seen, testing::ElementsAre("blue", "red"));
  }
  chain.reset();
}

TEST_F(ControllerTest, StoppingWaitsForTheTurnThatRunsAndDropsTheRest) {
  Start(1);
  turns_.Hold(kBlue);
  controller_->Enqueue(kBlue);
  ASSERT_TRUE(turns_.WaitForBegun(1));
  controller_->Enqueue(kRed);
  std::thread stopper([this] { controller_->Stop(); });
  turns_.Release(kBlue);
  stopper.join();
  EXPECT_EQ(turns_.done(kBlue), 1);
  const int red = turns_.done(kRed);
  controller_->Enqueue(kRed);
  controller_->Stop();
  EXPECT_EQ(turns_.done(kRed), red) << "nothing has a turn any more";
}

}  // namespace
}  // namespace xpu
