#include <map>
#include <set>
#include <string>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "common/base/mac_address.h"
#include "common/base/status_macros.h"
#include "common/opi/fake_opi_agent.h"
#include "common/opi/opi_names.h"

namespace xpu {
namespace {

absl::Status CheckPort(const agent::v1::ChainPort& port, const std::string& field,
                       std::set<std::string>* ports) {
  if (port.bridge_port().empty()) return absl::OkStatus();
  absl::StatusOr<std::string> id = BridgePortId(port.bridge_port());
  XPU_RETURN_IF_ERROR(Annotate(id.status(), absl::StrCat(field, ".bridge_port")));
  XPU_RETURN_IF_ERROR(
      Annotate(MacAddress::FromBytes(port.mac_address()).status(), absl::StrCat(field, ".mac_address")));
  if (ports->insert(*id).second) return absl::OkStatus();
  return absl::InvalidArgumentError(
      absl::StrCat(field, ": ", BridgePortName(*id), " is named twice; a port has one place in a chain"));
}

}  // namespace

absl::Status FakeOpiAgent::CheckChain(const agent::v1::SetChainRequest& request) const {
  XPU_RETURN_IF_ERROR(Annotate(CheckOpiId(request.chain_id()), "chain_id"));
  if (request.functions().empty()) return absl::OkStatus();
  XPU_RETURN_IF_ERROR(Annotate(LogicalBridgeId(request.logical_bridge()).status(), "logical_bridge"));
  std::set<std::string> ids;
  std::set<std::string> ports;
  for (const agent::v1::ChainFunction& function : request.functions()) {
    XPU_RETURN_IF_ERROR(Annotate(CheckOpiId(function.id()), "functions.id"));
    if (absl::StrContains(function.id(), '.') || !ids.insert(function.id()).second) {
      return absl::InvalidArgumentError(
          absl::StrCat("functions.id: \"", function.id(), "\" has a dot, or is there twice"));
    }
    XPU_RETURN_IF_ERROR(CheckPort(function.input(), "functions.input", &ports));
    XPU_RETURN_IF_ERROR(CheckPort(function.output(), "functions.output", &ports));
  }
  for (const auto& [id, chain] : chains_) {
    if (id == request.chain_id()) continue;
    if (*LogicalBridgeId(chain.logical_bridge()) == *LogicalBridgeId(request.logical_bridge())) {
      return absl::AlreadyExistsError(
          absl::StrCat("logical_bridge: ", request.logical_bridge(), " has the chain ", id));
    }
    for (const agent::v1::ChainFunction& function : chain.functions()) {
      for (const agent::v1::ChainPort* port : {&function.input(), &function.output()}) {
        if (port->bridge_port().empty() || !ports.contains(*BridgePortId(port->bridge_port()))) continue;
        return absl::AlreadyExistsError(absl::StrCat(
            "functions: ", port->bridge_port(), " is that of networkFunctions/", id, ".", function.id()));
      }
    }
  }
  return absl::OkStatus();
}

bool FakeOpiAgent::IsThere(const agent::v1::ChainPort& wanted) const {
  if (wanted.bridge_port().empty()) return false;
  const auto port = ports_.find(*BridgePortId(wanted.bridge_port()));
  return port != ports_.end() && port->second.spec.mac_address() == wanted.mac_address() &&
         port->second.claim == wanted.claim();
}

absl::StatusOr<agent::v1::SetChainResponse> FakeOpiAgent::SetChain(
    const agent::v1::SetChainRequest& request) {
  XPU_RETURN_IF_ERROR(CheckChain(request));
  agent::v1::SetChainResponse answer;
  if (request.functions().empty()) {
    chains_.erase(request.chain_id());
    return answer;
  }
  chains_[request.chain_id()] = request;
  uint32_t position = 0;
  for (const agent::v1::ChainFunction& function : request.functions()) {
    agent::v1::NetworkFunction& shown = *answer.add_network_functions();
    shown.set_name(absl::StrCat("networkFunctions/", request.chain_id(), ".", function.id()));
    shown.set_chain(request.chain_id());
    shown.set_logical_bridge(LogicalBridgeName(*LogicalBridgeId(request.logical_bridge())));
    shown.set_position(++position);
    for (const bool is_input : {true, false}) {
      const agent::v1::ChainPort& port = is_input ? function.input() : function.output();
      if (!port.bridge_port().empty()) {
        const std::string name = BridgePortName(*BridgePortId(port.bridge_port()));
        is_input ? shown.set_input(name) : shown.set_output(name);
      }
      if (!IsThere(port) && shown.reason().empty()) {
        shown.set_reason(
            absl::StrCat("its ", is_input ? "input" : "output", " is not there; nothing passes"));
      }
    }
    shown.set_up(shown.reason().empty());
  }
  return answer;
}

}  // namespace xpu
