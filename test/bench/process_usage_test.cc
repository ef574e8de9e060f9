#include "test/bench/process_usage.h"

#include <unistd.h>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace xpu::testing {
namespace {

using ::testing::ElementsAre;
using ::testing::Pair;

TEST(ProcessUsage, OfThisProcess) {
  const auto resident = ResidentMiB(getpid());
  ASSERT_TRUE(resident.ok()) << resident.status();
  EXPECT_GT(*resident, 1);
  EXPECT_LT(*resident, 4096);
  const auto threads = ThreadsOf(getpid());
  ASSERT_TRUE(threads.ok()) << threads.status();
  EXPECT_TRUE(threads->contains(getpid()));
}

TEST(ProcessUsage, OfAProcessThatIsNot) {
  EXPECT_TRUE(absl::IsNotFound(ResidentMiB(0x3fffffff).status()));
  EXPECT_TRUE(absl::IsNotFound(ThreadsOf(0x3fffffff).status()));
}

TEST(ProcessUsage, CountsWakeupsByTheNamesOfThreads) {
  const std::map<pid_t, ThreadUsage> before = {
      {1, {"loop", 10}}, {2, {"worker", 5}}, {3, {"worker", 7}}, {4, {"gone", 1}}};
  const std::map<pid_t, ThreadUsage> after = {
      {1, {"loop", 10}}, {2, {"worker", 6}}, {3, {"worker", 9}}, {5, {"new", 2}}};
  EXPECT_THAT(Wakeups(before, after), ElementsAre(Pair("new", 2), Pair("worker", 3)));
}

}  // namespace
}  // namespace xpu::testing
