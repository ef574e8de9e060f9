// What operators say and ask of ports beside OPI: limits, and what the hardware forwards.

#include <memory>
#include <string>

#include "common/rpc/rpc.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "test/component/agent/agent_testing.h"
#include "xpu/agent/v1/offload_service.grpc.pb.h"
#include "xpu/agent/v1/port_service.grpc.pb.h"

namespace xpu {
namespace {

using testing::AgentOnFakes;
using ::testing::HasSubstr;

template <typename Stub, typename Request, typename Response>
absl::Status Call(Stub& stub, grpc::Status (Stub::*method)(grpc::ClientContext*, const Request&, Response*),
                  const Request& request, Response* response) {
  grpc::ClientContext context;
  context.set_deadline(std::chrono::system_clock::now() + std::chrono::seconds(20));
  return FromGrpc((stub.*method)(&context, request, response));
}

TEST(AgentBandwidth, LimitsAnyBridgePortAndKeepsThatOverARestart) {
  AgentOnFakes agent;
  MakeNetwork(agent.client(), "red", 10);
  evpn::BridgePortSpec spec = PortSpecOf(1);
  spec.add_logical_bridges("logicalBridges/red");
  ASSERT_EQ(agent.client().CreateBridgePort("host0-0", spec, 0).status(), absl::OkStatus());
  agent::v1::PortService::Stub ports(MakeChannel(agent.address()).value());
  using Service = agent::v1::PortService::Stub;
  agent::v1::SetBandwidthRequest request;
  request.set_bridge_port("bridgePorts/host0-0");
  request.mutable_bandwidth()->set_egress_rate(8'000'000);
  agent::v1::Bandwidth answer;
  EXPECT_EQ(Call(ports, &Service::SetBandwidth, request, &answer), absl::OkStatus());
  EXPECT_EQ(answer.egress_rate(), 8'000'000u);
  const MeterTable meters = agent.the_switch().Snapshot()->meters;
  EXPECT_THAT(meters, ::testing::Contains(::testing::Field(&MeterTable::value_type::second,
                                                           Meter{Meter::Unit::kKilobits, 8000, 800})));
  agent.Stop();
  const int flow_mods = agent.the_switch().flow_mods();
  agent.Start();
  agent.AwaitConnected();
  EXPECT_EQ(agent.the_switch().Snapshot()->meters, meters);
  EXPECT_EQ(agent.the_switch().flow_mods(), flow_mods);
  agent::v1::PortService::Stub again(MakeChannel(agent.address()).value());
  request.mutable_bandwidth()->Clear();
  EXPECT_EQ(Call(again, &Service::SetBandwidth, request, &answer), absl::OkStatus());
  EXPECT_EQ(agent.the_switch().Snapshot()->meters.size(), 1u) << "the one before the agent";
}

TEST(AgentBandwidth, OfWhatAPodAsksForAndAnOperatorSetsTheSmallerCounts) {
  AgentOnFakes agent;
  MakeNetwork(agent.client(), "red", 10);
  agent::v1::BindPortRequest bind;
  bind.set_bridge_port("bridgePorts/host0-0");
  bind.set_logical_bridge("logicalBridges/red");
  bind.set_mac_address(PortSpecOf(1).mac_address());
  bind.set_claim(1);
  bind.mutable_pod_bandwidth()->set_egress_rate(8'000'000);
  bind.mutable_pod_bandwidth()->set_egress_burst(4'000'000'000);
  ASSERT_EQ(agent.client().BindPort(bind).status(), absl::OkStatus());
  const auto has = [](uint32_t rate, uint32_t burst) {
    return ::testing::Contains(
        ::testing::Field(&MeterTable::value_type::second, Meter{Meter::Unit::kKilobits, rate, burst}));
  };
  EXPECT_THAT(agent.the_switch().Snapshot()->meters, has(8000, 4'000'000));
  bind.mutable_bandwidth()->set_egress_rate(9'000'000);
  ASSERT_EQ(agent.client().BindPort(bind).status(), absl::OkStatus());
  EXPECT_THAT(agent.the_switch().Snapshot()->meters, has(8000, 900))
      << "nor does a large burst get around it";
  agent.Stop();
  agent.Start();
  agent.AwaitConnected();
  EXPECT_THAT(agent.the_switch().Snapshot()->meters, has(8000, 900));
  bind.mutable_bandwidth()->Clear();
  bind.mutable_pod_bandwidth()->Clear();
  ASSERT_EQ(agent.client().BindPort(bind).status(), absl::OkStatus());
  EXPECT_THAT(agent.the_switch().Snapshot()->meters, ::testing::Not(has(8000, 900)));
}

TEST(AgentBandwidth, SaysWhatIsWrong) {
  AgentOnFakes agent;
  agent::v1::PortService::Stub ports(MakeChannel(agent.address()).value());
  using Service = agent::v1::PortService::Stub;
  agent::v1::SetBandwidthRequest request;
  agent::v1::Bandwidth answer;
  request.set_bridge_port("bridgePorts/host0-0");
  EXPECT_TRUE(absl::IsNotFound(Call(ports, &Service::SetBandwidth, request, &answer)));
  request.set_bridge_port("");
  EXPECT_TRUE(absl::IsInvalidArgument(Call(ports, &Service::SetBandwidth, request, &answer)));
  ASSERT_EQ(agent.client().CreateBridgePort("host0-0", PortSpecOf(1), 0).status(), absl::OkStatus());
  request.set_bridge_port("bridgePorts/host0-0");
  request.mutable_bandwidth()->set_ingress_rate(4'000'000'000'001);
  const absl::Status refused = Call(ports, &Service::SetBandwidth, request, &answer);
  EXPECT_TRUE(absl::IsInvalidArgument(refused)) << refused;
  EXPECT_THAT(refused.message(), HasSubstr("bandwidth.ingress_rate"));
}

TEST(AgentOffload, TellsOfEachPortWhatTheHardwareForwardsAndWhyNotTheRest) {
  AgentOnFakes agent({.offload = [] {
    return std::map<std::string, PortOffload>{{"pf0vf1",
                                               {.offloaded = 3,
                                                .fallen_back = 2,
                                                .offloaded_packets = 700,
                                                .fallen_back_packets = 20,
                                                .reasons = {{"looks into ARP", 2}}}},
                                              {"p0", {.offloaded = 1}}};
  }});
  agent::v1::OffloadService::Stub stub(MakeChannel(agent.address()).value());
  agent::v1::GetOffloadResponse answer;
  ASSERT_EQ(Call(stub, &agent::v1::OffloadService::Stub::GetOffload, agent::v1::GetOffloadRequest(), &answer),
            absl::OkStatus());
  ASSERT_EQ(answer.ports_size(), 2);
  EXPECT_EQ(answer.ports(0).interface(), "p0");
  EXPECT_EQ(answer.ports(0).port(), "");
  const agent::v1::PortOffload& port = answer.ports(1);
  EXPECT_EQ(port.port(), "host0-1");
  EXPECT_EQ(port.offloaded(), 3u);
  EXPECT_EQ(port.fallen_back(), 2u);
  EXPECT_EQ(port.offloaded_packets(), 700u);
  EXPECT_EQ(port.fallen_back_packets(), 20u);
  ASSERT_EQ(port.reasons_size(), 1);
  EXPECT_EQ(port.reasons(0).reason(), "looks into ARP");
  EXPECT_EQ(port.reasons(0).count(), 2u);
}

TEST(AgentOffload, SaysThatTheSwitchDoesNotTell) {
  for (const bool asked : {false, true}) {
    AgentOnFakes::Options options;
    if (asked) options.offload = [] { return absl::UnavailableError("no daemon there"); };
    AgentOnFakes agent(options);
    agent::v1::OffloadService::Stub stub(MakeChannel(agent.address()).value());
    agent::v1::GetOffloadResponse answer;
    const absl::Status status =
        Call(stub, &agent::v1::OffloadService::Stub::GetOffload, agent::v1::GetOffloadRequest(), &answer);
    EXPECT_EQ(status.code(), asked ? absl::StatusCode::kUnavailable : absl::StatusCode::kUnimplemented)
        << status;
  }
}

}  // namespace
}  // namespace xpu
