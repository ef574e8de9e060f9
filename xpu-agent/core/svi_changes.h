#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "common/base/ip_address.h"
#include "common/base/mac_address.h"
#include "xpu-agent/core/agent_state.h"
#include "xpu-agent/core/field_errors.h"

namespace xpu {

// Changes of SVIs, the gateways of logical bridges. Pure: each checks, and changes `state` only if it returns
// OK. Messages begin with the field that is wrong, as the OPI request calls it.

// What a gateway has that was given no MAC: the same on all cards, so that a pod finds it wherever it is.
// Administered locally (IEEE 802), so nobody's interface comes with it.
inline constexpr MacAddress kGatewayMac({0x02, 0x58, 0x50, 0x00, 0x00, 0x01});

struct SviSpec {
  // Ids.
  std::string vrf;
  std::string logical_bridge;
  MacAddress mac = kGatewayMac;
  // At least one.
  std::vector<InterfaceAddress> gateways;
  bool enable_bgp = false;
  uint32_t remote_as = 0;
  friend bool operator==(const SviSpec&, const SviSpec&) = default;
};
SviSpec SpecOf(const Svi& svi);

// What no SVI can have, whatever else there is.
void Validate(const SviSpec& spec, FieldErrors* errors);

// The same spec again is OK and changes nothing.
//   InvalidArgument     id, MAC or gateways
//   FailedPrecondition  no such VRF or bridge
//   AlreadyExists       the id with another spec, the bridge has an SVI, a prefix overlaps that of another
//   SVI
//                       of the VRF, or MAC or address are those of a port in the bridge
absl::Status CreateSvi(AgentState& state, const std::string& id, const SviSpec& spec);
// NotFound, or as CreateSvi().
absl::Status UpdateSvi(AgentState& state, const std::string& id, const SviSpec& spec);
// NotFound.
absl::Status DeleteSvi(AgentState& state, const std::string& id);

// The SVI of a bridge; null if it has none.
const Svi* FindSviOf(const Model& model, const std::string& bridge);

}  // namespace xpu
