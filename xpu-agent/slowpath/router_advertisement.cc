#include "xpu-agent/slowpath/router_advertisement.h"

#include "xpu-agent/slowpath/neighbour_discovery.h"
#include "xpu-agent/slowpath/wire.h"

namespace xpu::slowpath {
namespace {

constexpr uint8_t kAdvertisement = 134;
constexpr uint8_t kHopLimit = 255;
// Options (RFC 4861, 4.6; RFC 8106, 5).
constexpr uint8_t kSourceLinkLayerAddress = 1;
constexpr uint8_t kPrefixInformation = 3;
constexpr uint8_t kMtu = 5;
constexpr uint8_t kRecursiveDnsServer = 25;
constexpr uint8_t kDnsSearchList = 31;
constexpr uint8_t kOnLink = 0x80;
constexpr uint8_t kDefaultHopLimit = 64;
// AdvValidLifetime and AdvPreferredLifetime.
constexpr uint32_t kValidLifetime = 2592000;
constexpr uint32_t kPreferredLifetime = 604800;
// Options count their length, header included, in 8 octets.
constexpr size_t kUnit = 8;

IpAddress AllNodes() { return IpAddress(IpFamily::kV6, absl::MakeUint128(0xff02'0000'0000'0000, 1)); }

void AddDns(const RouterAdvertisement& advertisement, WireWriter* out) {
  std::vector<IpAddress> servers;
  for (const IpAddress& server : advertisement.dns_servers) {
    if (server.is_v6()) servers.push_back(server);
  }
  if (!servers.empty()) {
    out->U8(kRecursiveDnsServer).U8(static_cast<uint8_t>(1 + 2 * servers.size())).U16(0).U32(kRouterLifetime);
    for (const IpAddress& server : servers) out->Ip(server);
  }
  WireWriter names;
  for (const std::string& domain : advertisement.search) names.DomainName(domain);
  const size_t units = 1 + (names.size() + kUnit - 1) / kUnit;
  if (names.size() == 0 || units > 255) return;
  out->U8(kDnsSearchList).U8(static_cast<uint8_t>(units)).U16(0).U32(kRouterLifetime).Bytes(names.bytes());
  out->Zeros((units - 1) * kUnit - names.size());
}

}  // namespace

std::optional<RouterSolicitation> ParseRouterSolicitation(absl::string_view frame) {
  const std::optional<Solicitation> solicitation = ParseSolicitation(frame, kRouterSolicitation);
  if (!solicitation.has_value()) return std::nullopt;
  return RouterSolicitation{.mac = solicitation->mac, .address = solicitation->address};
}

std::string BuildRouterAdvertisement(const RouterAdvertisement& advertisement,
                                     const std::optional<RouterSolicitation>& to) {
  WireWriter out;
  out.U8(kAdvertisement).U8(0).U16(0).U8(kDefaultHopLimit);
  // Neither managed (M) nor other configuration (O): there is no DHCPv6.
  out.U8(0).U16(kRouterLifetime).U32(0).U32(0);
  out.U8(kSourceLinkLayerAddress).U8(1).Mac(advertisement.router);
  out.U8(kMtu).U8(1).U16(0).U32(advertisement.mtu);
  for (const IpPrefix& prefix : advertisement.prefixes) {
    if (prefix.family() != IpFamily::kV6) continue;
    out.U8(kPrefixInformation).U8(4).U8(static_cast<uint8_t>(prefix.length())).U8(kOnLink);
    out.U32(kValidLifetime).U32(kPreferredLifetime).U32(0).Ip(prefix.address());
  }
  AddDns(advertisement, &out);

  IpHeader header{.eth_dst = MacAddress({0x33, 0x33, 0, 0, 0, 1}),
                  .eth_src = advertisement.router,
                  .src = IpAddress::LinkLocalFromMac(advertisement.router),
                  .dst = AllNodes(),
                  .hop_limit = kHopLimit};
  if (to.has_value()) {
    // A host without an address is reached by its MAC (RFC 6085).
    header.eth_dst = to->mac;
    if (to->address.value() != 0) header.dst = to->address;
  }
  return IcmpFrame(header, out.bytes());
}

}  // namespace xpu::slowpath
