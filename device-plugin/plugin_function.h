#pragma once

#include <string>
#include <vector>

namespace xpu {

// A function of this host as the host agent tells of it (hostagent.v1.Function, which says what each is).
struct PluginFunction {
  enum class Kind { kVf, kSf };

  std::string id;
  Kind kind = Kind::kVf;
  std::string pf_address;
  std::string pf_name;
  std::string card;
  // Among the virtual functions of its physical function, or number of the subfunction.
  int index = 0;
  // -1 if there is none.
  int numa_node = -1;
  bool healthy = false;
  // Why it is not healthy.
  std::string reason;
  std::string vendor;
  std::string device;
  std::string driver;
  std::string link_type;
  std::string vfio_node;
  std::string auxiliary_device;
  std::vector<std::string> rdma_devices;
  std::vector<std::string> rdma_nodes;

  friend bool operator==(const PluginFunction&, const PluginFunction&) = default;
};

using PluginFunctions = std::vector<PluginFunction>;

// A function in a pool, and what its selector asks for beside it.
struct PoolMember {
  PluginFunction function;
  // Its RDMA nodes go to the container.
  bool share_rdma = false;
  // So do /dev/vhost-net and /dev/net/tun.
  bool need_vhost_net = false;

  friend bool operator==(const PoolMember&, const PoolMember&) = default;
};

using PoolMembers = std::vector<PoolMember>;

}  // namespace xpu
