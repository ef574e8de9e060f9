#pragma once

#include "absl/status/statusor.h"
#include "opi/network/evpn_gw/v1alpha1/evpn_gw.pb.h"
#include "xpu-agent/core/bridge_changes.h"
#include "xpu-agent/core/model_owner.h"
#include "xpu-agent/core/port_changes.h"
#include "xpu-agent/core/svi_changes.h"
#include "xpu-agent/core/vrf_changes.h"
#include "xpu-agent/model/model.h"
#include "xpu-agent/services/opi_fields.h"

namespace xpu {

// Between OPI's objects and those of the model.

// InvalidArgument tells all that is wrong, each with its field.
absl::StatusOr<VrfSpec> ParseSpec(const evpn::VrfSpec& spec);
absl::StatusOr<BridgeSpec> ParseSpec(const evpn::LogicalBridgeSpec& spec);
absl::StatusOr<PortSpec> ParseSpec(const evpn::BridgePortSpec& spec);
absl::StatusOr<SviSpec> ParseSpec(const evpn::SviSpec& spec);

// With names of the API's own dialect.
evpn::VrfSpec ShowSpec(const Vrf& vrf);
evpn::LogicalBridgeSpec ShowSpec(const LogicalBridge& bridge);
evpn::BridgePortSpec ShowSpec(const BridgePort& port);
evpn::SviSpec ShowSpec(const Svi& svi);

// With the status: UP if the switch has confirmed all of it; components say what is missing.
evpn::Vrf Show(const Vrf& vrf, const ModelView& view);
evpn::LogicalBridge Show(const LogicalBridge& bridge, const ModelView& view);
evpn::BridgePort Show(const BridgePort& port, const ModelView& view);
evpn::Svi Show(const Svi& svi, const ModelView& view);

}  // namespace xpu
