#include "xpu-agent/core/remote_port_changes.h"

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace xpu {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Key;
using ::testing::UnorderedElementsAre;

class RemotePortChangesTest : public ::testing::Test {
 protected:
  RemotePortChangesTest() {
    for (const char* id : {"red", "redder"}) state_.model.bridges[id] = {.id = id, .vni = 7};
    state_.model.tunnel = Tunnel{.local = Ip("192.0.2.1")};
  }
  static IpAddress Ip(const std::string& text) { return IpAddress::Parse(text).value(); }
  static RemotePortSpec Port(const std::string& id, int number = 1) {
    return {.id = id,
            .mac = MacAddress({2, 0, 0, 0, 0, static_cast<uint8_t>(number)}),
            .addresses = {Ip("10.0.0.1"), Ip("2001:db8::1")},
            .vtep = Ip("192.0.2.2")};
  }
  absl::Status Update(const RemotePortsUpdate& update) {
    changed_.clear();
    return UpdateRemotePorts(state_, update, &changed_);
  }

  AgentState state_;
  std::vector<std::string> changed_;
};

TEST_F(RemotePortChangesTest, SetsAndRemovesPortsAndSaysWhich) {
  ASSERT_EQ(Update({.bridge = "red", .set = {Port("a"), Port("b", 2)}}), absl::OkStatus());
  EXPECT_THAT(changed_, ElementsAre("red/a", "red/b"));
  const RemotePort& a = state_.model.remote_ports.at("red/a");
  EXPECT_EQ(a.logical_bridge, "red");
  EXPECT_EQ(a.addresses[0].ToString(), "10.0.0.1/32");
  EXPECT_EQ(a.addresses[1].ToString(), "2001:db8::1/128");
  EXPECT_EQ(a.vtep, Ip("192.0.2.2"));

  const AgentState before = state_;
  ASSERT_EQ(Update({.bridge = "red", .set = {Port("a")}, .remove = {"never-there"}}), absl::OkStatus());
  EXPECT_THAT(changed_, IsEmpty());
  EXPECT_EQ(state_, before);

  ASSERT_EQ(Update({.bridge = "red", .set = {Port("c", 3)}, .remove = {"a"}}), absl::OkStatus());
  EXPECT_THAT(changed_, UnorderedElementsAre("red/a", "red/c"));
  EXPECT_THAT(state_.model.remote_ports, ElementsAre(Key("red/b"), Key("red/c")));
}

TEST_F(RemotePortChangesTest, ReplacesThePortsOfOneBridgeOnly) {
  ASSERT_EQ(Update({.bridge = "red", .set = {Port("a"), Port("b", 2)}}), absl::OkStatus());
  ASSERT_EQ(Update({.bridge = "redder", .set = {Port("x")}}), absl::OkStatus());
  ASSERT_EQ(Update({.bridge = "red", .set = {Port("b", 2), Port("c", 3)}, .replace = true}),
            absl::OkStatus());
  EXPECT_THAT(changed_, UnorderedElementsAre("red/a", "red/c"));
  ASSERT_EQ(Update({.bridge = "red", .replace = true}), absl::OkStatus());
  EXPECT_THAT(state_.model.remote_ports, ElementsAre(Key("redder/x")));
  EraseRemotePorts(state_, "redder");
  EXPECT_THAT(state_.model.remote_ports, IsEmpty());
}

TEST_F(RemotePortChangesTest, RefusesWhatNoPortCanBeAndLeavesAllAsItIs) {
  const AgentState before = state_;
  const auto refused = [&](RemotePortSpec port) {
    return Update({.bridge = "red", .set = {Port("a"), port}});
  };
  RemotePortSpec port = Port("b");
  port.mac = MacAddress({1, 0, 0, 0, 0, 1});
  EXPECT_THAT(std::string(refused(port).message()), HasSubstr("set.mac_address"));
  port = Port("b");
  port.addresses = {Ip("224.0.0.1")};
  EXPECT_THAT(std::string(refused(port).message()), HasSubstr("set.addresses"));
  for (const char* vtep : {"2001:db8::2", "192.0.2.1", "224.0.0.1"}) {
    port = Port("b");
    port.vtep = Ip(vtep);
    EXPECT_THAT(std::string(refused(port).message()), HasSubstr("set.vtep")) << vtep;
  }
  EXPECT_THAT(std::string(refused(Port("")).message()), HasSubstr("set.id"));
  EXPECT_TRUE(absl::IsNotFound(Update({.bridge = "blue", .set = {Port("a")}})));
  state_.model.bridges["plain"] = {.id = "plain"};
  EXPECT_TRUE(absl::IsFailedPrecondition(Update({.bridge = "plain", .set = {Port("a")}})));
  state_.model.bridges.erase("plain");
  EXPECT_EQ(state_, before);
}

TEST_F(RemotePortChangesTest, ACardWithoutTunnelsTakesNone) {
  state_.model.tunnel.reset();
  EXPECT_TRUE(absl::IsFailedPrecondition(Update({.bridge = "red", .set = {Port("a")}})));
  EXPECT_EQ(Update({.bridge = "red", .replace = true}), absl::OkStatus());
}

}  // namespace
}  // namespace xpu
