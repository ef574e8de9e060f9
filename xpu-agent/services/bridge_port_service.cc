#include <utility>

#include "absl/strings/str_cat.h"
#include "common/base/status_macros.h"
#include "common/opi/opi_names.h"
#include "common/rpc/rpc.h"
#include "opi/network/evpn_gw/v1alpha1/evpn_gw.grpc.pb.h"
#include "xpu-agent/core/model_owner.h"
#include "xpu-agent/core/port_changes.h"
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

constexpr char kKind[] = "bridgePorts";

// The port in `view`, or why it is not there.
grpc::Status Fill(const ModelView& view, const std::string& id, evpn::BridgePort* answer) {
  auto it = view.state().model.ports.find(id);
  if (it == view.state().model.ports.end()) {
    return ToGrpc(absl::NotFoundError(absl::StrCat("there is no ", BridgePortName(id))));
  }
  *answer = Show(it->second, view);
  return grpc::Status::OK;
}

class BridgePortServiceImpl final : public evpn::BridgePortService::CallbackService {
 public:
  explicit BridgePortServiceImpl(ModelOwner& owner) : owner_(owner) {}

  ServerUnaryReactor* CreateBridgePort(CallbackServerContext* context,
                                       const evpn::CreateBridgePortRequest* request,
                                       evpn::BridgePort* answer) override {
    // Some clients put the id into the name.
    std::string id = request->bridge_port_id();
    if (id.empty() && !request->bridge_port().name().empty()) {
      absl::StatusOr<std::string> named = BridgePortId(request->bridge_port().name());
      if (!named.ok()) return Refuse(context, Annotate(named.status(), "bridge_port.name"));
      id = *named;
    }
    if (id.empty()) id = RandomId();
    absl::StatusOr<int64_t> claim = ClaimOf(*context);
    if (!claim.ok()) return Refuse(context, claim.status());
    absl::StatusOr<PortSpec> spec = ParsePortSpec(request->bridge_port().spec());
    if (!spec.ok()) return Refuse(context, spec.status());
    return Change(context, id, answer,
                  [id, spec = *spec, claim = *claim](AgentState& draft, const RepresentorLookup& lookup) {
                    return CreatePort(draft, id, spec, claim, lookup);
                  });
  }

  ServerUnaryReactor* UpdateBridgePort(CallbackServerContext* context,
                                       const evpn::UpdateBridgePortRequest* request,
                                       evpn::BridgePort* answer) override {
    absl::StatusOr<std::string> id = BridgePortId(request->bridge_port().name());
    if (!id.ok()) return Refuse(context, Annotate(id.status(), "bridge_port.name"));
    absl::StatusOr<int64_t> claim = ClaimOf(*context);
    if (!claim.ok()) return Refuse(context, claim.status());
    return Change(
        context, *id, answer,
        [id = *id, claim = *claim, request](AgentState& draft,
                                            const RepresentorLookup& lookup) -> absl::Status {
          evpn::BridgePort updated;
          auto it = draft.model.ports.find(id);
          bool create = it == draft.model.ports.end() && request->allow_missing();
          if (it == draft.model.ports.end() && !create) {
            return absl::NotFoundError(absl::StrCat("there is no ", BridgePortName(id)));
          }
          if (!create) *updated.mutable_spec() = ShowSpec(it->second);
          XPU_RETURN_IF_ERROR(ApplyUpdateMask(request->update_mask(), request->bridge_port(), &updated));
          XPU_ASSIGN_OR_RETURN(PortSpec spec, ParsePortSpec(updated.spec()));
          return create ? CreatePort(draft, id, spec, claim, lookup) : UpdatePort(draft, id, spec, claim);
        });
  }

  ServerUnaryReactor* DeleteBridgePort(CallbackServerContext* context,
                                       const evpn::DeleteBridgePortRequest* request, Empty*) override {
    absl::StatusOr<std::string> id = BridgePortId(request->name());
    if (!id.ok()) return Refuse(context, Annotate(id.status(), "name"));
    absl::StatusOr<int64_t> claim = ClaimOf(*context);
    if (!claim.ok()) return Refuse(context, claim.status());
    ServerUnaryReactor* reactor = context->DefaultReactor();
    owner_.Submit({.change =
                       [id = *id, claim = *claim, missing_ok = request->allow_missing()](
                           AgentState& draft, const RepresentorLookup&) {
                         absl::Status status = DeletePort(draft, id, claim);
                         return missing_ok && absl::IsNotFound(status) ? absl::OkStatus() : status;
                       },
                   .objects = {BridgePortName(*id)},
                   .patience = PatienceOf(*context),
                   .done = [reactor](const absl::Status& status,
                                     const ModelView&) { reactor->Finish(ToGrpc(status)); }});
    return reactor;
  }

  ServerUnaryReactor* GetBridgePort(CallbackServerContext* context, const evpn::GetBridgePortRequest* request,
                                    evpn::BridgePort* answer) override {
    absl::StatusOr<std::string> id = BridgePortId(request->name());
    if (!id.ok()) return Refuse(context, Annotate(id.status(), "name"));
    ServerUnaryReactor* reactor = context->DefaultReactor();
    owner_.Read(
        [id = *id, reactor, answer](const ModelView& view) { reactor->Finish(Fill(view, id, answer)); });
    return reactor;
  }

  ServerUnaryReactor* ListBridgePorts(CallbackServerContext* context,
                                      const evpn::ListBridgePortsRequest* request,
                                      evpn::ListBridgePortsResponse* answer) override {
    absl::StatusOr<PageRequest> page = ParsePage(kKind, request->page_size(), request->page_token());
    if (!page.ok()) return Refuse(context, page.status());
    ServerUnaryReactor* reactor = context->DefaultReactor();
    owner_.Read([page = *page, reactor, answer](const ModelView& view) {
      answer->set_next_page_token(
          ListPage(kKind, view.state().model.ports, page,
                   [&](const BridgePort& port) { *answer->add_bridge_ports() = Show(port, view); }));
      reactor->Finish(grpc::Status::OK);
    });
    return reactor;
  }

 private:
  // Changes the port and answers with it.
  ServerUnaryReactor* Change(
      CallbackServerContext* context, const std::string& id, evpn::BridgePort* answer,
      std::function<absl::Status(AgentState& draft, const RepresentorLookup& lookup)> change) {
    ServerUnaryReactor* reactor = context->DefaultReactor();
    owner_.Submit({.change = std::move(change),
                   .objects = {BridgePortName(id)},
                   .patience = PatienceOf(*context),
                   .done = [id, reactor, answer](const absl::Status& status, const ModelView& view) {
                     reactor->Finish(status.ok() ? Fill(view, id, answer) : ToGrpc(status));
                   }});
    return reactor;
  }

  ModelOwner& owner_;
};

}  // namespace

std::unique_ptr<grpc::Service> MakeBridgePortService(ModelOwner& owner) {
  return std::make_unique<BridgePortServiceImpl>(owner);
}

}  // namespace xpu
