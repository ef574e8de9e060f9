#pragma once

#include "common/base/bandwidth.h"
#include "xpu/agent/v1/port_service.pb.h"

namespace xpu {

// Limits of a port as PortService has them (proto/xpu/agent/v1/port_service.proto), field by field: whether
// they can be kept is not looked at.
Bandwidth FromOpi(const agent::v1::Bandwidth& bandwidth);
agent::v1::Bandwidth ToOpi(const Bandwidth& bandwidth);

}  // namespace xpu
