#include <utility>

#include "absl/strings/str_cat.h"
#include "common/base/status_macros.h"
#include "common/opi/opi_names.h"
#include "common/rpc/rpc.h"
#include "opi/network/evpn_gw/v1alpha1/evpn_gw.grpc.pb.h"
#include "xpu-agent/core/bridge_changes.h"
#include "xpu-agent/core/model_owner.h"
#include "xpu-agent/services/call.h"
#include "xpu-agent/services/convert.h"
#include "xpu-agent/services/paging.h"
#include "xpu-agent/services/services.h"
#include "xpu-agent/services/update_mask.h"

namespace xpu {
namespace {

using google::protobuf::Empty;
using grpc::CallbackServerContext;
using grpc::ServerUnaryReactor;

constexpr char kKind[] = "logicalBridges";

// The bridge in `view`, or why it is not there.
grpc::Status Fill(const ModelView& view, const std::string& id, evpn::LogicalBridge* answer) {
  auto it = view.state().model.bridges.find(id);
  if (it == view.state().model.bridges.end()) {
    return ToGrpc(absl::NotFoundError(absl::StrCat("there is no ", LogicalBridgeName(id))));
  }
  *answer = Show(it->second, view);
  return grpc::Status::OK;
}

class LogicalBridgeServiceImpl final : public evpn::LogicalBridgeService::CallbackService {
 public:
  explicit LogicalBridgeServiceImpl(ModelOwner& owner) : owner_(owner) {}

  ServerUnaryReactor* CreateLogicalBridge(CallbackServerContext* context,
                                          const evpn::CreateLogicalBridgeRequest* request,
                                          evpn::LogicalBridge* answer) override {
    // Some clients put the id into the name.
    std::string id = request->logical_bridge_id();
    if (id.empty() && !request->logical_bridge().name().empty()) {
      absl::StatusOr<std::string> named = LogicalBridgeId(request->logical_bridge().name());
      if (!named.ok()) return Refuse(context, Annotate(named.status(), "logical_bridge.name"));
      id = *named;
    }
    if (id.empty()) id = RandomId();
    absl::StatusOr<BridgeSpec> spec = ParseBridgeSpec(request->logical_bridge().spec());
    if (!spec.ok()) return Refuse(context, spec.status());
    return Change(context, id, answer,
                  [id, spec = *spec](AgentState& draft) { return CreateBridge(draft, id, spec); });
  }

  ServerUnaryReactor* UpdateLogicalBridge(CallbackServerContext* context,
                                          const evpn::UpdateLogicalBridgeRequest* request,
                                          evpn::LogicalBridge* answer) override {
    absl::StatusOr<std::string> id = LogicalBridgeId(request->logical_bridge().name());
    if (!id.ok()) return Refuse(context, Annotate(id.status(), "logical_bridge.name"));
    return Change(context, *id, answer, [id = *id, request](AgentState& draft) -> absl::Status {
      evpn::LogicalBridge updated;
      auto it = draft.model.bridges.find(id);
      bool create = it == draft.model.bridges.end() && request->allow_missing();
      if (it != draft.model.bridges.end()) *updated.mutable_spec() = ShowSpec(it->second);
      XPU_RETURN_IF_ERROR(ApplyUpdateMask(request->update_mask(), request->logical_bridge(), &updated));
      XPU_ASSIGN_OR_RETURN(BridgeSpec spec, ParseBridgeSpec(updated.spec()));
      return create ? CreateBridge(draft, id, spec) : UpdateBridge(draft, id, spec);
    });
  }

  ServerUnaryReactor* DeleteLogicalBridge(CallbackServerContext* context,
                                          const evpn::DeleteLogicalBridgeRequest* request, Empty*) override {
    absl::StatusOr<std::string> id = LogicalBridgeId(request->name());
    if (!id.ok()) return Refuse(context, Annotate(id.status(), "name"));
    ServerUnaryReactor* reactor = context->DefaultReactor();
    owner_.Submit(
        {.change =
             [id = *id, missing_ok = request->allow_missing()](AgentState& draft, const RepresentorLookup&) {
               absl::Status status = DeleteBridge(draft, id);
               return missing_ok && absl::IsNotFound(status) ? absl::OkStatus() : status;
             },
         .objects = {LogicalBridgeName(*id)},
         .patience = PatienceOf(*context),
         .done = [reactor](const absl::Status& status,
                           const ModelView&) { reactor->Finish(ToGrpc(status)); }});
    return reactor;
  }

  ServerUnaryReactor* GetLogicalBridge(CallbackServerContext* context,
                                       const evpn::GetLogicalBridgeRequest* request,
                                       evpn::LogicalBridge* answer) override {
    absl::StatusOr<std::string> id = LogicalBridgeId(request->name());
    if (!id.ok()) return Refuse(context, Annotate(id.status(), "name"));
    ServerUnaryReactor* reactor = context->DefaultReactor();
    owner_.Read(
        [id = *id, reactor, answer](const ModelView& view) { reactor->Finish(Fill(view, id, answer)); });
    return reactor;
  }

  ServerUnaryReactor* ListLogicalBridges(CallbackServerContext* context,
                                         const evpn::ListLogicalBridgesRequest* request,
                                         evpn::ListLogicalBridgesResponse* answer) override {
    absl::StatusOr<PageRequest> page = ParsePage(kKind, request->page_size(), request->page_token());
    if (!page.ok()) return Refuse(context, page.status());
    ServerUnaryReactor* reactor = context->DefaultReactor();
    owner_.Read([page = *page, reactor, answer](const ModelView& view) {
      answer->set_next_page_token(ListPage(
          kKind, view.state().model.bridges, page,
          [&](const LogicalBridge& bridge) { *answer->add_logical_bridges() = Show(bridge, view); }));
      reactor->Finish(grpc::Status::OK);
    });
    return reactor;
  }

 private:
  // Changes the bridge and answers with it.
  ServerUnaryReactor* Change(CallbackServerContext* context, const std::string& id,
                             evpn::LogicalBridge* answer, std::function<absl::Status(AgentState&)> change) {
    ServerUnaryReactor* reactor = context->DefaultReactor();
    owner_.Submit({.change = [change = std::move(change)](AgentState& draft,
                                                          const RepresentorLookup&) { return change(draft); },
                   .objects = {LogicalBridgeName(id)},
                   .patience = PatienceOf(*context),
                   .done =
                       [id, reactor, answer](const absl::Status& status, const ModelView& view) {
                         reactor->Finish(status.ok() ? Fill(view, id, answer) : ToGrpc(status));
                       }});
    return reactor;
  }

  ModelOwner& owner_;
};

}  // namespace

std::unique_ptr<grpc::Service> MakeLogicalBridgeService(ModelOwner& owner) {
  return std::make_unique<LogicalBridgeServiceImpl>(owner);
}

}  // namespace xpu
