#include <memory>
#include <string>
#include <vector>

#include "opi/network/evpn_gw/v1alpha1/evpn_gw.grpc.pb.h"
#include "xpu-agent/access/access_policy.h"
#include "xpu-agent/services/object_calls.h"
#include "xpu-agent/services/services.h"
#include "xpu-agent/services/vlan_ranges.h"

namespace xpu {
namespace {

using google::protobuf::Empty;
using grpc::CallbackServerContext;
using grpc::ServerUnaryReactor;

struct BridgePortCalls {
  using Object = BridgePort;
  using Message = evpn::BridgePort;
  static constexpr const auto& kKind = kBridgePortKind;
  static constexpr absl::string_view kField = "bridge_port";
  static absl::StatusOr<std::string> Id(absl::string_view name) { return BridgePortId(name); }
  static std::vector<std::string*> Names(Message* m) {
    std::vector<std::string*> names = {m->mutable_name()};
    for (std::string& bridge : *m->mutable_spec()->mutable_logical_bridges()) names.push_back(&bridge);
    return names;
  }
  absl::Status Create(AgentState& state, const std::string& id, const PortSpec& spec,
                      const Asker& asker) const {
    XPU_RETURN_IF_ERROR(access.MayMakePort(access.CallerOf(asker.context), state, id, asker.claim,
                                           spec.logical_bridges, "CreateBridgePort"));
    return CreatePort(state, id, Resolved(state, id, spec), asker.claim, asker.lookup);
  }
  absl::Status Update(AgentState& state, const std::string& id, const PortSpec& spec,
                      const Asker& asker) const {
    return UpdatePort(state, id, Resolved(state, id, spec), asker.claim);
  }
  absl::Status Delete(AgentState& state, const std::string& id, const Asker& asker) const {
    XPU_RETURN_IF_ERROR(
        access.MayUsePort(access.CallerOf(asker.context), state, id, asker.claim, "DeleteBridgePort"));
    return DeletePort(state, id, asker.claim);
  }

  PortSpec Resolved(const AgentState& state, const std::string& id, PortSpec spec) const {
    ResolveVlans(
        state, id, [this](uint16_t vlan) { return host_vlans.Contains(vlan); }, &spec);
    return spec;
  }
  VlanRanges host_vlans;
  AccessPolicy& access;
};

class BridgePortServiceImpl final : public evpn::BridgePortService::CallbackService {
 public:
  BridgePortServiceImpl(ModelOwner& owner, const VlanRanges& host_vlans, AccessPolicy& access)
      : calls_(owner, {host_vlans, access}) {}

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
  ObjectCalls<BridgePortCalls> calls_;
};

}  // namespace

std::unique_ptr<grpc::Service> MakeBridgePortService(ModelOwner& owner, const VlanRanges& host_vlans,
                                                     AccessPolicy& access) {
  return std::make_unique<BridgePortServiceImpl>(owner, host_vlans, access);
}

}  // namespace xpu
