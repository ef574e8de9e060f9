#include "common/http/listener.h"

#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>

#include "absl/strings/match.h"

namespace xpu {
namespace {

class ListenerTest : public ::testing::Test {
 protected:
  void SetUp() override {
    char folder[] = "/tmp/xpu-listener-XXXXXX";
    ASSERT_NE(mkdtemp(folder), nullptr);
    path_ = std::string(folder) + "/api.sock";
  }
  void TearDown() override { std::filesystem::remove_all(std::filesystem::path(path_).parent_path()); }
  std::string path_;
};

TEST_F(ListenerTest, AUnixSocketIsForItsOwnerOnly) {
  absl::StatusOr<ListeningSocket> socket = OpenListener("unix:" + path_);
  ASSERT_TRUE(socket.ok()) << socket.status();
  struct stat info;
  ASSERT_EQ(stat(path_.c_str(), &info), 0);
  EXPECT_EQ(info.st_mode & 0777, 0600u);
  EXPECT_EQ(socket->path, path_);
}

TEST_F(ListenerTest, ASocketThatNobodyListensOnIsReplaced) {
  ASSERT_TRUE(OpenListener("unix:" + path_).ok());
  // The descriptor is closed now, as after a kill; the path is still there.
  ASSERT_EQ(access(path_.c_str(), F_OK), 0);
  EXPECT_TRUE(OpenListener("unix:" + path_).ok());
}

TEST_F(ListenerTest, ASocketInUseIsLeftAlone) {
  absl::StatusOr<ListeningSocket> first = OpenListener("unix:" + path_);
  ASSERT_TRUE(first.ok());
  EXPECT_EQ(OpenListener("unix:" + path_).status().code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_EQ(access(path_.c_str(), F_OK), 0);
}

TEST_F(ListenerTest, AFileInTheWayIsLeftAlone) {
  std::ofstream(path_) << "mine";
  EXPECT_EQ(OpenListener("unix:" + path_).status().code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_EQ(std::filesystem::file_size(path_), 4u);
}

TEST_F(ListenerTest, TheLoopbackGetsAPort) {
  absl::StatusOr<ListeningSocket> socket = OpenListener("127.0.0.1:0");
  ASSERT_TRUE(socket.ok()) << socket.status();
  EXPECT_TRUE(absl::StartsWith(socket->endpoint, "127.0.0.1:"));
  EXPECT_NE(socket->endpoint, "127.0.0.1:0");
  EXPECT_EQ(OpenListener(socket->endpoint).status().code(), absl::StatusCode::kFailedPrecondition);
}

TEST_F(ListenerTest, AnythingElseIsRefused) {
  for (const char* endpoint :
       {"", "8001", "0.0.0.0:8001", "10.0.0.1:8001", "[::]:8001", "[2001:db8::1]:8001", "::1:8001",
        "[127.0.0.1]:8001", "localhost:8001", "127.0.0.1:", "127.0.0.1:65536", "127.0.0.1:-1", "127.0.0.1:x",
        "unix:", "http://127.0.0.1:80"}) {
    EXPECT_EQ(OpenListener(endpoint).status().code(), absl::StatusCode::kInvalidArgument) << endpoint;
  }
  EXPECT_EQ(OpenListener("unix:/tmp/" + std::string(200, 'x')).status().code(),
            absl::StatusCode::kInvalidArgument);
  EXPECT_FALSE(OpenListener("unix:/nowhere/at/all.sock").ok());
}

}  // namespace
}  // namespace xpu
