#include "common/loop_rpc/rpc_address.h"

#include "gtest/gtest.h"

namespace xpu {
namespace {

TEST(RpcAddressTest, IsASocketOrAHostAndAPort) {
  EXPECT_EQ(RpcAddress::Parse("unix:/run/s").value(), (RpcAddress{.socket = "/run/s"}));
  EXPECT_EQ(RpcAddress::Parse("192.0.2.1:50051").value(), (RpcAddress{.host = "192.0.2.1", .port = 50051}));
  EXPECT_EQ(RpcAddress::Parse("card0.example:1").value(), (RpcAddress{.host = "card0.example", .port = 1}));
  EXPECT_EQ(RpcAddress::Parse("[2001:db8::1]:65535").value(),
            (RpcAddress{.host = "2001:db8::1", .port = 65535}));
  for (const char* text : {"unix:/run/s", "192.0.2.1:50051", "card0.example:1", "[2001:db8::1]:65535"}) {
    EXPECT_EQ(RpcAddress::Parse(text)->ToString(), text);
  }
}

TEST(RpcAddressTest, AnythingElseIsRefused) {
  for (const std::string& text :
       {std::string(), std::string("unix:"), std::string("unix:run/s"), "unix:/" + std::string(108, 'x'),
        std::string("host"), std::string("host:"), std::string(":1"), std::string("host:0"),
        std::string("host:65536"), std::string("host:-1"), std::string("host:1x"), std::string("a:b:1"),
        std::string("[host]:1"), std::string("[]:1"), std::string("[::1]"), std::string("::1"),
        std::string("dns:///host:1"), std::string("ho st:1")}) {
    EXPECT_EQ(RpcAddress::Parse(text).status().code(), absl::StatusCode::kInvalidArgument) << text;
  }
}

}  // namespace
}  // namespace xpu
