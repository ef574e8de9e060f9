#include "host-agent/inventory/bus_reader.h"

#include <memory>
#include <set>
#include <thread>
#include <utility>
#include <vector>

#include "absl/synchronization/notification.h"
#include "common/sys/fake/fake_kernel.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace xpu {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::SizeIs;

const PciAddress kPf{0, 3, 0, 0};

class BusReaderTest : public ::testing::Test {
 protected:
  BusReaderTest() : bus_(kernel_), devlink_(kernel_) {
    kernel_.AddCard(kPf, "p0", 2);
    EXPECT_TRUE(bus_.SetNumVfs(kPf, 2).ok());
    for (const PciFunction& function : *bus_.List()) {
      if (function.physical_function) vfs_.push_back(function.address);
    }
    EXPECT_TRUE(devlink_.AddSf(kPf, 88).ok());
    EXPECT_TRUE(devlink_.ActivateSf(kPf, 88).ok());
    kernel_.faults().Clear();
    reader_ = std::make_unique<BusReader>(bus_, std::set<PciAddress>{kPf},
                                          [this](const BusReader::Reading& reading) {
                                            absl::MutexLock lock(&mu_);
                                            readings_.push_back(reading);
                                          });
  }

  absl::StatusOr<BusReading> AwaitReading(size_t number) {
    absl::MutexLock lock(&mu_);
    const auto there = [this, number] {
      mu_.AssertReaderHeld();
      return readings_.size() >= number;
    };
    if (!mu_.AwaitWithTimeout(absl::Condition(&there), absl::Seconds(10))) {
      return absl::DeadlineExceededError("no reading");
    }
    const BusReader::Reading& reading = readings_[number - 1];
    if (!reading.ok()) return reading.status();
    return **reading;
  }

  FakeKernel kernel_;
  FakePciBus bus_;
  FakeDevlink devlink_;
  std::vector<PciAddress> vfs_;
  absl::Mutex mu_;
  std::vector<BusReader::Reading> readings_ ABSL_GUARDED_BY(mu_);
  std::unique_ptr<BusReader> reader_;
};

TEST_F(BusReaderTest, ReadsAllFunctionsAndTheSubfunctionsOfItsCards) {
  reader_->ReadAll();
  const absl::StatusOr<BusReading> reading = AwaitReading(1);
  ASSERT_TRUE(reading.ok()) << reading.status();
  EXPECT_TRUE(reading->whole);
  EXPECT_THAT(reading->functions, SizeIs(3));
  ASSERT_THAT(reading->subfunctions, SizeIs(1));
  ASSERT_THAT(reading->subfunctions.at(kPf), SizeIs(1));
  EXPECT_EQ(reading->subfunctions.at(kPf)[0].number, 88u);
}

TEST_F(BusReaderTest, ReadsAgainOnceHoweverOftenItIsAskedMeanwhile) {
  absl::Notification reading, asked;
  kernel_.faults().OnCall("List", [&] {
    if (reading.HasBeenNotified()) return;
    reading.Notify();
    asked.WaitForNotification();
  });
  reader_->ReadAll();
  reading.WaitForNotification();
  for (int i = 0; i < 5; ++i) reader_->ReadAll();
  reader_->Read(vfs_[0]);
  asked.Notify();
  ASSERT_TRUE(AwaitReading(2).ok());
  reader_.reset();
  EXPECT_EQ(kernel_.faults().Calls("List"), 2);
  EXPECT_EQ(kernel_.faults().Calls("Get"), 0) << "a whole reading has it too";
}

TEST_F(BusReaderTest, WhoWaitsGetsWhatIsReadAfterItAsked) {
  absl::Notification reading, asked;
  kernel_.faults().OnCall("List", [&] {
    if (reading.HasBeenNotified()) return;
    reading.Notify();
    asked.WaitForNotification();
  });
  reader_->ReadAll();
  reading.WaitForNotification();
  // The reading that is under way may have seen this, or not.
  kernel_.RemovePciFunction(vfs_[1]);
  std::vector<std::thread> waiters;
  for (int i = 0; i < 3; ++i) {
    waiters.emplace_back([&] {
      const BusReader::Reading all = reader_->ReadAllAndWait();
      ASSERT_TRUE(all.ok()) << all.status();
      EXPECT_TRUE((*all)->whole);
      EXPECT_THAT((*all)->functions, SizeIs(2));
    });
  }
  asked.Notify();
  for (std::thread& waiter : waiters) waiter.join();
  EXPECT_TRUE(AwaitReading(2).ok()) << "whoever does not wait is told, too";
  // An error is the answer, and for this once.
  kernel_.faults().FailCall("List", 1, absl::InternalError("I/O"));
  EXPECT_EQ(reader_->ReadAllAndWait().status().code(), absl::StatusCode::kInternal);
  EXPECT_TRUE(reader_->ReadAllAndWait().ok());
}

TEST_F(BusReaderTest, ReadsSingleFunctions) {
  kernel_.RemovePciFunction(vfs_[1]);
  reader_->Read(vfs_[1]);
  absl::StatusOr<BusReading> reading = AwaitReading(1);
  ASSERT_TRUE(reading.ok());
  EXPECT_FALSE(reading->whole);
  EXPECT_THAT(reading->of, ElementsAre(FunctionId(vfs_[1])));
  EXPECT_THAT(reading->functions, IsEmpty()) << "it is gone";

  reader_->Read(vfs_[0]);
  reading = AwaitReading(2);
  ASSERT_THAT(reading->functions, SizeIs(1));
  EXPECT_EQ(reading->functions[0].address, vfs_[0]);

  reader_->Read(FunctionId(kPf, 88));
  reading = AwaitReading(3);
  EXPECT_THAT(reading->of, ElementsAre(FunctionId(kPf, 88)));
  ASSERT_THAT(reading->subfunctions, SizeIs(1));
  EXPECT_EQ(reading->subfunctions.at(kPf).at(0).number, 88u);
  EXPECT_EQ(kernel_.faults().Calls("List"), 0);
}

TEST_F(BusReaderTest, WhatCannotBeReadIsNotTakenForGone) {
  kernel_.faults().FailCall("Get", 1, absl::InternalError("I/O"));
  reader_->Read(vfs_[0]);
  const absl::StatusOr<BusReading> one = AwaitReading(1);
  ASSERT_TRUE(one.ok());
  EXPECT_THAT(one->of, IsEmpty());

  kernel_.faults().FailCall("List", 1, absl::InternalError("I/O"));
  reader_->ReadAll();
  EXPECT_EQ(AwaitReading(2).status().code(), absl::StatusCode::kInternal);
}

}  // namespace
}  // namespace xpu
