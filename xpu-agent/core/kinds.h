#pragma once

#include <string>

#include "absl/strings/string_view.h"
#include "common/opi/opi_names.h"
#include "xpu-agent/core/agent_state.h"
#include "xpu-agent/model/model.h"

namespace xpu {

// What there is to know of a kind of object to compare, keep and name its objects. One that is added here is
// stored, reported and waited for like the others.
template <typename T>
struct Kind {
  // In words.
  absl::string_view plural;
  SharedMap<T> Model::*objects;
  ObjectChanges<T> ModelChange::*changes;
  // The name of the object with an id: OPI's, where OPI has the kind.
  std::string (*name)(absl::string_view id);
};

// A remote port comes from resources, not by OPI; it is stored nevertheless, so that a restart changes
// nothing on the switch while the API server is away.
std::string RemotePortName(absl::string_view id);

// Of our own too: OPI's call for network functions names only their ports.
std::string NetworkFunctionName(absl::string_view id);

inline constexpr Kind<Vrf> kVrfKind{"VRFs", &Model::vrfs, &ModelChange::vrfs, &VrfName};
inline constexpr Kind<LogicalBridge> kLogicalBridgeKind{"logical bridges", &Model::bridges,
                                                        &ModelChange::bridges, &LogicalBridgeName};
inline constexpr Kind<BridgePort> kBridgePortKind{"bridge ports", &Model::ports, &ModelChange::ports,
                                                  &BridgePortName};
inline constexpr Kind<Svi> kSviKind{"SVIs", &Model::svis, &ModelChange::svis, &SviName};
inline constexpr Kind<RemotePort> kRemotePortKind{"remote ports", &Model::remote_ports,
                                                  &ModelChange::remote_ports, &RemotePortName};
inline constexpr Kind<NetworkFunction> kNetworkFunctionKind{
    "network functions", &Model::network_functions, &ModelChange::network_functions, &NetworkFunctionName};

// Calls `visit` with each kind, those that others refer to first.
template <typename Visit>
void ForEachKind(Visit visit) {
  visit(kVrfKind);
  visit(kLogicalBridgeKind);
  visit(kBridgePortKind);
  visit(kSviKind);
  visit(kRemotePortKind);
  visit(kNetworkFunctionKind);
}

}  // namespace xpu
