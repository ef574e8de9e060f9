#pragma once

#include <string>

#include "absl/status/statusor.h"
#include "xpu-agent/core/bridge_changes.h"
#include "xpu-agent/core/model_owner.h"
#include "xpu-agent/core/port_changes.h"
#include "xpu-agent/core/remote_port_changes.h"
#include "xpu-agent/model/model.h"
#include "xpu/agent/v1/port_service.pb.h"

namespace xpu {

// Between the words of PortService and those of the model. Parsing is InvalidArgument and begins with the
// field.

absl::StatusOr<SubnetSpec> ParseSubnets(const agent::v1::Subnets& subnets);
absl::StatusOr<BindSpec> ParseBind(const agent::v1::BindPortRequest& request);
absl::StatusOr<RemotePortsUpdate> ParseRemotePorts(const agent::v1::UpdateRemotePortsRequest& request);

agent::v1::Subnets ShowSubnets(const LogicalBridge& bridge);
// `port` is bound.
agent::v1::PortBinding ShowBinding(const BridgePort& port, const ModelView& view);

}  // namespace xpu
