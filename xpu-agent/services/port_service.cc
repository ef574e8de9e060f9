#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "common/base/status_macros.h"
#include "common/opi/bandwidth.h"
#include "common/opi/opi_names.h"
#include "common/rpc/rpc.h"
#include "xpu-agent/access/access_policy.h"
#include "xpu-agent/core/block_changes.h"
#include "xpu-agent/core/bridge_changes.h"
#include "xpu-agent/core/kinds.h"
#include "xpu-agent/core/model_owner.h"
#include "xpu-agent/core/port_changes.h"
#include "xpu-agent/services/call.h"
#include "xpu-agent/services/convert.h"
#include "xpu-agent/services/port_watchers.h"
#include "xpu-agent/services/services.h"
#include "xpu-agent/services/vlan_ranges.h"
#include "xpu/agent/v1/port_service.grpc.pb.h"

namespace xpu {
namespace {

using google::protobuf::Empty;
using grpc::CallbackServerContext;
using grpc::ServerUnaryReactor;

grpc::Status FillSubnets(const ModelView& view, const std::string& id, agent::v1::Subnets* answer) {
  auto it = view.state().model.bridges.find(id);
  if (it == view.state().model.bridges.end()) {
    return ToGrpc(absl::NotFoundError(absl::StrCat("there is no ", LogicalBridgeName(id))));
  }
  *answer = ShowSubnets(it->second);
  return grpc::Status::OK;
}

class PortServiceImpl final : public agent::v1::PortService::CallbackService {
 public:
  PortServiceImpl(ModelOwner& owner, const VlanRanges& host_vlans, AccessPolicy& access,
                  AddressSource addresses)
      : owner_(owner),
        host_vlans_(host_vlans),
        access_(access),
        addresses_(std::move(addresses)),
        watchers_(owner) {}

  ServerUnaryReactor* SetSubnets(CallbackServerContext* context, const agent::v1::SetSubnetsRequest* request,
                                 agent::v1::Subnets* answer) override {
    absl::StatusOr<std::string> id = LogicalBridgeId(request->subnets().logical_bridge());
    if (!id.ok()) return Refuse(context, Annotate(id.status(), "subnets.logical_bridge"));
    absl::StatusOr<SubnetSpec> spec = ParseSubnets(request->subnets());
    if (!spec.ok()) return Refuse(context, spec.status());
    ServerUnaryReactor* reactor = context->DefaultReactor();
    owner_.Submit({.change = [id = *id, spec = *spec](
                                 AgentState& draft,
                                 const RepresentorLookup&) { return xpu::SetSubnets(draft, id, spec); },
                   .objects = {LogicalBridgeName(*id)},
                   .patience = PatienceOf(*context),
                   .must_be_confirmed = true,
                   .done =
                       [id = *id, reactor, answer](const absl::Status& status, const ModelView& view) {
                         reactor->Finish(status.ok() ? FillSubnets(view, id, answer) : ToGrpc(status));
                       }});
    return reactor;
  }

  ServerUnaryReactor* GetSubnets(CallbackServerContext* context, const agent::v1::GetSubnetsRequest* request,
                                 agent::v1::Subnets* answer) override {
    absl::StatusOr<std::string> id = LogicalBridgeId(request->logical_bridge());
    if (!id.ok()) return Refuse(context, Annotate(id.status(), "logical_bridge"));
    ServerUnaryReactor* reactor = context->DefaultReactor();
    owner_.Read([id = *id, reactor, answer](const ModelView& view) {
      reactor->Finish(FillSubnets(view, id, answer));
    });
    return reactor;
  }

  ServerUnaryReactor* BindPort(CallbackServerContext* context, const agent::v1::BindPortRequest* request,
                               agent::v1::PortBinding* answer) override {
    absl::StatusOr<BindSpec> parsed = ParseBind(*request);
    if (!parsed.ok()) return Refuse(context, parsed.status());
    if (parsed->vlan.has_value() && !host_vlans_.Contains(*parsed->vlan)) {
      return Refuse(context, absl::PermissionDeniedError(absl::StrCat(
                                 "vlan: this card does not let its host choose VLAN ", *parsed->vlan,
                                 "; add it to --host-vlans of its xpu-agent (now \"", host_vlans_.ToString(),
                                 "\"), or use a Network")));
    }
    if (parsed->bandwidth.has_value()) {
      if (const absl::Status may = access_.MayLimitPort(access_.CallerOf(*context), "BindPort"); !may.ok())
        return Refuse(context, may);
    }
    ServerUnaryReactor* reactor = context->DefaultReactor();
    Bind(std::make_shared<const BindSpec>(*std::move(parsed)), access_.CallerOf(*context),
         PatienceOf(*context), kMaxBlocks, reactor, answer);
    return reactor;
  }

