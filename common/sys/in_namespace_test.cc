#include "common/sys/in_namespace.h"

#include <sys/stat.h>

#include <thread>

#include "common/sys/net_namespaces_real.h"
#include "gtest/gtest.h"

namespace xpu {
namespace {

uint64_t InodeOf(const char* path) {
  struct stat about {};
  EXPECT_EQ(stat(path, &about), 0);
  return about.st_ino;
}
uint64_t Here() { return InodeOf("/proc/thread-self/ns/net"); }
uint64_t OfTheProcess() { return InodeOf("/proc/self/ns/net"); }

class InNamespaceTest : public ::testing::Test {
 protected:
  const std::shared_ptr<NetNamespace> there_ = *NewNetNamespace();
  const uint64_t home_ = OfTheProcess();
};

TEST_F(InNamespaceTest, TheFirstThreadSendsAnother) {
  uint64_t seen = 0;
  ASSERT_TRUE(InNamespace(there_, [&] {
                seen = Here();
                EXPECT_EQ(OfTheProcess(), home_);
                return absl::OkStatus();
              }).ok());
  EXPECT_EQ(seen, there_->inode());
  EXPECT_EQ(Here(), home_);
}

TEST_F(InNamespaceTest, OtherThreadsGoThemselvesAndComeBack) {
  std::thread([this] {
    const std::thread::id self = std::this_thread::get_id();
    for (const absl::Status& outcome : {absl::OkStatus(), absl::InternalError("no")}) {
      const absl::Status status = InNamespace(there_, [&] {
        EXPECT_EQ(std::this_thread::get_id(), self);
        EXPECT_EQ(Here(), there_->inode());
        EXPECT_EQ(OfTheProcess(), home_);
        return outcome;
      });
      EXPECT_EQ(status, outcome);
      EXPECT_EQ(Here(), home_);
    }
  }).join();
}

TEST_F(InNamespaceTest, OneInTheOtherComesBackToTheOther) {
  const std::shared_ptr<NetNamespace> further = *NewNetNamespace();
  std::thread([&] {
    EXPECT_TRUE(InNamespace(there_, [&] {
                  EXPECT_TRUE(InNamespace(further, [&] {
                                EXPECT_EQ(Here(), further->inode());
                                return absl::OkStatus();
                              }).ok());
                  EXPECT_EQ(Here(), there_->inode());
                  return absl::OkStatus();
                }).ok());
    EXPECT_EQ(Here(), home_);
  }).join();
}

TEST_F(InNamespaceTest, NullIsTheThreadsOwn) {
  uint64_t seen = 0;
  ASSERT_TRUE(InNamespace(nullptr, [&] {
                seen = Here();
                return absl::OkStatus();
              }).ok());
  EXPECT_EQ(seen, home_);
}

}  // namespace
}  // namespace xpu
