#include <memory>

#include "opi/network/evpn_gw/v1alpha1/evpn_gw.grpc.pb.h"
#include "xpu-agent/access/access_policy.h"
#include "xpu-agent/services/object_calls.h"
#include "xpu-agent/services/object_kinds.h"
#include "xpu-agent/services/services.h"
#include "xpu-agent/services/vlan_ranges.h"

namespace xpu {
namespace {

using google::protobuf::Empty;
using grpc::CallbackServerContext;
using grpc::ServerUnaryReactor;

// Who may, before whether it can be done.
struct GuardedBridgePorts : BridgePortObjects {
  absl::Status Create(AgentState& state, const std::string& id, const PortSpec& spec,
                      const Asker& asker) const {
    XPU_RETURN_IF_ERROR(access->MayMakePort(access->CallerOf(*asker.context), state, id, asker.claim,
                                            spec.logical_bridges, "CreateBridgePort"));
    return BridgePortObjects::Create(state, id, spec, asker);
  }
  absl::Status Delete(AgentState& state, const std::string& id, const Asker& asker) const {
    XPU_RETURN_IF_ERROR(
        access->MayUsePort(access->CallerOf(*asker.context), state, id, asker.claim, "DeleteBridgePort"));
    return BridgePortObjects::Delete(state, id, asker);
  }
  AccessPolicy* access = nullptr;
};

class BridgePortServiceImpl final : public evpn::BridgePortService::CallbackService {
 public:
  BridgePortServiceImpl(ModelOwner& owner, const VlanRanges& host_vlans, AccessPolicy& access)
      : calls_(owner, GuardedBridgePorts{{.host_vlans = host_vlans}, &access}) {}

  ServerUnaryReactor* CreateBridgePort(CallbackServerContext* context,
                                       const evpn::CreateBridgePortRequest* request,
                                       evpn::BridgePort* answer) override {
    return calls_.Create(context, request->bridge_port_id(), request->bridge_port(), answer);
  }
  ServerUnaryReactor* UpdateBridgePort(CallbackServerContext* context,
                                       const evpn::UpdateBridgePortRequest* request,
                                       evpn::BridgePort* answer) override {
    return calls_.Update(context, request->bridge_port(), request->update_mask(), request->allow_missing(),
                         answer);
  }
  ServerUnaryReactor* DeleteBridgePort(CallbackServerContext* context,
                                       const evpn::DeleteBridgePortRequest* request, Empty*) override {
    return calls_.Delete(context, request->name(), request->allow_missing());
  }
  ServerUnaryReactor* GetBridgePort(CallbackServerContext* context, const evpn::GetBridgePortRequest* request,
                                    evpn::BridgePort* answer) override {
    return calls_.Get(context, request->name(), answer);
  }
  ServerUnaryReactor* ListBridgePorts(CallbackServerContext* context,
                                      const evpn::ListBridgePortsRequest* request,
                                      evpn::ListBridgePortsResponse* answer) override {
    return calls_.List(context, *request, answer, &evpn::ListBridgePortsResponse::add_bridge_ports);
  }

 private:
  ObjectCalls<GuardedBridgePorts> calls_;
};

}  // namespace

std::unique_ptr<grpc::Service> MakeBridgePortService(ModelOwner& owner, const VlanRanges& host_vlans,
                                                     AccessPolicy& access) {
  return std::make_unique<BridgePortServiceImpl>(owner, host_vlans, access);
}

}  // namespace xpu
