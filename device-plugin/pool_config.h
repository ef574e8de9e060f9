#pragma once

#include <map>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace xpu {

// Which functions a pool can have.
enum class PoolDeviceType {
  kNetDevice,     // virtual functions
  kAuxNetDevice,  // subfunctions
  kAny,
};

// From which physical functions GetPreferredAllocation takes.
enum class AllocatePolicy {
  kPacked,  // as few as possible, the fullest that suffices: others stay free as a whole
  kSpread,  // as many as possible, the emptiest first
};

// Functions of a physical function, named by its interface or its PCI address: "p0", "p0#3", "p0#0,2-4".
struct ParentSelector {
  std::string parent;
  // First and last index (of a virtual function) or number (of a subfunction); empty: all of them.
  std::vector<std::pair<int, int>> ranges;
};

// A function matches if every list that is not empty has something that matches it.
struct PoolSelector {
  // Lower case, without "0x".
  std::vector<std::string> vendors;
  std::vector<std::string> devices;
  std::vector<std::string> drivers;
  std::vector<std::string> pci_addresses;
  // Second part of the name on the auxiliary bus: "sf" of "mlx5_core.sf.4".
  std::vector<std::string> aux_types;
  std::vector<std::string> link_types;
  std::vector<ParentSelector> pf_names;
  std::vector<ParentSelector> root_devices;
  // Only functions with RDMA, whose nodes go to the container.
  bool is_rdma = false;
  // /dev/vhost-net and /dev/net/tun go to the container.
  bool need_vhost_net = false;
};

struct PoolConfig {
  // Extended resource: "intel.com/dpdk".
  std::string resource;
  PoolDeviceType device_type = PoolDeviceType::kNetDevice;
  // The kubelet is not told of NUMA nodes.
  bool exclude_topology = false;
  AllocatePolicy allocate_policy = AllocatePolicy::kPacked;
  // The first that matches counts. Empty: every function of the type.
  std::vector<PoolSelector> selectors;
  // Function ("*" for all) → what its containers find in PCIDEVICE_…_INFO under "extra".
  std::map<std::string, std::map<std::string, std::string>> additional_info;
};

struct PoolDefaults {
  // Of a resource without a prefix of its own.
  std::string resource_prefix;
  // Of a pool that does not say.
  AllocatePolicy allocate_policy = AllocatePolicy::kPacked;
};

struct PoolConfigs {
  // At least one; no two of one resource.
  std::vector<PoolConfig> pools;
  // What was found and is without effect, for the log.
  std::vector<std::string> warnings;
};

// Reads pools in the format of sriov-network-device-plugin:
//
//   {"resourceList": [{"resourceName": "dpdk", "resourcePrefix": "intel.com", "deviceType": "netDevice",
//                      "excludeTopology": false, "allocatePolicy": "packed",
//                      "selectors": [{"vendors": ["8086"], "pfNames": ["p0#0-7"]}],
//                      "additionalInfo": {"*": {"token": "…"}}}]}
//
// "selectors" is a list or a single object. As there, keys are taken in any case, null is as good as nothing,
// and keys that nobody knows are passed over (here with a warning). "allocatePolicy" ("packed" or "spread")
// is this project's own. What the host agent has no functions for (deviceType accelerator, vdpaType) and no
// facts about (acpiIndexes, ddpProfiles, pKeys) is an error unless it is empty.
//
// InvalidArgument names the resource, the key, what is wrong and what to do. A pure function.
absl::StatusOr<PoolConfigs> ParsePoolConfigs(absl::string_view json, const PoolDefaults& defaults);

// "packed" or "spread"; InvalidArgument for anything else.
absl::StatusOr<AllocatePolicy> ParseAllocatePolicy(absl::string_view text);

}  // namespace xpu
