#pragma once

// The part of the contract of OpiClient that is about chains of network functions.

#include <string>

#include "common/opi/opi_client_contract_fixture.h"
#include "common/opi/port_news.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace xpu {

// A function between the ports host0-<input> and host0-<output>, whose MACs end in the same; 0 is none.
inline void AddChainFunction(agent::v1::SetChainRequest* request, const std::string& id, int input,
                             int output, int64_t claim = 3) {
  agent::v1::ChainFunction& function = *request->add_functions();
  function.set_id(id);
  const auto set = [&](agent::v1::ChainPort* port, int n) {
    if (n == 0) return;
    port->set_bridge_port("bridgePorts/host0-" + std::to_string(n));
    port->set_mac_address(std::string("\x02\0\0\0\0", 5) + static_cast<char>(n));
    port->set_claim(claim);
  };
  set(function.mutable_input(), input);
  set(function.mutable_output(), output);
}

inline agent::v1::SetChainRequest ChainRequest(const std::string& id, const std::string& bridge) {
  agent::v1::SetChainRequest request;
  request.set_chain_id(id);
  request.set_logical_bridge(bridge);
  return request;
}

TEST_P(OpiClientContract, AChainIsWhatWasSaidLast) {
  MakeNetworks();
  for (int n = 1; n <= 4; ++n) {
    const std::string id = "host0-" + std::to_string(n);
    ASSERT_EQ(opi().CreateBridgePort(id, PortSpec(n), 3).status(), absl::OkStatus());
  }
  agent::v1::SetChainRequest request = ChainRequest("default.c", "logicalBridges/blue");
  AddChainFunction(&request, "fw", 1, 2);
  AddChainFunction(&request, "ids", 3, 4);
  for (int i = 0; i < 2; ++i) {
    const auto set = opi().SetChain(request);
    ASSERT_EQ(set.status(), absl::OkStatus());
    ASSERT_EQ(set->network_functions_size(), 2);
    const agent::v1::NetworkFunction& first = set->network_functions(0);
    EXPECT_EQ(first.name(), "networkFunctions/default.c.fw");
    EXPECT_EQ(first.chain(), "default.c");
    EXPECT_EQ(first.input(), "bridgePorts/host0-1");
    EXPECT_EQ(first.output(), "bridgePorts/host0-2");
    EXPECT_EQ(first.logical_bridge(), "logicalBridges/blue");
    EXPECT_EQ(first.position(), 1u);
    EXPECT_TRUE(first.up()) << first.reason();
    EXPECT_TRUE(set->network_functions(1).up()) << set->network_functions(1).reason();
  }
  request.clear_functions();
  AddChainFunction(&request, "ids", 3, 4);
  const auto fewer = opi().SetChain(request);
  ASSERT_EQ(fewer.status(), absl::OkStatus());
  ASSERT_EQ(fewer->network_functions_size(), 1);
  EXPECT_EQ(fewer->network_functions(0).position(), 1u);
  request.clear_functions();
  const auto none = opi().SetChain(request);
  ASSERT_EQ(none.status(), absl::OkStatus());
  EXPECT_EQ(none->network_functions_size(), 0);
  EXPECT_EQ(opi().SetChain(ChainRequest("never.there", "")).status(), absl::OkStatus());
}

TEST_P(OpiClientContract, AFunctionIsUpWithTheRepresentorsOfItsPorts) {
  MakeNetworks();
  for (int n = 1; n <= 2; ++n) {
    const std::string id = "host0-" + std::to_string(n);
    ASSERT_EQ(opi().CreateBridgePort(id, PortSpec(n), 3).status(), absl::OkStatus());
  }
  agent::v1::SetChainRequest request = ChainRequest("default.c", "logicalBridges/blue");
  AddChainFunction(&request, "fw", 1, 2);
  PortNews news;
  opi().WatchPorts(news.Observer());
  const auto expect_up = [&](bool is_there) {
    // Who is told may ask.
    ASSERT_TRUE(news.AwaitPort("host0-2", is_there));
    const auto set = opi().SetChain(request);
    ASSERT_EQ(set.status(), absl::OkStatus());
    ASSERT_EQ(set->network_functions_size(), 1);
    EXPECT_EQ(set->network_functions(0).up(), is_there) << set->network_functions(0).reason();
    EXPECT_EQ(set->network_functions(0).reason().empty(), is_there);
  };
  expect_up(true);
  harness_->RemoveRepresentor("host0-2");
  expect_up(false);
  harness_->AddRepresentor("host0-2");
  expect_up(true);
  opi().WatchPorts(nullptr);
}

