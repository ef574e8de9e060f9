#include "host-agent/service/host_agent_service.h"

#include <map>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "common/loop_rpc/typed_method.h"
#include "xpu/hostagent/v1/host_agent.pb.h"

namespace xpu {
namespace {

namespace pb = hostagent::v1;

pb::WatchFunctionsResponse ToResponse(const InventoryList& list) {
  pb::WatchFunctionsResponse response;
  response.set_claims(list.claims);
  for (const HostFunction& function : list.functions) {
    pb::Function& out = *response.add_functions();
    out.set_id(function.id.ToString());
    out.set_pf_address(function.pf.ToString());
    out.set_card(function.card);
    out.set_index(function.index);
    out.set_numa_node(function.numa_node);
    out.set_healthy(function.healthy);
    out.set_reason(function.reason);
    out.set_kind(function.kind == HostFunction::Kind::kSf ? pb::Function::KIND_SF : pb::Function::KIND_VF);
    out.set_vendor(absl::StrFormat("%04x", function.vendor));
    out.set_device(absl::StrFormat("%04x", function.device));
    out.set_driver(function.driver);
    out.set_pf_name(function.pf_name);
    out.set_link_type(function.link_type);
    out.mutable_rdma_nodes()->Assign(function.rdma_nodes.begin(), function.rdma_nodes.end());
    out.mutable_rdma_devices()->Assign(function.rdma_devices.begin(), function.rdma_devices.end());
    out.set_vfio_node(function.vfio_node);
    out.set_auxiliary_device(function.auxiliary_device);
  }
  return response;
}

}  // namespace

// One watcher. Of lists that come while one is being sent, the last is sent next. Lives on the loop; the call
// keeps it.
class FunctionWatchers::Watcher : public std::enable_shared_from_this<Watcher> {
 public:
  static void Start(FunctionWatchers& all, Inventory& inventory, const LoopCall& call,
                    const LoopInbox::Post& post) {
    const auto watcher = std::make_shared<Watcher>(call);
    all.watchers_.insert(watcher.get());
    call.OnDrained([raw = watcher.get()] {
      raw->writing_ = false;
      raw->WriteNext();
    });
    call.OnEnd([watcher, &all] {
      watcher->subscription_ = nullptr;
      all.watchers_.erase(watcher.get());
    });
    // Told on whatever thread changes the inventory.
    watcher->subscription_ =
        inventory.Subscribe([post, weak = std::weak_ptr<Watcher>(watcher)](const InventoryList& list) {
          post([weak, list] {
            const auto self = weak.lock();
            if (self == nullptr) return;
            self->next_ = list;
            self->WriteNext();
          });
        });
  }
  explicit Watcher(const LoopCall& call) : call_(call) {}
  const LoopCall& call() const { return call_; }

 private:
  void WriteNext() {
    if (writing_ || !next_) return;
    writing_ = true;
    call_.Write(ToResponse(*std::exchange(next_, std::nullopt)).SerializeAsString());
  }

  const LoopCall call_;
  std::optional<InventoryList> next_;
  bool writing_ = false;
  std::unique_ptr<Inventory::Subscription> subscription_;
};

void FunctionWatchers::Start(Inventory& inventory, const LoopCall& call, const LoopInbox::Post& post) {
  Watcher::Start(*this, inventory, call, post);
}

void FunctionWatchers::EndAll(const absl::Status& status) {
  for (Watcher* const watcher : std::exchange(watchers_, {})) {
    // The watcher goes with what the call keeps, and tells nobody.
    const LoopCall call = watcher->call();
    call.Finish(status);
  }
}

namespace {

pb::Claim ToClaim(const ClaimRow& row) {
  pb::Claim claim;
  claim.set_function(row.function.ToString());
  claim.set_state(ClaimStateName(row.state));
  claim.set_claim(row.claim);
  if (row.attachment) {
    claim.set_pod_namespace(row.attachment->pod_namespace);
    claim.set_pod_name(row.attachment->pod_name);
    claim.set_container_id(row.attachment->container_id);
    claim.set_ifname(row.attachment->ifname);
    claim.set_network(row.attachment->network_namespace + "/" + row.attachment->network);
  }
  for (const InterfaceAddress& address : row.addresses) claim.add_addresses(address.ToString());
  return claim;
}

pb::PhysicalFunction ToPhysicalFunction(const PfState& state) {
  pb::PhysicalFunction out;
  out.set_pci_address(state.pf.ToString());
  out.set_card(state.card);
  out.set_present(state.present);
  out.set_wanted_vfs(state.setup.vfs.value_or(-1));
  out.set_vfs(state.vfs);
  out.set_total_vfs(state.total_vfs);
  out.set_wanted_sfs(state.setup.sfs ? static_cast<int>(state.setup.sfs->size()) : -1);
  out.set_sfs(state.sfs);
  out.set_reason(state.reason);
  return out;
}

pb::AllocateResponse ToResponse(const std::map<std::string, std::string>& environment) {
  pb::AllocateResponse response;
  response.mutable_envs()->insert(environment.begin(), environment.end());
  return response;
}

}  // namespace

LoopRpcServer::Methods HostAgentServiceMethods(const HostAgentServiceParts& parts,
                                               const LoopInbox::Post& post) {
  const auto path = [](const char* name) {
    return absl::StrCat("/xpu.hostagent.v1.HostAgentService/", name);
  };
  return {
      {path("WatchFunctions"),
       [&inventory = parts.inventory, &watchers = parts.watchers, post](
           const LoopCall& call, const std::string&) { watchers.Start(inventory, call, post); }},
      {path("Allocate"),
       UnaryMethod<pb::AllocateRequest, pb::AllocateResponse>(
           post,
           [&allocate = parts.allocate](const pb::AllocateRequest& request,
                                        RpcReply<pb::AllocateResponse> reply) {
             allocate.Allocate({request.functions().begin(), request.functions().end()},
                               [reply = std::move(reply)](
                                   const absl::StatusOr<std::map<std::string, std::string>>& environment) {
                                 if (!environment.ok()) return reply(environment.status());
                                 reply(ToResponse(*environment));
                               });
           })},
      {path("ListClaims"), UnaryMethod<pb::ListClaimsRequest, pb::ListClaimsResponse>(
                               post,
                               [&allocator = parts.allocator](const pb::ListClaimsRequest&,
                                                              const RpcReply<pb::ListClaimsResponse>& reply) {
                                 pb::ListClaimsResponse response;
                                 for (const ClaimRow& row : allocator.Rows())
                                   *response.add_claims() = ToClaim(row);
                                 reply(std::move(response));
                               })},
      {path("ListPhysicalFunctions"),
       UnaryMethod<pb::ListPhysicalFunctionsRequest, pb::ListPhysicalFunctionsResponse>(
           post,
           [&provisioner = parts.provisioner](const pb::ListPhysicalFunctionsRequest&,
                                              const RpcReply<pb::ListPhysicalFunctionsResponse>& reply) {
             pb::ListPhysicalFunctionsResponse response;
             for (const PfState& state : provisioner.States()) {
               *response.add_physical_functions() = ToPhysicalFunction(state);
             }
             reply(std::move(response));
           })},
  };
}

}  // namespace xpu
