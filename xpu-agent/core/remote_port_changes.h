#pragma once

#include <string>
#include <vector>

#include "absl/status/status.h"
#include "common/base/ip_address.h"
#include "common/base/mac_address.h"
#include "xpu-agent/core/agent_state.h"

namespace xpu {

// Changes of what other cards have. Pure: checks, and changes `state` only if it returns OK. Messages begin
// with the field that is wrong, as the request calls it.

struct RemotePortSpec {
  // Tells it apart in its bridge.
  std::string id;
  MacAddress mac;
  std::vector<IpAddress> addresses;
  IpAddress vtep;
};
struct RemotePortsUpdate {
  // Id of the logical bridge.
  std::string bridge;
  std::vector<RemotePortSpec> set;
  std::vector<std::string> remove;
  // `set` is all there is.
  bool replace = false;
};

// As PortService.UpdateRemotePorts says. `changed`, if not null, gets the ids of the model's remote ports
// that came, went or changed.
//   NotFound            no such bridge
//   InvalidArgument     an id, MAC or address; a tunnel end of another family than this card's
//   FailedPrecondition  the bridge has no VNI, or the card has no tunnels
absl::Status UpdateRemotePorts(AgentState& state, const RemotePortsUpdate& update,
                               std::vector<std::string>* changed = nullptr);

// Id in the model: an id of a requester counts in one bridge only.
std::string RemotePortId(const std::string& bridge, const std::string& id);

// Forgets all that is in a bridge.
void EraseRemotePorts(AgentState& state, const std::string& bridge);

}  // namespace xpu
