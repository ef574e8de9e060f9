#include "common/log/log.h"

#include "gtest/gtest.h"

namespace xpu {
namespace {

TEST(LogTest, WritesLevelProgramAndMessageToStandardError) {
  testing::internal::CaptureStderr();
  ASSERT_TRUE(InitLogging("xpu-test", "warn").ok());
  spdlog::info("hidden");
  spdlog::warn("seen {}", 7);
  const std::string text = testing::internal::GetCapturedStderr();
  EXPECT_EQ(text.find("hidden"), std::string::npos);
  EXPECT_NE(text.find("Z warning xpu-test: seen 7\n"), std::string::npos) << text;
}

TEST(LogTest, RefusesAnUnknownLevel) {
  for (const char* level : {"loud", "off", "", "critical"}) {
    EXPECT_EQ(InitLogging("xpu-test", level).code(), absl::StatusCode::kInvalidArgument) << level;
  }
}

}  // namespace
}  // namespace xpu
