#include "xpu-agent/access/access_policy.h"

#include <set>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "common/base/status_macros.h"
#include "common/opi/opi_names.h"
#include "common/rpc/rpc.h"
#include "grpcpp/server_context.h"
#include "xpu/agent/v1/access_service.grpc.pb.h"

namespace xpu {
namespace {

// What a host may call. Whether it may do that to the object is asked once the message is read.
bool IsAHosts(absl::string_view method) {
  static const auto* const kMethods = new std::set<absl::string_view>{
      "/xpu.agent.v1.PortService/BindPort",
      "/xpu.agent.v1.PortService/UnbindPort",
      "/xpu.agent.v1.PortService/ListPortBindings",
      "/xpu.agent.v1.PortService/WatchPorts",
      "/xpu.agent.v1.PortService/GetSubnets",
      "/opi_api.network.evpn_gw.v1alpha1.BridgePortService/CreateBridgePort",
      "/opi_api.network.evpn_gw.v1alpha1.BridgePortService/DeleteBridgePort",
      "/opi_api.network.evpn_gw.v1alpha1.BridgePortService/GetBridgePort",
      "/opi_api.network.evpn_gw.v1alpha1.BridgePortService/ListBridgePorts",
      "/opi_api.network.evpn_gw.v1alpha1.LogicalBridgeService/GetLogicalBridge",
      "/opi_api.network.evpn_gw.v1alpha1.LogicalBridgeService/ListLogicalBridges",
      "/opi_api.inventory.v1.InventoryService/GetInventory",
  };
  if (kMethods->contains(method)) return true;
  return absl::StartsWith(method, "/grpc.health.v1.Health/") ||
         absl::StartsWith(method, "/grpc.reflection.") || absl::EndsWith(method, ".HeartbeatService/Ping");
}

class AccessServiceImpl final : public agent::v1::AccessService::CallbackService {
 public:
  explicit AccessServiceImpl(const AccessPolicy& policy) : policy_(policy) {}
  grpc::ServerUnaryReactor* ListRefusals(grpc::CallbackServerContext* context,
                                         const agent::v1::ListRefusalsRequest*,
                                         agent::v1::ListRefusalsResponse* answer) override {
    for (const Refusals::Entry& entry : policy_.refusals()) {
      agent::v1::Refusal& shown = *answer->add_refusals();
      shown.set_identity(entry.identity);
      shown.set_reason(std::string(RefusalWord(entry.reason)));
      shown.set_count(entry.count);
      shown.set_last_call(entry.call);
      shown.set_last_time(absl::FormatTime(absl::RFC3339_sec, entry.last, absl::UTCTimeZone()));
    }
    grpc::ServerUnaryReactor* reactor = context->DefaultReactor();
    reactor->Finish(grpc::Status::OK);
    return reactor;
  }

 private:
  const AccessPolicy& policy_;
};

}  // namespace

AccessPolicy::AccessPolicy(Options options, Clock& clock)
    : options_(std::move(options)),
      clock_(clock),
      refusals_(clock),
      buckets_(options_.calls_per_second, options_.burst) {}

absl::Status AccessPolicy::Refuse(const Caller& caller, RefusalReason reason, absl::string_view call,
                                  std::string why) {
  refusals_.Count(caller.identity, reason, call);
  return absl::PermissionDeniedError(std::move(why));
}

absl::Status AccessPolicy::Admit(const std::vector<std::string>& uris, absl::string_view method) {
  const Caller caller = IdentifyCaller(uris, options_.trust_domain);
  // First, so that being refused is no way to be free of it.
  {
    absl::MutexLock lock(&mu_);
    if (!buckets_.Take(caller.identity, clock_.Now())) {
      refusals_.Count(caller.identity, RefusalReason::kFlood, method);
      return absl::ResourceExhaustedError(absl::StrCat(caller.identity, " makes more than ",
                                                       options_.calls_per_second,
                                                       " calls a second; slow down and try again"));
    }
  }
  switch (caller.role) {
    case Caller::Role::kStranger:
      return Refuse(caller, RefusalReason::kStranger, method,
                    absl::StrCat("the certificate names ", caller.identity,
                                 ", whom this card does not know; it takes spiffe://DOMAIN/card/",
                                 options_.card, "/host and spiffe://DOMAIN/operator/NAME as its one URI"));
    case Caller::Role::kHost:
    case Caller::Role::kAgent:
      if (caller.card != options_.card) {
        return Refuse(caller, RefusalReason::kOtherCard, method,
                      absl::StrCat("the certificate is for card ", caller.card, ", and this is ",
                                   options_.card, "; use the one for this card"));
      }
      if (caller.role == Caller::Role::kHost && !IsAHosts(method)) {
        return Refuse(caller, RefusalReason::kNotAHosts, method,
                      absl::StrCat(method, " is not for hosts; have an operator do it"));
      }
      return absl::OkStatus();
    case Caller::Role::kLocal:
    case Caller::Role::kOperator:
      return absl::OkStatus();
  }
  return absl::InternalError("no such role");
}

void AccessPolicy::CountHandshake(const std::string& why) {
  refusals_.Count("unknown", RefusalReason::kHandshake, why);
}

Caller AccessPolicy::CallerOf(const grpc::ServerContextBase& context) const {
  return xpu::CallerOf(context, options_.trust_domain);
}

absl::Status AccessPolicy::MayUsePort(const Caller& caller, const AgentState& state, const std::string& id,
                                      int64_t claim, absl::string_view call) {
  if (caller.role != Caller::Role::kHost) return absl::OkStatus();
  const std::string name = BridgePortName(id);
  const absl::StatusOr<PortFunction> function = PortFunction::FromPortId(id);
  if (!function.ok() || (caller.pf.has_value() && *caller.pf != function->pf)) {
    return Refuse(caller, RefusalReason::kNotItsOwn, call,
                  absl::StrCat(name, " is not of a function of ", caller.identity));
  }
  if (claim == 0) {
    return Refuse(caller, RefusalReason::kNotItsOwn, call,
                  absl::StrCat(name, ": a host says under which claim it asks (metadata xpu-claim)"));
  }
  const auto port = state.model.ports.find(id);
  if (port != state.model.ports.end() && port->second.claim == 0) {
    return Refuse(caller, RefusalReason::kNotItsOwn, call,
                  absl::StrCat(name, " was made by an operator; have that one delete it first"));
  }
  return absl::OkStatus();
}

absl::Status AccessPolicy::MayMakePort(const Caller& caller, const AgentState& state, const std::string& id,
                                       int64_t claim, const std::vector<std::string>& logical_bridges,
                                       absl::string_view call) {
  XPU_RETURN_IF_ERROR(MayUsePort(caller, state, id, claim, call));
  if (caller.role != Caller::Role::kHost || logical_bridges.empty()) return absl::OkStatus();
  return Refuse(caller, RefusalReason::kNotItsOwn, call,
                absl::StrCat(BridgePortName(id),
                             ": a host puts a function into a network with BindPort, which gives it its "
                             "addresses; leave logical_bridges empty"));
}

absl::Status AccessPolicy::MayLimitPort(const Caller& caller, absl::string_view call) {
  if (caller.role != Caller::Role::kHost) return absl::OkStatus();
  return Refuse(
      caller, RefusalReason::kNotAHosts, call,
      "bandwidth: limits are not for hosts to set; have an operator set spec.bandwidth of the Netdev");
}

std::unique_ptr<grpc::Service> MakeAccessService(const AccessPolicy& policy) {
  return std::make_unique<AccessServiceImpl>(policy);
}

}  // namespace xpu
