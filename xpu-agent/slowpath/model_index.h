#pragma once

#include <cstdint>
#include <map>
#include <set>
#include <string>
#include <utility>

#include "absl/container/flat_hash_map.h"
#include "common/base/ip_address.h"
#include "common/base/mac_address.h"
#include "xpu-agent/model/model.h"
#include "xpu-agent/model/model_change.h"
#include "xpu-agent/plan/gateway.h"

namespace xpu::slowpath {

// The model, as the answers need it: by what a packet from the switch says of itself. Who has sent it is
// certain, as the guard has let it pass: in one network a MAC is one port's.
class ModelIndex {
 public:
  ModelIndex() = default;
  ModelIndex(ModelIndex&&) = default;

  // What has changed in the model, which is empty at first. A port costs the same however many there are;
  // bridges and routers are looked through anew.
  void Change(const ModelChange& change);

  struct Network {
    // Null: none.
    const LogicalBridge* bridge = nullptr;
    const pipeline::Gateway* gateway = nullptr;
  };
  // Null if there is no such network. `key` as in metadata. Pointers hold until the next change.
  const Network* FindNetwork(uint64_t key) const;
  // The bound port that has this MAC in the network; null: none.
  const BridgePort* FindPort(uint64_t key, const MacAddress& mac) const;
  // Keys of the networks whose router has an address of IPv6 and that have ports.
  std::set<uint32_t> Advertising() const;
  // What the network of the routing domain takes in which `address` lies, in bytes of layer 3; 0 if there is
  // none.
  uint32_t MtuTowards(uint32_t vrf_key, const IpAddress& address) const;

 private:
  void PutPort(const BridgePort& port);
  void RemovePort(const BridgePort& port);
  void FindNetworks();

  Model model_;
  std::map<std::string, pipeline::Gateway> gateways_;
  absl::flat_hash_map<uint64_t, Network> networks_;
  // By the ids of bridges. Of the ids of ports with one MAC in a network the first one is in it.
  absl::flat_hash_map<std::pair<std::string, MacAddress>, std::set<std::string>> ports_;
  absl::flat_hash_map<std::string, int> port_counts_;
};

}  // namespace xpu::slowpath
