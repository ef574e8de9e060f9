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

class LogicalBridgeServiceImpl final : public evpn::LogicalBridgeService::CallbackService {
 public:
  explicit LogicalBridgeServiceImpl(ModelOwner& owner) : calls_(owner) {}

  ServerUnaryReactor* CreateLogicalBridge(CallbackServerContext* context,
                                          const evpn::CreateLogicalBridgeRequest* request,
                                          evpn::LogicalBridge* answer) override {
    return calls_.Create(context, request->logical_bridge_id(), request->logical_bridge(), answer);
  }
  ServerUnaryReactor* UpdateLogicalBridge(CallbackServerContext* context,
                                          const evpn::UpdateLogicalBridgeRequest* request,
                                          evpn::LogicalBridge* answer) override {
    return calls_.Update(context, request->logical_bridge(), request->update_mask(), request->allow_missing(),
                         answer);
  }
  ServerUnaryReactor* DeleteLogicalBridge(CallbackServerContext* context,
                                          const evpn::DeleteLogicalBridgeRequest* request, Empty*) override {
    return calls_.Delete(context, request->name(), request->allow_missing());
  }
  ServerUnaryReactor* GetLogicalBridge(CallbackServerContext* context,
                                       const evpn::GetLogicalBridgeRequest* request,
                                       evpn::LogicalBridge* answer) override {
    return calls_.Get(context, request->name(), answer);
  }
  ServerUnaryReactor* ListLogicalBridges(CallbackServerContext* context,
                                         const evpn::ListLogicalBridgesRequest* request,
                                         evpn::ListLogicalBridgesResponse* answer) override {
    return calls_.List(context, *request, answer, &evpn::ListLogicalBridgesResponse::add_logical_bridges);
  }

 private:
  ObjectCalls<LogicalBridgeObjects> calls_;
};

}  // namespace

std::unique_ptr<grpc::Service> MakeLogicalBridgeService(ModelOwner& owner) {
  return std::make_unique<LogicalBridgeServiceImpl>(owner);
}

}  // namespace xpu
