#pragma once

// What the parts of the contract of OpiClient (opi_client_contract.h) have in common.

#include <memory>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "common/opi/opi_client.h"
#include "gtest/gtest.h"

namespace xpu {

// An agent that is empty to begin with, has functions host0-0 to host0-7 and no others, lets its host choose
// VLANs 0 and 100 to 199 but not 300, and a client of it.
class OpiClientHarness {
 public:
  virtual ~OpiClientHarness() = default;
  virtual OpiClient& client() = 0;
  // Takes the agent away and brings it back with all that it had.
  virtual void Disconnect() = 0;
  virtual void Reconnect() = 0;
  // The representor of this port goes and comes back.
  virtual void RemoveRepresentor(const std::string& port_id) = 0;
  virtual void AddRepresentor(const std::string& port_id) = 0;
};

using OpiClientHarnessFactory = std::unique_ptr<OpiClientHarness> (*)();

class OpiClientContract : public ::testing::TestWithParam<OpiClientHarnessFactory> {
 protected:
  OpiClientContract() : harness_(GetParam()()) {}
  OpiClient& opi() { return harness_->client(); }

  static std::string Mac(int n) { return std::string("\x02\0\0\0\0", 5) + static_cast<char>(n); }

  static evpn::LogicalBridgeSpec BridgeSpec(uint32_t vlan, uint32_t vni = 0) {
    evpn::LogicalBridgeSpec spec;
    spec.set_vlan_id(vlan);
    if (vni != 0) spec.set_vni(vni);
    return spec;
  }
  static evpn::BridgePortSpec PortSpec(int mac, const std::vector<std::string>& bridges = {}) {
    evpn::BridgePortSpec spec;
    spec.set_mac_address(Mac(mac));
    spec.set_ptype(evpn::BRIDGE_PORT_TYPE_ACCESS);
    for (const std::string& bridge : bridges) spec.add_logical_bridges(bridge);
    return spec;
  }
  static agent::v1::Subnets Subnets(const std::string& bridge, const std::vector<std::string>& prefixes,
                                    const std::vector<std::string>& gateways = {}) {
    agent::v1::Subnets subnets;
    subnets.set_logical_bridge(bridge);
    for (const std::string& prefix : prefixes) subnets.add_prefixes(prefix);
    for (const std::string& gateway : gateways) subnets.add_gateways(gateway);
    return subnets;
  }
  static agent::v1::BindPortRequest Bind(const std::string& port, const std::string& bridge, int mac,
                                         int64_t claim, const std::vector<std::string>& addresses = {}) {
    agent::v1::BindPortRequest request;
    request.set_bridge_port(port);
    request.set_logical_bridge(bridge);
    request.set_mac_address(Mac(mac));
    request.set_claim(claim);
    for (const std::string& address : addresses) request.add_addresses(address);
    return request;
  }
  static agent::v1::BindPortRequest BindVlan(const std::string& port, uint32_t vlan, int mac, int64_t claim,
                                             const std::vector<std::string>& addresses) {
    agent::v1::BindPortRequest request = Bind(port, "", mac, claim, addresses);
    request.clear_logical_bridge();
    request.set_vlan(vlan);
    return request;
  }
  static agent::v1::UnbindPortRequest Unbind(const std::string& port, int64_t claim, bool release) {
    agent::v1::UnbindPortRequest request;
    request.set_bridge_port(port);
    request.set_claim(claim);
    request.set_release(release);
    return request;
  }
  // Bridges "blue" and "red" with the same prefixes.
  void MakeNetworks() {
    int vlan = 10;
    for (const char* id : {"blue", "red"}) {
      ASSERT_EQ(opi().CreateLogicalBridge(id, BridgeSpec(vlan, vlan)).status(), absl::OkStatus());
      ASSERT_EQ(opi()
                    .SetSubnets(Subnets(absl::StrCat("logicalBridges/", id), {"10.0.0.0/29", "2001:db8::/64"},
                                        {"10.0.0.1", "2001:db8::1"}))
                    .status(),
                absl::OkStatus());
      ++vlan;
    }
  }
  static std::vector<std::string> Addresses(const absl::StatusOr<agent::v1::PortBinding>& binding) {
    if (!binding.ok()) return {binding.status().ToString()};
    return {binding->addresses().begin(), binding->addresses().end()};
  }

  std::unique_ptr<OpiClientHarness> harness_;
};

}  // namespace xpu