  ServerUnaryReactor* SetBandwidth(CallbackServerContext* context,
                                   const agent::v1::SetBandwidthRequest* request,
                                   agent::v1::Bandwidth* answer) override {
    absl::StatusOr<std::string> id = BridgePortId(request->bridge_port());
    if (!id.ok()) return Refuse(context, Annotate(id.status(), "bridge_port"));
    const Bandwidth bandwidth = FromOpi(request->bandwidth());
    ServerUnaryReactor* reactor = context->DefaultReactor();
    owner_.Submit({.change =
                       [id = *id, bandwidth](AgentState& draft, const RepresentorLookup&) {
                         return xpu::SetBandwidth(draft, id, bandwidth);
                       },
                   .objects = {BridgePortName(*id)},
                   .patience = PatienceOf(*context),
                   .done =
                       [reactor, bandwidth, answer](const absl::Status& status, const ModelView&) {
                         *answer = ToOpi(bandwidth);
                         reactor->Finish(ToGrpc(status));
                       }});
    return reactor;
  }

  ServerUnaryReactor* UnbindPort(CallbackServerContext* context, const agent::v1::UnbindPortRequest* request,
                                 Empty*) override {
    absl::StatusOr<std::string> id = BridgePortId(request->bridge_port());
    if (!id.ok()) return Refuse(context, Annotate(id.status(), "bridge_port"));
    std::vector<std::string> awaited;
    if (!request->answer_when_stored()) awaited.push_back(BridgePortName(*id));
    ServerUnaryReactor* reactor = context->DefaultReactor();
    owner_.Submit({.change = [this, id = *id, claim = request->claim(), release = request->release(),
                              caller = access_.CallerOf(*context)](AgentState& draft,
                                                                   const RepresentorLookup&) -> absl::Status {
                     XPU_RETURN_IF_ERROR(access_.MayUsePort(caller, draft, id, claim, "UnbindPort"));
                     return xpu::UnbindPort(draft, id, claim, release);
                   },
                   .objects = std::move(awaited),
                   .patience = PatienceOf(*context),
                   .done = [reactor](const absl::Status& status,
                                     const ModelView&) { reactor->Finish(ToGrpc(status)); }});
    return reactor;
  }

  ServerUnaryReactor* ListPortBindings(CallbackServerContext* context,
                                       const agent::v1::ListPortBindingsRequest*,
                                       agent::v1::ListPortBindingsResponse* answer) override {
    ServerUnaryReactor* reactor = context->DefaultReactor();
    owner_.Read([reactor, answer](const ModelView& view) {
      for (const auto& [id, port] : view.state().model.ports) {
        if (port.bound) *answer->add_bindings() = ShowBinding(port, view);
      }
      reactor->Finish(grpc::Status::OK);
    });
    return reactor;
  }

  ServerUnaryReactor* SetAddressBlocks(CallbackServerContext* context,
                                       const agent::v1::SetAddressBlocksRequest* request, Empty*) override {
    absl::StatusOr<std::string> id = LogicalBridgeId(request->logical_bridge());
    if (!id.ok()) return Refuse(context, Annotate(id.status(), "logical_bridge"));
    std::vector<IpPrefix> blocks;
    for (const std::string& text : request->blocks()) {
      absl::StatusOr<IpPrefix> block = IpPrefix::Parse(text);
      if (!block.ok()) return Refuse(context, Annotate(block.status(), "blocks"));
      blocks.push_back(*block);
    }
    ServerUnaryReactor* reactor = context->DefaultReactor();
    // Nothing on the switch comes of it.
    owner_.Submit({.change =
                       [id = *id, blocks = std::move(blocks)](AgentState& draft, const RepresentorLookup&) {
                         return xpu::SetAddressBlocks(draft, id, blocks);
                       },
                   .objects = {},
                   .patience = PatienceOf(*context),
                   .done = [reactor](const absl::Status& status,
                                     const ModelView&) { reactor->Finish(ToGrpc(status)); }});
    return reactor;
  }

