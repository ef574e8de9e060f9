#pragma once

#include <string>

#include "absl/status/statusor.h"
#include "opi/network/evpn_gw/v1alpha1/evpn_gw.pb.h"
#include "xpu-agent/core/bridge_changes.h"
#include "xpu-agent/core/model_owner.h"
#include "xpu-agent/core/port_changes.h"
#include "xpu-agent/model/model.h"
#include "xpu/agent/v1/port_service.pb.h"

namespace xpu {

// Between the words of the APIs and those of the model. Parsing is InvalidArgument and begins with the field.

namespace evpn = ::opi_api::network::evpn_gw::v1alpha1;

absl::StatusOr<BridgeSpec> ParseBridgeSpec(const evpn::LogicalBridgeSpec& spec);
absl::StatusOr<PortSpec> ParsePortSpec(const evpn::BridgePortSpec& spec);
absl::StatusOr<SubnetSpec> ParseSubnets(const agent::v1::Subnets& subnets);
absl::StatusOr<BindSpec> ParseBind(const agent::v1::BindPortRequest& request);

evpn::LogicalBridgeSpec ShowSpec(const LogicalBridge& bridge);
evpn::BridgePortSpec ShowSpec(const BridgePort& port);
// With the status: UP if the switch has confirmed all of it; components say what is missing.
evpn::LogicalBridge Show(const LogicalBridge& bridge, const ModelView& view);
evpn::BridgePort Show(const BridgePort& port, const ModelView& view);
agent::v1::Subnets ShowSubnets(const LogicalBridge& bridge);
// `port` is bound.
agent::v1::PortBinding ShowBinding(const BridgePort& port, const ModelView& view);

}  // namespace xpu
