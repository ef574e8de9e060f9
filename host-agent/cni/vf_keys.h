#pragma once

#include "absl/status/statusor.h"
#include "common/sys/vf_settings.h"
#include "host-agent/cni/json_fields.h"

namespace xpu {

// What a configuration wants the physical function to keep, in sriov-cni's keys: vlan, vlanQoS, vlanProto,
// spoofchk, trust, link_state, min_tx_rate, max_tx_rate; and runtimeConfig.bandwidth, whose egressRate counts
// as max_tx_rate and before it. The MAC is not among them.
absl::StatusOr<VfSettings> ParseVfKeys(const JsonFields& config, const JsonFields& runtime);

}  // namespace xpu
