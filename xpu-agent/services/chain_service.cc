#include <algorithm>
#include <memory>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "common/base/status_macros.h"
#include "common/opi/opi_names.h"
#include "common/rpc/rpc.h"
#include "xpu-agent/core/kinds.h"
#include "xpu-agent/core/model_owner.h"
#include "xpu-agent/core/network_function_changes.h"
#include "xpu-agent/services/call.h"
#include "xpu-agent/services/services.h"
#include "xpu/agent/v1/chain_service.grpc.pb.h"

namespace xpu {
namespace {

using google::protobuf::Empty;
using grpc::CallbackServerContext;
using grpc::ServerUnaryReactor;

absl::StatusOr<NetworkFunctionSpec> Parse(const agent::v1::NetworkFunction& message) {
  NetworkFunctionSpec spec{.position = message.position()};
  absl::StatusOr<std::string> input = BridgePortId(message.input());
  XPU_RETURN_IF_ERROR(Annotate(input.status(), "input"));
  absl::StatusOr<std::string> output = BridgePortId(message.output());
  XPU_RETURN_IF_ERROR(Annotate(output.status(), "output"));
  spec.input = *std::move(input);
  spec.output = *std::move(output);
  if (!message.logical_bridge().empty()) {
    absl::StatusOr<std::string> bridge = LogicalBridgeId(message.logical_bridge());
    XPU_RETURN_IF_ERROR(Annotate(bridge.status(), "logical_bridge"));
    spec.logical_bridge = *std::move(bridge);
  }
  if (message.has_vlan()) {
    if (message.vlan() > 4094)
      return absl::InvalidArgumentError(absl::StrCat("vlan: ", message.vlan(), " is not 0 to 4094"));
    spec.vlan = static_cast<uint16_t>(message.vlan());
  }
  return spec;
}

absl::StatusOr<NetworkFunctionPort> ParsePort(const agent::v1::ChainPort& message) {
  NetworkFunctionPort port;
  if (message.bridge_port().empty()) return port;
  absl::StatusOr<std::string> id = BridgePortId(message.bridge_port());
  XPU_RETURN_IF_ERROR(Annotate(id.status(), "bridge_port"));
  absl::StatusOr<MacAddress> mac = MacAddress::FromBytes(message.mac_address());
  XPU_RETURN_IF_ERROR(Annotate(mac.status(), "mac_address"));
  return NetworkFunctionPort{.port = *std::move(id), .mac = *mac, .claim = message.claim()};
}

absl::StatusOr<std::vector<ChainFunctionSpec>> ParseFunctions(const agent::v1::SetChainRequest& request) {
  std::vector<ChainFunctionSpec> functions;
  for (const agent::v1::ChainFunction& message : request.functions()) {
    const auto field = [&](const char* name) {
      return absl::StrCat("functions[", functions.size(), "].", name);
    };
    absl::StatusOr<NetworkFunctionPort> input = ParsePort(message.input());
    XPU_RETURN_IF_ERROR(Annotate(input.status(), field("input")));
    absl::StatusOr<NetworkFunctionPort> output = ParsePort(message.output());
    XPU_RETURN_IF_ERROR(Annotate(output.status(), field("output")));
    functions.push_back({.id = message.id(), .input = *std::move(input), .output = *std::move(output)});
  }
  return functions;
}

void Show(const NetworkFunction& function, const ModelView& view, agent::v1::NetworkFunction* shown) {
  const std::string name = NetworkFunctionName(function.id);
  shown->set_name(name);
  if (!function.input.port.empty()) shown->set_input(BridgePortName(function.input.port));
  if (!function.output.port.empty()) shown->set_output(BridgePortName(function.output.port));
  if (!function.logical_bridge.empty()) shown->set_logical_bridge(LogicalBridgeName(function.logical_bridge));
  if (function.vlan.has_value()) shown->set_vlan(*function.vlan);
  shown->set_position(function.position);
  shown->set_chain(function.chain);
  const ObjectState state = view.StateOf(name);
  shown->set_up(state.kind == ObjectState::kConfirmed);
  if (!shown->up()) shown->set_reason(std::string(state.why.message()));
}

class ChainServiceImpl final : public agent::v1::ChainService::CallbackService {
 public:
  explicit ChainServiceImpl(ModelOwner& owner) : owner_(owner) {}

