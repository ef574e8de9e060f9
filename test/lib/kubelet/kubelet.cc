#include "test/lib/kubelet/kubelet.h"

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "common/base/status_macros.h"
#include "common/rpc/rpc.h"
#include "device-plugin/resource_name.h"
#include "grpcpp/grpcpp.h"
#include "kubelet/deviceplugin/v1beta1/api.grpc.pb.h"
#include "kubelet/podresources/v1/api.grpc.pb.h"
#include "spdlog/spdlog.h"

namespace xpu::testing {
namespace {

namespace fs = std::filesystem;

// CleanupPluginDirectory: sockets only, other files stay.
absl::Status RemoveSockets(const std::string& folder) {
  std::error_code error;
  fs::create_directories(folder, error);
  for (const fs::directory_entry& entry : fs::directory_iterator(folder, error)) {
    if (entry.is_socket()) fs::remove(entry.path(), error);
  }
  if (error) return absl::InternalError(absl::StrCat("cannot clear ", folder, ": ", error.message()));
  return absl::OkStatus();
}

}  // namespace

class Kubelet::Registration : public v1beta1::Registration::Service {
 public:
  explicit Registration(Kubelet& kubelet) : kubelet_(kubelet) {}
  grpc::Status Register(grpc::ServerContext*, const v1beta1::RegisterRequest* request,
                        v1beta1::Empty*) override {
    const absl::Status status = kubelet_.Register(*request);
    if (!status.ok()) spdlog::warn("bad registration of {}: {}", request->resource_name(), status.ToString());
    return ToGrpc(status);
  }

 private:
  Kubelet& kubelet_;
};

// PodResources of what containers hold (pkg/kubelet/apis/podresources/server_v1.go).
class Kubelet::PodLister : public v1::PodResourcesLister::Service {
 public:
  explicit PodLister(Kubelet& kubelet) : kubelet_(kubelet) {}
  grpc::Status List(grpc::ServerContext*, const v1::ListPodResourcesRequest*,
                    v1::ListPodResourcesResponse* response) override {
    absl::MutexLock lock(&kubelet_.mutex_);
    for (const auto& [container, resources] : kubelet_.ledger_.AllHeld()) {
      std::vector<std::string> names = absl::StrSplit(container, '/');
      if (names.size() != 3) names = {"default", container, container};
      v1::PodResources& pod = *response->add_pod_resources();
      pod.set_namespace_(names[0]);
      pod.set_name(names[1]);
      v1::ContainerResources& out = *pod.add_containers();
      out.set_name(names[2]);
      for (const auto& [resource, held] : resources) {
        v1::ContainerDevices& devices = *out.add_devices();
        devices.set_resource_name(resource);
        devices.mutable_device_ids()->Assign(held.ids.begin(), held.ids.end());
      }
    }
    return grpc::Status::OK;
  }

