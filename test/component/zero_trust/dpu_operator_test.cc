// Plays openshift/dpu-operator's daemon on the card against the agent: what it asks its vendor plugin, under
// each of the names that it has had for it.

#include <chrono>
#include <filesystem>
#include <vector>

#include "common/rpc/rpc.h"
#include "gmock/gmock.h"
#include "opi/inventory/v1/inventory.grpc.pb.h"
#include "opi/lifecycle/v1/lifecycle.grpc.pb.h"
#include "opi/lifecycle/v1alpha1/lifecycle.grpc.pb.h"
#include "opi/lifecycle/vendor/lifecycle.grpc.pb.h"
#include "opi/network/evpn_gw/v1alpha1/evpn_gw.grpc.pb.h"
#include "test/component/agent/agent_testing.h"
#include "xpu/agent/v1/chain_service.grpc.pb.h"

namespace xpu {
namespace {

using testing::AgentOnFakes;
using ::testing::HasSubstr;

struct VendorWords {
  using LifeCycleService = ::Vendor::LifeCycleService;
  using NetworkFunctionService = ::Vendor::NetworkFunctionService;
  using DeviceService = ::Vendor::DeviceService;
  using HeartbeatService = ::Vendor::HeartbeatService;
  using InitRequest = ::Vendor::InitRequest;
  using IpPort = ::Vendor::IpPort;
  using NFRequest = ::Vendor::NFRequest;
  using VfCount = ::Vendor::VfCount;
  using DeviceListResponse = ::Vendor::DeviceListResponse;
  using PingRequest = ::Vendor::PingRequest;
  using PingResponse = ::Vendor::PingResponse;
  using Empty = ::Vendor::Empty;
};

struct AlphaWords {
  using LifeCycleService = opi_api::lifecycle::v1alpha1::LifeCycleService;
  using NetworkFunctionService = opi_api::lifecycle::v1alpha1::NetworkFunctionService;
  using DeviceService = opi_api::lifecycle::v1alpha1::DeviceService;
  using HeartbeatService = opi_api::lifecycle::v1alpha1::HeartbeatService;
  using InitRequest = opi_api::lifecycle::v1alpha1::InitRequest;
  using IpPort = opi_api::lifecycle::v1alpha1::IpPort;
  using NFRequest = opi_api::lifecycle::v1alpha1::NFRequest;
  using VfCount = opi_api::lifecycle::v1alpha1::VfCount;
  using DeviceListResponse = opi_api::lifecycle::v1alpha1::DeviceListResponse;
  using PingRequest = opi_api::lifecycle::v1alpha1::PingRequest;
  using PingResponse = opi_api::lifecycle::v1alpha1::PingResponse;
  using Empty = google::protobuf::Empty;
};

struct StableWords {
  using LifeCycleService = opi_api::lifecycle::v1::LifeCycleService;
  using NetworkFunctionService = opi_api::lifecycle::v1::NetworkFunctionService;
  using DeviceService = opi_api::lifecycle::v1::DeviceService;
  using HeartbeatService = opi_api::lifecycle::v1::HeartbeatService;
  using InitRequest = opi_api::lifecycle::v1::InitRequest;
  using IpPort = opi_api::lifecycle::v1::IpPort;
  using NFRequest = opi_api::lifecycle::v1::NFRequest;
  using VfCount = opi_api::lifecycle::v1::VfCount;
  using DeviceListResponse = opi_api::lifecycle::v1::DeviceListResponse;
  using PingRequest = opi_api::lifecycle::v1::PingRequest;
  using PingResponse = opi_api::lifecycle::v1::PingResponse;
  using Empty = google::protobuf::Empty;
};

// One call with a deadline.
template <typename Stub, typename Request, typename Response>
absl::StatusOr<Response> Call(Stub& stub,
                              grpc::Status (Stub::*method)(grpc::ClientContext*, const Request&, Response*),
                              const Request& request) {
  grpc::ClientContext context;
  // Also while the agent is being started again.
  context.set_wait_for_ready(true);
  context.set_deadline(std::chrono::system_clock::now() + std::chrono::seconds(20));
  Response response;
  const absl::Status status = FromGrpc((stub.*method)(&context, request, &response));
  if (!status.ok()) return status;
  return response;
}

template <typename Words>
class DpuOperatorTest : public ::testing::Test {
 protected:
  DpuOperatorTest()
      : folder_(TemporaryDirectory::Make().value()),
        // A folder that is not there yet, as before the daemon's first start.
        socket_(folder_.path() + "/dpu-daemon/vendor-plugin/vendor-plugin.sock"),
        agent_({.functions = 4, .adjust = [this](XpuAgentOptions& options) {
                  options.vendor_plugin_socket = socket_;
                  options.dpu_operator_endpoint = "192.0.2.7:50152";
                }}) {
    channel_ = MakeChannel("unix:" + socket_).value();
    life_cycle_ = Words::LifeCycleService::NewStub(channel_);
    functions_ = Words::NetworkFunctionService::NewStub(channel_);
    devices_ = Words::DeviceService::NewStub(channel_);
    heartbeat_ = Words::HeartbeatService::NewStub(channel_);
    ports_ = evpn::BridgePortService::NewStub(channel_);
  }

