#include "common/vendor_plugin/vendor_plugin.h"

#include "gtest/gtest.h"

namespace xpu {
namespace {

TEST(PluginEndpointTest, IsAnAddressAndAPort) {
  EXPECT_EQ(PluginEndpoint::Parse("192.0.2.1:50152").value(), (PluginEndpoint{"192.0.2.1", 50152}));
  EXPECT_EQ(PluginEndpoint::Parse("[2001:db8::1]:1").value(), (PluginEndpoint{"2001:db8::1", 1}));
  for (const char* text : {"", ":", "192.0.2.1", "192.0.2.1:", "192.0.2.1:0", "192.0.2.1:65536", "host:80",
                           "2001:db8::1:80", "[192.0.2.1]:80", "[]:80", "192.0.2.1:80x", "192.0.2.1:-1"}) {
    EXPECT_EQ(PluginEndpoint::Parse(text).status().code(), absl::StatusCode::kInvalidArgument) << text;
  }
}

}  // namespace
}  // namespace xpu
