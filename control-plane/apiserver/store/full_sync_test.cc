// How often the store waits for the disk, and what it says when that is full.

#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/mount.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <cstdlib>
#include <filesystem>
#include <thread>

#include "absl/strings/str_cat.h"
#include "control-plane/apiserver/store/store_testing.h"

namespace {
std::atomic<int> g_syncs = 0;
std::atomic<bool> g_broken = false;
}  // namespace

// SQLite calls these in the program's own place of libc's.
extern "C" int fdatasync(int fd) {
  ++g_syncs;
  if (g_broken) {
    errno = EIO;
    return -1;
  }
  return static_cast<int>(syscall(SYS_fdatasync, fd));
}
extern "C" int fsync(int fd) {
  ++g_syncs;
  return static_cast<int>(syscall(SYS_fsync, fd));
}

namespace xpu::apiserver {
namespace {

using nlohmann::json;
using ::testing::ElementsAre;
using ::testing::IsEmpty;

class FullSyncTest : public MemoryStoreTest {
 protected:
  void SetUp() override {
    char folder[] = "/tmp/xpu-full-sync-XXXXXX";
    ASSERT_NE(mkdtemp(folder), nullptr);
    folder_ = folder;
  }
  void TearDown() override {
    g_broken = false;
    store_.reset();
    if (mounted_) umount2(folder_.c_str(), MNT_DETACH);
    std::filesystem::remove_all(folder_);
  }
  void Open(ObjectStore::Options options = {}) {
    store_.reset();
    options.path = folder_ + "/store.db";
    auto store = ObjectStore::Open(options, Clock::Real());
    ASSERT_TRUE(store.ok()) << store.status();
    store_ = *std::move(store);
  }
  absl::Status Write(const std::string& name, size_t filling = 0) {
    return store_
        ->Create(Kind("v1", "ConfigMap"), {{"apiVersion", "v1"},
                                           {"kind", "ConfigMap"},
                                           {"metadata", {{"name", name}, {"namespace", "default"}}},
                                           {"data", {{"filling", std::string(filling, 'x')}}}})
        .status();
  }
  size_t Count() {
    const auto listed = store_->List(Kind("v1", "ConfigMap"), "default", {});
    EXPECT_TRUE(listed.ok()) << listed.status();
    return listed.ok() ? listed->items.size() : 0;
  }

