#include "xpu-agent/slowpath/neighbour_discovery.h"

#include "xpu-agent/slowpath/wire.h"

namespace xpu::slowpath {
namespace {

constexpr uint8_t kNeighbourAdvertisement = 136;
constexpr uint8_t kHopLimit = 255;
// Options (RFC 4861, 4.6), which count their length, header included, in 8 octets.
constexpr uint8_t kSourceLinkLayerAddress = 1;
constexpr uint8_t kTargetLinkLayerAddress = 2;
constexpr size_t kUnit = 8;
// Flags of an advertisement (RFC 4861, 4.4).
constexpr uint8_t kRouter = 0x80;
constexpr uint8_t kSolicited = 0x40;
constexpr uint8_t kOverride = 0x20;

IpAddress AllNodes() { return IpAddress(IpFamily::kV6, absl::MakeUint128(0xff02'0000'0000'0000, 1)); }

// Solicited-node multicast (RFC 4291, 2.7.1).
IpAddress GroupOf(const IpAddress& target) {
  return IpAddress(IpFamily::kV6, absl::MakeUint128(0xff02'0000'0000'0000, 0x0000'0001'ff00'0000) |
                                      (target.value() & 0xff'ffff));
}

bool ChecksumIsRight(const Ipv6& ip) {
  WireWriter covered;
  covered.Ip(ip.src).Ip(ip.dst).U32(static_cast<uint32_t>(ip.payload.size())).Zeros(3).U8(kProtocolIcmp6);
  return InternetChecksum(covered.Bytes(ip.payload).bytes()) == 0;
}

}  // namespace

std::optional<Solicitation> ParseSolicitation(absl::string_view frame, uint8_t type) {
  Ethernet ethernet;
  Ipv6 ip;
  if (!Parse(frame, &ethernet) || ethernet.type != kTypeIpv6 || !Parse(ethernet.payload, &ip)) {
    return std::nullopt;
  }
  WireReader icmp(ip.payload);
  const uint8_t type_there = icmp.U8();
  const uint8_t code = icmp.U8();
  icmp.U16();
  icmp.U32();
  Solicitation solicitation{.mac = ethernet.src, .address = ip.src, .target = IpAddress(IpFamily::kV6, 0)};
  if (type == kNeighbourSolicitation) solicitation.target = icmp.Ip(IpFamily::kV6);
  if (!icmp.ok() || ip.protocol != kProtocolIcmp6 || ip.later_fragment || ip.hop_limit != kHopLimit ||
      type_there != type || code != 0 || !ChecksumIsRight(ip)) {
    return std::nullopt;
  }
  const bool unspecified = ip.src.value() == 0;
  if (type == kNeighbourSolicitation && unspecified && !(ip.dst == GroupOf(solicitation.target))) {
    return std::nullopt;
  }
  while (!icmp.rest().empty()) {
    const uint8_t option = icmp.U8();
    const size_t units = icmp.U8();
    if (units == 0) return std::nullopt;
    icmp.Bytes(units * kUnit - 2);
    if (!icmp.ok() || (unspecified && option == kSourceLinkLayerAddress)) return std::nullopt;
  }
  return solicitation;
}

std::string BuildNeighbourAdvertisement(const MacAddress& router, const Solicitation& solicitation) {
  const bool solicited = solicitation.address.value() != 0;
  WireWriter out;
  out.U8(kNeighbourAdvertisement).U8(0).U16(0);
  out.U8(kRouter | kOverride | (solicited ? kSolicited : 0)).Zeros(3).Ip(solicitation.target);
  out.U8(kTargetLinkLayerAddress).U8(1).Mac(router);
  return IcmpFrame({.eth_dst = solicited ? solicitation.mac : MacAddress({0x33, 0x33, 0, 0, 0, 1}),
                    .eth_src = router,
                    .src = solicitation.target,
                    .dst = solicited ? solicitation.address : AllNodes(),
                    .hop_limit = kHopLimit},
                   out.bytes());
}

}  // namespace xpu::slowpath
