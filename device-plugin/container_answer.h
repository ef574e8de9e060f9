#pragma once

#include <map>
#include <string>
#include <vector>

#include "device-plugin/plugin_function.h"
#include "device-plugin/pool_config.h"

namespace xpu {

// A device node as a container gets it, to read and write.
struct DeviceNode {
  std::string host_path;
  std::string container_path;
  friend bool operator==(const DeviceNode&, const DeviceNode&) = default;
};

// The device nodes through which a function is used: those of VFIO if it is bound to vfio-pci, of RDMA and of
// vhost if its pool asks for them. A pure function.
std::vector<DeviceNode> DeviceNodes(const PoolMember& member);

// The variables that sriov-network-device-plugin sets for a container with these functions of the pool, so
// that what was written for it finds them: PCIDEVICE_<RESOURCE> with their PCI addresses (of subfunctions:
// their names on the auxiliary bus), comma-separated, and PCIDEVICE_<RESOURCE>_INFO with JSON: address → kind
// of information ("generic", "vfio", "rdma", "vhost", "extra") → name → value. A pure function.
std::map<std::string, std::string> ContainerVariables(const PoolConfig& pool,
                                                      const std::vector<const PoolMember*>& members);

}  // namespace xpu
