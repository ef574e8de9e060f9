#include "device-plugin/plugin_service.h"

#include <atomic>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/synchronization/mutex.h"
#include "common/base/status_macros.h"
#include "common/rpc/rpc.h"
#include "device-plugin/container_answer.h"
#include "device-plugin/list_and_watch.h"
#include "device-plugin/preferred_allocation.h"
#include "grpcpp/grpcpp.h"
#include "kubelet/deviceplugin/v1beta1/api.grpc.pb.h"
#include "spdlog/spdlog.h"
#include "xpu/hostagent/v1/host_agent.grpc.pb.h"

namespace xpu {
namespace {

using hostagent::v1::HostAgentService;

// "cdi.k8s.io/" and what tells it from the annotations of other plugins.
constexpr char kCdiAnnotation[] = "cdi.k8s.io/xpu.opiproject.org_function";

// What calls use; each keeps it alive, as gRPC may be done with a call only after its server has gone.
struct Shared {
  std::shared_ptr<DeviceBoard> board;
  std::unique_ptr<HostAgentService::Stub> host_agent;
  PluginServiceOptions options;
  std::atomic<int> streams = 0;
};

// One Allocate: a call to the host agent for each container of the request, one after the other. If one
// fails, so does all of it; what was claimed before stays claimed but unattached, and the next Allocate of it
// is allowed.
class AllocateCall : public grpc::ServerUnaryReactor {
 public:
  AllocateCall(std::shared_ptr<Shared> shared, const v1beta1::AllocateRequest& request,
               v1beta1::AllocateResponse& response)
      : shared_(std::move(shared)), options_(shared_->options), request_(request), response_(response) {
    Next();
  }

  void OnCancel() override {
    absl::MutexLock lock(&mutex_);
    cancelled_ = true;
    if (call_ != nullptr) call_->context.TryCancel();
  }
  void OnDone() override { delete this; }

 private:
  struct Call {
    grpc::ClientContext context;
    hostagent::v1::AllocateRequest request;
    hostagent::v1::AllocateResponse response;
  };

  void Next() {
    if (next_ == request_.container_requests_size()) return Finish(grpc::Status::OK);
    const v1beta1::ContainerAllocateRequest& container = request_.container_requests(next_++);
    auto call = std::make_unique<Call>();
    call->context.set_deadline(absl::ToChronoTime(absl::Now() + options_.allocate_timeout));
    call->context.set_wait_for_ready(true);
    *call->request.mutable_functions() = container.devices_ids();
    Call* raw = call.get();
    {
      absl::MutexLock lock(&mutex_);
      if (!cancelled_) call_ = std::move(call);
    }
    if (call != nullptr) return Finish(grpc::Status(grpc::StatusCode::CANCELLED, "the kubelet has gone"));
    shared_->host_agent->async()->Allocate(&raw->context, &raw->request, &raw->response,
                                           [this](const grpc::Status& status) { OnAnswer(status); });
  }

  void OnAnswer(const grpc::Status& status) {
    std::unique_ptr<Call> call;
    {
      absl::MutexLock lock(&mutex_);
      call = std::move(call_);
    }
    const std::string addresses = absl::StrJoin(call->request.functions(), ",");
    if (!status.ok()) {
      std::string why = status.error_message();
      if (status.error_code() == grpc::StatusCode::DEADLINE_EXCEEDED) {
        why = absl::StrCat("the host agent at ", options_.host_agent, " did not answer within ",
                           absl::FormatDuration(options_.allocate_timeout),
                           "; look whether it runs (systemctl status xpu-host-agent)");
      }
      spdlog::error("cannot allocate {}: {}", addresses, why);
      return Finish(
          grpc::Status(status.error_code(), absl::StrCat("cannot allocate ", addresses, ": ", why)));
    }
    spdlog::info("allocated {}", addresses);
    auto& envs = *response_.add_container_responses()->mutable_envs();
    for (const auto& [name, value] : call->response.envs()) envs[name] = value;
    if (const absl::Status filled = Fill(call->request, *response_.mutable_container_responses()->rbegin());
        !filled.ok()) {
      spdlog::error("{}", std::string(filled.message()));
      return Finish(ToGrpc(filled));
    }
    Next();
  }

  // What the container gets beside what the host agent has said.
  absl::Status Fill(const hostagent::v1::AllocateRequest& request,
                    v1beta1::ContainerAllocateResponse& out) const {
    const std::shared_ptr<const PoolMembers> members = shared_->board->Members();
    std::vector<const PoolMember*> chosen;
    for (const std::string& id : request.functions()) {
      const PoolMember* member = members == nullptr ? nullptr : FindMember(*members, id);
      if (member == nullptr) {
        return absl::NotFoundError(
            absl::StrCat("cannot allocate ", id, ": it is no longer in the pool ", options_.pool.resource));
      }
      chosen.push_back(member);
    }
    for (auto& [name, value] : ContainerVariables(options_.pool, chosen)) (*out.mutable_envs())[name] = value;
    if (options_.use_cdi) return FillCdiNames(chosen, out);
    std::set<std::string> paths;
    for (const PoolMember* member : chosen) {
      for (const DeviceNode& node : DeviceNodes(*member)) {
        if (!paths.insert(node.host_path).second) continue;
        v1beta1::DeviceSpec* device = out.add_devices();
        device->set_host_path(node.host_path);
        device->set_container_path(node.container_path);
        device->set_permissions("rw");
      }
    }
    return absl::OkStatus();
  }

