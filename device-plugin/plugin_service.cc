#include "device-plugin/plugin_service.h"

#include <set>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "common/base/status_macros.h"
#include "device-plugin/container_answer.h"
#include "device-plugin/list_and_watch.h"
#include "device-plugin/preferred_allocation.h"
#include "kubelet/deviceplugin/v1beta1/api.pb.h"
#include "spdlog/spdlog.h"

namespace xpu {
namespace {

// "cdi.k8s.io/" and what tells it from the annotations of other plugins.
constexpr char kCdiAnnotation[] = "cdi.k8s.io/xpu.opiproject.org_function";

// What the calls of a pool use.
struct Shared {
  std::shared_ptr<DeviceBoard> board;
  PluginServiceOptions options;
  LoopInbox::Post post;
  int streams = 0;
};

// One Allocate: a call to the host agent for each container of the request, one after the other. If one
// fails, so does all of it; what was claimed before stays claimed but unattached, and the next Allocate of it
// is allowed.
class AllocateCall : public std::enable_shared_from_this<AllocateCall> {
 public:
  AllocateCall(std::shared_ptr<Shared> shared, const LoopCall& call)
      : shared_(std::move(shared)), call_(call) {}

  void Start(const std::string& request) {
    if (!request_.ParseFromString(request)) {
      return call_.Finish(absl::InvalidArgumentError("this is no AllocateRequest"));
    }
    for (const v1beta1::ContainerAllocateRequest& container : request_.container_requests()) {
      if (container.devices_ids().empty()) {
        return call_.Finish(absl::InvalidArgumentError("an Allocate for a container names no device"));
      }
    }
    // This keeps it.
    call_.OnEnd([self = shared_from_this()] { self->options().host_agent->Cancel(self->asked_); });
    Next();
  }

 private:
  const PluginServiceOptions& options() const { return shared_->options; }

  void Next() {
    if (next_ == request_.container_requests_size()) return call_.Answer(response_.SerializeAsString());
    const auto& ids = request_.container_requests(next_++).devices_ids();
    functions_.assign(ids.begin(), ids.end());
    const std::shared_ptr<const PoolMembers> members = shared_->board->Members();
    std::vector<const PoolMember*> chosen;
    for (const std::string& id : functions_) {
      const PoolMember* member = members == nullptr ? nullptr : FindMember(*members, id);
      if (member == nullptr) {
        return Fail(
            absl::NotFoundError(absl::StrCat(id, " is no longer in the pool ", options().pool.resource)));
      }
      chosen.push_back(member);
    }
    if (options().use_cdi && !options().files->cdi_status().ok()) {
      return Fail(
          Annotate(options().files->cdi_status(),
                   absl::StrCat("the CDI specification of ", options().pool.resource, " cannot be written")));
    }
    asked_ =
        options().host_agent->Allocate(functions_, [this, self = weak_from_this()](const auto& environment) {
          if (const auto keep = self.lock(); keep != nullptr) OnAnswer(environment);
        });
    // While the host agent is at it.
    Fill(chosen, *response_.add_container_responses());
  }

  void OnAnswer(const absl::StatusOr<std::map<std::string, std::string>>& environment) {
    if (!environment.ok()) return Fail(environment.status());
    if (spdlog::should_log(spdlog::level::info)) spdlog::info("allocated {}", absl::StrJoin(functions_, ","));
    auto& envs = *response_.mutable_container_responses()->rbegin()->mutable_envs();
    // The variables that the plugin has set stay.
    for (const auto& [name, value] : *environment) envs.insert({name, value});
    Next();
  }

  void Fail(const absl::Status& why) {
    const absl::Status status =
        Annotate(why, absl::StrCat("cannot allocate ", absl::StrJoin(functions_, ",")));
    spdlog::error("{}", std::string(status.message()));
    call_.Finish(status);
  }

