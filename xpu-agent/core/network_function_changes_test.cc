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

}  // namespace
}  // namespace xpu
