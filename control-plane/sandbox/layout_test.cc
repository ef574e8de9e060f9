#include "control-plane/sandbox/layout.h"

#include "gtest/gtest.h"

namespace xpu {
namespace {

TEST(SandboxOptionsTest, CompletesWhatIsLeftOut) {
  SandboxOptions options;
  ASSERT_TRUE(options.Complete().ok());
  EXPECT_EQ(options.dir, "/run/xpu-sandbox/default");
  EXPECT_EQ(options.bin_dir.front(), '/');
  EXPECT_EQ(options.ovs_dir.front(), '/');
}

TEST(SandboxOptionsTest, JsonRoundTrips) {
  SandboxOptions options{
      .name = "a", .cards = 2, .vfs = 3, .dir = "/tmp/a", .bin_dir = "/b", .ovs_dir = "/o"};
  const auto read = SandboxOptions::FromJson(options.ToJson());
  ASSERT_TRUE(read.ok()) << read.status();
  EXPECT_EQ(read->ToJson(), options.ToJson());
  EXPECT_EQ(SandboxOptions::FromJson("{}").status().code(), absl::StatusCode::kDataLoss);
  EXPECT_EQ(SandboxOptions::FromJson("{\"name\":").status().code(), absl::StatusCode::kDataLoss);
}

TEST(SandboxOptionsTest, RefusesWhatCannotWork) {
  EXPECT_FALSE(SandboxOptions{.name = "../etc"}.Complete().ok());
  EXPECT_FALSE(SandboxOptions{.name = ""}.Complete().ok());
  EXPECT_FALSE(SandboxOptions{.cards = 0}.Complete().ok());
  EXPECT_FALSE(SandboxOptions{.cards = 9}.Complete().ok());
  EXPECT_FALSE(SandboxOptions{.vfs = 0}.Complete().ok());
  EXPECT_FALSE(SandboxOptions{.vfs = 251}.Complete().ok());
  EXPECT_FALSE(SandboxOptions{.dir = "relative"}.Complete().ok());
  const absl::Status status = SandboxOptions{.dir = "/" + std::string(90, 'x')}.Complete();
  EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument);
  EXPECT_NE(status.message().find("at most"), absl::string_view::npos) << status;
}

}  // namespace
}  // namespace xpu
