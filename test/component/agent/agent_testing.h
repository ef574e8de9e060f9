#pragma once

#include <string>
#include <vector>

#include "common/opi/opi_client.h"
#include "gtest/gtest.h"
#include "test/lib/agent/agent_on_fakes.h"

namespace xpu {

// Requests, short enough to read a test by.

inline std::string TestMac(int n) { return std::string("\x02\0\0\0\0", 5) + static_cast<char>(n); }

inline evpn::LogicalBridgeSpec BridgeSpecOf(uint32_t vlan) {
  evpn::LogicalBridgeSpec spec;
  spec.set_vlan_id(vlan);
  spec.set_vni(vlan);
  return spec;
}

inline evpn::BridgePortSpec PortSpecOf(int mac) {
  evpn::BridgePortSpec spec;
  spec.set_mac_address(TestMac(mac));
  spec.set_ptype(evpn::BRIDGE_PORT_TYPE_ACCESS);
  return spec;
}

inline agent::v1::BindPortRequest BindOf(const std::string& port, const std::string& bridge, int mac,
                                         int64_t claim, const std::vector<std::string>& addresses = {}) {
  agent::v1::BindPortRequest request;
  request.set_bridge_port("bridgePorts/" + port);
  request.set_logical_bridge("logicalBridges/" + bridge);
  request.set_mac_address(TestMac(mac));
  request.set_claim(claim);
  for (const std::string& address : addresses) request.add_addresses(address);
  return request;
}

inline agent::v1::UnbindPortRequest UnbindOf(const std::string& port, int64_t claim, bool release) {
  agent::v1::UnbindPortRequest request;
  request.set_bridge_port("bridgePorts/" + port);
  request.set_claim(claim);
  request.set_release(release);
  return request;
}

// A bridge with addresses.
inline void MakeNetwork(OpiClient& opi, const std::string& id, uint32_t vlan,
                        const std::vector<std::string>& prefixes = {"10.0.0.0/24", "2001:db8::/64"}) {
  ASSERT_EQ(opi.CreateLogicalBridge(id, BridgeSpecOf(vlan)).status(), absl::OkStatus());
  agent::v1::Subnets subnets;
  subnets.set_logical_bridge("logicalBridges/" + id);
  for (const std::string& prefix : prefixes) subnets.add_prefixes(prefix);
  ASSERT_EQ(opi.SetSubnets(subnets).status(), absl::OkStatus());
}

// VRF "tenant" with a gateway for the bridge, 10.0.0.254.
inline void MakeDomain(OpiClient& opi, const std::string& bridge) {
  evpn::VrfSpec vrf;
  vrf.set_vni(5000);
  ASSERT_EQ(opi.CreateVrf("tenant", vrf).status(), absl::OkStatus());
  evpn::SviSpec svi;
  svi.set_vrf("vrfs/tenant");
  svi.set_logical_bridge("logicalBridges/" + bridge);
  svi.add_gw_ip_prefix()->set_len(24);
  svi.mutable_gw_ip_prefix(0)->mutable_addr()->set_v4_addr(0x0a0000fe);
  ASSERT_EQ(opi.CreateSvi(bridge, svi).status(), absl::OkStatus());
}

}  // namespace xpu