  absl::StatusOr<typename Words::IpPort> Init(bool on_card, const std::string& identifier) {
    typename Words::InitRequest request;
    request.set_dpu_mode(on_card);
    request.set_dpu_identifier(identifier);
    return Call(*life_cycle_, &Words::LifeCycleService::Stub::Init, request);
  }
  absl::StatusOr<int> SetNumVfs(int count) {
    typename Words::VfCount request;
    request.set_vf_cnt(count);
    const auto answer = Call(*devices_, &Words::DeviceService::Stub::SetNumVfs, request);
    if (!answer.ok()) return answer.status();
    return answer->vf_cnt();
  }
  auto GetDevices() {
    return Call(*devices_, &Words::DeviceService::Stub::GetDevices, typename Words::Empty()).value();
  }
  // As the daemon passes it on for its host.
  absl::Status CreateBridgePort(const std::string& name, int mac) {
    evpn::CreateBridgePortRequest request;
    request.mutable_bridge_port()->set_name(name);
    *request.mutable_bridge_port()->mutable_spec() = PortSpecOf(mac);
    return Call(*ports_, &evpn::BridgePortService::Stub::CreateBridgePort, request).status();
  }
  std::vector<agent::v1::NetworkFunction> NetworkFunctions() {
    const auto stub = agent::v1::ChainService::NewStub(channel_);
    const auto list = Call(*stub, &agent::v1::ChainService::Stub::ListNetworkFunctions,
                           agent::v1::ListNetworkFunctionsRequest());
    EXPECT_TRUE(list.ok()) << list.status();
    if (!list.ok()) return {};
    return {list->network_functions().begin(), list->network_functions().end()};
  }
  absl::Status DeleteBridgePort(const std::string& name) {
    evpn::DeleteBridgePortRequest request;
    request.set_name(name);
    return Call(*ports_, &evpn::BridgePortService::Stub::DeleteBridgePort, request).status();
  }

