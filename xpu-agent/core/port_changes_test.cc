#include "xpu-agent/core/port_changes.h"

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "xpu-agent/core/bridge_changes.h"

namespace xpu {
namespace {

using ::testing::HasSubstr;
using ::testing::IsEmpty;

absl::Status Lookup(const std::string& port) {
  return port == "host0-9" ? absl::NotFoundError("no such function") : absl::OkStatus();
}

MacAddress Mac(uint8_t n) { return MacAddress({2, 0, 0, 0, 0, n}); }

BindSpec Bind(const std::string& port, const std::string& bridge, uint8_t mac, int64_t claim) {
  return {.port = port, .bridge = bridge, .mac = Mac(mac), .addresses = {}, .claim = claim};
}

class PortChanges : public ::testing::Test {
 protected:
  PortChanges() {
    uint32_t vlan = 1;
    for (const char* id : {"blue", "red"}) {
      EXPECT_EQ(CreateBridge(state_, id, {.vlan_id = vlan++}), absl::OkStatus());
      EXPECT_EQ(SetSubnets(state_, id, {.prefixes = {*IpPrefix::Parse("10.0.0.0/24")}, .gateways = {}}),
                absl::OkStatus());
    }
  }
  const BridgePort& port(const std::string& id) { return state_.model.ports.at(id); }
  AgentState state_;
};

TEST_F(PortChanges, ANewerClaimTakesThePortOver) {
  ASSERT_EQ(BindPort(state_, Bind("host0-0", "blue", 1, 1), Lookup), absl::OkStatus());
  ASSERT_EQ(CreatePort(state_, "host0-1", {.mac = Mac(2)}, 1, Lookup), absl::OkStatus());
  ASSERT_EQ(CreatePort(state_, "host0-0", {.mac = Mac(3)}, 2, Lookup), absl::OkStatus());
  EXPECT_FALSE(port("host0-0").bound);
  EXPECT_THAT(port("host0-0").addresses, IsEmpty());
  EXPECT_EQ(state_.claims["host0-0"], (ClaimMark{2, false}));
}

TEST_F(PortChanges, ANumberThatIsNoBridgeIsAVlan) {
  const auto resolve = [this](const std::vector<std::string>& bridges, BridgePortType type) {
    PortSpec spec{.mac = Mac(1), .type = type, .logical_bridges = bridges};
    ResolveVlans(
        state_, "host0-0", [](uint16_t vlan) { return vlan == 0 || vlan == 4094; }, &spec);
    return spec;
  };
  const auto access = [&](const std::string& bridge) { return resolve({bridge}, BridgePortType::kAccess); };
  EXPECT_EQ(access("0").vlan, 0);
  EXPECT_THAT(access("0").logical_bridges, IsEmpty());
  EXPECT_EQ(access("4094").vlan, 4094);
  // Of the bridges "blue" and "red".
  EXPECT_EQ(access("1").logical_bridges, std::vector<std::string>{"blue"});
  EXPECT_EQ(resolve({"2", "blue"}, BridgePortType::kTrunk).logical_bridges,
            (std::vector<std::string>{"red", "blue"}));
  for (const char* other : {"3", "4095", "01", "70000", "4294967296", "blue", "x1"}) {
    EXPECT_EQ(access(other), (PortSpec{.mac = Mac(1), .logical_bridges = {other}})) << other;
  }
  EXPECT_EQ(resolve({"0"}, BridgePortType::kTrunk).vlan, std::nullopt) << "a trunk is in bridges";
  // Where it is it stays, also when the card's host may not choose that VLAN any more.
  state_.model.ports["host0-0"] = {.id = "host0-0", .mac = Mac(1), .vlan = 7};
  EXPECT_EQ(access("7").vlan, 7);
  // A bridge with that id comes first, one with a VNI is somebody else's.
  ASSERT_EQ(CreateBridge(state_, "0", {.vlan_id = 50}), absl::OkStatus());
  EXPECT_EQ(access("0").vlan, std::nullopt);
  ASSERT_EQ(CreateBridge(state_, "tenant", {.vlan_id = 51, .vni = 51}), absl::OkStatus());
  EXPECT_EQ(access("51"), (PortSpec{.mac = Mac(1), .logical_bridges = {"51"}}));
}

TEST_F(PortChanges, AMacIsOnePortsInAVlan) {
  ASSERT_EQ(CreatePort(state_, "host0-0", {.mac = Mac(1), .vlan = 7}, 0, Lookup), absl::OkStatus());
  EXPECT_EQ(CreatePort(state_, "host0-1", {.mac = Mac(1), .vlan = 7}, 0, Lookup).code(),
            absl::StatusCode::kAlreadyExists);
  EXPECT_EQ(CreatePort(state_, "host0-1", {.mac = Mac(1), .vlan = 8}, 0, Lookup), absl::OkStatus());
  EXPECT_EQ(UpdatePort(state_, "host0-1", {.mac = Mac(1), .vlan = 7}, 0).code(),
            absl::StatusCode::kAlreadyExists);
  EXPECT_EQ(UpdatePort(state_, "host0-1", {.mac = Mac(2), .vlan = 7}, 0), absl::OkStatus());
  EXPECT_EQ(port("host0-1").vlan, 7);
}

TEST_F(PortChanges, APortWithoutAFunctionWaitsForOneButIsNotBound) {
  ASSERT_EQ(CreatePort(state_, "host0-9", {.mac = Mac(1)}, 1, Lookup), absl::OkStatus());
  absl::Status status = BindPort(state_, Bind("host0-9", "blue", 1, 1), Lookup);
  EXPECT_EQ(status.code(), absl::StatusCode::kNotFound);
  EXPECT_THAT(std::string(status.message()), HasSubstr("bridgePorts/host0-9"));
  EXPECT_FALSE(port("host0-9").bound);
}

TEST_F(PortChanges, ARepeatedCreateLooksForTheFunctionAgain) {
  ASSERT_EQ(CreatePort(state_, "host0-9", {.mac = Mac(1)}, 1, Lookup), absl::OkStatus());
  int looks = 0;
  auto now = [&looks](const std::string&) {
    ++looks;
    return absl::OkStatus();
  };
  ASSERT_EQ(CreatePort(state_, "host0-9", {.mac = Mac(1)}, 1, now), absl::OkStatus());
  EXPECT_EQ(looks, 1);
}

TEST_F(PortChanges, AFailedChangeLeavesTheStateAlone) {
  ASSERT_EQ(BindPort(state_, Bind("host0-0", "blue", 1, 5), Lookup), absl::OkStatus());
  const AgentState before = state_;
  EXPECT_FALSE(BindPort(state_, Bind("host0-1", "blue", 1, 1), Lookup).ok());
  EXPECT_FALSE(BindPort(state_, Bind("host0-0", "blue", 1, 4), Lookup).ok());
  EXPECT_FALSE(BindPort(state_, Bind("host0-1", "none", 2, 1), Lookup).ok());
  EXPECT_FALSE(BindPort(state_, Bind("host0-9", "blue", 2, 1), Lookup).ok());
  EXPECT_FALSE(UnbindPort(state_, "host0-0", 4, true).ok());
  EXPECT_FALSE(DeletePort(state_, "host0-0", 0).ok());
  EXPECT_FALSE(CreatePort(state_, "host0-1", {.mac = Mac(2), .logical_bridges = {"none"}}, 1, Lookup).ok());
  EXPECT_EQ(state_, before);
}

TEST_F(PortChanges, AnAddressThatWasGivenBackRestsBeforeItIsGivenAgain) {
  ASSERT_EQ(BindPort(state_, Bind("host0-0", "blue", 1, 1), Lookup), absl::OkStatus());
  const InterfaceAddress first = port("host0-0").addresses[0];
  ASSERT_EQ(UnbindPort(state_, "host0-0", 1, true), absl::OkStatus());
  ASSERT_EQ(BindPort(state_, Bind("host0-0", "blue", 1, 2), Lookup), absl::OkStatus());
  EXPECT_NE(port("host0-0").addresses[0], first);
}

TEST_F(PortChanges, TheSameMacIsFineInAnotherNetworkOnly) {
  ASSERT_EQ(BindPort(state_, Bind("host0-0", "blue", 1, 1), Lookup), absl::OkStatus());
  EXPECT_EQ(BindPort(state_, Bind("host0-1", "blue", 1, 1), Lookup).code(), absl::StatusCode::kAlreadyExists);
  EXPECT_EQ(BindPort(state_, Bind("host0-1", "red", 1, 1), Lookup), absl::OkStatus());
}

TEST_F(PortChanges, AnUnbindOfANewerClaimTakesAwayWhatAnOlderOneLeft) {
  ASSERT_EQ(BindPort(state_, Bind("host0-0", "blue", 1, 1), Lookup), absl::OkStatus());
  ASSERT_EQ(UnbindPort(state_, "host0-0", 2, false), absl::OkStatus());
  EXPECT_THAT(state_.model.ports, IsEmpty());
  EXPECT_EQ(state_.claims["host0-0"], (ClaimMark{2, false}));
}

TEST_F(PortChanges, AnUnbindLeavesAPortInTheBridgeThatOpiPutItIn) {
  ASSERT_EQ(CreatePort(state_, "host0-0", {.mac = Mac(1), .logical_bridges = {"blue"}}, 0, Lookup),
            absl::OkStatus());
  ASSERT_EQ(UnbindPort(state_, "host0-0", 0, false), absl::OkStatus());
  EXPECT_THAT(port("host0-0").logical_bridges, ::testing::ElementsAre("blue"));
}

TEST_F(PortChanges, ATrunkMayBeInSeveralBridgesOnce) {
  PortSpec trunk{.mac = Mac(1), .type = BridgePortType::kTrunk, .logical_bridges = {"blue", "red"}};
  EXPECT_EQ(CreatePort(state_, "host0-0", trunk, 0, Lookup), absl::OkStatus());
  trunk.mac = Mac(2);
  trunk.logical_bridges = {"blue", "blue"};
  EXPECT_EQ(CreatePort(state_, "host0-1", trunk, 0, Lookup).code(), absl::StatusCode::kInvalidArgument);
}

TEST_F(PortChanges, UpdateNeedsThePortAndItsClaim) {
  EXPECT_EQ(UpdatePort(state_, "host0-0", {.mac = Mac(1)}, 0).code(), absl::StatusCode::kNotFound);
  ASSERT_EQ(CreatePort(state_, "host0-0", {.mac = Mac(1)}, 3, Lookup), absl::OkStatus());
  EXPECT_EQ(UpdatePort(state_, "host0-0", {.mac = Mac(2)}, 2).code(), absl::StatusCode::kAborted);
  EXPECT_EQ(UpdatePort(state_, "host0-0", {.mac = Mac(2)}, 4).code(), absl::StatusCode::kAborted);
  EXPECT_EQ(UpdatePort(state_, "host0-0", {.mac = Mac(2)}, 3), absl::OkStatus());
  EXPECT_EQ(port("host0-0").mac, Mac(2));
}

}  // namespace
}  // namespace xpu
