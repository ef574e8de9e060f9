#include "xpu-agent/core/realizer.h"

#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "xpu-agent/datapath/fake_switch.h"

namespace xpu {
namespace {

// Reports as they come in.
class Reports {
 public:
  void Add(Report report) {
    absl::MutexLock lock(&mu_);
    reports_.push_back(std::move(report));
  }
  // Waits for the first one from `version` on whose switch was reached or not.
  bool Await(uint64_t version, bool reached) {
    absl::MutexLock lock(&mu_);
    auto is_there = [&]() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_) {
      return std::any_of(reports_.begin(), reports_.end(), [&](const Report& report) {
        return report.version >= version && report.outcome.reached.ok() == reached;
      });
    };
    return mu_.AwaitWithTimeout(absl::Condition(&is_there), absl::Seconds(20));
  }
  std::vector<uint64_t> versions() {
    absl::MutexLock lock(&mu_);
    std::vector<uint64_t> all;
    for (const Report& report : reports_) all.push_back(report.version);
    return all;
  }

 private:
  absl::Mutex mu_;
  std::vector<Report> reports_ ABSL_GUARDED_BY(mu_);
};

ModelChange WithPorts(int n) {
  ModelChange change;
  for (int i = 0; i < n; ++i) {
    change.representors["host0-" + std::to_string(i)] =
        Representor{.interface = "r" + std::to_string(i), .ofport = static_cast<uint32_t>(i + 1)};
  }
  return change;
}

TEST(Realizer, DoesNothingBeforeThereIsAModel) {
  FakeSwitch fake;
  Reports reports;
  {
    Realizer realizer(fake, [&](Report report) { reports.Add(std::move(report)); });
    realizer.Start();
    realizer.Retry();
  }
  EXPECT_THAT(reports.versions(), ::testing::IsEmpty());
  EXPECT_EQ(fake.applies(), 0);
}

TEST(Realizer, MakesOneOfTheChangesThatComeWhileItIsAtWork) {
  FakeSwitch fake;
  Reports reports;
  fake.Hold();
  Realizer realizer(fake, [&](Report report) { reports.Add(std::move(report)); });
  realizer.Start();
  realizer.Change(WithPorts(1), 1);
  fake.AwaitHeld();
  for (uint64_t version = 2; version <= 10; ++version) {
    realizer.Change(WithPorts(static_cast<int>(version)), version);
  }
  fake.Release();
  ASSERT_TRUE(reports.Await(10, true));
  EXPECT_THAT(reports.versions(), ::testing::ElementsAre(1, 10));
  EXPECT_EQ(fake.all_ports().size(), 10u);
}

TEST(Realizer, TriesAgainWhenTheSwitchSaysThatItChanged) {
  FakeSwitch fake;
  fake.Disconnect();
  Reports reports;
  Realizer realizer(fake, [&](Report report) { reports.Add(std::move(report)); });
  realizer.Start();
  realizer.Change(WithPorts(2), 1);
  ASSERT_TRUE(reports.Await(1, false));
  fake.Connect(/*keep_flows=*/true);
  EXPECT_TRUE(reports.Await(1, true));
  EXPECT_EQ(fake.all_ports().size(), 2u);
}

// Says yes to flows and does nothing.
class LyingSwitch : public Switch {
 public:
  void Start(std::function<void()>) override {}
  absl::StatusOr<SwitchSnapshot> Snapshot() override { return SwitchSnapshot(); }
  ApplyResult Apply(const SwitchPlan&) override { return {}; }
};

TEST(Realizer, WhatWasConfirmedButIsNotThereIsReported) {
  LyingSwitch lying;
  Reports reports;
  Realizer realizer(lying, [&](Report report) { reports.Add(std::move(report)); });
  realizer.Start();
  realizer.Change(WithPorts(0), 1);
  ASSERT_TRUE(reports.Await(1, true));
  realizer.Verify();
  EXPECT_TRUE(reports.Await(1, false));
}

TEST(Realizer, ALateWordFromTheSwitchIsForNobody) {
  FakeSwitch fake;
  Reports reports;
  {
    Realizer realizer(fake, [&](Report report) { reports.Add(std::move(report)); });
    realizer.Start();
    realizer.Change(WithPorts(1), 1);
    ASSERT_TRUE(reports.Await(1, true));
  }
  const size_t before = reports.versions().size();
  fake.Disconnect();
  fake.Connect(true);
  EXPECT_EQ(reports.versions().size(), before);
}

}  // namespace
}  // namespace xpu
