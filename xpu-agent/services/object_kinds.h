#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "common/opi/opi_names.h"
#include "opi/network/evpn_gw/v1alpha1/evpn_gw.pb.h"
#include "xpu-agent/core/bridge_changes.h"
#include "xpu-agent/core/kinds.h"
#include "xpu-agent/core/port_changes.h"
#include "xpu-agent/core/svi_changes.h"
#include "xpu-agent/core/vrf_changes.h"
#include "xpu-agent/services/opi_fields.h"
#include "xpu-agent/services/vlan_ranges.h"

namespace grpc {
class CallbackServerContext;
}  // namespace grpc

namespace xpu {

// What a change of an object is asked with, beside the object.
struct Asker {
  // Of metadata "xpu-claim"; 0: none.
  int64_t claim = 0;
  const RepresentorLookup& lookup;
  // The call; null where there is none.
  const grpc::CallbackServerContext* context = nullptr;
};

// What OPI's kinds differ by, for the calls that are written once (object_changes.h, object_calls.h):
//   Object, Message     of the model and of OPI
//   kKind               in xpu-agent/core/kinds.h
//   kField              how requests call the object
//   Id(name)            the id in a name of any dialect
//   Names(message*)     the fields that hold names, its own first
//   Create, Update(state, id, spec, asker), Delete(state, id, asker)

struct VrfObjects {
  using Object = Vrf;
  using Message = evpn::Vrf;
  static constexpr const auto& kKind = kVrfKind;
  static constexpr absl::string_view kField = "vrf";
  static absl::StatusOr<std::string> Id(absl::string_view name) { return VrfId(name); }
  static std::vector<std::string*> Names(Message* m) { return {m->mutable_name()}; }
  absl::Status Create(AgentState& state, const std::string& id, const VrfSpec& spec, const Asker&) const {
    return CreateVrf(state, id, spec);
  }
  absl::Status Update(AgentState& state, const std::string& id, const VrfSpec& spec, const Asker&) const {
    return UpdateVrf(state, id, spec);
  }
  absl::Status Delete(AgentState& state, const std::string& id, const Asker&) const {
    return DeleteVrf(state, id);
  }
};

struct LogicalBridgeObjects {
  using Object = LogicalBridge;
  using Message = evpn::LogicalBridge;
  static constexpr const auto& kKind = kLogicalBridgeKind;
  static constexpr absl::string_view kField = "logical_bridge";
  static absl::StatusOr<std::string> Id(absl::string_view name) { return LogicalBridgeId(name); }
  static std::vector<std::string*> Names(Message* m) { return {m->mutable_name()}; }
  absl::Status Create(AgentState& state, const std::string& id, const BridgeSpec& spec, const Asker&) const {
    return CreateBridge(state, id, spec);
  }
  absl::Status Update(AgentState& state, const std::string& id, const BridgeSpec& spec, const Asker&) const {
    return UpdateBridge(state, id, spec);
  }
  absl::Status Delete(AgentState& state, const std::string& id, const Asker&) const {
    return DeleteBridge(state, id);
  }
};

struct BridgePortObjects {
  using Object = BridgePort;
  using Message = evpn::BridgePort;
  static constexpr const auto& kKind = kBridgePortKind;
  static constexpr absl::string_view kField = "bridge_port";
  static absl::StatusOr<std::string> Id(absl::string_view name) { return BridgePortId(name); }
  static std::vector<std::string*> Names(Message* m) {
    std::vector<std::string*> names = {m->mutable_name()};
    for (std::string& bridge : *m->mutable_spec()->mutable_logical_bridges()) names.push_back(&bridge);
    return names;
  }
  absl::Status Create(AgentState& state, const std::string& id, const PortSpec& spec,
                      const Asker& asker) const {
    return CreatePort(state, id, Resolved(state, id, spec), asker.claim, asker.lookup);
  }
  absl::Status Update(AgentState& state, const std::string& id, const PortSpec& spec,
                      const Asker& asker) const {
    return UpdatePort(state, id, Resolved(state, id, spec), asker.claim);
  }
  absl::Status Delete(AgentState& state, const std::string& id, const Asker& asker) const {
    return DeletePort(state, id, asker.claim);
  }

  // With the VLANs that references name, as far as the card lets its host choose them.
  PortSpec Resolved(const AgentState& state, const std::string& id, PortSpec spec) const {
    ResolveVlans(
        state, id, [this](uint16_t vlan) { return host_vlans.Contains(vlan); }, &spec);
    return spec;
  }
  VlanRanges host_vlans;
};

struct SviObjects {
  using Object = Svi;
  using Message = evpn::Svi;
  static constexpr const auto& kKind = kSviKind;
  static constexpr absl::string_view kField = "svi";
  static absl::StatusOr<std::string> Id(absl::string_view name) { return SviId(name); }
  static std::vector<std::string*> Names(Message* m) {
    return {m->mutable_name(), m->mutable_spec()->mutable_vrf(), m->mutable_spec()->mutable_logical_bridge()};
  }
  absl::Status Create(AgentState& state, const std::string& id, const SviSpec& spec, const Asker&) const {
    return CreateSvi(state, id, spec);
  }
  absl::Status Update(AgentState& state, const std::string& id, const SviSpec& spec, const Asker&) const {
    return UpdateSvi(state, id, spec);
  }
  absl::Status Delete(AgentState& state, const std::string& id, const Asker&) const {
    return DeleteSvi(state, id);
  }
};

}  // namespace xpu
