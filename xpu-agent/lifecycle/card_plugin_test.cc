#include "xpu-agent/lifecycle/card_plugin.h"

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace xpu {
namespace {

using ::testing::HasSubstr;

CardUse Use(const std::set<std::string>& ports) {
  return {.vfs = {"host0-0", "host0-1", "host0-2"}, .ports = ports};
}

TEST(ConfirmNumVfsTest, ConfirmsWhatThereIs) {
  EXPECT_EQ(ConfirmNumVfs(Use({}), 3).value(), 3);
  EXPECT_EQ(ConfirmNumVfs(Use({"host0-1"}), 3).value(), 3);
  EXPECT_EQ(ConfirmNumVfs({}, 0).value(), 0);
}

TEST(ConfirmNumVfsTest, RefusesAnythingElseAndSaysWhoCanChangeIt) {
  for (const int count : {0, 2, 4, 1000}) {
    const absl::Status status = ConfirmNumVfs(Use({"host0-1"}), count).status();
    EXPECT_EQ(status.code(), absl::StatusCode::kFailedPrecondition) << count;
    EXPECT_THAT(std::string(status.message()), HasSubstr("xpu-host-agent"));
    EXPECT_THAT(std::string(status.message()), HasSubstr("host0-1"));
  }
  std::set<std::string> many;
  for (int i = 0; i < 300; ++i) many.insert("host0-" + std::to_string(i));
  EXPECT_THAT(std::string(ConfirmNumVfs(Use(many), 1).status().message()), HasSubstr("and 292 more"));
}

}  // namespace
}  // namespace xpu
