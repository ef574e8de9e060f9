#include "common/rpc/failed_handshakes.h"

#include <grpc/support/log.h>

#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace xpu {
namespace {

using ::testing::ElementsAre;

TEST(FailedHandshakesTest, TakesTheReasonOutOfTheLine) {
  EXPECT_EQ(FailedHandshakeOf("Handshake failed with fatal error SSL_ERROR_SSL: error:0A000086:SSL "
                              "routines::certificate verify failed."),
            "certificate verify failed");
  EXPECT_EQ(FailedHandshakeOf("Handshake failed with fatal error SSL_ERROR_SYSCALL."), "SSL_ERROR_SYSCALL");
  EXPECT_EQ(FailedHandshakeOf("Bind failed"), "");
}

TEST(FailedHandshakesTest, CallsThoseWhoWatch) {
  gpr_set_log_verbosity(GPR_LOG_SEVERITY_ERROR);
  std::vector<std::string> first, second;
  const auto watch = FailedHandshakes::Watch([&](const std::string& why) { first.push_back(why); });
  {
    const auto other = FailedHandshakes::Watch([&](const std::string& why) { second.push_back(why); });
    gpr_log(GPR_ERROR, "Handshake failed with fatal error %s: %s.", "SSL_ERROR_SSL", "error:1:SSL::one");
  }
  gpr_log(GPR_ERROR, "Handshake failed with fatal error %s: %s.", "SSL_ERROR_SSL", "error:1:SSL::two");
  gpr_log(GPR_ERROR, "something else");
  EXPECT_THAT(first, ElementsAre("one", "two"));
  EXPECT_THAT(second, ElementsAre("one"));
}

}  // namespace
}  // namespace xpu
