#include "common/opi/grpc_opi_client.h"

#include <thread>
#include <utility>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "absl/synchronization/notification.h"
#include "common/base/event_loop.h"
#include "common/base/status_macros.h"
#include "common/loop_rpc/loop_rpc_client.h"
#include "common/rpc/status_details.h"
#include "google/protobuf/empty.pb.h"

namespace xpu {
namespace {

constexpr char kBridges[] = "opi_api.network.evpn_gw.v1alpha1.LogicalBridgeService";
constexpr char kPorts[] = "opi_api.network.evpn_gw.v1alpha1.BridgePortService";
constexpr char kVrfs[] = "opi_api.network.evpn_gw.v1alpha1.VrfService";
constexpr char kSvis[] = "opi_api.network.evpn_gw.v1alpha1.SviService";
constexpr char kBindings[] = "xpu.agent.v1.PortService";
constexpr char kChains[] = "xpu.agent.v1.ChainService";

// A card's agent that was restarted is back within moments.
constexpr Backoff::Options kReconnect = {.initial = absl::Milliseconds(50), .max = absl::Seconds(2)};

absl::Status ToStatus(const LoopRpcClient::Reply& reply) {
  const absl::optional<absl::Cord> details = reply.status.GetPayload(kGrpcDetails);
  if (!details) return reply.status;
  absl::Status status(reply.status.code(), reply.status.message());
  return WithDetails(std::move(status), std::string(*details));
}

}  // namespace

struct GrpcOpiClient::State {
  State(RpcAddress address_in, const Options& options, std::shared_ptr<TlsCredentials> tls)
      : address(address_in.ToString()), deadline(options.deadline), credentials(std::move(tls)) {
    LoopRpcClient::Options rpc{.reconnect = kReconnect};
    if (credentials != nullptr) {
      rpc.tls = [this, host = address_in.host] { return TlsSession::Client(*credentials->pem(), host); };
    }
    client = std::make_unique<LoopRpcClient>(loop, std::move(address_in), rpc);
    port_watch = std::make_unique<PortWatch>(loop, *client, address, options.port_watch);
    thread = std::thread([this] { loop.Run(); });
    if (credentials == nullptr) return;
    credentials_changed = TlsCredentials::Subscribe(credentials, [this] {
      loop.Post([this] {
        client->Renew();
        port_watch->Renew();
      });
    });
  }
  ~State() {
    credentials_changed.reset();
    loop.PostAndWait([this] {
      port_watch.reset();
      client.reset();
    });
    loop.Stop();
    thread.join();
  }

  absl::StatusOr<std::string> CallBytes(const char* service, const char* method, std::string request,
                                        int64_t claim) {
    if (loop.InLoop()) return absl::InternalError("an observer must make no call; it would wait for itself");
    LoopRpcClient::CallOptions options{.timeout = deadline};
    if (claim != 0) options.metadata.emplace_back("xpu-claim", absl::StrCat(claim));
    LoopRpcClient::Reply answer;
    absl::Notification done;
    loop.Post([&, path = absl::StrCat("/", service, "/", method)] {
      client->Call(path, request, options, [&](const LoopRpcClient::Reply& reply) {
        answer = reply;
        done.Notify();
      });
    });
    done.WaitForNotification();
    if (!answer.status.ok()) return ToStatus(answer);
    return std::move(answer.response);
  }

  // One call, with the deadline, and the claim as metadata.
  template <typename Response, typename Request>
  absl::StatusOr<Response> Call(const char* service, const char* method, const Request& request,
                                int64_t claim = 0) {
    absl::StatusOr<std::string> bytes = CallBytes(service, method, request.SerializeAsString(), claim);
    Response response;
    if (bytes.ok() && !response.ParseFromString(*bytes)) {
      bytes = absl::InternalError(
          absl::StrCat("the answer is no ", response.GetTypeName(), ", or of another version"));
    }
    if (!bytes.ok()) return Annotate(bytes.status(), absl::StrCat(method, " at ", address));
    return response;
  }

  // All pages of a list; `items` is the field of a page that holds the objects.
  template <typename Request, typename Object, typename Page>
  absl::StatusOr<std::vector<Object>> ListAll(const char* service, const char* method,
                                              google::protobuf::RepeatedPtrField<Object>* (Page::*items)()) {
    std::vector<Object> all;
    Request request;
    do {
      XPU_ASSIGN_OR_RETURN(Page page, Call<Page>(service, method, request));
      for (Object& object : *(page.*items)()) all.push_back(std::move(object));
      request.set_page_token(page.next_page_token());
    } while (!request.page_token().empty());
    return all;
  }

