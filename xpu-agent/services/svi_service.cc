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

class SviServiceImpl final : public evpn::SviService::CallbackService {
 public:
  explicit SviServiceImpl(ModelOwner& owner) : calls_(owner) {}

  ServerUnaryReactor* CreateSvi(CallbackServerContext* context, const evpn::CreateSviRequest* request,
                                evpn::Svi* answer) override {
    return calls_.Create(context, request->svi_id(), request->svi(), answer);
  }
  ServerUnaryReactor* UpdateSvi(CallbackServerContext* context, const evpn::UpdateSviRequest* request,
                                evpn::Svi* answer) override {
    return calls_.Update(context, request->svi(), request->update_mask(), request->allow_missing(), answer);
  }
  ServerUnaryReactor* DeleteSvi(CallbackServerContext* context, const evpn::DeleteSviRequest* request,
                                Empty*) override {
    return calls_.Delete(context, request->name(), request->allow_missing());
  }
  ServerUnaryReactor* GetSvi(CallbackServerContext* context, const evpn::GetSviRequest* request,
                             evpn::Svi* answer) override {
    return calls_.Get(context, request->name(), answer);
  }
  ServerUnaryReactor* ListSvis(CallbackServerContext* context, const evpn::ListSvisRequest* request,
                               evpn::ListSvisResponse* answer) override {
    return calls_.List(context, *request, answer, &evpn::ListSvisResponse::add_svis);
  }

 private:
  ObjectCalls<SviObjects> calls_;
};

}  // namespace

std::unique_ptr<grpc::Service> MakeSviService(ModelOwner& owner) {
  return std::make_unique<SviServiceImpl>(owner);
}

}  // namespace xpu
