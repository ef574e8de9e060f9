#include "test/lib/kubelet/kubelet_standin.h"

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "common/base/status_macros.h"
#include "common/rpc/rpc.h"
#include "grpcpp/grpcpp.h"
#include "spdlog/spdlog.h"
#include "test/lib/kubelet/kubelet.h"
#include "xpu/kubelet_standin/v1/control.grpc.pb.h"

namespace xpu::testing {
namespace {

namespace pb = kubelet_standin::v1;

class KubeletControl : public pb::KubeletControl::Service {
 public:
  explicit KubeletControl(Kubelet& kubelet) : kubelet_(kubelet) {}

  grpc::Status AdmitContainer(grpc::ServerContext*, const pb::AdmitContainerRequest* request,
                              pb::AdmitContainerResponse* response) override {
    if (request->container().empty()) return ToGrpc(absl::InvalidArgumentError("container is empty"));
    auto admission = kubelet_.Admit(request->container(), request->resource_name(), request->count());
    if (!admission.ok()) {
      spdlog::warn("cannot admit {}: {}", request->container(), admission.status().ToString());
      return ToGrpc(admission.status());
    }
    response->mutable_device_ids()->Assign(admission->device_ids.begin(), admission->device_ids.end());
    *response->mutable_response() = std::move(admission->response);
    return grpc::Status::OK;
  }

  grpc::Status RemoveContainer(grpc::ServerContext*, const pb::RemoveContainerRequest* request,
                               google::protobuf::Empty*) override {
    return ToGrpc(kubelet_.Remove(request->container()));
  }

  grpc::Status GetDevices(grpc::ServerContext* context, const pb::GetDevicesRequest* request,
                          pb::GetDevicesResponse* response) override {
    const auto resource = kubelet_.Await(
        request->resource_name(),
        [&](const KubeletResource& seen) {
          if (seen.allocatable < request->at_least()) return false;
          int unhealthy = 0;
          for (const v1beta1::Device& device : seen.devices) {
            const auto& ids = request->unhealthy_ids();
            if (device.health() == "Unhealthy" && std::count(ids.begin(), ids.end(), device.id()) > 0)
              ++unhealthy;
          }
          return unhealthy == request->unhealthy_ids_size();
        },
        absl::FromChrono(context->deadline()));
    if (!resource.ok()) return ToGrpc(resource.status());
    for (const v1beta1::Device& device : resource->devices) *response->add_devices() = device;
    response->mutable_held_ids()->Assign(resource->held.begin(), resource->held.end());
    response->set_capacity(resource->capacity);
    response->set_allocatable(resource->allocatable);
    response->set_connected(resource->connected);
    return grpc::Status::OK;
  }

 private:
  Kubelet& kubelet_;
};

}  // namespace

std::unique_ptr<grpc::Service> MakeKubeletControl(Kubelet& kubelet) {
  return std::make_unique<KubeletControl>(kubelet);
}

absl::Status RunKubeletStandin(const KubeletStandinOptions& options, const KubeletStandinDeps& deps) {
  XPU_ASSIGN_OR_RETURN(
      const std::unique_ptr<Kubelet> kubelet,
      Kubelet::Start({.plugin_dir = options.plugin_dir, .pod_resources = options.pod_resources}));
  const std::unique_ptr<grpc::Service> control = MakeKubeletControl(*kubelet);
  XPU_ASSIGN_OR_RETURN(const std::unique_ptr<RpcServer> server,
                       RpcServer::Start({options.listen}, {control.get()}));
  spdlog::info("plugins register in {}, control on {}", options.plugin_dir, options.listen);
  if (deps.serving != nullptr) deps.serving();
  deps.loop->Run();
  // Before the server waits for its calls.
  kubelet->CancelWaits();
  return absl::OkStatus();
}

}  // namespace xpu::testing
