#include "control-plane/sandbox/card/fuse_mount.h"

#include <fcntl.h>
#include <sys/mount.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <string>
#include <thread>

#include "common/sys/files.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace xpu {
namespace {

// A mount served by a thread of its own, so that the test may look into it.
class FuseMountTest : public ::testing::Test {
 protected:
  void SetUp() override {
    FuseMount::Callbacks callbacks;
    callbacks.tree = [this] {
      FileTree tree;
      tree.AddFile("/folder/number", std::to_string(number_) + "\n", /*writable=*/true);
      tree.AddFile("/folder/fixed", std::string(10000, 'x'));
      tree.AddLink("/link", "folder/number");
      if (number_ == 7) tree.AddFile("/folder/seven", "");
      return std::make_shared<const FileTree>(std::move(tree));
    };
    callbacks.write = [this](absl::string_view path, absl::string_view data) {
      if (path != "/folder/number") return EPERM;
      if (data == "busy") return EBUSY;
      number_ = std::stoi(std::string(data));
      return 0;
    };
    auto mount = FuseMount::Mount(folder_.path(), loop_, callbacks);
    ASSERT_TRUE(mount.ok()) << mount.status();
    mount_ = *std::move(mount);
    thread_ = std::thread([this] { loop_.Run(); });
  }
  void TearDown() override {
    loop_.Stop();
    if (thread_.joinable()) thread_.join();
    mount_.reset();
    EXPECT_TRUE(ListDirectory(folder_.path())->empty()) << "still mounted";
  }
  std::string Path(const std::string& name) const { return folder_.path() + "/" + name; }

  TemporaryDirectory folder_ = *TemporaryDirectory::Make();
  EventLoop loop_;
  std::thread thread_;
  std::unique_ptr<FuseMount> mount_;
  std::atomic<int> number_ = 1;
};

TEST_F(FuseMountTest, ShowsFilesFoldersAndLinks) {
  EXPECT_THAT(*ListDirectory(folder_.path()), ::testing::ElementsAre("folder", "link"));
  EXPECT_THAT(*ListDirectory(Path("folder")), ::testing::ElementsAre("fixed", "number"));
  EXPECT_EQ(*ReadSymlink(Path("link")), "folder/number");
  EXPECT_EQ(*ReadFile(Path("link")), "1\n");
  EXPECT_EQ(ReadFile(Path("folder/fixed"))->size(), 10000u);
  EXPECT_TRUE(absl::IsNotFound(ReadFile(Path("nothing")).status()));
}

TEST_F(FuseMountTest, EveryLookIsAnsweredAnew) {
  EXPECT_EQ(*ReadFile(Path("folder/number")), "1\n");
  EXPECT_TRUE(absl::IsNotFound(ReadFile(Path("folder/seven")).status()));
  number_ = 7;
  EXPECT_EQ(*ReadFile(Path("folder/number")), "7\n");
  EXPECT_EQ(*ReadFile(Path("folder/seven")), "");
  EXPECT_THAT(*ListDirectory(Path("folder")), ::testing::Contains("seven"));
  number_ = 8;
  EXPECT_TRUE(absl::IsNotFound(ReadFile(Path("folder/seven")).status()));
}

TEST_F(FuseMountTest, AWriterGetsTheAnswer) {
  ASSERT_TRUE(WriteExisting(Path("folder/number"), "5").ok());
  EXPECT_EQ(*ReadFile(Path("folder/number")), "5\n");
  const int fd = open(Path("folder/number").c_str(), O_WRONLY);
  ASSERT_GE(fd, 0);
  EXPECT_EQ(write(fd, "busy", 4), -1);
  EXPECT_EQ(errno, EBUSY);
  close(fd);
}

TEST_F(FuseMountTest, OnlyWritableFilesAreWritten) {
  EXPECT_TRUE(absl::IsPermissionDenied(WriteExisting(Path("folder/fixed"), "x")));
  EXPECT_EQ(open(Path("new").c_str(), O_WRONLY | O_CREAT, 0644), -1);
  EXPECT_TRUE(absl::IsNotFound(ReadFile(Path("new")).status()));
}

TEST(FuseMount, AFolderThatIsNotThereIsAnErrorThatNamesIt) {
  EventLoop loop;
  const absl::Status status = FuseMount::Mount("/no/such/folder", loop, {}).status();
  EXPECT_TRUE(absl::IsFailedPrecondition(status)) << status;
  EXPECT_THAT(status.message(), ::testing::HasSubstr("/no/such/folder"));
}

}  // namespace
}  // namespace xpu
