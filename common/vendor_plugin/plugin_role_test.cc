#include "common/vendor_plugin/plugin_role.h"

#include "gtest/gtest.h"

namespace xpu {
namespace {

TEST(PluginRoleTest, TheSameAgainIsFine) {
  PluginRole role(true);
  EXPECT_EQ(role.Take(true, "dpu-1", {}), absl::OkStatus());
  EXPECT_EQ(role.Take(true, "dpu-1", {"host0-1"}), absl::OkStatus());
}

TEST(PluginRoleTest, AnotherRoleIsRefusedWhileSomethingIsInUse) {
  PluginRole role(true);
  EXPECT_EQ(role.Take(true, "dpu-1", {"host0-1"}), absl::OkStatus());
  EXPECT_EQ(role.Take(true, "dpu-2", {"host0-1"}).code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_EQ(role.Take(true, "dpu-1", {"host0-1"}), absl::OkStatus());
  EXPECT_EQ(role.Take(true, "dpu-2", {}), absl::OkStatus());
}

TEST(PluginRoleTest, KnowsWhoseItWasBefore) {
  PluginRole role(true, "dpu-1");
  EXPECT_EQ(role.Take(true, "dpu-2", {"host0-1"}).code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_EQ(role.Take(true, "dpu-1", {"host0-1"}), absl::OkStatus());
}

TEST(PluginRoleTest, TheOtherSideIsAnothersToPlay) {
  EXPECT_EQ(PluginRole(true).Take(false, "dpu-1", {}).code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_EQ(PluginRole(false).Take(true, "dpu-1", {}).code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_EQ(PluginRole(false).Take(false, "dpu-1", {}), absl::OkStatus());
}

TEST(NameSomeTest, CountsWhatItDoesNotName) {
  EXPECT_EQ(NameSome({}), "");
  EXPECT_EQ(NameSome({"a", "b"}), "a, b");
  std::set<std::string> many;
  for (int i = 100; i < 400; ++i) many.insert(std::to_string(i));
  EXPECT_EQ(NameSome(many), "100, 101, 102, 103, 104, 105, 106, 107 and 292 more");
}

}  // namespace
}  // namespace xpu
