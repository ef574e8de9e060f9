#include "test/lib/pair/pair.h"

#include <chrono>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "common/api/api.h"
#include "common/base/status_macros.h"
#include "common/kube/change_signal.h"
#include "common/kube/kube_client.h"
#include "common/opi/grpc_opi_client.h"
#include "common/rpc/rpc.h"
#include "common/sys/process.h"
#include "xpu/api/v1alpha1/network.pb.h"
#include "xpu/hostagent/v1/host_agent.grpc.pb.h"
#include "xpu/kubelet_standin/v1/control.grpc.pb.h"

namespace xpu::testing {
namespace {

void SetDeadline(grpc::ClientContext& context) {
  context.set_deadline(std::chrono::system_clock::now() + std::chrono::seconds(60));
}

}  // namespace

struct Pair::Stubs {
  std::unique_ptr<kubelet_standin::v1::KubeletControl::Stub> kubelet;
};

Pair::Pair(Sandbox& sandbox)
    : sandbox_(sandbox),
      runtime_({.plugin = sandbox.options().bin_dir + "/xpu-cni",
                .environment = {{"XPU_HOST_AGENT", sandbox.layout().host_agent()}}}),
      stubs_(std::make_unique<Stubs>()) {}

Pair::~Pair() = default;

absl::StatusOr<std::unique_ptr<Pair>> Pair::Connect(Sandbox& sandbox) {
  const SandboxLayout& layout = sandbox.layout();
  std::unique_ptr<Pair> pair(new Pair(sandbox));
  XPU_ASSIGN_OR_RETURN(const auto kubelet_channel, MakeChannel(layout.kubelet_control()));
  pair->stubs_->kubelet = kubelet_standin::v1::KubeletControl::NewStub(kubelet_channel);
  for (const std::string& cluster : sandbox.options().ClusterNames()) {
    XPU_ASSIGN_OR_RETURN(pair->stores_[cluster], KubeClient::Make({.server = layout.api_server(cluster)}));
  }
  return pair;
}

absl::StatusOr<std::unique_ptr<OpiClient>> Pair::ConnectAgent(int card) {
  return GrpcOpiClient::Make(sandbox_.layout().xpu_agent(card));
}

absl::Status Pair::AwaitDevices(int at_least) {
  grpc::ClientContext context;
  SetDeadline(context);
  kubelet_standin::v1::GetDevicesRequest request;
  request.set_resource_name(SandboxLayout::resource_name());
  request.set_at_least(at_least);
  kubelet_standin::v1::GetDevicesResponse response;
  return FromGrpc(stubs_->kubelet->GetDevices(&context, request, &response));
}

absl::Status Pair::AwaitUnhealthy(const std::string& device) {
  grpc::ClientContext context;
  SetDeadline(context);
  kubelet_standin::v1::GetDevicesRequest request;
  request.set_resource_name(SandboxLayout::resource_name());
  request.add_unhealthy_ids(device);
  kubelet_standin::v1::GetDevicesResponse response;
  return FromGrpc(stubs_->kubelet->GetDevices(&context, request, &response));
}

absl::StatusOr<std::string> Pair::Allocate(const std::string& container) {
  grpc::ClientContext context;
  SetDeadline(context);
  kubelet_standin::v1::AdmitContainerRequest request;
  request.set_container(container);
  request.set_resource_name(SandboxLayout::resource_name());
  request.set_count(1);
  kubelet_standin::v1::AdmitContainerResponse response;
  XPU_RETURN_IF_ERROR(FromGrpc(stubs_->kubelet->AdmitContainer(&context, request, &response)));
  if (response.device_ids_size() != 1) return absl::InternalError("the kubelet gave no device");
  return response.device_ids(0);
}

absl::Status Pair::Deallocate(const std::string& container) {
  grpc::ClientContext context;
  SetDeadline(context);
  kubelet_standin::v1::RemoveContainerRequest request;
  request.set_container(container);
  google::protobuf::Empty response;
  return FromGrpc(stubs_->kubelet->RemoveContainer(&context, request, &response));
}

Pod Pair::Describe(const PodRequest& request) const {
  Pod pod{.name = request.name, .netns = sandbox_.layout().netns("pod-" + request.name)};
  pod.container_id = "sandbox-" + request.name;
  nlohmann::json config = request.definition;
  if (config.is_null()) {
    config = {{"cniVersion", "1.0.0"}, {"name", "xpu"}, {"type", "xpu-cni"}, {"network", request.network}};
  }
  if (!request.addresses.empty()) config["runtimeConfig"]["ips"] = request.addresses;
  if (!request.mac.empty()) config["runtimeConfig"]["mac"] = request.mac;
  pod.config = config.dump();
  return pod;
}

absl::StatusOr<CniOutcome> Pair::Cni(const std::string& command, const Pod& pod) {
  nlohmann::json config = nlohmann::json::parse(pod.config);
  if (!pod.device.empty()) config["deviceID"] = pod.device;
  return runtime_.Run(
      {.command = command,
       .container_id = pod.container_id,
       .netns = pod.netns,
       .ifname = "eth0",
       .args = absl::StrCat("IgnoreUnknown=1;K8S_POD_NAMESPACE=default;K8S_POD_NAME=", pod.name),
       .config = config.dump()});
}

absl::Status Pair::ReadResult(const std::string& output, Pod& pod) {
  pod.result = nlohmann::json::parse(output, nullptr, /*allow_exceptions=*/false);
  if (!pod.result.is_object() || !pod.result.contains("interfaces") || pod.result["interfaces"].empty()) {
    return absl::InternalError(absl::StrCat("ADD answered no CNI result: ", output));
  }
  XPU_ASSIGN_OR_RETURN(pod.mac, MacAddress::Parse(pod.result["interfaces"][0].value("mac", "")));
  for (const auto& ip : pod.result.value("ips", nlohmann::json::array())) {
    XPU_ASSIGN_OR_RETURN(const auto address, InterfaceAddress::Parse(ip.value("address", "")));
    (address.address.is_v4() ? pod.v4 : pod.v6) = address.address;
  }
  return absl::OkStatus();
}

absl::StatusOr<Pod> Pair::StartPod(const PodRequest& request) {
  Pod pod = Describe(request);
  XPU_RETURN_IF_ERROR(sandbox_.AddPodNamespace("pod-" + pod.name));
  const auto start = [&]() -> absl::Status {
    XPU_RETURN_IF_ERROR(AwaitDevices(1));
    XPU_ASSIGN_OR_RETURN(pod.device, Allocate(pod.name));
    XPU_ASSIGN_OR_RETURN(const CniOutcome outcome, Cni("ADD", pod));
    if (!outcome.ok())
      return absl::InternalError(absl::StrCat("ADD: ", outcome.output, outcome.error_output));
    return ReadResult(outcome.output, pod);
  };
  if (absl::Status status = start(); !status.ok()) {
    StopPod(pod).IgnoreError();  // the error of the start is the one that explains
    return status;
  }
  return pod;
}

absl::Status Pair::StopPod(const Pod& pod) {
  absl::Status first;
  const auto outcome = Cni("DEL", pod);
  first.Update(outcome.status());
  if (outcome.ok() && !outcome->ok())
    first.Update(absl::InternalError(absl::StrCat("DEL: ", outcome->output)));
  first.Update(Deallocate(pod.name));
  first.Update(sandbox_.RemovePodNamespace("pod-" + pod.name));
  return first;
}

absl::StatusOr<std::string> Pair::Xpuctl(const std::vector<std::string>& args) {
  std::vector<std::string> argv = {sandbox_.options().bin_dir + "/xpuctl", "--server",
                                   sandbox_.layout().api_server()};
  argv.insert(argv.end(), args.begin(), args.end());
  return RunProgram({.argv = std::move(argv)}, absl::Now() + absl::Seconds(60));
}

absl::Status Pair::WaitUntilNetworksReady(absl::Time deadline) {
  const ResourceKind& kind = api::KindOf<api::v1alpha1::Network>();
  const int64_t cards = sandbox_.options().cards;
  ChangeSignal signal;
  XPU_ASSIGN_OR_RETURN(const auto watcher, NotifyOfChanges(store(), kind, signal));
  std::string waiting_for;
  while (signal.AwaitNews(deadline)) {
    XPU_ASSIGN_OR_RETURN(const ResourceList listed, store().List(kind, ""));
    waiting_for.clear();
    for (const Resource& object : listed.items) {
      XPU_ASSIGN_OR_RETURN(const auto network, api::Decode<api::v1alpha1::Network>(object));
      const int64_t generation = object["metadata"].value("generation", int64_t{0});
      int64_t confirmed = 0;
      for (const auto& card : network.status().cards())
        confirmed += card.confirmed_generation() == generation;
      if (confirmed != cards) waiting_for = object.dump();
    }
    if (waiting_for.empty()) return absl::OkStatus();
  }
  return absl::DeadlineExceededError(absl::StrCat("not confirmed by every card: ", waiting_for));
}

absl::StatusOr<std::vector<hostagent::v1::Claim>> Pair::Claims() {
  // A connection of its own each time, as in ConnectAgent().
  XPU_ASSIGN_OR_RETURN(const auto channel, MakeChannel(sandbox_.layout().host_agent()));
  grpc::ClientContext context;
  SetDeadline(context);
  context.set_wait_for_ready(true);
  hostagent::v1::ListClaimsResponse response;
  XPU_RETURN_IF_ERROR(
      FromGrpc(hostagent::v1::HostAgentService::NewStub(channel)->ListClaims(&context, {}, &response)));
  return std::vector<hostagent::v1::Claim>(response.claims().begin(), response.claims().end());
}

}  // namespace xpu::testing
