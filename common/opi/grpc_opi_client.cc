#include "common/opi/grpc_opi_client.h"

#include <chrono>
#include <utility>

#include "absl/strings/str_cat.h"
#include "common/base/status_macros.h"
#include "common/opi/connection_watch.h"
#include "common/opi/opi_names.h"
#include "opi/network/evpn_gw/v1alpha1/evpn_gw.grpc.pb.h"
#include "xpu/agent/v1/port_service.grpc.pb.h"

namespace xpu {

struct GrpcOpiClient::State {
  State(std::string address_in, const Options& options, const std::shared_ptr<grpc::Channel>& channel)
      : address(std::move(address_in)),
        deadline(options.deadline),
        watch(channel),
        port_watch(channel, address, options.port_watch),
        bridges(evpn::LogicalBridgeService::NewStub(channel)),
        ports(evpn::BridgePortService::NewStub(channel)),
        bindings(agent::v1::PortService::NewStub(channel)) {}

  // One call: `method` of `stub` with the deadline, and the claim as metadata.
  template <typename Stub, typename Request, typename Response>
  absl::StatusOr<Response> Call(Stub& stub, const char* name,
                                grpc::Status (Stub::*method)(grpc::ClientContext*, const Request&, Response*),
                                const Request& request, int64_t claim = 0) {
    grpc::ClientContext context;
    context.set_wait_for_ready(false);
    context.set_deadline(std::chrono::system_clock::now() + absl::ToChronoNanoseconds(deadline));
    if (claim != 0) context.AddMetadata("xpu-claim", absl::StrCat(claim));
    Response response;
    absl::Status status = FromGrpc((stub.*method)(&context, request, &response));
    if (!status.ok()) return Annotate(status, absl::StrCat(name, " at ", address));
    return response;
  }

