#include "xpu-agent/controllers/vanished_objects.h"

#include "gtest/gtest.h"

namespace xpu {
namespace {

class VanishedObjectsTest : public ::testing::Test {
 protected:
  // How often Remove() of the object calls, which ends so.
  int CallsOf(const std::string& name, const absl::Status& result) {
    int calls = 0;
    const absl::Status status = vanished_.Remove({"default", name}, [&] {
      ++calls;
      return result;
    });
    EXPECT_EQ(status, calls == 0 ? absl::OkStatus() : result);
    return calls;
  }
  VanishedObjects vanished_;
};

TEST_F(VanishedObjectsTest, LeavesWhatNeverHadAnObject) {
  EXPECT_EQ(CallsOf("a", absl::OkStatus()), 0);
  vanished_.Add({"default", "a"});
  EXPECT_EQ(CallsOf("b", absl::OkStatus()), 0);
  EXPECT_EQ(CallsOf("a", absl::OkStatus()), 1);
}

TEST_F(VanishedObjectsTest, RemovesUntilItHasSucceededOnce) {
  vanished_.Add({"default", "a"});
  vanished_.Add({"default", "a"});
  const absl::Status failed = absl::UnavailableError("not now");
  EXPECT_EQ(CallsOf("a", failed), 1);
  EXPECT_EQ(CallsOf("a", failed), 1);
  EXPECT_EQ(CallsOf("a", absl::OkStatus()), 1);
  EXPECT_EQ(CallsOf("a", absl::OkStatus()), 0);
  vanished_.Add({"default", "a"});
  EXPECT_EQ(CallsOf("a", absl::OkStatus()), 1);
}

}  // namespace
}  // namespace xpu
