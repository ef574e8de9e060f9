#include "xpu-agent/core/network_function_changes.h"

#include <algorithm>
#include <map>
#include <set>
#include <utility>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "common/base/status_macros.h"
#include "common/opi/opi_names.h"
#include "xpu-agent/core/kinds.h"

namespace xpu {
namespace {

constexpr uint16_t kMaxVlan = 4094;

// What network a port is in, or is made for.
struct Place {
  std::string logical_bridge;
  std::optional<uint16_t> vlan;
  friend bool operator==(const Place&, const Place&) = default;
};

std::string ToString(const Place& place) {
  if (place.vlan.has_value()) return absl::StrCat("VLAN ", *place.vlan);
  return place.logical_bridge.empty() ? "no network" : LogicalBridgeName(place.logical_bridge);
}

Place PlaceOf(const BridgePort& port) {
  if (port.vlan.has_value()) return {.logical_bridge = "", .vlan = port.vlan};
  if (port.type == BridgePortType::kAccess && port.logical_bridges.size() == 1)
    return {.logical_bridge = port.logical_bridges[0], .vlan = {}};
  return {};
}

NetworkFunctionPort Now(const BridgePort& port) {
  return {.port = port.id, .mac = port.mac, .claim = port.claim};
}

absl::StatusOr<const BridgePort*> FindPort(const Model& model, const std::string& field,
                                           const std::string& id) {
  const auto port = model.ports.find(id);
  if (port != model.ports.end()) return &port->second;
  return absl::FailedPreconditionError(
      absl::StrCat(field, ": there is no ", BridgePortName(id), "; create it first"));
}

absl::Status CheckPortIsFree(const Model& model, const std::string& id, const std::string& field,
                             const std::string& port) {
  for (const auto& [other_id, other] : model.network_functions) {
    if (other_id == id || (other.input.port != port && other.output.port != port)) continue;
    return absl::AlreadyExistsError(absl::StrCat(field, ": ", BridgePortName(port), " is that of ",
                                                 NetworkFunctionName(other_id), "; delete that first"));
  }
  return absl::OkStatus();
}

absl::StatusOr<Place> ResolvePlace(const Model& model, const NetworkFunctionSpec& spec,
                                   const BridgePort& input, const BridgePort& output) {
  if (spec.vlan.has_value()) {
    if (!spec.logical_bridge.empty())
      return absl::InvalidArgumentError("vlan: give a logical bridge or a VLAN, not both");
    if (*spec.vlan > kMaxVlan)
      return absl::InvalidArgumentError(absl::StrCat("vlan: ", *spec.vlan, " is not 0 to ", kMaxVlan));
    return Place{.logical_bridge = "", .vlan = spec.vlan};
  }
  if (!spec.logical_bridge.empty()) {
    if (!model.bridges.contains(spec.logical_bridge)) {
      return absl::FailedPreconditionError(absl::StrCat(
          "logical_bridge: there is no ", LogicalBridgeName(spec.logical_bridge), "; create it first"));
    }
    return Place{.logical_bridge = spec.logical_bridge, .vlan = {}};
  }
  const Place of_input = PlaceOf(input);
  const Place of_output = PlaceOf(output);
  if (of_input == of_output) return of_input;
  return absl::InvalidArgumentError(
      absl::StrCat("output: ", BridgePortName(output.id), " is in ", ToString(of_output), " and ",
                   BridgePortName(input.id), " in ", ToString(of_input),
                   "; put both into the same, or say which network the function is for"));
}

uint32_t NextPosition(const Model& model) {
  uint32_t last = 0;
  for (const auto& [id, function] : model.network_functions) last = std::max(last, function.position);
  return last + 1;
}

absl::Status CheckPort(const Model& model, const std::string& side, const NetworkFunctionPort& wanted) {
  if (wanted.port.empty())
    return absl::NotFoundError(absl::StrCat("there is no port for its ", side, " yet; nothing passes"));
  const auto port = model.ports.find(wanted.port);
  const std::string name = BridgePortName(wanted.port);
  if (port == model.ports.end()) {
    return absl::FailedPreconditionError(
        absl::StrCat("its ", side, ", ", name,
                     ", is gone; nothing passes until it is back or the function is "
                     "deleted"));
  }
  if (port->second.mac != wanted.mac || port->second.claim != wanted.claim) {
    return absl::FailedPreconditionError(
        absl::StrCat("its ", side, ", ", name,
                     ", is somebody else's now; nothing passes until the function is created "
                     "again or deleted"));
  }
  if (!model.representors.contains(wanted.port)) {
    return absl::NotFoundError(
        absl::StrCat("no interface of the DPU stands for its ", side, ", ", name, ", now; nothing passes"));
  }
  return absl::OkStatus();
}

absl::Status CheckChainFunctionId(const std::string& id, const std::string& whole) {
  XPU_RETURN_IF_ERROR(CheckOpiId(id));
  if (absl::StrContains(id, '.'))
    return absl::InvalidArgumentError(absl::StrCat("\"", id, "\" has a dot; leave it out"));
  return CheckOpiId(whole);
}

absl::Status CheckPortsOnce(const std::vector<ChainFunctionSpec>& functions) {
  std::set<std::string> ports;
  for (size_t i = 0; i < functions.size(); ++i) {
    const ChainFunctionSpec& function = functions[i];
    for (const NetworkFunctionPort* port : {&function.input, &function.output}) {
      if (port->port.empty() || ports.insert(port->port).second) continue;
      return absl::InvalidArgumentError(
          absl::StrCat("functions[", i, "].", port == &function.input ? "input" : "output", ": ",
                       BridgePortName(port->port), " is named twice; a port has one place in a chain"));
    }
  }
  return absl::OkStatus();
}

// Whether the chain's functions can be beside this one, which is not of it.
absl::Status CheckBeside(const NetworkFunction& other, const std::map<std::string, NetworkFunction>& wanted,
                         const std::string& logical_bridge) {
  if (wanted.empty()) return absl::OkStatus();
  if (!other.chain.empty() && other.logical_bridge == logical_bridge) {
    return absl::AlreadyExistsError(absl::StrCat("logical_bridge: ", LogicalBridgeName(logical_bridge),
                                                 " has the chain ", other.chain,
                                                 "; a network has one, so add the functions to that"));
  }
  if (wanted.contains(other.id)) {
    return absl::AlreadyExistsError(
        absl::StrCat(NetworkFunctionName(other.id), " is there and not of this chain; delete it first"));
  }
  for (const auto& [id, function] : wanted) {
    for (const NetworkFunctionPort* port : {&function.input, &function.output}) {
      if (port->port.empty() || (port->port != other.input.port && port->port != other.output.port)) continue;
      return absl::AlreadyExistsError(absl::StrCat(
          "functions[", function.position - 1, "].", port == &function.input ? "input" : "output", ": ",
          BridgePortName(port->port), " is that of ", NetworkFunctionName(other.id), "; delete that first"));
    }
  }
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<std::string> FindPortByMac(const Model& model, const std::string& field,
                                          const MacAddress& mac) {
  std::vector<std::string> found;
  for (const auto& [id, port] : model.ports) {
    if (port.mac == mac) found.push_back(id);
  }
  if (found.size() == 1) return found[0];
  if (found.empty()) {
    return absl::FailedPreconditionError(absl::StrCat(field, ": no bridge port has the MAC ", mac.ToString(),
                                                      "; create one (CreateBridgePort) for the function's "
                                                      "interface first"));
  }
  return absl::FailedPreconditionError(
      absl::StrCat(field, ": ", BridgePortName(found[0]), " and ", BridgePortName(found[1]),
                   " both have the MAC ", mac.ToString(),
                   "; give one of them another, or name the port with CreateNetworkFunction of "
                   "xpu.agent.v1.ChainService"));
}

absl::Status CreateNetworkFunction(AgentState& state, const std::string& id,
                                   const NetworkFunctionSpec& spec) {
  XPU_RETURN_IF_ERROR(Annotate(CheckOpiId(id), "network_function_id"));
  const Model& model = state.model;
  if (spec.input == spec.output) {
    return absl::InvalidArgumentError(absl::StrCat("output: ", BridgePortName(spec.output),
                                                   " is the input too; a function stands between two ports"));
  }
  XPU_ASSIGN_OR_RETURN(const BridgePort* input, FindPort(model, "input", spec.input));
  XPU_ASSIGN_OR_RETURN(const BridgePort* output, FindPort(model, "output", spec.output));
  XPU_RETURN_IF_ERROR(CheckPortIsFree(model, id, "input", spec.input));
  XPU_RETURN_IF_ERROR(CheckPortIsFree(model, id, "output", spec.output));
  XPU_ASSIGN_OR_RETURN(Place place, ResolvePlace(model, spec, *input, *output));
  NetworkFunction function{.id = id,
                           .input = Now(*input),
                           .output = Now(*output),
                           .logical_bridge = std::move(place.logical_bridge),
                           .vlan = place.vlan,
                           .position = spec.position};
  const auto present = model.network_functions.find(id);
  if (present == model.network_functions.end()) {
    if (function.position == 0) function.position = NextPosition(model);
  } else {
    NetworkFunction same = present->second;
    same.input = function.input;
    same.output = function.output;
    if (function.position == 0) function.position = same.position;
    if (!(same == function) || present->second.input.port != spec.input ||
        present->second.output.port != spec.output) {
      return absl::AlreadyExistsError(absl::StrCat(
          NetworkFunctionName(id), " is there with another spec; delete it first, or choose another id"));
    }
  }
  state.model.network_functions.insert_or_assign(id, std::move(function));
  return absl::OkStatus();
}

absl::Status DeleteNetworkFunction(AgentState& state, const std::string& id) {
  const auto present = state.model.network_functions.find(id);
  if (present == state.model.network_functions.end())
    return absl::NotFoundError(absl::StrCat("there is no ", NetworkFunctionName(id)));
  if (!present->second.chain.empty()) {
    return absl::FailedPreconditionError(absl::StrCat(NetworkFunctionName(id), " is of the chain ",
                                                      present->second.chain,
                                                      "; change that (SetChain, or its ServiceChain)"));
  }
  state.model.network_functions.erase(id);
  return absl::OkStatus();
}

std::string ChainFunctionId(const std::string& chain, const std::string& id) {
  return absl::StrCat(chain, ".", id);
}

absl::Status SetChain(AgentState& state, const std::string& chain, const std::string& logical_bridge,
                      const std::vector<ChainFunctionSpec>& functions) {
  XPU_RETURN_IF_ERROR(Annotate(CheckOpiId(chain), "chain_id"));
  std::map<std::string, NetworkFunction> wanted;
  for (const ChainFunctionSpec& spec : functions) {
    const auto field = [&](absl::string_view name) {
      return absl::StrCat("functions[", wanted.size(), "].", name);
    };
    const std::string id = ChainFunctionId(chain, spec.id);
    XPU_RETURN_IF_ERROR(Annotate(CheckChainFunctionId(spec.id, id), field("id")));
    NetworkFunction function{.id = id,
                             .input = spec.input,
                             .output = spec.output,
                             .logical_bridge = logical_bridge,
                             .vlan = {},
                             .position = static_cast<uint32_t>(wanted.size() + 1),
                             .chain = chain};
    if (wanted.contains(id)) {
      return absl::InvalidArgumentError(
          absl::StrCat(field("id"), ": \"", spec.id, "\" is there twice; give each function its own"));
    }
    wanted.emplace(id, std::move(function));
  }
  if (!wanted.empty()) {
    XPU_RETURN_IF_ERROR(Annotate(CheckOpiId(logical_bridge), "logical_bridge"));
    XPU_RETURN_IF_ERROR(CheckPortsOnce(functions));
  }
  for (const auto& [id, other] : state.model.network_functions) {
    if (other.chain != chain) XPU_RETURN_IF_ERROR(CheckBeside(other, wanted, logical_bridge));
  }
  std::vector<std::string> gone;
  for (const auto& [id, function] : state.model.network_functions) {
    if (function.chain == chain && !wanted.contains(id)) gone.push_back(id);
  }
  for (const std::string& id : gone) state.model.network_functions.erase(id);
  for (auto& [id, function] : wanted) {
    const auto present = state.model.network_functions.find(id);
    if (present != state.model.network_functions.end() && present->second == function) continue;
    state.model.network_functions.insert_or_assign(id, std::move(function));
  }
  return absl::OkStatus();
}

absl::Status CheckNetworkFunction(const Model& model, const NetworkFunction& function) {
  XPU_RETURN_IF_ERROR(CheckPort(model, "input", function.input));
  XPU_RETURN_IF_ERROR(CheckPort(model, "output", function.output));
  if (!function.logical_bridge.empty() && !model.bridges.contains(function.logical_bridge)) {
    return absl::FailedPreconditionError(
        absl::StrCat("there is no ", LogicalBridgeName(function.logical_bridge), " any more"));
  }
  return absl::OkStatus();
}

}  // namespace xpu
