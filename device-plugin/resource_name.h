#pragma once

#include <string>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"

namespace xpu {

// Whether the kubelet takes `name` as an extended resource: "domain/name" outside kubernetes.io
// (https://kubernetes.io/docs/concepts/configuration/manage-resources-containers, "Extended resources").
// InvalidArgument says what is wrong.
absl::Status CheckResourceName(absl::string_view name);

// Name of the plugin's socket: "xpu-xpu.opiproject.org_vf.sock".
std::string PluginSocketName(absl::string_view resource);

// The variable in which SR-IOV workloads look for the addresses of their functions:
// "PCIDEVICE_XPU_OPIPROJECT_ORG_VF". A hyphen stays one, as it does with sriov-network-device-plugin.
std::string DeviceVariableName(absl::string_view resource);

}  // namespace xpu
