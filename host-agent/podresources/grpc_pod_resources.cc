#include "host-agent/podresources/grpc_pod_resources.h"

#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <set>
#include <utility>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "absl/synchronization/mutex.h"
#include "common/rpc/rpc.h"
#include "grpcpp/grpcpp.h"
#include "kubelet/podresources/v1/api.grpc.pb.h"

namespace xpu {
namespace {

constexpr std::chrono::seconds kDeadline{10};
// As the kubelet's own client has it.
constexpr int kMaxMessage = 16 * 1024 * 1024;

PodList FromWire(const v1::ListPodResourcesResponse& response) {
  PodList list;
  // A resource may be listed once for each NUMA node.
  std::set<HeldDevice> devices;
  for (const v1::PodResources& pod : response.pod_resources()) {
    const PodName name{pod.namespace_(), pod.name()};
    list.pods.insert(name);
    for (const v1::ContainerResources& container : pod.containers()) {
      for (const v1::ContainerDevices& held : container.devices()) {
        for (const std::string& id : held.device_ids()) {
          devices.insert({held.resource_name(), id, name, container.name()});
        }
      }
    }
  }
  list.devices.assign(devices.begin(), devices.end());
  return list;
}

}  // namespace

struct GrpcPodResources::State {
  absl::Mutex mu;
  std::shared_ptr<grpc::Channel> channel ABSL_GUARDED_BY(mu);
  std::set<grpc::ClientContext*> running ABSL_GUARDED_BY(mu);
  bool cancelled ABSL_GUARDED_BY(mu) = false;
};

GrpcPodResources::GrpcPodResources(std::string socket)
    : socket_(std::move(socket)), state_(std::make_unique<State>()) {}

GrpcPodResources::~GrpcPodResources() = default;

absl::StatusOr<PodList> GrpcPodResources::List() {
  grpc::ClientContext context;
  context.set_deadline(std::chrono::system_clock::now() + kDeadline);
  std::shared_ptr<grpc::Channel> channel;
  {
    absl::MutexLock lock(&state_->mu);
    if (state_->cancelled) return absl::CancelledError("the kubelet is asked no more");
    // Also so that a host without a kubelet pays nothing for it.
    if (access(socket_.c_str(), F_OK) != 0) {
      state_->channel = nullptr;
      return absl::NotFoundError(absl::StrCat("there is no kubelet at ", socket_));
    }
    if (state_->channel == nullptr) {
      grpc::ChannelArguments arguments;
      arguments.SetMaxReceiveMessageSize(kMaxMessage);
      // One of its own, so that a new channel does not inherit the delay before an old one connects again.
      arguments.SetInt(GRPC_ARG_USE_LOCAL_SUBCHANNEL_POOL, 1);
      state_->channel = grpc::CreateCustomChannel(absl::StrCat("unix:", socket_),
                                                  grpc::InsecureChannelCredentials(), arguments);
    }
    channel = state_->channel;
    state_->running.insert(&context);
  }
  v1::ListPodResourcesResponse response;
  const grpc::Status status = v1::PodResourcesLister::NewStub(channel)->List(&context, {}, &response);
  absl::MutexLock lock(&state_->mu);
  state_->running.erase(&context);
  if (status.ok()) return FromWire(response);
  if (state_->cancelled) return absl::CancelledError("the kubelet is asked no more");
  if (state_->channel == channel) state_->channel = nullptr;
  const std::string message = absl::StrCat(
      "the kubelet at ", socket_, " does not tell which pods hold devices: ", status.error_message());
  return absl::UnavailableError(message);
}

void GrpcPodResources::Cancel() {
  absl::MutexLock lock(&state_->mu);
  state_->cancelled = true;
  for (grpc::ClientContext* context : state_->running) context->TryCancel();
}

}  // namespace xpu