  template <typename Object, typename Request>
  absl::StatusOr<Object> Get(const char* service, const char* method, const std::string& name) {
    Request request;
    request.set_name(name);
    return Call<Object>(service, method, request);
  }

  // What is not there is as good as deleted.
  template <typename Request>
  absl::Status Delete(const char* service, const char* method, const std::string& name, int64_t claim = 0) {
    Request request;
    request.set_name(name);
    request.set_allow_missing(true);
    return Call<google::protobuf::Empty>(service, method, request, claim).status();
  }

  const std::string address;
  const absl::Duration deadline;
  const std::shared_ptr<TlsCredentials> credentials;
  EventLoop loop;
  // The loop's, as the watch is.
  std::unique_ptr<LoopRpcClient> client;
  std::unique_ptr<PortWatch> port_watch;
  std::thread thread;
  std::unique_ptr<TlsCredentials::Subscription> credentials_changed;
};

absl::StatusOr<std::unique_ptr<GrpcOpiClient>> GrpcOpiClient::Make(const std::string& address,
                                                                   const Options& options) {
  XPU_ASSIGN_OR_RETURN(RpcAddress parsed, RpcAddress::Parse(address));
  std::shared_ptr<TlsCredentials> credentials;
  if (!parsed.is_unix()) {
    credentials = options.credentials;
    if (credentials == nullptr) {
      XPU_ASSIGN_OR_RETURN(credentials, TlsCredentials::LoadFor(address, options.tls));
    }
  }
  return std::unique_ptr<GrpcOpiClient>(
      new GrpcOpiClient(std::make_unique<State>(std::move(parsed), options, std::move(credentials))));
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
  return state_->Call<evpn::LogicalBridge>(kBridges, "CreateLogicalBridge", request);
}

absl::StatusOr<evpn::LogicalBridge> GrpcOpiClient::GetLogicalBridge(const std::string& name) {
  return state_->Get<evpn::LogicalBridge, evpn::GetLogicalBridgeRequest>(kBridges, "GetLogicalBridge", name);
}

absl::StatusOr<std::vector<evpn::LogicalBridge>> GrpcOpiClient::ListLogicalBridges() {
  return state_->ListAll<evpn::ListLogicalBridgesRequest>(
      kBridges, "ListLogicalBridges", &evpn::ListLogicalBridgesResponse::mutable_logical_bridges);
}

absl::Status GrpcOpiClient::DeleteLogicalBridge(const std::string& name) {
  return state_->Delete<evpn::DeleteLogicalBridgeRequest>(kBridges, "DeleteLogicalBridge", name);
}

absl::StatusOr<evpn::BridgePort> GrpcOpiClient::CreateBridgePort(const std::string& id,
                                                                 const evpn::BridgePortSpec& spec,
                                                                 int64_t claim) {
  evpn::CreateBridgePortRequest request;
  request.set_bridge_port_id(id);
  *request.mutable_bridge_port()->mutable_spec() = spec;
  return state_->Call<evpn::BridgePort>(kPorts, "CreateBridgePort", request, claim);
}

absl::StatusOr<evpn::BridgePort> GrpcOpiClient::GetBridgePort(const std::string& name) {
  return state_->Get<evpn::BridgePort, evpn::GetBridgePortRequest>(kPorts, "GetBridgePort", name);
}

absl::StatusOr<std::vector<evpn::BridgePort>> GrpcOpiClient::ListBridgePorts() {
  return state_->ListAll<evpn::ListBridgePortsRequest>(kPorts, "ListBridgePorts",
                                                       &evpn::ListBridgePortsResponse::mutable_bridge_ports);
}

absl::Status GrpcOpiClient::DeleteBridgePort(const std::string& name, int64_t claim) {
  return state_->Delete<evpn::DeleteBridgePortRequest>(kPorts, "DeleteBridgePort", name, claim);
}

absl::StatusOr<evpn::Vrf> GrpcOpiClient::CreateVrf(const std::string& id, const evpn::VrfSpec& spec) {
  evpn::CreateVrfRequest request;
  request.set_vrf_id(id);
  *request.mutable_vrf()->mutable_spec() = spec;
  return state_->Call<evpn::Vrf>(kVrfs, "CreateVrf", request);
}

absl::StatusOr<evpn::Vrf> GrpcOpiClient::GetVrf(const std::string& name) {
  return state_->Get<evpn::Vrf, evpn::GetVrfRequest>(kVrfs, "GetVrf", name);
}

absl::StatusOr<std::vector<evpn::Vrf>> GrpcOpiClient::ListVrfs() {
  return state_->ListAll<evpn::ListVrfsRequest>(kVrfs, "ListVrfs", &evpn::ListVrfsResponse::mutable_vrfs);
}

absl::Status GrpcOpiClient::DeleteVrf(const std::string& name) {
  return state_->Delete<evpn::DeleteVrfRequest>(kVrfs, "DeleteVrf", name);
}

absl::StatusOr<evpn::Svi> GrpcOpiClient::CreateSvi(const std::string& id, const evpn::SviSpec& spec) {
  evpn::CreateSviRequest request;
  request.set_svi_id(id);
  *request.mutable_svi()->mutable_spec() = spec;
  return state_->Call<evpn::Svi>(kSvis, "CreateSvi", request);
}

absl::StatusOr<evpn::Svi> GrpcOpiClient::UpdateSvi(const std::string& name, const evpn::SviSpec& spec) {
  evpn::UpdateSviRequest request;
  request.mutable_svi()->set_name(name);
  *request.mutable_svi()->mutable_spec() = spec;
  request.mutable_update_mask()->add_paths("spec");
  return state_->Call<evpn::Svi>(kSvis, "UpdateSvi", request);
}

absl::StatusOr<evpn::Svi> GrpcOpiClient::GetSvi(const std::string& name) {
  return state_->Get<evpn::Svi, evpn::GetSviRequest>(kSvis, "GetSvi", name);
}

absl::StatusOr<std::vector<evpn::Svi>> GrpcOpiClient::ListSvis() {
  return state_->ListAll<evpn::ListSvisRequest>(kSvis, "ListSvis", &evpn::ListSvisResponse::mutable_svis);
}

absl::Status GrpcOpiClient::DeleteSvi(const std::string& name) {
  return state_->Delete<evpn::DeleteSviRequest>(kSvis, "DeleteSvi", name);
}

absl::StatusOr<agent::v1::Subnets> GrpcOpiClient::SetSubnets(const agent::v1::Subnets& subnets) {
  agent::v1::SetSubnetsRequest request;
  *request.mutable_subnets() = subnets;
  return state_->Call<agent::v1::Subnets>(kBindings, "SetSubnets", request);
}

absl::StatusOr<agent::v1::PortBinding> GrpcOpiClient::BindPort(const agent::v1::BindPortRequest& request) {
  return state_->Call<agent::v1::PortBinding>(kBindings, "BindPort", request);
}

absl::Status GrpcOpiClient::UnbindPort(const agent::v1::UnbindPortRequest& request) {
  return state_->Call<google::protobuf::Empty>(kBindings, "UnbindPort", request).status();
}

absl::StatusOr<std::vector<agent::v1::PortBinding>> GrpcOpiClient::ListPortBindings() {
  XPU_ASSIGN_OR_RETURN(auto all, state_->Call<agent::v1::ListPortBindingsResponse>(
                                     kBindings, "ListPortBindings", agent::v1::ListPortBindingsRequest()));
  std::vector<agent::v1::PortBinding> bindings;
  for (agent::v1::PortBinding& binding : *all.mutable_bindings()) bindings.push_back(std::move(binding));
  return bindings;
}

absl::Status GrpcOpiClient::SetAddressBlocks(const agent::v1::SetAddressBlocksRequest& request) {
  return state_->Call<google::protobuf::Empty>(kBindings, "SetAddressBlocks", request).status();
}

absl::Status GrpcOpiClient::UpdateRemotePorts(const agent::v1::UpdateRemotePortsRequest& request) {
  return state_->Call<google::protobuf::Empty>(kBindings, "UpdateRemotePorts", request).status();
}

absl::StatusOr<agent::v1::SetChainResponse> GrpcOpiClient::SetChain(
    const agent::v1::SetChainRequest& request) {
  return state_->Call<agent::v1::SetChainResponse>(kChains, "SetChain", request);
}

void GrpcOpiClient::ObserveConnection(std::function<void(bool connected)> changed) {
  state_->loop.PostAndWait([&] { state_->client->Watch(std::move(changed)); });
}

void GrpcOpiClient::WatchPorts(
    std::function<void(const absl::StatusOr<agent::v1::PortStates>& states)> changed) {
  state_->loop.PostAndWait([&] { state_->port_watch->Observe(std::move(changed)); });
}

}  // namespace xpu
