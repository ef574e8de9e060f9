#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "common/base/ip_address.h"
#include "xpu-agent/core/agent_state.h"
#include "xpu-agent/core/field_errors.h"

namespace xpu {

// Changes of logical bridges. Pure: each checks, and changes `state` only if it returns OK. Messages begin
// with the field that is wrong, as the OPI request calls it.

struct BridgeSpec {
  uint32_t vlan_id = 0;
  std::optional<uint32_t> vni;
  std::optional<InterfaceAddress> vtep;
  friend bool operator==(const BridgeSpec&, const BridgeSpec&) = default;
};
BridgeSpec SpecOf(const LogicalBridge& bridge);

// What no bridge can have, whatever else there is.
void Validate(const BridgeSpec& spec, FieldErrors* errors);

// The same spec again is OK and changes nothing.
//   InvalidArgument    id, VLAN id, VNI or VTEP
//   AlreadyExists      the id with another spec, the VLAN id is another bridge's, or the VNI
//                      another bridge's or a VRF's
//   ResourceExhausted  no network key left
absl::Status CreateBridge(AgentState& state, const std::string& id, const BridgeSpec& spec);
// NotFound, or as CreateBridge().
absl::Status UpdateBridge(AgentState& state, const std::string& id, const BridgeSpec& spec);
//   NotFound            there is none
//   FailedPrecondition  ports or an SVI are in it; they are named
absl::Status DeleteBridge(AgentState& state, const std::string& id);

struct SubnetSpec {
  std::vector<IpPrefix> prefixes;
  std::vector<IpAddress> gateways;
  uint32_t mtu = 1500;
  DnsOptions dns;
  // Seconds.
  uint32_t lease_time = 86400;
};
//   NotFound            no such bridge
//   InvalidArgument     as ValidateSubnets() and ValidateDns(), or a lease of less than a minute
//   FailedPrecondition  a port has an address that would be in no prefix any more, or is to be a gateway's
absl::Status SetSubnets(AgentState& state, const std::string& bridge, const SubnetSpec& spec);

}  // namespace xpu
