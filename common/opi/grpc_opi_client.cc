#include "common/opi/grpc_opi_client.h"

#include <chrono>
#include <utility>

#include "absl/strings/str_cat.h"
#include "common/base/status_macros.h"
#include "common/opi/connection_watch.h"
#include "common/opi/opi_names.h"
#include "opi/network/evpn_gw/v1alpha1/evpn_gw.grpc.pb.h"
#include "xpu/agent/v1/chain_service.grpc.pb.h"
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
        vrfs(evpn::VrfService::NewStub(channel)),
        svis(evpn::SviService::NewStub(channel)),
        bindings(agent::v1::PortService::NewStub(channel)),
        chains(agent::v1::ChainService::NewStub(channel)) {}

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

  // All pages of a list; `items` is the field of a page that holds the objects.
  template <typename Object, typename Stub, typename Request, typename Page>
  absl::StatusOr<std::vector<Object>> ListAll(Stub& stub, const char* name,
                                              grpc::Status (Stub::*method)(grpc::ClientContext*,
                                                                           const Request&, Page*),
                                              google::protobuf::RepeatedPtrField<Object>* (Page::*items)()) {
    std::vector<Object> all;
    Request request;
    do {
      XPU_ASSIGN_OR_RETURN(Page page, Call(stub, name, method, request));
      for (Object& object : *(page.*items)()) all.push_back(std::move(object));
      request.set_page_token(page.next_page_token());
    } while (!request.page_token().empty());
    return all;
  }

  template <typename Object, typename Stub, typename Request>
  absl::StatusOr<Object> Get(Stub& stub, const char* call,
                             grpc::Status (Stub::*method)(grpc::ClientContext*, const Request&, Object*),
                             const std::string& name) {
    Request request;
    request.set_name(name);
    return Call(stub, call, method, request);
  }

  // What is not there is as good as deleted.
  template <typename Stub, typename Request>
  absl::Status Delete(Stub& stub, const char* call,
                      grpc::Status (Stub::*method)(grpc::ClientContext*, const Request&,
                                                   google::protobuf::Empty*),
                      const std::string& name, int64_t claim = 0) {
    Request request;
    request.set_name(name);
    request.set_allow_missing(true);
    return Call(stub, call, method, request, claim).status();
  }

  const std::string address;
  const absl::Duration deadline;
  // Destroyed last, as it wants the last reference to the channel.
  ConnectionWatch watch;
  PortWatch port_watch;
  std::unique_ptr<evpn::LogicalBridgeService::Stub> bridges;
  std::unique_ptr<evpn::BridgePortService::Stub> ports;
  std::unique_ptr<evpn::VrfService::Stub> vrfs;
  std::unique_ptr<evpn::SviService::Stub> svis;
  std::unique_ptr<agent::v1::PortService::Stub> bindings;
  std::unique_ptr<agent::v1::ChainService::Stub> chains;
};

std::shared_ptr<GrpcOpiClient::State> GrpcOpiClient::Current::operator->() const {
  absl::MutexLock lock(&mu_);
  return state_;
}

void GrpcOpiClient::Current::Set(std::shared_ptr<State> state) {
  absl::MutexLock lock(&mu_);
  // What was there is let go after the lock.
  state_.swap(state);
}

absl::StatusOr<std::unique_ptr<GrpcOpiClient>> GrpcOpiClient::Make(const std::string& address,
                                                                   const Options& options) {
  std::unique_ptr<GrpcOpiClient> client(new GrpcOpiClient(address, options));
  XPU_RETURN_IF_ERROR(client->Connect());
  if (options.credentials != nullptr) {
    client->credentials_changed_ =
        TlsCredentials::Subscribe(options.credentials, [raw = client.get()] { raw->Reconnect(); });
  }
  return client;
}

absl::StatusOr<std::unique_ptr<GrpcOpiClient>> GrpcOpiClient::Make(const std::string& address) {
  return Make(address, Options());
}

