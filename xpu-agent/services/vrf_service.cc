#include <memory>

#include "opi/network/evpn_gw/v1alpha1/evpn_gw.grpc.pb.h"
#include "xpu-agent/services/object_calls.h"
#include "xpu-agent/services/object_kinds.h"
#include "xpu-agent/services/services.h"

namespace xpu {
namespace {

using google::protobuf::Empty;
using grpc::CallbackServerContext;
using grpc::ServerUnaryReactor;

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
  ObjectCalls<VrfObjects> calls_;
};

}  // namespace

std::unique_ptr<grpc::Service> MakeVrfService(ModelOwner& owner) {
  return std::make_unique<VrfServiceImpl>(owner);
}

}  // namespace xpu
