#include "xpu-agent/core/network_function_changes.h"

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace xpu {
namespace {

using Code = absl::StatusCode;
using ::testing::HasSubstr;

MacAddress Mac(int n) { return MacAddress({2, 0, 0, 0, 0, static_cast<uint8_t>(n)}); }

class NetworkFunctionChangesTest : public ::testing::Test {
 protected:
  NetworkFunctionChangesTest() {
    state_.model.bridges["red"] = {.id = "red", .network_key = 1};
    for (int n = 1; n <= 6; ++n) {
      const std::string id = "host0-" + std::to_string(n);
      state_.model.ports[id] = {.id = id, .mac = Mac(n), .claim = 7};
      state_.model.representors[id] = {.interface = id, .ofport = static_cast<uint32_t>(n)};
    }
    state_.model.ports["host0-3"].logical_bridges = {"red"};
    state_.model.ports["host0-4"].logical_bridges = {"red"};
    state_.model.ports["host0-5"].vlan = 100;
  }
  Code Create(const std::string& id, const NetworkFunctionSpec& spec) {
    const AgentState before = state_;
    const absl::Status status = CreateNetworkFunction(state_, id, spec);
    if (!status.ok()) {
      EXPECT_EQ(state_, before) << status;
    }
    return status.code();
  }
  const NetworkFunction& Function(const std::string& id) { return state_.model.network_functions.at(id); }

  AgentState state_;
};

TEST_F(NetworkFunctionChangesTest, TakesThePortsAsTheyAreAndTheNextPosition) {
  ASSERT_EQ(Create("fw", {.input = "host0-1", .output = "host0-2"}), Code::kOk);
  EXPECT_EQ(Function("fw"), (NetworkFunction{.id = "fw",
                                             .input = {.port = "host0-1", .mac = Mac(1), .claim = 7},
                                             .output = {.port = "host0-2", .mac = Mac(2), .claim = 7},
                                             .position = 1}));
  ASSERT_EQ(Create("ids", {.input = "host0-3", .output = "host0-4"}), Code::kOk);
  EXPECT_EQ(Function("ids").logical_bridge, "red") << "as its ports are";
  EXPECT_EQ(Function("ids").position, 2u);
}

TEST_F(NetworkFunctionChangesTest, TheSameAgainTakesPortsThatWereMadeAnew) {
  const NetworkFunctionSpec spec = {.input = "host0-1", .output = "host0-2"};
  ASSERT_EQ(Create("fw", spec), Code::kOk);
  const AgentState once = state_;
  ASSERT_EQ(Create("fw", spec), Code::kOk);
  EXPECT_EQ(state_, once);
  state_.model.ports["host0-1"].claim = 8;
  EXPECT_EQ(CheckNetworkFunction(state_.model, Function("fw")).code(), Code::kFailedPrecondition);
  ASSERT_EQ(Create("fw", spec), Code::kOk);
  EXPECT_EQ(Function("fw").input.claim, 8);
  EXPECT_EQ(CheckNetworkFunction(state_.model, Function("fw")), absl::OkStatus());
}

TEST_F(NetworkFunctionChangesTest, RefusesWhatCannotBe) {
  ASSERT_EQ(Create("fw", {.input = "host0-1", .output = "host0-2"}), Code::kOk);
  EXPECT_EQ(Create("", {.input = "host0-3", .output = "host0-4"}), Code::kInvalidArgument);
  EXPECT_EQ(Create("x", {.input = "host0-3", .output = "host0-3"}), Code::kInvalidArgument);
  EXPECT_EQ(Create("x", {.input = "host0-3", .output = "host0-9"}), Code::kFailedPrecondition);
  EXPECT_EQ(Create("x", {.input = "host0-3", .output = "host0-5"}), Code::kInvalidArgument) << "two networks";
  EXPECT_EQ(Create("x", {.input = "host0-3", .output = "host0-2"}), Code::kAlreadyExists);
  EXPECT_EQ(Create("fw", {.input = "host0-2", .output = "host0-1"}), Code::kAlreadyExists);
  EXPECT_EQ(Create("fw", {.input = "host0-1", .output = "host0-2", .position = 9}), Code::kAlreadyExists);
  EXPECT_EQ(Create("x", {.input = "host0-3", .output = "host0-4", .logical_bridge = "blue"}),
            Code::kFailedPrecondition);
  EXPECT_EQ(Create("x", {.input = "host0-3", .output = "host0-4", .vlan = 4095}), Code::kInvalidArgument);
  EXPECT_EQ(
      Create("x", {.input = "host0-3", .output = "host0-4", .logical_bridge = "red", .vlan = uint16_t{1}}),
      Code::kInvalidArgument);
  EXPECT_EQ(DeleteNetworkFunction(state_, "x").code(), Code::kNotFound);
  EXPECT_EQ(DeleteNetworkFunction(state_, "fw"), absl::OkStatus());
  EXPECT_TRUE(state_.model.network_functions.empty());
}

TEST_F(NetworkFunctionChangesTest, SaysWhyNothingPasses) {
  ASSERT_EQ(Create("fw", {.input = "host0-3", .output = "host0-4"}), Code::kOk);
  const auto why = [&] { return std::string(CheckNetworkFunction(state_.model, Function("fw")).message()); };
  EXPECT_EQ(why(), "");
  const AgentState whole = state_;
  state_.model.representors.erase("host0-4");
  EXPECT_THAT(why(), HasSubstr("output, bridgePorts/host0-4"));
  state_ = whole;
  state_.model.ports.erase("host0-3");
  EXPECT_THAT(why(), HasSubstr("input, bridgePorts/host0-3, is gone"));
  state_ = whole;
  state_.model.bridges.erase("red");
  EXPECT_THAT(why(), HasSubstr("logicalBridges/red"));
}

TEST_F(NetworkFunctionChangesTest, FindsAPortByItsMacIfThereIsOne) {
  EXPECT_EQ(FindPortByMac(state_.model, "input", Mac(2)).value(), "host0-2");
  EXPECT_EQ(FindPortByMac(state_.model, "input", Mac(9)).status().code(), Code::kFailedPrecondition);
  state_.model.ports["host0-5"].mac = Mac(2);
  EXPECT_THAT(std::string(FindPortByMac(state_.model, "input", Mac(2)).status().message()),
              HasSubstr("both have"));
}

class ChainChangesTest : public NetworkFunctionChangesTest {
 protected:
  static NetworkFunctionPort Port(int n, int64_t claim = 7) {
    return {.port = "host0-" + std::to_string(n), .mac = Mac(n), .claim = claim};
  }
  absl::Status Set(const std::string& chain, const std::string& bridge,
                   const std::vector<ChainFunctionSpec>& functions) {
    const AgentState before = state_;
    const absl::Status status = SetChain(state_, chain, bridge, functions);
    if (!status.ok()) {
      EXPECT_EQ(state_, before) << status;
    }
    return status;
  }
  absl::Status Check(const std::string& id) { return CheckNetworkFunction(state_.model, Function(id)); }
};

TEST_F(ChainChangesTest, FunctionsAreExactlyThoseSaidLast) {
  ASSERT_EQ(Set("c", "red", {{"fw", Port(1), Port(2)}, {"ids", Port(3), Port(4)}}), absl::OkStatus());
  EXPECT_EQ(Function("c.fw"), (NetworkFunction{.id = "c.fw",
                                               .input = Port(1),
                                               .output = Port(2),
                                               .logical_bridge = "red",
                                               .vlan = {},
                                               .position = 1,
                                               .chain = "c"}));
  EXPECT_EQ(Function("c.ids").position, 2u);
  const AgentState once = state_;
  ASSERT_EQ(Set("c", "red", {{"fw", Port(1), Port(2)}, {"ids", Port(3), Port(4)}}), absl::OkStatus());
  EXPECT_EQ(state_, once);
  ASSERT_EQ(Set("c", "red", {{"ids", Port(3), Port(4)}, {"nat", Port(5), Port(6)}}), absl::OkStatus());
  EXPECT_FALSE(state_.model.network_functions.contains("c.fw"));
  EXPECT_EQ(Function("c.ids").position, 1u);
  EXPECT_EQ(Function("c.nat").position, 2u);
  ASSERT_EQ(Set("c", "", {}), absl::OkStatus());
  EXPECT_TRUE(state_.model.network_functions.empty());
}

TEST_F(ChainChangesTest, BridgeAndPortsMayBeYetToCome) {
  ASSERT_EQ(Set("c", "blue", {{"fw", {}, Port(9)}}), absl::OkStatus());
  EXPECT_THAT(std::string(Check("c.fw").message()), HasSubstr("no port for its input yet"));
  ASSERT_EQ(Set("c", "blue", {{"fw", Port(1, 8), Port(2)}}), absl::OkStatus());
  EXPECT_THAT(std::string(Check("c.fw").message()),
              HasSubstr("input, bridgePorts/host0-1, is somebody else's"));
  state_.model.ports["host0-1"].claim = 8;
  EXPECT_THAT(std::string(Check("c.fw").message()), HasSubstr("logicalBridges/blue"));
  state_.model.bridges["blue"] = {.id = "blue", .network_key = 2};
  EXPECT_EQ(Check("c.fw"), absl::OkStatus());
}

TEST_F(ChainChangesTest, RefusesWhatCannotBe) {
  ASSERT_EQ(Set("c", "red", {{"fw", Port(1), Port(2)}}), absl::OkStatus());
  ASSERT_EQ(Create("alone", {.input = "host0-3", .output = "host0-4"}), Code::kOk);
  ASSERT_EQ(Create("d.fw", {.input = "host0-5", .output = "host0-6", .logical_bridge = "red"}), Code::kOk);
  EXPECT_EQ(Set("", "red", {}).code(), Code::kInvalidArgument);
  EXPECT_EQ(Set("d", "", {{"x", {}, {}}}).code(), Code::kInvalidArgument);
  EXPECT_EQ(Set("d", "blue", {{"", {}, {}}}).code(), Code::kInvalidArgument);
  EXPECT_EQ(Set("d", "blue", {{"x.y", {}, {}}}).code(), Code::kInvalidArgument);
  EXPECT_EQ(Set("d", "blue", {{"x", {}, {}}, {"x", {}, {}}}).code(), Code::kInvalidArgument);
  EXPECT_EQ(Set("d", "blue", {{"x", Port(8), Port(8)}}).code(), Code::kInvalidArgument);
  EXPECT_EQ(Set("d", "red", {{"x", {}, {}}}).code(), Code::kAlreadyExists) << "another chain's network";
  EXPECT_EQ(Set("d", "blue", {{"x", Port(3), {}}}).code(), Code::kAlreadyExists);
  EXPECT_EQ(Set("d", "blue", {{"x", {}, Port(1)}}).code(), Code::kAlreadyExists);
  EXPECT_EQ(Set("d", "blue", {{"fw", {}, {}}}).code(), Code::kAlreadyExists) << "another's id";
  EXPECT_EQ(DeleteNetworkFunction(state_, "c.fw").code(), Code::kFailedPrecondition);
  EXPECT_EQ(Create("c.fw", {.input = "host0-1", .output = "host0-2", .logical_bridge = "red"}),
            Code::kAlreadyExists);
}

}  // namespace
}  // namespace xpu