GrpcOpiClient::GrpcOpiClient(std::string address, const Options& options)
    : address_(std::move(address)), options_(options) {}
GrpcOpiClient::~GrpcOpiClient() = default;

absl::Status GrpcOpiClient::Connect() {
  std::shared_ptr<grpc::Channel> channel;
  if (options_.credentials != nullptr) {
    XPU_ASSIGN_OR_RETURN(channel, MakeChannel(address_, options_.credentials));
  } else {
    XPU_ASSIGN_OR_RETURN(channel, MakeChannel(address_, options_.tls));
  }
  state_.Set(std::make_shared<State>(address_, options_, std::move(channel)));
  return absl::OkStatus();
}

void GrpcOpiClient::Reconnect() {
  absl::MutexLock lock(&observers_mu_);
  // The old connection has nobody to tell any more.
  const std::shared_ptr<State> old = state_.operator->();
  old->watch.Observe(nullptr);
  old->port_watch.Observe(nullptr);
  Connect().IgnoreError();  // the address was right before, and so are the credentials
  if (connection_observer_ != nullptr) state_->watch.Observe(connection_observer_);
  if (ports_observer_ != nullptr) state_->port_watch.Observe(ports_observer_);
}

absl::StatusOr<evpn::LogicalBridge> GrpcOpiClient::CreateLogicalBridge(const std::string& id,
                                                                       const evpn::LogicalBridgeSpec& spec) {
  evpn::CreateLogicalBridgeRequest request;
  request.set_logical_bridge_id(id);
  *request.mutable_logical_bridge()->mutable_spec() = spec;
  return state_->Call(*state_->bridges, "CreateLogicalBridge",
                      &evpn::LogicalBridgeService::Stub::CreateLogicalBridge, request);
}

absl::StatusOr<evpn::LogicalBridge> GrpcOpiClient::GetLogicalBridge(const std::string& name) {
  return state_->Get(*state_->bridges, "GetLogicalBridge",
                     &evpn::LogicalBridgeService::Stub::GetLogicalBridge, name);
}

absl::StatusOr<std::vector<evpn::LogicalBridge>> GrpcOpiClient::ListLogicalBridges() {
  return state_->ListAll<evpn::LogicalBridge>(*state_->bridges, "ListLogicalBridges",
                                              &evpn::LogicalBridgeService::Stub::ListLogicalBridges,
                                              &evpn::ListLogicalBridgesResponse::mutable_logical_bridges);
}

absl::Status GrpcOpiClient::DeleteLogicalBridge(const std::string& name) {
  return state_->Delete(*state_->bridges, "DeleteLogicalBridge",
                        &evpn::LogicalBridgeService::Stub::DeleteLogicalBridge, name);
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
  return state_->Get(*state_->ports, "GetBridgePort", &evpn::BridgePortService::Stub::GetBridgePort, name);
}

absl::StatusOr<std::vector<evpn::BridgePort>> GrpcOpiClient::ListBridgePorts() {
  return state_->ListAll<evpn::BridgePort>(*state_->ports, "ListBridgePorts",
                                           &evpn::BridgePortService::Stub::ListBridgePorts,
                                           &evpn::ListBridgePortsResponse::mutable_bridge_ports);
}

absl::Status GrpcOpiClient::DeleteBridgePort(const std::string& name, int64_t claim) {
  return state_->Delete(*state_->ports, "DeleteBridgePort", &evpn::BridgePortService::Stub::DeleteBridgePort,
                        name, claim);
}

absl::StatusOr<evpn::Vrf> GrpcOpiClient::CreateVrf(const std::string& id, const evpn::VrfSpec& spec) {
  evpn::CreateVrfRequest request;
  request.set_vrf_id(id);
  *request.mutable_vrf()->mutable_spec() = spec;
  return state_->Call(*state_->vrfs, "CreateVrf", &evpn::VrfService::Stub::CreateVrf, request);
}

