#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "absl/status/status.h"
#include "common/base/ip_address.h"
#include "xpu-agent/core/agent_state.h"
#include "xpu-agent/core/field_errors.h"

namespace xpu {

// Changes of VRFs. Pure: each checks, and changes `state` only if it returns OK. Messages begin with the
// field that is wrong, as the OPI request calls it.

struct VrfSpec {
  std::optional<uint32_t> vni;
  std::optional<InterfaceAddress> loopback;
  std::optional<InterfaceAddress> vtep;
  friend bool operator==(const VrfSpec&, const VrfSpec&) = default;
};
VrfSpec SpecOf(const Vrf& vrf);

// What no VRF can have, whatever else there is.
void Validate(const VrfSpec& spec, FieldErrors* errors);

// The same spec again is OK and changes nothing.
//   InvalidArgument    id, VNI or addresses
//   AlreadyExists      the id with another spec, or the VNI is another VRF's or a logical bridge's
//   ResourceExhausted  no key left
absl::Status CreateVrf(AgentState& state, const std::string& id, const VrfSpec& spec);
// NotFound, or as CreateVrf().
absl::Status UpdateVrf(AgentState& state, const std::string& id, const VrfSpec& spec);
//   NotFound            there is none
//   FailedPrecondition  SVIs are in it; they are named
absl::Status DeleteVrf(AgentState& state, const std::string& id);

}  // namespace xpu
