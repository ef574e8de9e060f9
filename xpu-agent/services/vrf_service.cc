#include <memory>
#include <string>
#include <vector>

#include "opi/network/evpn_gw/v1alpha1/evpn_gw.grpc.pb.h"
#include "xpu-agent/services/object_calls.h"
#include "xpu-agent/services/services.h"

namespace xpu {
namespace {

using google::protobuf::Empty;
using grpc::CallbackServerContext;
using grpc::ServerUnaryReactor;

struct VrfCalls {
  using Object = Vrf;
  using Message = evpn::Vrf;
  static constexpr const auto& kKind = kVrfKind;
  static constexpr absl::string_view kField = "vrf";
  static absl::StatusOr<std::string> Id(absl::string_view name) { return VrfId(name); }
  static std::vector<std::string*> Names(Message* m) { return {m->mutable_name()}; }
  absl::Status Create(AgentState& state, const std::string& id, const VrfSpec& spec, const Asker&) const {
    return CreateVrf(state, id, spec);
  }
  absl::Status Update(AgentState& state, const std::string& id, const VrfSpec& spec, const Asker&) const {
    return UpdateVrf(state, id, spec);
  }
  absl::Status Delete(AgentState& state, const std::string& id, const Asker&) const {
    return DeleteVrf(state, id);
  }
};

class VrfServiceImpl final : public evpn::VrfService::CallbackService {
 public:
  explicit VrfServiceImpl(ModelOwner& owner) : calls_(owner) {}

  ServerUnaryReactor* CreateVrf(CallbackServerContext* context, const evpn::CreateVrfRequest* request,
                                evpn::Vrf* answer) override {
    return calls_.Create(context, request->vrf_id(), request->vrf(), answer);
  }
  ServerUnaryReactor* UpdateVrf(CallbackServerContext* context, const evpn::UpdateVrfRequest* request,
                                evpn::Vrf* answer) override {
    return calls_.Update(context, request->vrf(), request->update_mask(), request->allow_missing(), answer);
  }
  ServerUnaryReactor* DeleteVrf(CallbackServerContext* context, const evpn::DeleteVrfRequest* request,
                                Empty*) override {
    return calls_.Delete(context, request->name(), request->allow_missing());
  }
  ServerUnaryReactor* GetVrf(CallbackServerContext* context, const evpn::GetVrfRequest* request,
                             evpn::Vrf* answer) override {
    return calls_.Get(context, request->name(), answer);
  }
  ServerUnaryReactor* ListVrfs(CallbackServerContext* context, const evpn::ListVrfsRequest* request,
                               evpn::ListVrfsResponse* answer) override {
    return calls_.List(context, *request, answer, &evpn::ListVrfsResponse::add_vrfs);
  }

 private:
  ObjectCalls<VrfCalls> calls_;
};

}  // namespace

std::unique_ptr<grpc::Service> MakeVrfService(ModelOwner& owner) {
  return std::make_unique<VrfServiceImpl>(owner);
}

}  // namespace xpu