  ServerUnaryReactor* UpdateRemotePorts(CallbackServerContext* context,
                                        const agent::v1::UpdateRemotePortsRequest* request, Empty*) override {
    absl::StatusOr<RemotePortsUpdate> update = ParseRemotePorts(*request);
    if (!update.ok()) return Refuse(context, update.status());
    ServerUnaryReactor* reactor = context->DefaultReactor();
    // What goes and what comes is waited for, whether this call changes it or one before did.
    std::vector<std::string> objects = {LogicalBridgeName(update->bridge)};
    for (const RemotePortSpec& port : update->set)
      objects.push_back(RemotePortName(RemotePortId(update->bridge, port.id)));
    for (const std::string& id : update->remove)
      objects.push_back(RemotePortName(RemotePortId(update->bridge, id)));
    owner_.Submit({.change = [update = *std::move(update)](
                                 AgentState& draft,
                                 const RepresentorLookup&) { return xpu::UpdateRemotePorts(draft, update); },
                   .objects = std::move(objects),
                   .patience = PatienceOf(*context),
                   .done = [reactor](const absl::Status& status,
                                     const ModelView&) { reactor->Finish(ToGrpc(status)); }});
    return reactor;
  }

  grpc::ServerWriteReactor<agent::v1::WatchPortsResponse>* WatchPorts(
      CallbackServerContext*, const agent::v1::WatchPortsRequest* request) override {
    return watchers_.Watch(*request);
  }

 private:
  // Blocks of addresses that one request may fetch: one of each family, and some of which others were
  // quicker to take all.
  static constexpr int kMaxBlocks = 6;

  void Bind(const std::shared_ptr<const BindSpec>& spec, const Caller& caller, absl::Duration patience,
            int blocks, ServerUnaryReactor* reactor, agent::v1::PortBinding* answer) {
    // Only what this request bound is taken back: one that was there before is in use.
    auto is_ours = std::make_shared<bool>(false);
    // A binding that this request gave its addresses goes back to having none.
    auto before = std::make_shared<std::optional<BridgePort>>();
    owner_.Submit(
        {.change = [this, spec, caller, is_ours, before](AgentState& draft,
                                                         const RepresentorLookup& lookup) -> absl::Status {
           XPU_RETURN_IF_ERROR(access_.MayUsePort(caller, draft, spec->port, spec->claim, "BindPort"));
           *is_ours = !IsBoundAs(draft, *spec);
           auto there = draft.model.ports.find(spec->port);
           if (there != draft.model.ports.end() && there->second.bound &&
               there->second.claim == spec->claim) {
             *before = there->second;
           }
           return xpu::BindPort(draft, *spec, lookup);
         },
         .objects = {BridgePortName(spec->port)},
         .patience = patience,
         .must_be_confirmed = true,
         .stands = [spec](const AgentState& state) { return IsBoundAs(state, *spec); },
         .rollback =
             [spec, is_ours, before](AgentState& draft) {
               if (!*is_ours) return;
               BridgePort& port = draft.model.ports.at(spec->port);
               if (before->has_value()) {
                 port = **before;
               } else {
                 Isolate(&port);
               }
             },
         .done =
             [this, spec, caller, patience, blocks, reactor, answer](const absl::Status& status,
                                                                     const ModelView& view) {
               const auto need = status.GetPayload(kNeedsAddressBlock);
               if (need.has_value() && addresses_ != nullptr && blocks > 0) {
                 addresses_(spec->bridge, std::string(*need),
                            [this, spec, caller, patience, blocks, reactor, answer](const absl::Status& got) {
                              if (!got.ok()) return reactor->Finish(ToGrpc(got));
                              Bind(spec, caller, patience, blocks - 1, reactor, answer);
                            });
                 return;
               }
               if (status.ok()) *answer = ShowBinding(view.state().model.ports.at(spec->port), view);
               reactor->Finish(ToGrpc(status));
             }});
  }

  ModelOwner& owner_;
  const VlanRanges host_vlans_;
  AccessPolicy& access_;
  const AddressSource addresses_;
  PortWatchers watchers_;
};

}  // namespace

std::unique_ptr<grpc::Service> MakePortService(ModelOwner& owner, const VlanRanges& host_vlans,
                                               AccessPolicy& access, AddressSource addresses) {
  return std::make_unique<PortServiceImpl>(owner, host_vlans, access, std::move(addresses));
}

}  // namespace xpu