absl::StatusOr<evpn::Vrf> GrpcOpiClient::GetVrf(const std::string& name) {
  return state_->Get(*state_->vrfs, "GetVrf", &evpn::VrfService::Stub::GetVrf, name);
}

absl::StatusOr<std::vector<evpn::Vrf>> GrpcOpiClient::ListVrfs() {
  return state_->ListAll<evpn::Vrf>(*state_->vrfs, "ListVrfs", &evpn::VrfService::Stub::ListVrfs,
                                    &evpn::ListVrfsResponse::mutable_vrfs);
}

absl::Status GrpcOpiClient::DeleteVrf(const std::string& name) {
  return state_->Delete(*state_->vrfs, "DeleteVrf", &evpn::VrfService::Stub::DeleteVrf, name);
}

absl::StatusOr<evpn::Svi> GrpcOpiClient::CreateSvi(const std::string& id, const evpn::SviSpec& spec) {
  evpn::CreateSviRequest request;
  request.set_svi_id(id);
  *request.mutable_svi()->mutable_spec() = spec;
  return state_->Call(*state_->svis, "CreateSvi", &evpn::SviService::Stub::CreateSvi, request);
}

absl::StatusOr<evpn::Svi> GrpcOpiClient::UpdateSvi(const std::string& name, const evpn::SviSpec& spec) {
  evpn::UpdateSviRequest request;
  request.mutable_svi()->set_name(name);
  *request.mutable_svi()->mutable_spec() = spec;
  request.mutable_update_mask()->add_paths("spec");
  return state_->Call(*state_->svis, "UpdateSvi", &evpn::SviService::Stub::UpdateSvi, request);
}

absl::StatusOr<evpn::Svi> GrpcOpiClient::GetSvi(const std::string& name) {
  return state_->Get(*state_->svis, "GetSvi", &evpn::SviService::Stub::GetSvi, name);
}

absl::StatusOr<std::vector<evpn::Svi>> GrpcOpiClient::ListSvis() {
  return state_->ListAll<evpn::Svi>(*state_->svis, "ListSvis", &evpn::SviService::Stub::ListSvis,
                                    &evpn::ListSvisResponse::mutable_svis);
}

absl::Status GrpcOpiClient::DeleteSvi(const std::string& name) {
  return state_->Delete(*state_->svis, "DeleteSvi", &evpn::SviService::Stub::DeleteSvi, name);
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

absl::Status GrpcOpiClient::SetAddressBlocks(const agent::v1::SetAddressBlocksRequest& request) {
  return state_
      ->Call(*state_->bindings, "SetAddressBlocks", &agent::v1::PortService::Stub::SetAddressBlocks, request)
      .status();
}

absl::Status GrpcOpiClient::UpdateRemotePorts(const agent::v1::UpdateRemotePortsRequest& request) {
  return state_
      ->Call(*state_->bindings, "UpdateRemotePorts", &agent::v1::PortService::Stub::UpdateRemotePorts,
             request)
      .status();
}

absl::StatusOr<agent::v1::SetChainResponse> GrpcOpiClient::SetChain(
    const agent::v1::SetChainRequest& request) {
  return state_->Call(*state_->chains, "SetChain", &agent::v1::ChainService::Stub::SetChain, request);
}

void GrpcOpiClient::ObserveConnection(std::function<void(bool connected)> changed) {
  absl::MutexLock lock(&observers_mu_);
  connection_observer_ = changed;
  state_->watch.Observe(std::move(changed));
}

void GrpcOpiClient::WatchPorts(
    std::function<void(const absl::StatusOr<agent::v1::PortStates>& states)> changed) {
  absl::MutexLock lock(&observers_mu_);
  ports_observer_ = changed;
  state_->port_watch.Observe(std::move(changed));
}

}  // namespace xpu
