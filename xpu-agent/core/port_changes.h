#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "xpu-agent/core/agent_state.h"
#include "xpu-agent/core/field_errors.h"

namespace xpu {

// Changes of bridge ports and of their bindings. Pure but for the lookup: each checks, and changes `state`
// only if it returns OK. Messages begin with the field that is wrong, as the request calls it. Claims go by
// common/opi/claims.h: InvalidArgument if negative, Aborted if stale.

// Looks whether an interface stands for the function behind the bridge port of this id; NotFound if there is
// none.
using RepresentorLookup = std::function<absl::Status(const std::string& port_id)>;

struct PortSpec {
  MacAddress mac;
  BridgePortType type = BridgePortType::kAccess;
  // Ids.
  std::vector<std::string> logical_bridges;
  // In the card's network of this VLAN (0: untagged), and not in logical bridges.
  std::optional<uint16_t> vlan;
  friend bool operator==(const PortSpec&, const PortSpec&) = default;
};
PortSpec SpecOf(const BridgePort& port);

// What no port can have, whatever else there is.
void Validate(const PortSpec& spec, FieldErrors* errors);

// Some clients name a VLAN where an id belongs and make no bridge for it, as OpenShift's dpu-operator does. A
// number that is no bridge's id stands for the bridge of that VLAN without a VNI (one that has a VNI uses its
// VLAN id on this card only, and somebody else chose it), and in an access port otherwise for the card's
// network of the VLAN, if `allowed`, or if the port `id` is in it already. What is none of that stays as it
// is.
void ResolveVlans(const AgentState& state, const std::string& id,
                  const std::function<bool(uint16_t vlan)>& allowed, PortSpec* spec);

// The same spec again is OK and changes nothing, also once the port was bound. A newer claim replaces what is
// there. A port without a function behind it is made too, and waits for one.
//   InvalidArgument     id, MAC or bridges
//   FailedPrecondition  no such bridge
//   AlreadyExists       the id with another spec, or the MAC is another port's or an SVI's in one of the
//   bridges
absl::Status CreatePort(AgentState& state, const std::string& id, const PortSpec& spec, int64_t claim,
                        const RepresentorLookup& lookup);
// NotFound, FailedPrecondition also if the port is bound, or as CreatePort().
absl::Status UpdatePort(AgentState& state, const std::string& id, const PortSpec& spec, int64_t claim);
// The claim is over, also if there is no port. NotFound if there is neither port nor claim.
absl::Status DeletePort(AgentState& state, const std::string& id, int64_t claim);

struct BindSpec {
  std::string port;
  std::string bridge;
  MacAddress mac;
  std::vector<IpAddress> addresses;
  int64_t claim = 0;
  // Instead of bridge and addresses: the network of this VLAN, with exactly these addresses.
  std::optional<uint16_t> vlan;
  std::vector<InterfaceAddress> vlan_addresses;
  // Nothing: as it is, and of a new claim no limits.
  std::optional<Bandwidth> bandwidth;
  std::optional<Bandwidth> pod_bandwidth;
};
// As PortService.BindPort says. The same again is OK and changes nothing; a port that is bound otherwise
// under the same claim is AlreadyExists, but for one that is in a VLAN without addresses and gets its
// addresses now. Its limits can be others each time.
absl::Status BindPort(AgentState& state, const BindSpec& spec, const RepresentorLookup& lookup);
// As PortService.UnbindPort says.
absl::Status UnbindPort(AgentState& state, const std::string& id, int64_t claim, bool release);

// NotFound, or InvalidArgument if a limit is more than a switch can count.
absl::Status SetBandwidth(AgentState& state, const std::string& id, const Bandwidth& bandwidth);

// Whether the port is bound as `spec` asks.
bool IsBoundAs(const AgentState& state, const BindSpec& spec);
// Takes the port out of its bridge; the claim stays.
void Isolate(BridgePort* port);

}  // namespace xpu
