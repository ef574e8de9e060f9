#include "xpu-agent/plan/gateway.h"

#include <algorithm>
#include <optional>
#include <string_view>
#include <utility>

#include "absl/container/flat_hash_map.h"
#include "absl/container/flat_hash_set.h"

namespace xpu::pipeline {
namespace {

// What the SVIs of one VRF have taken so far.
struct Domain {
  uint32_t key = 0;
  std::vector<IpPrefix> prefixes;
  // The largest of its networks.
  uint32_t mtu = 0;
};

absl::flat_hash_map<std::string_view, Domain> UsableVrfs(const Model& model) {
  absl::flat_hash_map<std::string_view, Domain> usable;
  absl::flat_hash_set<uint32_t> keys;
  for (const auto& [id, vrf] : model.vrfs) {
    if (vrf.vrf_key == 0) continue;
    if (keys.insert(vrf.vrf_key).second) usable[id].key = vrf.vrf_key;
  }
  return usable;
}

const IpPrefix& LinkLocal(IpFamily family) {
  static const auto* const k4 = new IpPrefix(IpPrefix::Parse("169.254.0.0/16").value());
  static const auto* const k6 = new IpPrefix(IpPrefix::Parse("fe80::/10").value());
  return family == IpFamily::kV4 ? *k4 : *k6;
}

// Two subnets of one SVI may be the same one, with two addresses of the router.
bool Fit(const IpPrefix& a, const IpPrefix& b) { return a == b || !a.Overlaps(b); }

std::optional<Gateway> MakeGateway(const Svi& svi, const Domain& domain) {
  Gateway gateway;
  gateway.vrf_key = domain.key;
  gateway.mac = svi.mac.IsZero() ? kGatewayMac : svi.mac;
  if (!gateway.mac.IsUnicast()) return std::nullopt;
  gateway.mac_text = MacText(gateway.mac);
  gateway.link_local = IpAddress::LinkLocalFromMac(gateway.mac);
  gateway.link_local_text = IpText(gateway.link_local);
  for (const InterfaceAddress& address : svi.gateways) {
    const IpPrefix prefix = address.prefix();
    if (!address.address.IsUnicast() || address.length == 0) return std::nullopt;
    if (LinkLocal(prefix.family()).Overlaps(prefix)) return std::nullopt;
    for (const Gateway::Subnet& other : gateway.subnets) {
      if (other.address == address.address || !Fit(other.prefix, prefix)) return std::nullopt;
    }
    gateway.subnets.emplace_back(address);
  }
  const bool overlaps =
      std::any_of(gateway.subnets.begin(), gateway.subnets.end(), [&](const Gateway::Subnet& subnet) {
        return std::any_of(domain.prefixes.begin(), domain.prefixes.end(),
                           [&](const IpPrefix& taken) { return taken.Overlaps(subnet.prefix); });
      });
  if (overlaps) return std::nullopt;
  return gateway;
}

}  // namespace

bool Gateway::Routes(const IpAddress& address) const {
  return std::any_of(subnets.begin(), subnets.end(),
                     [&](const Subnet& subnet) { return subnet.prefix.Contains(address); });
}

std::map<std::string, Gateway> ResolveGateways(const Model& model) {
  std::map<std::string, Gateway> gateways;
  if (model.svis.empty()) return gateways;
  absl::flat_hash_map<std::string_view, Domain> vrfs = UsableVrfs(model);
  // Domains stay where they are, as no more come.
  std::vector<std::pair<std::string, const Domain*>> routed;
  for (const auto& [id, svi] : model.svis) {
    const auto bridge = model.bridges.find(svi.logical_bridge);
    const auto vrf = vrfs.find(svi.vrf);
    if (bridge == model.bridges.end() || vrf == vrfs.end()) continue;
    if (gateways.contains(svi.logical_bridge)) continue;
    std::optional<Gateway> gateway = MakeGateway(svi, vrf->second);
    if (!gateway) continue;
    Domain& domain = vrf->second;
    for (const Gateway::Subnet& subnet : gateway->subnets) domain.prefixes.push_back(subnet.prefix);
    domain.mtu = std::max(domain.mtu, bridge->second.mtu);
    routed.emplace_back(svi.logical_bridge, &domain);
    gateways.emplace(svi.logical_bridge, *std::move(gateway));
  }
  for (const auto& [bridge, domain] : routed) {
    gateways.at(bridge).check_size = model.bridges.at(bridge).mtu < domain->mtu;
  }
  return gateways;
}

}  // namespace xpu::pipeline