  TemporaryDirectory folder_;
  const std::string socket_;
  AgentOnFakes agent_;
  std::shared_ptr<grpc::Channel> channel_;
  std::unique_ptr<typename Words::LifeCycleService::Stub> life_cycle_;
  std::unique_ptr<typename Words::NetworkFunctionService::Stub> functions_;
  std::unique_ptr<typename Words::DeviceService::Stub> devices_;
  std::unique_ptr<typename Words::HeartbeatService::Stub> heartbeat_;
  std::unique_ptr<evpn::BridgePortService::Stub> ports_;
};

using AllWords = ::testing::Types<VendorWords, AlphaWords, StableWords>;
TYPED_TEST_SUITE(DpuOperatorTest, AllWords);

TYPED_TEST(DpuOperatorTest, InitIsAnsweredTheSameAsOftenAsItIsAsked) {
  for (int i = 0; i < 2; ++i) {
    const auto endpoint = this->Init(true, "dpu-0");
    ASSERT_TRUE(endpoint.ok()) << endpoint.status();
    EXPECT_EQ(endpoint->ip(), "192.0.2.7");
    EXPECT_EQ(endpoint->port(), 50152);
  }
  ASSERT_EQ(this->CreateBridgePort("host0-1", 1), absl::OkStatus());
  EXPECT_TRUE(this->Init(true, "dpu-0").ok());
  EXPECT_EQ(this->Init(true, "dpu-1").status().code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_EQ(this->Init(false, "dpu-0").status().code(), absl::StatusCode::kFailedPrecondition);
  // And after a restart, of which the daemon knows nothing.
  this->agent_.Stop();
  this->agent_.Start();
  EXPECT_EQ(this->Init(true, "dpu-1").status().code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_TRUE(this->Init(true, "dpu-0").ok());
}

TYPED_TEST(DpuOperatorTest, TheNumberOfFunctionsIsConfirmedOrRefusedAndNeverTouched) {
  EXPECT_EQ(this->SetNumVfs(4).value(), 4);
  ASSERT_EQ(this->CreateBridgePort("host0-1", 1), absl::OkStatus());
  EXPECT_EQ(this->SetNumVfs(4).value(), 4);
  for (const int count : {0, 2, 8}) {
    const absl::Status status = this->SetNumVfs(count).status();
    EXPECT_EQ(status.code(), absl::StatusCode::kFailedPrecondition) << status;
    EXPECT_THAT(std::string(status.message()), HasSubstr("host0-1"));
  }
  EXPECT_EQ(this->SetNumVfs(-1).status().code(), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(this->agent_.client().GetBridgePort("bridgePorts/host0-1").status(), absl::OkStatus());
  EXPECT_EQ(this->GetDevices().devices_size(), 4);
  EXPECT_EQ(this->DeleteBridgePort("host0-1"), absl::OkStatus());
}

TYPED_TEST(DpuOperatorTest, DevicesAreTheFunctionsWithTheirHealth) {
  // Healthy once the switch has them.
  ASSERT_EQ(this->CreateBridgePort("host0-0", 1), absl::OkStatus());
  const auto list = this->GetDevices();
  ASSERT_EQ(list.devices_size(), 4);
  for (const auto& [key, device] : list.devices()) {
    EXPECT_EQ(device.id(), key);
    EXPECT_EQ(device.health(), "Healthy") << key;
    EXPECT_EQ(device.topology().node(), "");
  }
  EXPECT_TRUE(list.devices().contains("host0-3"));
}

TYPED_TEST(DpuOperatorTest, PingsAreAnswered) {
  ASSERT_EQ(this->CreateBridgePort("host0-0", 1), absl::OkStatus());
  typename TypeParam::PingRequest request;
  request.set_timestamp(1234567890123456789);
  request.set_sender_id("dpu-daemon");
  const auto answer = Call(*this->heartbeat_, &TypeParam::HeartbeatService::Stub::Ping, request);
  ASSERT_TRUE(answer.ok()) << answer.status();
  EXPECT_EQ(answer->timestamp(), 1234567890123456789);
  EXPECT_EQ(answer->responder_id(), "card0");
  EXPECT_TRUE(answer->healthy());
}

TYPED_TEST(DpuOperatorTest, ANetworkFunctionStandsBetweenItsPortsUntilItIsDeleted) {
  const auto create = &TypeParam::NetworkFunctionService::Stub::CreateNetworkFunction;
  const auto remove = &TypeParam::NetworkFunctionService::Stub::DeleteNetworkFunction;
  typename TypeParam::NFRequest request;
  request.set_input("02:00:00:00:00:01");
  request.set_output("02:00:00:00:00:02");
  const absl::Status refused = Call(*this->functions_, create, request).status();
  EXPECT_EQ(refused.code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_THAT(std::string(refused.message()), HasSubstr("CreateBridgePort"));
  EXPECT_TRUE(this->NetworkFunctions().empty());

  ASSERT_EQ(this->CreateBridgePort("host0-1", 1), absl::OkStatus());
  ASSERT_EQ(this->CreateBridgePort("host0-2", 2), absl::OkStatus());
  for (int i = 0; i < 2; ++i) EXPECT_EQ(Call(*this->functions_, create, request).status(), absl::OkStatus());
  ASSERT_EQ(this->NetworkFunctions().size(), 1u);
  const agent::v1::NetworkFunction function = this->NetworkFunctions()[0];
  EXPECT_EQ(function.input(), "bridgePorts/host0-1");
  EXPECT_EQ(function.output(), "bridgePorts/host0-2");
  EXPECT_EQ(function.position(), 1u);
  EXPECT_TRUE(function.up()) << function.reason();

  // It survives the agent, and a port that goes is told of.
  this->agent_.Stop();
  this->agent_.Start();
  EXPECT_EQ(Call(*this->functions_, create, request).status(), absl::OkStatus());
  ASSERT_EQ(this->NetworkFunctions().size(), 1u);
  EXPECT_TRUE(this->NetworkFunctions()[0].up());
  ASSERT_EQ(this->DeleteBridgePort("host0-2"), absl::OkStatus());
  EXPECT_FALSE(this->NetworkFunctions()[0].up());
  EXPECT_THAT(this->NetworkFunctions()[0].reason(), HasSubstr("host0-2"));

  for (int i = 0; i < 2; ++i) EXPECT_EQ(Call(*this->functions_, remove, request).status(), absl::OkStatus());
  EXPECT_TRUE(this->NetworkFunctions().empty());
  request.set_output("nonsense");
  EXPECT_EQ(Call(*this->functions_, create, request).status().code(), absl::StatusCode::kInvalidArgument);
}

TYPED_TEST(DpuOperatorTest, TheSocketIsForRootAloneAndGoesWithTheAgentsOthers) {
  const auto status = std::filesystem::status(this->socket_);
  EXPECT_EQ(status.permissions(), std::filesystem::perms::owner_read | std::filesystem::perms::owner_write);
  const auto inventory = opi_api::inventory::v1::InventoryService::NewStub(this->channel_);
  const auto answer = Call(*inventory, &opi_api::inventory::v1::InventoryService::Stub::GetInventory,
                           opi_api::inventory::v1::GetInventoryRequest());
  ASSERT_TRUE(answer.ok()) << answer.status();
  EXPECT_GT(answer->processor().total_threads(), 0u);
  EXPECT_GT(answer->memory().total_usable_bytes(), 0);
}

TEST(DpuOperatorWithoutEndpointTest, InitSaysWhatIsMissing) {
  AgentOnFakes agent;
  const auto stub = StableWords::LifeCycleService::NewStub(MakeChannel(agent.address()).value());
  StableWords::InitRequest request;
  request.set_dpu_mode(true);
  const absl::Status status = Call(*stub, &StableWords::LifeCycleService::Stub::Init, request).status();
  EXPECT_EQ(status.code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_THAT(std::string(status.message()), HasSubstr("--dpu-operator-endpoint"));
}

}  // namespace
}  // namespace xpu