  // What the container gets, beside what the host agent says.
  void Fill(const std::vector<const PoolMember*>& members, v1beta1::ContainerAllocateResponse& out) const {
    for (auto& [name, value] : ContainerVariables(options().pool, members))
      (*out.mutable_envs())[name] = value;
    std::vector<std::string> names;
    std::set<std::string> paths;
    for (const PoolMember* member : members) {
      const std::vector<DeviceNode> nodes = DeviceNodes(*member);
      if (options().use_cdi) {
        // Who needs no device node is in no specification.
        if (nodes.empty()) continue;
        names.push_back(CdiDeviceName(member->function.id));
        out.add_cdi_devices()->set_name(names.back());
        continue;
      }
      for (const DeviceNode& node : nodes) {
        if (!paths.insert(node.host_path).second) continue;
        v1beta1::DeviceSpec* device = out.add_devices();
        device->set_host_path(node.host_path);
        device->set_container_path(node.container_path);
        device->set_permissions("rw");
      }
    }
    // For kubelets that do not pass on the names; runtimes take what is named twice once.
    if (!names.empty()) (*out.mutable_annotations())[kCdiAnnotation] = absl::StrJoin(names, ",");
  }

  const std::shared_ptr<Shared> shared_;
  const LoopCall call_;
  v1beta1::AllocateRequest request_;
  v1beta1::AllocateResponse response_;
  int next_ = 0;
  // Of the container that is being asked for.
  std::vector<std::string> functions_;
  // The call to the host agent.
  uint64_t asked_ = 0;
};

void GetPreferredAllocation(const Shared& shared, const LoopCall& call, const std::string& text) {
  v1beta1::PreferredAllocationRequest request;
  if (!request.ParseFromString(text)) {
    return call.Finish(absl::InvalidArgumentError("this is no PreferredAllocationRequest"));
  }
  v1beta1::PreferredAllocationResponse response;
  const std::shared_ptr<const PoolMembers> members = shared.board->Members();
  for (const v1beta1::ContainerPreferredAllocationRequest& container : request.container_requests()) {
    auto preferred = PreferAllocation(
        members == nullptr ? PoolMembers() : *members, shared.options.pool.allocate_policy,
        {container.available_deviceids().begin(), container.available_deviceids().end()},
        {container.must_include_deviceids().begin(), container.must_include_deviceids().end()},
        container.allocation_size());
    if (!preferred.ok()) return call.Finish(preferred.status());
    response.add_container_responses()->mutable_deviceids()->Assign(preferred->begin(), preferred->end());
  }
  call.Answer(response.SerializeAsString());
}

}  // namespace

LoopRpcServer::Methods PluginMethods(std::shared_ptr<DeviceBoard> board, const PluginServiceOptions& options,
                                     const LoopInbox::Post& post) {
  auto shared = std::make_shared<Shared>();
  shared->board = std::move(board);
  shared->options = options;
  shared->post = post;
  return {
      {"/v1beta1.DevicePlugin/GetDevicePluginOptions",
       [](const LoopCall& call, const std::string&) {
         v1beta1::DevicePluginOptions answer;
         answer.set_get_preferred_allocation_available(true);
         call.Answer(answer.SerializeAsString());
       }},
      {"/v1beta1.DevicePlugin/ListAndWatch",
       [shared](const LoopCall& call, const std::string&) {
         ++shared->streams;
         ListAndWatch::Start(shared->board, call, shared->post, [shared] {
           if (--shared->streams == 0 && shared->options.unwatched != nullptr) shared->options.unwatched();
         });
       }},
      {"/v1beta1.DevicePlugin/GetPreferredAllocation",
       [shared](const LoopCall& call, const std::string& request) {
         GetPreferredAllocation(*shared, call, request);
       }},
      {"/v1beta1.DevicePlugin/Allocate",
       [shared](const LoopCall& call, const std::string& request) {
         std::make_shared<AllocateCall>(shared, call)->Start(request);
       }},
      // Not asked for in the options; nothing to do if it comes all the same.
      {"/v1beta1.DevicePlugin/PreStartContainer",
       [](const LoopCall& call, const std::string&) {
         call.Answer(v1beta1::PreStartContainerResponse().SerializeAsString());
       }},
  };
}

}  // namespace xpu