TEST_P(OpiClientContract, AChainIsThereBeforeItsNetworkAndItsPorts) {
  agent::v1::SetChainRequest request = ChainRequest("c", "later");
  AddChainFunction(&request, "fw", 0, 0);
  AddChainFunction(&request, "ids", 1, 2);
  auto set = opi().SetChain(request);
  ASSERT_EQ(set.status(), absl::OkStatus());
  ASSERT_EQ(set->network_functions_size(), 2);
  for (const agent::v1::NetworkFunction& function : set->network_functions()) {
    EXPECT_FALSE(function.up());
    EXPECT_NE(function.reason(), "");
  }
  EXPECT_EQ(set->network_functions(0).input(), "");
  ASSERT_EQ(opi().CreateLogicalBridge("later", BridgeSpec(10)).status(), absl::OkStatus());
  for (int n = 1; n <= 2; ++n) {
    const std::string id = "host0-" + std::to_string(n);
    ASSERT_EQ(opi().CreateBridgePort(id, PortSpec(n), 3).status(), absl::OkStatus());
  }
  request.clear_functions();
  AddChainFunction(&request, "ids", 1, 2);
  set = opi().SetChain(request);
  ASSERT_EQ(set.status(), absl::OkStatus());
  EXPECT_TRUE(set->network_functions(0).up()) << set->network_functions(0).reason();
  // The port is another claim's.
  request.clear_functions();
  AddChainFunction(&request, "ids", 1, 2, /*claim=*/4);
  set = opi().SetChain(request);
  ASSERT_EQ(set.status(), absl::OkStatus());
  EXPECT_FALSE(set->network_functions(0).up());
}

TEST_P(OpiClientContract, ChainsThatCannotBeAreRefused) {
  MakeNetworks();
  agent::v1::SetChainRequest there = ChainRequest("c", "blue");
  AddChainFunction(&there, "fw", 1, 2);
  ASSERT_EQ(opi().SetChain(there).status(), absl::OkStatus());
  const auto code = [&](const agent::v1::SetChainRequest& request) {
    return opi().SetChain(request).status().code();
  };
  agent::v1::SetChainRequest request = ChainRequest("", "red");
  EXPECT_EQ(code(request), absl::StatusCode::kInvalidArgument);
  request = ChainRequest("d", "");
  AddChainFunction(&request, "fw", 3, 4);
  EXPECT_EQ(code(request), absl::StatusCode::kInvalidArgument) << "no network";
  request = ChainRequest("d", "red");
  AddChainFunction(&request, "with.dot", 3, 4);
  EXPECT_EQ(code(request), absl::StatusCode::kInvalidArgument);
  request = ChainRequest("d", "red");
  AddChainFunction(&request, "fw", 3, 3);
  EXPECT_EQ(code(request), absl::StatusCode::kInvalidArgument) << "a port twice";
  request = ChainRequest("d", "red");
  AddChainFunction(&request, "fw", 3, 4);
  AddChainFunction(&request, "fw", 5, 6);
  EXPECT_EQ(code(request), absl::StatusCode::kInvalidArgument) << "an id twice";
  request = ChainRequest("d", "red");
  AddChainFunction(&request, "fw", 3, 4);
  request.mutable_functions(0)->mutable_input()->set_mac_address("short");
  EXPECT_EQ(code(request), absl::StatusCode::kInvalidArgument);
  request = ChainRequest("d", "red");
  AddChainFunction(&request, "fw", 3, 1);
  EXPECT_EQ(code(request), absl::StatusCode::kAlreadyExists) << "another chain's port";
  request = ChainRequest("d", "blue");
  AddChainFunction(&request, "fw", 3, 4);
  EXPECT_EQ(code(request), absl::StatusCode::kAlreadyExists) << "another chain's network";
}

}  // namespace xpu
