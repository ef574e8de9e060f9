#include "test/e2e/demo_report.h"

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace xpu::testing {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

class DemoReportTest : public ::testing::Test {
 protected:
  std::string text_;
  DemoReport report_{[this](const std::string& piece) { text_ += piece; }};
};

TEST_F(DemoReportTest, HoldsWhenEveryCheckHoldsAndNothingIsLeft) {
  EXPECT_TRUE(report_.Step("start", [] { return absl::OkStatus(); }).ok());
  EXPECT_TRUE(report_.Check("a reaches b", true, [] { return true; }).ok());
  EXPECT_TRUE(report_.Check("a reaches c", false, [] { return false; }).ok());
  report_.Count("flows", 4, 40, 4);
  EXPECT_TRUE(report_.Close());
  EXPECT_THAT(text_, HasSubstr("Everything holds."));
  EXPECT_THAT(text_, Not(HasSubstr("FAILED")));
}

TEST_F(DemoReportTest, OneFailedCheckFailsAll) {
  EXPECT_TRUE(report_.Check("a reaches b", true, [] { return true; }).ok());
  EXPECT_TRUE(report_.Check("a reaches c", false, [] { return true; }).ok());
  EXPECT_FALSE(report_.Close());
  EXPECT_THAT(text_, HasSubstr("DOES NOT HOLD"));
}

TEST_F(DemoReportTest, AnErrorIsAFailedCheckWithItsReason) {
  EXPECT_FALSE(report_.Check("a reaches b", false, [] { return absl::NotFoundError("no ping"); }).ok());
  EXPECT_FALSE(report_.Close());
  EXPECT_THAT(text_, HasSubstr("no ping"));
}

TEST_F(DemoReportTest, WhatIsLeftBehindFailsAll) {
  EXPECT_TRUE(report_.Check("a reaches b", true, [] { return true; }).ok());
  report_.Count("journal rows", 0, 3, 1);
  EXPECT_FALSE(report_.Close());
  EXPECT_THAT(text_, HasSubstr("LEFT BEHIND"));
}

TEST_F(DemoReportTest, NothingCheckedIsNotSuccess) { EXPECT_FALSE(report_.Close()); }

}  // namespace
}  // namespace xpu::testing