  absl::Status FillCdiNames(const std::vector<const PoolMember*>& members,
                            v1beta1::ContainerAllocateResponse& out) const {
    if (const absl::Status written = options_.files->cdi_status(); !written.ok()) {
      return Annotate(written, absl::StrCat("cannot allocate from ", options_.pool.resource,
                                            " while its CDI specification cannot be written"));
    }
    std::vector<std::string> names;
    for (const PoolMember* member : members) {
      // Who needs no device node is in no specification.
      if (DeviceNodes(*member).empty()) continue;
      names.push_back(CdiDeviceName(member->function.id));
      out.add_cdi_devices()->set_name(names.back());
    }
    // For kubelets that do not pass on the names; runtimes take what is named twice once.
    if (!names.empty()) (*out.mutable_annotations())[kCdiAnnotation] = absl::StrJoin(names, ",");
    return absl::OkStatus();
  }

  const std::shared_ptr<Shared> shared_;
  const PluginServiceOptions& options_;
  const v1beta1::AllocateRequest& request_;
  v1beta1::AllocateResponse& response_;
  int next_ = 0;
  absl::Mutex mutex_;
  std::unique_ptr<Call> call_ ABSL_GUARDED_BY(mutex_);
  bool cancelled_ ABSL_GUARDED_BY(mutex_) = false;
};

class PluginService : public v1beta1::DevicePlugin::CallbackService {
 public:
  explicit PluginService(std::shared_ptr<Shared> shared) : shared_(std::move(shared)) {}

  grpc::ServerUnaryReactor* GetDevicePluginOptions(grpc::CallbackServerContext* context,
                                                   const v1beta1::Empty*,
                                                   v1beta1::DevicePluginOptions* options) override {
    options->set_get_preferred_allocation_available(true);
    return Answer(context, absl::OkStatus());
  }

  grpc::ServerWriteReactor<v1beta1::ListAndWatchResponse>* ListAndWatch(grpc::CallbackServerContext*,
                                                                        const v1beta1::Empty*) override {
    ++shared_->streams;
    return new class ListAndWatch(shared_->board, [shared = shared_] {
      if (--shared->streams == 0 && shared->options.unwatched != nullptr) shared->options.unwatched();
    });
  }

  grpc::ServerUnaryReactor* GetPreferredAllocation(grpc::CallbackServerContext* context,
                                                   const v1beta1::PreferredAllocationRequest* request,
                                                   v1beta1::PreferredAllocationResponse* response) override {
    const std::shared_ptr<const PoolMembers> members = shared_->board->Members();
    for (const v1beta1::ContainerPreferredAllocationRequest& container : request->container_requests()) {
      auto preferred = PreferAllocation(
          members == nullptr ? PoolMembers() : *members, shared_->options.pool.allocate_policy,
          {container.available_deviceids().begin(), container.available_deviceids().end()},
          {container.must_include_deviceids().begin(), container.must_include_deviceids().end()},
          container.allocation_size());
      if (!preferred.ok()) return Answer(context, preferred.status());
      auto& ids = *response->add_container_responses()->mutable_deviceids();
      ids.Assign(preferred->begin(), preferred->end());
    }
    return Answer(context, absl::OkStatus());
  }

  grpc::ServerUnaryReactor* Allocate(grpc::CallbackServerContext* context,
                                     const v1beta1::AllocateRequest* request,
                                     v1beta1::AllocateResponse* response) override {
    for (const v1beta1::ContainerAllocateRequest& container : request->container_requests()) {
      if (container.devices_ids().empty()) {
        return Answer(context, absl::InvalidArgumentError("an Allocate for a container names no device"));
      }
    }
    return new AllocateCall(shared_, *request, *response);
  }

  // Not asked for in the options; nothing to do if it comes all the same.
  grpc::ServerUnaryReactor* PreStartContainer(grpc::CallbackServerContext* context,
                                              const v1beta1::PreStartContainerRequest*,
                                              v1beta1::PreStartContainerResponse*) override {
    return Answer(context, absl::OkStatus());
  }

 private:
  static grpc::ServerUnaryReactor* Answer(grpc::CallbackServerContext* context, const absl::Status& status) {
    grpc::ServerUnaryReactor* reactor = context->DefaultReactor();
    reactor->Finish(ToGrpc(status));
    return reactor;
  }

  const std::shared_ptr<Shared> shared_;
};

}  // namespace

std::unique_ptr<grpc::Service> MakePluginService(std::shared_ptr<DeviceBoard> board,
                                                 const std::shared_ptr<grpc::Channel>& host_agent,
                                                 const PluginServiceOptions& options) {
  auto shared = std::make_shared<Shared>();
  shared->board = std::move(board);
  shared->host_agent = HostAgentService::NewStub(host_agent);
  shared->options = options;
  return std::make_unique<PluginService>(std::move(shared));
}

}  // namespace xpu
