#include "host-agent/service/host_agent_service.h"

#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/strings/str_format.h"
#include "absl/synchronization/mutex.h"
#include "common/rpc/rpc.h"

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

// One watcher. Of lists that come while one is being sent, the last is sent next. Deletes itself when gRPC is
// done with it.
class WatchReactor final : public grpc::ServerWriteReactor<pb::WatchFunctionsResponse> {
 public:
  explicit WatchReactor(Inventory& inventory)
      : subscription_(inventory.Subscribe([this](const InventoryList& list) { Send(list); })) {}

  void OnWriteDone(bool ok) override {
    {
      absl::MutexLock lock(&mu_);
      writing_ = false;
      // If the write failed the call is cancelled, which OnCancel is told.
      if (!ok || finished_ || !has_next_) return;
      StartNext();
    }
    StartWrite(&sending_);
  }
  void OnCancel() override {
    {
      absl::MutexLock lock(&mu_);
      if (std::exchange(finished_, true)) return;
    }
    Finish(grpc::Status(grpc::StatusCode::CANCELLED, "the watcher has gone or the agent stops"));
  }
  void OnDone() override { delete this; }

 private:
  void Send(const InventoryList& list) {
    {
      absl::MutexLock lock(&mu_);
      next_ = ToResponse(list);
      has_next_ = true;
      if (writing_ || finished_) return;
      StartNext();
    }
    StartWrite(&sending_);
  }
  void StartNext() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_) {
    sending_ = std::move(next_);
    has_next_ = false;
    writing_ = true;
  }

  absl::Mutex mu_;
  pb::WatchFunctionsResponse next_ ABSL_GUARDED_BY(mu_);
  bool has_next_ ABSL_GUARDED_BY(mu_) = false;
  bool writing_ ABSL_GUARDED_BY(mu_) = false;
  bool finished_ ABSL_GUARDED_BY(mu_) = false;
  // gRPC's while writing_.
  pb::WatchFunctionsResponse sending_;
  // Last: it ends first, and then nothing is sent any more.
  std::unique_ptr<Inventory::Subscription> subscription_;
};

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

}  // namespace

grpc::ServerWriteReactor<pb::WatchFunctionsResponse>* HostAgentServiceImpl::WatchFunctions(
    grpc::CallbackServerContext*, const pb::WatchFunctionsRequest*) {
  return new WatchReactor(inventory_);
}

grpc::ServerUnaryReactor* HostAgentServiceImpl::Allocate(grpc::CallbackServerContext* context,
                                                         const pb::AllocateRequest* request,
                                                         pb::AllocateResponse* response) {
  grpc::ServerUnaryReactor* const reactor = context->DefaultReactor();
  allocate_.Allocate({request->functions().begin(), request->functions().end()},
                     [reactor, response](absl::StatusOr<std::map<std::string, std::string>> environment) {
                       if (environment.ok()) {
                         response->mutable_envs()->insert(environment->begin(), environment->end());
                       }
                       reactor->Finish(ToGrpc(environment.status()));
                     });
  return reactor;
}

grpc::ServerUnaryReactor* HostAgentServiceImpl::ListClaims(grpc::CallbackServerContext* context,
                                                           const pb::ListClaimsRequest*,
                                                           pb::ListClaimsResponse* response) {
  for (const ClaimRow& row : allocator_.Rows()) *response->add_claims() = ToClaim(row);
  grpc::ServerUnaryReactor* const reactor = context->DefaultReactor();
  reactor->Finish(grpc::Status::OK);
  return reactor;
}

grpc::ServerUnaryReactor* HostAgentServiceImpl::ListPhysicalFunctions(
    grpc::CallbackServerContext* context, const pb::ListPhysicalFunctionsRequest*,
    pb::ListPhysicalFunctionsResponse* response) {
  for (const PfState& state : provisioner_.States()) {
    *response->add_physical_functions() = ToPhysicalFunction(state);
  }
  grpc::ServerUnaryReactor* const reactor = context->DefaultReactor();
  reactor->Finish(grpc::Status::OK);
  return reactor;
}

}  // namespace xpu
