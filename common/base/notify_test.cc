#include "common/base/notify.h"

#include <sys/socket.h>
#include <sys/un.h>

#include <cstdlib>
#include <cstring>
#include <string>

#include "common/base/unique_fd.h"
#include "gtest/gtest.h"

namespace xpu {
namespace {

class NotifyTest : public testing::Test {
 protected:
  void TearDown() override { unsetenv("NOTIFY_SOCKET"); }
};

TEST_F(NotifyTest, SaysNothingWhenNobodyAsked) {
  unsetenv("NOTIFY_SOCKET");
  EXPECT_TRUE(NotifyReady().ok());
}

TEST_F(NotifyTest, SendsReadyToAnAbstractSocket) {
  UniqueFd fd(socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0));
  const std::string name = "@xpu-notify-test-" + std::to_string(getpid());
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  memcpy(address.sun_path + 1, name.data() + 1, name.size() - 1);
  ASSERT_EQ(
      bind(fd.get(), reinterpret_cast<sockaddr*>(&address), offsetof(sockaddr_un, sun_path) + name.size()),
      0);
  setenv("NOTIFY_SOCKET", name.c_str(), 1);
  ASSERT_TRUE(NotifyReady().ok());
  char buffer[64];
  const ssize_t got = recv(fd.get(), buffer, sizeof buffer, MSG_DONTWAIT);
  ASSERT_GT(got, 0);
  EXPECT_EQ(std::string(buffer, got), "READY=1\n");
}

TEST_F(NotifyTest, ReportsASocketThatIsNotThere) {
  setenv("NOTIFY_SOCKET", "/nonexistent/notify", 1);
  EXPECT_EQ(NotifyReady().code(), absl::StatusCode::kNotFound);
  setenv("NOTIFY_SOCKET", "nonsense", 1);
  EXPECT_EQ(NotifyReady().code(), absl::StatusCode::kInvalidArgument);
}

}  // namespace
}  // namespace xpu