  std::string folder_;
  bool mounted_ = false;
};

TEST_F(FullSyncTest, AWriterAloneWaitsForTheDiskOnceForEachWrite) {
  Open();
  const int before = g_syncs;
  for (int i = 0; i < 5; ++i) ASSERT_TRUE(Write(absl::StrCat("c-", i)).ok());
  EXPECT_EQ(g_syncs - before, 5);
}

TEST_F(FullSyncTest, ManyWritersShareTheWait) {
  Open();
  int begun = 0;
  store_->Group([&] { ++begun; });
  const int before = g_syncs;
  for (int i = 0; i < 20; ++i) ASSERT_TRUE(Write(absl::StrCat("c-", i)).ok());
  EXPECT_EQ(begun, 1);
  EXPECT_EQ(g_syncs - before, 0);
  ASSERT_TRUE(store_->Flush().ok());
  EXPECT_EQ(g_syncs - before, 1);
}

TEST_F(FullSyncTest, NobodyIsToldBeforeTheDiskHasItAndCallsGoOnMeanwhile) {
  Open();
  std::vector<std::string> told;
  store_->OnChange([&](const Change& change) { told.push_back(change.name); });
  store_->Group([] {});
  const int64_t before = store_->version();
  ASSERT_TRUE(Write("first").ok());
  const int64_t sealed = store_->Seal();
  EXPECT_FALSE(store_->has_group());

  ASSERT_TRUE(Write("second").ok());
  EXPECT_TRUE(store_->has_group());
  EXPECT_EQ(Count(), 2u) << "the next calls see what was written";
  EXPECT_THAT(told, IsEmpty());
  EXPECT_EQ(store_->version(), before);
  EXPECT_EQ(Code(store_->ChangesSince(Kind("v1", "ConfigMap"), "", sealed, 1).status()), 410);

  const int syncs = g_syncs;
  absl::Status saved = absl::UnknownError("");
  std::thread([&] { saved = store_->Save(); }).join();
  EXPECT_EQ(g_syncs - syncs, 1);
  EXPECT_THAT(told, IsEmpty());
  store_->Settle(saved);
  EXPECT_THAT(told, ElementsAre("first"));
  EXPECT_EQ(store_->version(), sealed);
  EXPECT_TRUE(store_->is_unsettled());

  ASSERT_TRUE(store_->Flush().ok());
  EXPECT_THAT(told, ElementsAre("first", "second"));
  EXPECT_EQ(store_->version(), sealed + 1);
  EXPECT_FALSE(store_->is_unsettled());
}

TEST_F(FullSyncTest, ADiskThatHasFailedIsNotTrustedAgain) {
  Open();
  ASSERT_TRUE(Write("before").ok());
  const int64_t version = store_->version();
  std::vector<std::string> told;
  store_->OnChange([&](const Change& change) { told.push_back(change.name); });
  g_broken = true;
  EXPECT_EQ(Code(Write("lost")), 503);
  // The kernel says it once; that the disk says nothing more does not mean that it has everything.
  g_broken = false;
  EXPECT_TRUE(store_->has_failed());
  EXPECT_EQ(Code(Write("after")), 503);
  EXPECT_EQ(Code(store_->Flush()), 503);
  EXPECT_EQ(store_->version(), version);
  EXPECT_THAT(told, IsEmpty());

  const int before = g_syncs;
  Open();
  EXPECT_GT(g_syncs, before) << "what the log had is brought to the disk";
  EXPECT_TRUE(Write("again").ok());
  EXPECT_GE(Count(), 2u);
}

TEST_F(FullSyncTest, WhatNeedNotSurviveALossOfPowerDoesNotWait) {
  Open({.full_sync = false});
  const int before = g_syncs;
  for (int i = 0; i < 5; ++i) ASSERT_TRUE(Write(absl::StrCat("c-", i)).ok());
  EXPECT_EQ(g_syncs - before, 0);
}

TEST_F(FullSyncTest, AFullDiskRefusesWritesLosesNothingAndIsReadFrom) {
  ASSERT_EQ(mount("tmpfs", folder_.c_str(), "tmpfs", 0, "size=3m"), 0) << "needs root";
  mounted_ = true;
  Open();
  size_t written = 0;
  absl::Status status;
  while (written < 1000 && (status = Write(absl::StrCat("c-", written), 20'000)).ok()) ++written;
  ASSERT_EQ(Code(status), 507) << status;
  EXPECT_THAT(std::string(status.message()), ::testing::HasSubstr("free some space"));
  EXPECT_EQ(Count(), written);
  EXPECT_EQ(Code(Write("large", 200'000)), 507) << "it stays full";

  // A group fails as a whole, and nobody is told that his write has happened.
  const int64_t version = store_->version();
  store_->Group([] {});
  absl::Status grouped = Write("g-1", 200'000);
  if (grouped.ok()) grouped = store_->Flush();
  EXPECT_EQ(Code(grouped), 507);
  store_->Flush().IgnoreError();
  EXPECT_EQ(store_->version(), version);
  EXPECT_FALSE(store_->is_unsettled());
  EXPECT_EQ(Count(), written);

  // Nor has what came while it was being written.
  ASSERT_TRUE(Write("g-2", 200'000).ok());
  store_->Seal();
  ASSERT_TRUE(Write("g-3").ok());
  EXPECT_EQ(Count(), written + 2);
  const absl::Status saved = store_->Save();
  EXPECT_EQ(Code(saved), 507) << saved;
  store_->Settle(saved);
  EXPECT_FALSE(store_->is_unsettled());
  EXPECT_EQ(store_->version(), version);
  store_->Group(nullptr);
  EXPECT_EQ(Count(), written);

  // Room again: it goes on, and a new process finds the same.
  ASSERT_EQ(mount("tmpfs", folder_.c_str(), "tmpfs", MS_REMOUNT, "size=30m"), 0);
  EXPECT_TRUE(Write("after").ok());
  EXPECT_EQ(store_->version(), version + 1);
  Open();
  EXPECT_EQ(Count(), written + 1);
  EXPECT_EQ(store_->version(), version + 1);
}

}  // namespace
}  // namespace xpu::apiserver