  const std::string address;
  const absl::Duration deadline;
  // Destroyed last, as it wants the last reference to the channel.
  ConnectionWatch watch;
  PortWatch port_watch;
  std::unique_ptr<evpn::LogicalBridgeService::Stub> bridges;
  std::unique_ptr<evpn::BridgePortService::Stub> ports;
  std::unique_ptr<agent::v1::PortService::Stub> bindings;
};

absl::StatusOr<std::unique_ptr<GrpcOpiClient>> GrpcOpiClient::Make(const std::string& address,
                                                                   const Options& options) {
  XPU_ASSIGN_OR_RETURN(std::shared_ptr<grpc::Channel> channel, MakeChannel(address, options.tls));
  return std::unique_ptr<GrpcOpiClient>(
      new GrpcOpiClient(std::make_unique<State>(address, options, channel)));
}

absl::StatusOr<std::unique_ptr<GrpcOpiClient>> GrpcOpiClient::Make(const std::string& address) {
  return Make(address, Options());
}

GrpcOpiClient::GrpcOpiClient(std::unique_ptr<State> state) : state_(std::move(state)) {}
GrpcOpiClient::~GrpcOpiClient() = default;

absl::StatusOr<evpn::LogicalBridge> GrpcOpiClient::CreateLogicalBridge(const std::string& id,
                                                                       const evpn::LogicalBridgeSpec& spec) {
  evpn::CreateLogicalBridgeRequest request;
  request.set_logical_bridge_id(id);
  *request.mutable_logical_bridge()->mutable_spec() = spec;
  return state_->Call(*state_->bridges, "CreateLogicalBridge",
                      &evpn::LogicalBridgeService::Stub::CreateLogicalBridge, request);
}

absl::StatusOr<evpn::LogicalBridge> GrpcOpiClient::GetLogicalBridge(const std::string& name) {
  evpn::GetLogicalBridgeRequest request;
  request.set_name(name);
  return state_->Call(*state_->bridges, "GetLogicalBridge",
                      &evpn::LogicalBridgeService::Stub::GetLogicalBridge, request);
}

absl::StatusOr<std::vector<evpn::LogicalBridge>> GrpcOpiClient::ListLogicalBridges() {
  std::vector<evpn::LogicalBridge> all;
  evpn::ListLogicalBridgesRequest request;
  do {
    XPU_ASSIGN_OR_RETURN(auto page,
                         state_->Call(*state_->bridges, "ListLogicalBridges",
                                      &evpn::LogicalBridgeService::Stub::ListLogicalBridges, request));
    for (evpn::LogicalBridge& bridge : *page.mutable_logical_bridges()) all.push_back(std::move(bridge));
    request.set_page_token(page.next_page_token());
  } while (!request.page_token().empty());
  return all;
}

absl::Status GrpcOpiClient::DeleteLogicalBridge(const std::string& name) {
  evpn::DeleteLogicalBridgeRequest request;
  request.set_name(name);
  request.set_allow_missing(true);
  return state_
      ->Call(*state_->bridges, "DeleteLogicalBridge", &evpn::LogicalBridgeService::Stub::DeleteLogicalBridge,
             request)
      .status();
}

absl::StatusOr<evpn::BridgePort> GrpcOpiClient::CreateBridgePort(const std::string& id,
                                                                 const evpn::BridgePortSpec& spec,
                                                                 int64_t claim) {
  evpn::CreateBridgePortRequest request;
  request.set_bridge_port_id(id);
  *request.mutable_bridge_port()->mutable_spec() = spec;
  return state_->Call(*state_->ports, "CreateBridgePort", &evpn::BridgePortService::Stub::CreateBridgePort,
                      request, claim);
}

absl::StatusOr<evpn::BridgePort> GrpcOpiClient::GetBridgePort(const std::string& name) {
  evpn::GetBridgePortRequest request;
  request.set_name(name);
  return state_->Call(*state_->ports, "GetBridgePort", &evpn::BridgePortService::Stub::GetBridgePort,
                      request);
}

absl::StatusOr<std::vector<evpn::BridgePort>> GrpcOpiClient::ListBridgePorts() {
  std::vector<evpn::BridgePort> all;
  evpn::ListBridgePortsRequest request;
  do {
    XPU_ASSIGN_OR_RETURN(auto page, state_->Call(*state_->ports, "ListBridgePorts",
                                                 &evpn::BridgePortService::Stub::ListBridgePorts, request));
    for (evpn::BridgePort& port : *page.mutable_bridge_ports()) all.push_back(std::move(port));
    request.set_page_token(page.next_page_token());
  } while (!request.page_token().empty());
  return all;
}

absl::Status GrpcOpiClient::DeleteBridgePort(const std::string& name, int64_t claim) {
  evpn::DeleteBridgePortRequest request;
  request.set_name(name);
  request.set_allow_missing(true);
  return state_
      ->Call(*state_->ports, "DeleteBridgePort", &evpn::BridgePortService::Stub::DeleteBridgePort, request,
             claim)
      .status();
}

absl::StatusOr<agent::v1::Subnets> GrpcOpiClient::SetSubnets(const agent::v1::Subnets& subnets) {
  agent::v1::SetSubnetsRequest request;
  *request.mutable_subnets() = subnets;
  return state_->Call(*state_->bindings, "SetSubnets", &agent::v1::PortService::Stub::SetSubnets, request);
}

absl::StatusOr<agent::v1::PortBinding> GrpcOpiClient::BindPort(const agent::v1::BindPortRequest& request) {
  return state_->Call(*state_->bindings, "BindPort", &agent::v1::PortService::Stub::BindPort, request);
}

absl::Status GrpcOpiClient::UnbindPort(const agent::v1::UnbindPortRequest& request) {
  return state_->Call(*state_->bindings, "UnbindPort", &agent::v1::PortService::Stub::UnbindPort, request)
      .status();
}

absl::StatusOr<std::vector<agent::v1::PortBinding>> GrpcOpiClient::ListPortBindings() {
  XPU_ASSIGN_OR_RETURN(auto all, state_->Call(*state_->bindings, "ListPortBindings",
                                              &agent::v1::PortService::Stub::ListPortBindings,
                                              agent::v1::ListPortBindingsRequest()));
  std::vector<agent::v1::PortBinding> bindings;
  for (agent::v1::PortBinding& binding : *all.mutable_bindings()) bindings.push_back(std::move(binding));
  return bindings;
}

void GrpcOpiClient::ObserveConnection(std::function<void(bool connected)> changed) {
  state_->watch.Observe(std::move(changed));
}

void GrpcOpiClient::WatchPorts(
    std::function<void(const absl::StatusOr<agent::v1::PortStates>& states)> changed) {
  state_->port_watch.Observe(std::move(changed));
}

}  // namespace xpu
