#include "test/lib/kubelet/plugin_endpoint.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "common/base/status_macros.h"
#include "common/rpc/rpc.h"
#include "grpcpp/grpcpp.h"
#include "kubelet/deviceplugin/v1beta1/api.grpc.pb.h"

namespace xpu::testing {

struct PluginEndpoint::Connection {
  std::shared_ptr<grpc::Channel> channel;
  std::unique_ptr<v1beta1::DevicePlugin::Stub> stub;
  grpc::ClientContext stream_context;
};

PluginEndpoint::PluginEndpoint() : connection_(std::make_unique<Connection>()) {}

PluginEndpoint::~PluginEndpoint() {
  Cancel();
  if (stream_.joinable()) stream_.join();
}

absl::StatusOr<std::unique_ptr<PluginEndpoint>> PluginEndpoint::Connect(const std::string& socket,
                                                                        absl::Duration timeout) {
  const auto deadline = absl::ToChronoTime(absl::Now() + timeout);
  std::unique_ptr<PluginEndpoint> endpoint(new PluginEndpoint());
  Connection& connection = *endpoint->connection_;
  XPU_ASSIGN_OR_RETURN(connection.channel, MakeChannel(absl::StrCat("unix:", socket)));
  if (!connection.channel->WaitForConnected(deadline)) {
    return absl::UnavailableError(absl::StrCat("failed to dial device plugin: nobody answers on ", socket));
  }
  connection.stub = v1beta1::DevicePlugin::NewStub(connection.channel);
  grpc::ClientContext context;
  context.set_deadline(deadline);
  XPU_RETURN_IF_ERROR(Annotate(
      FromGrpc(connection.stub->GetDevicePluginOptions(&context, v1beta1::Empty(), &endpoint->options_)),
      "failed to get device plugin options"));
  return endpoint;
}

void PluginEndpoint::Run(std::function<void(const v1beta1::ListAndWatchResponse&)> received,
                         std::function<void()> ended) {
  stream_ = std::thread([this, received = std::move(received), ended = std::move(ended)] {
    auto reader = connection_->stub->ListAndWatch(&connection_->stream_context, v1beta1::Empty());
    v1beta1::ListAndWatchResponse response;
    while (reader->Read(&response)) received(response);
    // The reason makes no difference to a kubelet.
    const grpc::Status ignored = reader->Finish();
    ended();
  });
}

void PluginEndpoint::Cancel() { connection_->stream_context.TryCancel(); }

absl::StatusOr<v1beta1::ContainerAllocateResponse> PluginEndpoint::Allocate(
    const std::vector<std::string>& ids) {
  v1beta1::AllocateRequest request;
  request.add_container_requests()->mutable_devices_ids()->Assign(ids.begin(), ids.end());
  v1beta1::AllocateResponse response;
  grpc::ClientContext context;
  XPU_RETURN_IF_ERROR(FromGrpc(connection_->stub->Allocate(&context, request, &response)));
  if (response.container_responses_size() == 0) {
    return absl::InternalError("the plugin returned no containers in its allocation response");
  }
  return response.container_responses(0);
}

absl::StatusOr<std::vector<std::string>> PluginEndpoint::GetPreferredAllocation(
    const std::vector<std::string>& available, int count) {
  v1beta1::PreferredAllocationRequest request;
  v1beta1::ContainerPreferredAllocationRequest* container = request.add_container_requests();
  container->mutable_available_deviceids()->Assign(available.begin(), available.end());
  container->set_allocation_size(count);
  v1beta1::PreferredAllocationResponse response;
  grpc::ClientContext context;
  XPU_RETURN_IF_ERROR(FromGrpc(connection_->stub->GetPreferredAllocation(&context, request, &response)));
  if (response.container_responses_size() == 0) return std::vector<std::string>();
  const auto& ids = response.container_responses(0).deviceids();
  return std::vector<std::string>(ids.begin(), ids.end());
}

absl::Status PluginEndpoint::PreStartContainer(const std::vector<std::string>& ids) {
  v1beta1::PreStartContainerRequest request;
  request.mutable_devices_ids()->Assign(ids.begin(), ids.end());
  v1beta1::PreStartContainerResponse response;
  grpc::ClientContext context;
  context.set_deadline(absl::ToChronoTime(absl::Now() + absl::Seconds(30)));
  return FromGrpc(connection_->stub->PreStartContainer(&context, request, &response));
}

}  // namespace xpu::testing
