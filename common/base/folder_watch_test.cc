#include "common/base/folder_watch.h"

#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <memory>
#include <string>
#include <utility>
#include <vector>

namespace xpu {
namespace {

namespace fs = std::filesystem;
using Change = FolderWatch::Change;

class FolderWatchTest : public ::testing::Test {
 protected:
  FolderWatchTest() {
    char folder[] = "/tmp/folder-watch-XXXXXX";
    folder_ = mkdtemp(folder);
    watched_ = folder_ / "watched";
    fs::create_directory(watched_);
  }
  ~FolderWatchTest() override { fs::remove_all(folder_); }

  // Runs the loop until as many changes have come.
  std::vector<std::pair<Change, std::string>> Changes(size_t count, const std::function<void()>& act) {
    std::vector<std::pair<Change, std::string>> changes;
    auto watch = FolderWatch::Start(loop_, watched_, [&](Change change, const std::string& name) {
      changes.emplace_back(change, name);
      if (changes.size() == count) loop_.Stop();
    });
    EXPECT_TRUE(watch.ok()) << watch.status();
    loop_.Post(act);
    loop_.Run();
    return changes;
  }

  EventLoop loop_;
  fs::path folder_;
  fs::path watched_;
};

TEST_F(FolderWatchTest, FilesThatComeAndGoAreTold) {
  std::ofstream(folder_ / "outside");
  const auto changes = Changes(4, [this] {
    std::ofstream(watched_ / "a");
    fs::rename(folder_ / "outside", watched_ / "b");
    fs::rename(watched_ / "b", folder_ / "outside");
    fs::remove(watched_ / "a");
  });
  EXPECT_EQ(changes, (std::vector<std::pair<Change, std::string>>{
                         {Change::kCreated, "a"},
                         {Change::kCreated, "b"},
                         {Change::kRemoved, "b"},
                         {Change::kRemoved, "a"},
                     }));
}

TEST_F(FolderWatchTest, ManyEventsAreAllTold) {
  const auto changes = Changes(1000, [this] {
    for (int i = 0; i < 1000; ++i) std::ofstream(watched_ / ("with-a-rather-long-name-" + std::to_string(i)));
  });
  EXPECT_EQ(changes.back().second, "with-a-rather-long-name-999");
}

TEST_F(FolderWatchTest, WhatIsWrittenIsToldToWhoAsks) {
  std::ofstream(watched_ / "a") << "before";
  std::vector<std::pair<Change, std::string>> changes;
  auto watch = FolderWatch::Start(
      loop_, watched_,
      [&](Change change, const std::string& name) {
        changes.emplace_back(change, name);
        loop_.Stop();
      },
      FolderWatch::Events::kNamesAndContents);
  ASSERT_TRUE(watch.ok()) << watch.status();
  loop_.Post([this] { std::ofstream(watched_ / "a") << "after"; });
  loop_.Run();
  EXPECT_EQ(changes, (std::vector<std::pair<Change, std::string>>{{Change::kWritten, "a"}}));
}

TEST_F(FolderWatchTest, TheEndOfTheFolderIsTold) {
  const auto changes = Changes(1, [this] { fs::remove(watched_); });
  EXPECT_EQ(changes[0].first, Change::kFolderGone);
}

TEST_F(FolderWatchTest, AMovedFolderIsNoLongerThere) {
  const auto changes = Changes(1, [this] { fs::rename(watched_, folder_ / "elsewhere"); });
  EXPECT_EQ(changes[0].first, Change::kFolderGone);
}

TEST_F(FolderWatchTest, AFolderThatIsNotThereIsNotFound) {
  const auto nothing = [](Change, const std::string&) {};
  EXPECT_EQ(FolderWatch::Start(loop_, folder_ / "missing", nothing).status().code(),
            absl::StatusCode::kNotFound);
  std::ofstream(folder_ / "file");
  EXPECT_FALSE(FolderWatch::Start(loop_, folder_ / "file", nothing).ok());
}

}  // namespace
}  // namespace xpu
