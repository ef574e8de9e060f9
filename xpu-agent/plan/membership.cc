#include "xpu-agent/plan/membership.h"

#include <algorithm>

#include "absl/container/flat_hash_map.h"

namespace xpu::pipeline {
namespace {

constexpr uint32_t kMaxNetworkKey = (1u << 24) - 1;
constexpr uint32_t kMaxVlanId = 4094;

// Those that an interface can have, with the link-local one of its MAC.
std::vector<IpAddress> AddressesOf(const std::vector<InterfaceAddress>& given, const MacAddress& mac) {
  std::vector<IpAddress> addresses;
  for (const InterfaceAddress& address : given) {
    if (address.address.IsUnicast()) addresses.push_back(address.address);
  }
  addresses.push_back(IpAddress::LinkLocalFromMac(mac));
  std::sort(addresses.begin(), addresses.end());
  addresses.erase(std::unique(addresses.begin(), addresses.end()), addresses.end());
  return addresses;
}

// The addresses that pass from a port of this card.
std::vector<IpAddress> AddressesOf(const BridgePort& port) {
  if (!port.bound) return {};
  return AddressesOf(port.addresses, port.mac);
}

std::vector<Claim> ClaimsOfAddresses(const std::vector<IpAddress>& addresses) {
  std::vector<Claim> claims;
  for (const IpAddress& address : addresses) claims.push_back(address.ToBytes());
  return claims;
}

std::vector<Claim> MakeClaims(const MacAddress& mac, const std::vector<IpAddress>& addresses) {
  std::vector<Claim> claims = ClaimsOfAddresses(addresses);
  claims.push_back(mac.ToBytes());
  return claims;
}

}  // namespace

bool IsNetworkKey(uint32_t key) { return key != 0 && key <= kMaxNetworkKey; }

std::vector<Membership> MembershipsOf(const BridgePort& port, const BridgeLookup& bridge_of) {
  std::vector<Membership> memberships;
  if (port.vlan.has_value()) {
    if (*port.vlan <= kMaxVlanId && port.logical_bridges.empty()) {
      memberships.push_back({VlanNetworkKey(*port.vlan), 0});
    }
    return memberships;
  }
  if (port.type == BridgePortType::kAccess && port.logical_bridges.size() != 1) return memberships;
  absl::flat_hash_map<uint32_t, int> vlan_uses;
  for (const std::string& id : port.logical_bridges) {
    const std::optional<BridgePlace> bridge = bridge_of(id);
    // Half of what a port asks for is not better than nothing.
    if (!bridge.has_value()) return {};
    if (!bridge->usable) continue;
    if (port.type == BridgePortType::kAccess) {
      memberships.push_back({bridge->key, 0});
      continue;
    }
    if (bridge->vlan_id == 0 || bridge->vlan_id > kMaxVlanId) continue;
    ++vlan_uses[bridge->vlan_id];
    memberships.push_back({bridge->key, static_cast<uint16_t>(bridge->vlan_id)});
  }
  std::erase_if(memberships, [&](const Membership& m) { return m.vlan != 0 && vlan_uses[m.vlan] > 1; });
  return memberships;
}

Member MemberOf(const BridgePort& port, uint32_t ofport) {
  const Bandwidth limits = port.Limits();
  Member member{.ofport = ofport,
                .mac = MacText(port.mac),
                .bound = port.bound,
                .asks_for_address = port.bound && port.vlan.has_value() && port.addresses.empty(),
                .egress_limited = limits.egress.rate != 0,
                .ingress_limited = limits.ingress.rate != 0};
  for (const IpAddress& address : AddressesOf(port))
    (address.is_v4() ? member.v4 : member.v6).emplace_back(address);
  return member;
}

RemoteMember RemoteMemberOf(const RemotePort& port) {
  RemoteMember member{.mac = MacText(port.mac), .vtep = IpText(port.vtep)};
  for (const IpAddress& address : AddressesOf(port.addresses, port.mac))
    (address.is_v4() ? member.v4 : member.v6).emplace_back(address);
  return member;
}

std::vector<Claim> ClaimsOf(const BridgePort& port) { return MakeClaims(port.mac, AddressesOf(port)); }

std::vector<Claim> ReservedClaims(const ActiveNetwork& network) {
  std::vector<IpAddress> addresses = network.bridge.gateways;
  if (!network.gateway.has_value()) return ClaimsOfAddresses(addresses);
  const Gateway& gateway = *network.gateway;
  addresses.push_back(gateway.link_local);
  for (const Gateway::Subnet& subnet : gateway.subnets) addresses.push_back(subnet.address);
  return MakeClaims(gateway.mac, addresses);
}

std::vector<Claim> ClaimsOf(const RemotePort& port) {
  return MakeClaims(port.mac, AddressesOf(port.addresses, port.mac));
}

}  // namespace xpu::pipeline
