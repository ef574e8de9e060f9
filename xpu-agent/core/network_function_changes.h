#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "common/base/mac_address.h"
#include "xpu-agent/core/agent_state.h"

namespace xpu {

// Changes of network functions. Pure: each checks, and changes `state` only if it returns OK. Messages begin
// with the field that is wrong, as the request calls it.

struct NetworkFunctionSpec {
  // Ids of bridge ports.
  std::string input;
  std::string output;
  // Id of a logical bridge, or a VLAN. Neither: the network that both ports are in, or else all networks that
  // go on at the uplink.
  std::string logical_bridge;
  std::optional<uint16_t> vlan;
  // 0: beyond all others.
  uint32_t position = 0;
};

// The same again is OK, and takes the ports as they are now.
//   InvalidArgument     id, VLAN, or two ports that are one or in two networks
//   FailedPrecondition  no such port or bridge
//   AlreadyExists       the id with another spec, or a port is another function's
absl::Status CreateNetworkFunction(AgentState& state, const std::string& id, const NetworkFunctionSpec& spec);
// NotFound. FailedPrecondition: it is of a chain, which is changed as a whole.
absl::Status DeleteNetworkFunction(AgentState& state, const std::string& id);

// A network function of a chain. Its ports are as they are said to be, whether or not the model has such.
struct ChainFunctionSpec {
  // Has no dot.
  std::string id;
  // Without the id of a port: there is none yet.
  NetworkFunctionPort input;
  NetworkFunctionPort output;
};

// "<chain>.<id>".
std::string ChainFunctionId(const std::string& chain, const std::string& id);

// Makes the functions of the chain exactly these, in this order; none: the chain goes. Bridge and ports need
// not be there.
//   InvalidArgument     an id or a bridge; a port or a function that is named twice
//   AlreadyExists       a port or an id is that of a function outside the chain; the bridge has another chain
absl::Status SetChain(AgentState& state, const std::string& chain, const std::string& logical_bridge,
                      const std::vector<ChainFunctionSpec>& functions);

// The bridge port that has this MAC. FailedPrecondition: there is none, or more than one, as ports of
// different networks may have the same; `field` is what the request calls it.
absl::StatusOr<std::string> FindPortByMac(const Model& model, const std::string& field,
                                          const MacAddress& mac);

// Why nothing passes the function as far as the model says; OK if all that it needs is there.
absl::Status CheckNetworkFunction(const Model& model, const NetworkFunction& function);

}  // namespace xpu