 private:
  Kubelet& kubelet_;
};

Kubelet::Kubelet(const KubeletOptions& options)
    : options_(options),
      registration_(std::make_unique<Registration>(*this)),
      pod_lister_(std::make_unique<PodLister>(*this)),
      ledger_(options.endpoint_stop_grace) {}

absl::StatusOr<std::unique_ptr<Kubelet>> Kubelet::Start(const KubeletOptions& options) {
  std::unique_ptr<Kubelet> kubelet(new Kubelet(options));
  XPU_RETURN_IF_ERROR(kubelet->Serve());
  return kubelet;
}

absl::Status Kubelet::Serve() {
  const std::string socket = options_.plugin_dir + "/kubelet.sock";
  {
    absl::MutexLock lock(&mutex_);
    std::ifstream file(checkpoint());
    std::ostringstream text;
    text << file.rdbuf();
    if (file) {
      // As the real one: without its books it still serves.
      const absl::Status read = ledger_.FromJson(text.str(), options_.clock->Now());
      if (!read.ok()) spdlog::warn("{}: {}", checkpoint(), read.ToString());
    }
  }
  XPU_RETURN_IF_ERROR(RemoveSockets(options_.plugin_dir));
  XPU_ASSIGN_OR_RETURN(server_, RpcServer::Start({absl::StrCat("unix:", socket)}, {registration_.get()}));
  if (!options_.pod_resources.empty()) {
    std::error_code error;
    fs::create_directories(fs::path(options_.pod_resources).parent_path(), error);
    XPU_ASSIGN_OR_RETURN(
        pod_server_, RpcServer::Start({absl::StrCat("unix:", options_.pod_resources)}, {pod_lister_.get()}));
  }
  if (options_.registry_dir.empty()) return absl::OkStatus();
  XPU_ASSIGN_OR_RETURN(watcher_,
                       PluginWatcher::Start(options_.registry_dir, options_.dial_timeout,
                                            [this](const std::string& resource, const std::string& endpoint) {
                                              return RegisterAt(resource, endpoint);
                                            }));
  return absl::OkStatus();
}

Kubelet::~Kubelet() {
  CancelWaits();
  watcher_ = nullptr;
  server_ = nullptr;
  pod_server_ = nullptr;
  std::vector<std::shared_ptr<PluginEndpoint>> endpoints;
  {
    absl::MutexLock lock(&mutex_);
    endpoints = std::move(old_endpoints_);
    for (auto& [resource, endpoint] : endpoints_) endpoints.push_back(std::move(endpoint));
    endpoints_.clear();
  }
  // Their threads take the lock, so they are joined without it.
  endpoints.clear();
}

void Kubelet::CancelWaits() {
  absl::MutexLock lock(&mutex_);
  stopping_ = true;
}

absl::Status Kubelet::Register(const v1beta1::RegisterRequest& request) {
  const std::string resource = request.resource_name();
  if (request.version() != "v1beta1") {
    return absl::InvalidArgumentError(
        absl::StrCat("requested API version ", request.version(),
                     " is not supported by kubelet. Supported version is v1beta1"));
  }
  if (request.endpoint().empty() || request.endpoint().find('/') != std::string::npos) {
    return absl::InvalidArgumentError(
        absl::StrCat("endpoint \"", request.endpoint(), "\" must be a file name"));
  }
  return RegisterAt(resource, options_.plugin_dir + "/" + request.endpoint());
}

absl::Status Kubelet::RegisterAt(const std::string& resource, const std::string& socket) {
  XPU_RETURN_IF_ERROR(CheckResourceName(resource));
  XPU_ASSIGN_OR_RETURN(std::shared_ptr<PluginEndpoint> endpoint,
                       PluginEndpoint::Connect(socket, options_.dial_timeout));
  absl::MutexLock lock(&mutex_);
  if (stopping_) return absl::UnavailableError("the kubelet is stopping");
  if (auto& current = endpoints_[resource]; current != nullptr) {
    current->Cancel();
    old_endpoints_.push_back(std::move(current));
  }
  endpoints_[resource] = endpoint;
  ledger_.Connected(resource);
  ++registrations_[resource];
  PluginEndpoint* raw = endpoint.get();
  endpoint->Run(
      [this, resource, raw](const v1beta1::ListAndWatchResponse& list) {
        absl::MutexLock inner(&mutex_);
        if (endpoints_[resource].get() != raw) return;
        ++lists_[resource];
        ledger_.Received(resource, list);
        if (absl::Status status = WriteCheckpoint(); !status.ok()) spdlog::error("{}", status.ToString());
      },
      [this, resource, raw] {
        absl::MutexLock inner(&mutex_);
        if (endpoints_[resource].get() != raw) return;
        spdlog::info("ListAndWatch of {} has ended", resource);
        old_endpoints_.push_back(std::move(endpoints_[resource]));
        endpoints_.erase(resource);
        ledger_.Disconnected(resource, options_.clock->Now());
      });
  spdlog::info("{} was registered by {}", resource, socket);
  return absl::OkStatus();
}

absl::StatusOr<Kubelet::Admission> Kubelet::Admit(const std::string& container, const std::string& resource,
                                                  int count) {
  absl::MutexLock admission(&admission_);
  std::shared_ptr<PluginEndpoint> endpoint;
  std::vector<std::string> available;
  {
    absl::MutexLock lock(&mutex_);
    XPU_ASSIGN_OR_RETURN(DeviceLedger::Choice choice, ledger_.Choose(container, resource, count));
    if (choice.held != nullptr) {
      return Admission{{choice.held->ids.begin(), choice.held->ids.end()}, choice.held->response};
    }
    available = std::move(choice.available);
    const auto found = endpoints_.find(resource);
    if (found == endpoints_.end()) {
      return absl::UnavailableError(absl::StrCat("endpoint of ", resource, " has been stopped"));
    }
    endpoint = found->second;
  }

  const auto wanted = static_cast<size_t>(count);
  std::set<std::string> chosen;
  if (endpoint->options().get_preferred_allocation_available() && wanted < available.size()) {
    XPU_ASSIGN_OR_RETURN(const std::vector<std::string> preferred,
                         endpoint->GetPreferredAllocation(available, count));
    for (const std::string& id : preferred) {
      if (chosen.size() < wanted && std::binary_search(available.begin(), available.end(), id))
        chosen.insert(id);
    }
  }
  for (auto id = available.begin(); chosen.size() < wanted; ++id) chosen.insert(*id);

  Admission admitted;
  admitted.device_ids.assign(chosen.begin(), chosen.end());
  XPU_ASSIGN_OR_RETURN(admitted.response, endpoint->Allocate(admitted.device_ids));
  if (endpoint->options().pre_start_required()) {
    XPU_RETURN_IF_ERROR(endpoint->PreStartContainer(admitted.device_ids));
  }
  spdlog::info("{} has {}", container, absl::StrJoin(chosen, ", "));
  absl::MutexLock lock(&mutex_);
  ledger_.Hold(container, resource, {.ids = std::move(chosen), .response = admitted.response});
  XPU_RETURN_IF_ERROR(WriteCheckpoint());
  return admitted;
}

absl::Status Kubelet::Remove(const std::string& container) {
  absl::MutexLock admission(&admission_);
  absl::MutexLock lock(&mutex_);
  ledger_.Release(container);
  return WriteCheckpoint();
}

KubeletResource Kubelet::Look(const std::string& resource) {
  absl::MutexLock lock(&mutex_);
  return LookLocked(resource);
}

KubeletResource Kubelet::LookLocked(const std::string& resource) {
  KubeletResource seen;
  // First, as it forgets what is over.
  const DeviceLedger::Capacity capacity = ledger_.GetCapacity(resource, options_.clock->Now());
  seen.capacity = capacity.capacity;
  seen.allocatable = capacity.allocatable;
  seen.connected = ledger_.IsConnected(resource);
  seen.devices = ledger_.Devices(resource);
  seen.held = ledger_.Held(resource);
  seen.registrations = registrations_[resource];
  seen.lists = lists_[resource];
  return seen;
}

absl::StatusOr<KubeletResource> Kubelet::Await(const std::string& resource,
                                               const std::function<bool(const KubeletResource&)>& wanted,
                                               absl::Time deadline) {
  KubeletResource seen;
  const auto done = [&] {
    mutex_.AssertHeld();
    seen = LookLocked(resource);
    return stopping_ || wanted(seen);
  };
  absl::MutexLock lock(&mutex_);
  const bool in_time = mutex_.AwaitWithDeadline(absl::Condition(&done), deadline);
  if (in_time && wanted(seen)) return seen;
  if (stopping_) return absl::CancelledError("the kubelet is stopping");
  return absl::DeadlineExceededError(absl::StrCat(resource, " has ", seen.devices.size(), " devices, ",
                                                  seen.allocatable, " of them healthy, and a plugin that is ",
                                                  seen.connected ? "connected" : "not connected"));
}

absl::Status Kubelet::WriteCheckpoint() {
  const std::string next = checkpoint() + ".next";
  std::ofstream file(next);
  file << ledger_.ToJson();
  file.close();
  std::error_code error;
  fs::rename(next, checkpoint(), error);
  if (!file || error) return absl::InternalError(absl::StrCat("cannot write ", checkpoint()));
  return absl::OkStatus();
}

}  // namespace xpu::testing
