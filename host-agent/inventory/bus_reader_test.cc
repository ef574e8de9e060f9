#include "host-agent/inventory/bus_reader.h"

#include <memory>
#include <set>
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
                                          [this](absl::StatusOr<BusReading> reading) {
                                            absl::MutexLock lock(&mu_);
                                            readings_.push_back(std::move(reading));
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
    return readings_[number - 1];
  }

  FakeKernel kernel_;
  FakePciBus bus_;
  FakeDevlink devlink_;
  std::vector<PciAddress> vfs_;
  absl::Mutex mu_;
  std::vector<absl::StatusOr<BusReading>> readings_ ABSL_GUARDED_BY(mu_);
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