  ServerUnaryReactor* CreateNetworkFunction(CallbackServerContext* context,
                                            const agent::v1::CreateNetworkFunctionRequest* request,
                                            agent::v1::NetworkFunction* answer) override {
    absl::StatusOr<NetworkFunctionSpec> spec = Parse(request->network_function());
    if (!spec.ok()) return Refuse(context, Annotate(spec.status(), "network_function"));
    const std::string id = request->network_function_id();
    ServerUnaryReactor* reactor = context->DefaultReactor();
    owner_.Submit({.change =
                       [id, spec = *std::move(spec)](AgentState& draft, const RepresentorLookup&) {
                         return xpu::CreateNetworkFunction(draft, id, spec);
                       },
                   .objects = {NetworkFunctionName(id)},
                   .patience = PatienceOf(*context),
                   .done =
                       [reactor, id, answer](const absl::Status& status, const ModelView& view) {
                         const auto& functions = view.state().model.network_functions;
                         if (const auto it = functions.find(id); status.ok() && it != functions.end())
                           Show(it->second, view, answer);
                         reactor->Finish(ToGrpc(status));
                       }});
    return reactor;
  }

  ServerUnaryReactor* DeleteNetworkFunction(CallbackServerContext* context,
                                            const agent::v1::DeleteNetworkFunctionRequest* request,
                                            Empty*) override {
    const std::string id(absl::StripPrefix(request->name(), NetworkFunctionName("")));
    ServerUnaryReactor* reactor = context->DefaultReactor();
    owner_.Submit(
        {.change =
             [id, allow_missing = request->allow_missing()](AgentState& draft, const RepresentorLookup&) {
               const absl::Status status = xpu::DeleteNetworkFunction(draft, id);
               return allow_missing && absl::IsNotFound(status) ? absl::OkStatus() : status;
             },
         .objects = {NetworkFunctionName(id)},
         .patience = PatienceOf(*context),
         .done = [reactor](const absl::Status& status,
                           const ModelView&) { reactor->Finish(ToGrpc(status)); }});
    return reactor;
  }

  ServerUnaryReactor* SetChain(CallbackServerContext* context, const agent::v1::SetChainRequest* request,
                               agent::v1::SetChainResponse* answer) override {
    std::string bridge;
    if (!request->logical_bridge().empty()) {
      absl::StatusOr<std::string> id = LogicalBridgeId(request->logical_bridge());
      if (!id.ok()) return Refuse(context, Annotate(id.status(), "logical_bridge"));
      bridge = *std::move(id);
    }
    absl::StatusOr<std::vector<ChainFunctionSpec>> functions = ParseFunctions(*request);
    if (!functions.ok()) return Refuse(context, functions.status());
    const std::string chain = request->chain_id();
    std::vector<std::string> ids;
    for (const ChainFunctionSpec& function : *functions) ids.push_back(ChainFunctionId(chain, function.id));
    ServerUnaryReactor* reactor = context->DefaultReactor();
    // Those that go are waited for as well as those that come.
    owner_.Read([this, context, reactor, answer, chain, bridge, ids,
                 functions = *std::move(functions)](const ModelView& now) {
      std::vector<std::string> objects;
      for (const std::string& id : ids) objects.push_back(NetworkFunctionName(id));
      for (const auto& [id, function] : now.state().model.network_functions) {
        if (function.chain == chain) objects.push_back(NetworkFunctionName(id));
      }
      owner_.Submit({.change =
                         [chain, bridge, functions](AgentState& draft, const RepresentorLookup&) {
                           return xpu::SetChain(draft, chain, bridge, functions);
                         },
                     .objects = std::move(objects),
                     .patience = PatienceOf(*context),
                     .done =
                         [reactor, ids, answer](const absl::Status& status, const ModelView& view) {
                           const auto& all = view.state().model.network_functions;
                           for (const std::string& id : ids) {
                             if (const auto it = all.find(id); status.ok() && it != all.end())
                               Show(it->second, view, answer->add_network_functions());
                           }
                           reactor->Finish(ToGrpc(status));
                         }});
    });
    return reactor;
  }

  ServerUnaryReactor* ListNetworkFunctions(CallbackServerContext* context,
                                           const agent::v1::ListNetworkFunctionsRequest*,
                                           agent::v1::ListNetworkFunctionsResponse* answer) override {
    ServerUnaryReactor* reactor = context->DefaultReactor();
    owner_.Read([reactor, answer](const ModelView& view) {
      std::vector<const NetworkFunction*> functions;
      for (const auto& [id, function] : view.state().model.network_functions) functions.push_back(&function);
      std::stable_sort(
          functions.begin(), functions.end(),
          [](const NetworkFunction* a, const NetworkFunction* b) { return a->position < b->position; });
      for (const NetworkFunction* function : functions)
        Show(*function, view, answer->add_network_functions());
      reactor->Finish(grpc::Status::OK);
    });
    return reactor;
  }

 private:
  ModelOwner& owner_;
};

}  // namespace

std::unique_ptr<grpc::Service> MakeChainService(ModelOwner& owner) {
  return std::make_unique<ChainServiceImpl>(owner);
}

}  // namespace xpu
