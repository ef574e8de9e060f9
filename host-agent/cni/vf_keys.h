#pragma once

#include "absl/status/statusor.h"
#include "common/base/bandwidth.h"
#include "common/sys/vf_settings.h"
#include "host-agent/cni/json_fields.h"

namespace xpu {

// What a configuration wants the physical function to keep, in sriov-cni's keys: vlan, vlanQoS, vlanProto,
// spoofchk, trust, link_state, min_tx_rate, max_tx_rate. The MAC is not among them.
absl::StatusOr<VfSettings> ParseVfKeys(const JsonFields& config);

// runtimeConfig.bandwidth, in bits (https://github.com/containernetworking/cni/blob/main/CONVENTIONS.md):
// ingress is what comes to the container. What is more than a card can count is as much as it can.
absl::StatusOr<Bandwidth> ParseBandwidth(const JsonFields& runtime);

}  // namespace xpu
