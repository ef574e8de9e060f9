#include "common/sys/files.h"

#include <sys/stat.h>
#include <unistd.h>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace xpu {
namespace {

class Files : public ::testing::Test {
 protected:
  std::string Path(const std::string& name) const { return folder_.path() + "/" + name; }
  TemporaryDirectory folder_ = *TemporaryDirectory::Make();
};

TEST_F(Files, WhatIsWrittenIsRead) {
  const std::string contents(100000, 'x');
  ASSERT_TRUE(WriteFileAtomic(Path("a"), contents, 0600).ok());
  EXPECT_EQ(*ReadFile(Path("a")), contents);
  struct stat info {};
  ASSERT_EQ(stat(Path("a").c_str(), &info), 0);
  EXPECT_EQ(info.st_mode & 0777u, 0600u);
}

TEST_F(Files, AReplacementLeavesNoTemporaryFile) {
  ASSERT_TRUE(WriteFileAtomic(Path("a"), "old").ok());
  ASSERT_TRUE(WriteFileAtomic(Path("a"), "new").ok());
  EXPECT_EQ(*ReadFile(Path("a")), "new");
  EXPECT_THAT(*ListDirectory(folder_.path()), ::testing::ElementsAre("a"));
}

TEST_F(Files, AReplacementThatFailsLeavesTheOldFileAndNothingElse) {
  ASSERT_TRUE(MakeDirectories(Path("folder/inside")).ok());
  EXPECT_FALSE(WriteFileAtomic(Path("folder"), "text").ok());
  EXPECT_THAT(*ListDirectory(folder_.path()), ::testing::ElementsAre("folder"));
}

TEST_F(Files, TrimmedTextHasNoLineEnd) {
  ASSERT_TRUE(WriteFileAtomic(Path("a"), " 0x15b3\n").ok());
  EXPECT_EQ(*ReadTrimmed(Path("a")), "0x15b3");
}

TEST_F(Files, ExistingFilesAreWrittenInPlaceAndMissingOnesAreNotMade) {
  ASSERT_TRUE(WriteFileAtomic(Path("a"), "long before").ok());
  ASSERT_TRUE(WriteExisting(Path("a"), "8").ok());
  EXPECT_EQ(*ReadFile(Path("a")), "8");
  EXPECT_TRUE(absl::IsNotFound(WriteExisting(Path("b"), "8")));
}

TEST_F(Files, ErrorsNameThePath) {
  const absl::Status status = ReadFile(Path("nothing")).status();
  EXPECT_TRUE(absl::IsNotFound(status));
  EXPECT_THAT(status.message(), ::testing::HasSubstr(Path("nothing")));
  EXPECT_TRUE(absl::IsNotFound(ListDirectory(Path("nothing")).status()));
  EXPECT_TRUE(absl::IsNotFound(ReadSymlink(Path("nothing")).status()));
}

TEST_F(Files, FoldersAreMadeWithThoseAbove) {
  ASSERT_TRUE(MakeDirectories(Path("a/b/c")).ok());
  EXPECT_TRUE(MakeDirectories(Path("a/b/c")).ok());
  ASSERT_TRUE(WriteFileAtomic(Path("file"), "").ok());
  EXPECT_TRUE(absl::IsAlreadyExists(MakeDirectories(Path("file"))));
}

TEST_F(Files, ATreeIsRemovedButNotWhatALinkInItPointsAt) {
  ASSERT_TRUE(MakeDirectories(Path("tree/a/b")).ok());
  ASSERT_TRUE(MakeDirectories(Path("elsewhere")).ok());
  ASSERT_TRUE(WriteFileAtomic(Path("elsewhere/kept"), "").ok());
  ASSERT_TRUE(WriteFileAtomic(Path("tree/a/file"), "").ok());
  ASSERT_EQ(symlink(Path("elsewhere").c_str(), Path("tree/link").c_str()), 0);
  EXPECT_EQ(*ReadSymlink(Path("tree/link")), Path("elsewhere"));
  ASSERT_TRUE(RemoveTree(Path("tree")).ok());
  EXPECT_TRUE(RemoveTree(Path("tree")).ok());
  EXPECT_THAT(*ListDirectory(folder_.path()), ::testing::ElementsAre("elsewhere"));
  EXPECT_THAT(*ListDirectory(Path("elsewhere")), ::testing::ElementsAre("kept"));
}

TEST(TemporaryDirectory, GoesWithItsObject) {
  std::string path;
  {
    const TemporaryDirectory folder = *TemporaryDirectory::Make();
    path = folder.path();
    ASSERT_TRUE(WriteFileAtomic(path + "/a", "").ok());
  }
  EXPECT_TRUE(absl::IsNotFound(ListDirectory(path).status()));
}

}  // namespace
}  // namespace xpu
