#include "host-agent/podresources/grpc_pod_resources.h"

#include <unistd.h>

#include <set>
#include <utility>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include "common/base/event_loop.h"
#include "common/loop_rpc/loop_rpc_client.h"
#include "kubelet/podresources/v1/api.pb.h"

namespace xpu {
namespace {

constexpr absl::Duration kDeadline = absl::Seconds(10);
// As the kubelet's own client has it.
constexpr size_t kMaxMessage = size_t{16} << 20;

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
  // On which calls run.
  std::set<EventLoop*> running ABSL_GUARDED_BY(mu);
  bool cancelled ABSL_GUARDED_BY(mu) = false;
};

GrpcPodResources::GrpcPodResources(std::string socket)
    : socket_(std::move(socket)), state_(std::make_unique<State>()) {}

GrpcPodResources::~GrpcPodResources() = default;

absl::StatusOr<PodList> GrpcPodResources::List() {
  // Of this call alone, as is the connection: it is asked seldom, and the kubelet may have been started anew.
  EventLoop loop;
  {
    absl::MutexLock lock(&state_->mu);
    if (state_->cancelled) return absl::CancelledError("the kubelet is asked no more");
    // Also so that a host without a kubelet pays nothing for it.
    if (access(socket_.c_str(), F_OK) != 0) {
      return absl::NotFoundError(absl::StrCat("there is no kubelet at ", socket_));
    }
    state_->running.insert(&loop);
  }
  LoopRpcClient::Reply reply{.status = absl::CancelledError("the kubelet is asked no more")};
  {
    LoopRpcClient client(loop, socket_, {.max_message = kMaxMessage});
    client.Call("/v1.PodResourcesLister/List", v1::ListPodResourcesRequest().SerializeAsString(),
                {.timeout = kDeadline}, [&](const LoopRpcClient::Reply& told) {
                  reply = told;
                  loop.Stop();
                });
    loop.Run();
  }
  {
    absl::MutexLock lock(&state_->mu);
    state_->running.erase(&loop);
    if (state_->cancelled) return absl::CancelledError("the kubelet is asked no more");
  }
  v1::ListPodResourcesResponse response;
  if (reply.status.ok() && !response.ParseFromString(reply.response)) {
    reply.status = absl::InternalError("it answers what is no list");
  }
  if (reply.status.ok()) return FromWire(response);
  return absl::UnavailableError(absl::StrCat(
      "the kubelet at ", socket_, " does not tell which pods hold devices: ", reply.status.message()));
}

void GrpcPodResources::Cancel() {
  absl::MutexLock lock(&state_->mu);
  state_->cancelled = true;
  for (EventLoop* loop : state_->running) loop->Stop();
}

}  // namespace xpu
