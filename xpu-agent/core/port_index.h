#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <set>
#include <string>

#include "absl/container/flat_hash_map.h"
#include "common/base/mac_address.h"
#include "xpu-agent/ipam/ipam.h"
#include "xpu-agent/model/model.h"
#include "xpu-agent/model/shared_map.h"

namespace xpu {

// Finds ports by what no two of them may have, without a look at all of them. It follows the ports of
// whatever state is asked about; that costs as much as they differ from those before.
class PortIndex {
 public:
  void Follow(const SharedMap<BridgePort>& ports);

  // Ids.
  const std::set<std::string>& WithMac(const MacAddress& mac) const;
  // Who has which address: of the ports that are in this bridge and in no other, and of those in a VLAN.
  const AddressOwners& OwnersInBridge(const std::string& bridge) const { return Owners(in_bridge_, bridge); }
  const AddressOwners& OwnersInVlan(uint16_t vlan) const { return Owners(in_vlan_, vlan); }

 private:
  struct Network {
    AddressOwners owners;
    // Further ports with an address that has an owner. A model that was checked has none.
    std::map<IpAddress, std::set<std::string>> others;
  };
  template <typename Key>
  const AddressOwners& Owners(const absl::flat_hash_map<Key, Network>& networks, const Key& key) const {
    const auto network = networks.find(key);
    return network == networks.end() ? no_owners_ : network->second.owners;
  }
  template <typename Key>
  static void Add(const BridgePort& port, const Key& key, absl::flat_hash_map<Key, Network>* networks);
  template <typename Key>
  static void Remove(const BridgePort& port, const Key& key, absl::flat_hash_map<Key, Network>* networks);
  void Add(const BridgePort& port);
  void Remove(const BridgePort& port);

  const AddressOwners no_owners_ = {};
  const std::set<std::string> no_ports_ = {};
  SharedMap<BridgePort> ports_;
  absl::flat_hash_map<MacAddress, std::set<std::string>> with_mac_;
  absl::flat_hash_map<std::string, Network> in_bridge_;
  absl::flat_hash_map<uint16_t, Network> in_vlan_;
};

// The index of a state and of all its copies, which therefore belong to one thread; it says nothing that is
// not in the ports, so that two of them are the same.
class SharedPortIndex {
 public:
  // As it is until the next call on any copy.
  const PortIndex& Of(const SharedMap<BridgePort>& ports) const {
    index_->Follow(ports);
    return *index_;
  }
  friend bool operator==(const SharedPortIndex&, const SharedPortIndex&) { return true; }

 private:
  std::shared_ptr<PortIndex> index_ = std::make_shared<PortIndex>();
};

}  // namespace xpu
