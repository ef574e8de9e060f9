#include "xpu-agent/model/subnet.h"

#include <algorithm>

#include "absl/numeric/int128.h"
#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/strings/string_view.h"
#include "common/base/status_macros.h"

namespace xpu {
namespace {

constexpr uint32_t kMinMtu = 576;    // RFC 791
constexpr uint32_t kMinMtu6 = 1280;  // RFC 8200
constexpr uint32_t kMaxMtu = 9216;
constexpr size_t kMaxDnsServers = 8;
constexpr size_t kMaxSearchDomains = 6;
// One option of DHCP.
constexpr size_t kMaxSearchOctets = 255;

struct ReservedPrefix {
  IpFamily family;
  uint64_t high;  // IPv4: the address; IPv6: its upper half
  int length;
  const char* use;
};

// Of the IANA special-purpose registries, what no interface of a network has an address in.
constexpr ReservedPrefix kReserved[] = {
    {IpFamily::kV4, 0x00000000, 8, "\"this network\""},
    {IpFamily::kV4, 0x7f000000, 8, "loopback"},
    {IpFamily::kV4, 0xe0000000, 4, "multicast"},
    {IpFamily::kV4, 0xf0000000, 4, "reserved"},
    {IpFamily::kV6, 0, 64, "loopback and IPv4-mapped addresses"},
    {IpFamily::kV6, 0xfe80'0000'0000'0000, 10, "link-local, which each interface has of itself"},
    {IpFamily::kV6, 0xff00'0000'0000'0000, 8, "multicast"},
};

absl::Status ValidatePrefix(const IpPrefix& prefix) {
  for (const ReservedPrefix& reserved : kReserved) {
    const absl::uint128 value =
        reserved.family == IpFamily::kV4 ? absl::uint128(reserved.high) : absl::MakeUint128(reserved.high, 0);
    const IpPrefix range = IpPrefix::Of(IpAddress(reserved.family, value), reserved.length);
    if (!prefix.Overlaps(range)) continue;
    return absl::InvalidArgumentError(absl::StrCat("prefix ", prefix.ToString(), " overlaps ",
                                                   range.ToString(), " (", reserved.use,
                                                   "): choose another prefix"));
  }
  return absl::OkStatus();
}

absl::Status ValidateGateway(const IpAddress& gateway, const std::vector<IpPrefix>& prefixes) {
  const auto prefix =
      std::find_if(prefixes.begin(), prefixes.end(), [&](const IpPrefix& p) { return p.Contains(gateway); });
  if (prefix == prefixes.end()) {
    return absl::InvalidArgumentError(absl::StrCat(
        "gateway ", gateway.ToString(), " is in no prefix: add its prefix or choose an address in one"));
  }
  if (!AssignableRange(*prefix).Contains(gateway)) {
    return absl::InvalidArgumentError(absl::StrCat("gateway ", gateway.ToString(),
                                                   " is the network, broadcast or anycast address of ",
                                                   prefix->ToString(), ": choose one between"));
  }
  return absl::OkStatus();
}

bool IsDomain(absl::string_view name) {
  if (name.size() > 253) return false;
  for (const absl::string_view label : absl::StrSplit(name, '.')) {
    if (label.empty() || label.size() > 63 || label.front() == '-' || label.back() == '-') return false;
    const bool plain = std::all_of(label.begin(), label.end(), [](unsigned char c) {
      return absl::ascii_isalnum(c) || c == '-' || c == '_';
    });
    if (!plain) return false;
  }
  return true;
}

}  // namespace

AddressRange AssignableRange(const IpPrefix& prefix) {
  AddressRange range{.first = prefix.First(), .last = prefix.Last()};
  if (prefix.address().bits() - prefix.length() < 2) return range;
  range.first = IpAddress(prefix.family(), range.first.value() + 1);
  if (prefix.family() == IpFamily::kV4) range.last = IpAddress(IpFamily::kV4, range.last.value() - 1);
  return range;
}

absl::Status ValidateSubnets(const std::vector<IpPrefix>& prefixes, const std::vector<IpAddress>& gateways,
                             uint32_t mtu) {
  uint32_t min_mtu = kMinMtu;
  for (auto prefix = prefixes.begin(); prefix != prefixes.end(); ++prefix) {
    XPU_RETURN_IF_ERROR(ValidatePrefix(*prefix));
    const auto other =
        std::find_if(prefixes.begin(), prefix, [&](const IpPrefix& p) { return p.Overlaps(*prefix); });
    if (other != prefix) {
      return absl::InvalidArgumentError(absl::StrCat("prefixes ", other->ToString(), " and ",
                                                     prefix->ToString(), " overlap: leave one of them out"));
    }
    if (prefix->family() == IpFamily::kV6) min_mtu = kMinMtu6;
  }
  for (auto gateway = gateways.begin(); gateway != gateways.end(); ++gateway) {
    XPU_RETURN_IF_ERROR(ValidateGateway(*gateway, prefixes));
    if (std::find(gateways.begin(), gateway, *gateway) != gateway) {
      return absl::InvalidArgumentError(
          absl::StrCat("gateway ", gateway->ToString(), " is there twice: leave one of them out"));
    }
  }
  if (mtu < min_mtu || mtu > kMaxMtu) {
    return absl::InvalidArgumentError(
        absl::StrCat("MTU ", mtu, " is not between ", min_mtu, " and ", kMaxMtu, ": choose one that is"));
  }
  return absl::OkStatus();
}

absl::Status ValidateDns(const DnsOptions& dns) {
  if (dns.servers.size() > kMaxDnsServers) {
    return absl::InvalidArgumentError(
        absl::StrCat("servers: ", dns.servers.size(), " are more than ", kMaxDnsServers));
  }
  for (const IpAddress& server : dns.servers) {
    if (server.IsUnicast()) continue;
    return absl::InvalidArgumentError(
        absl::StrCat("servers: ", server.ToString(), " is not the address of one host"));
  }
  if (!dns.domain.empty() && !IsDomain(dns.domain)) {
    return absl::InvalidArgumentError(absl::StrCat("domain: '", dns.domain, "' is not a domain name"));
  }
  size_t octets = 0;
  for (const std::string& domain : dns.search) {
    if (!IsDomain(domain)) {
      return absl::InvalidArgumentError(absl::StrCat("search: '", domain, "' is not a domain name"));
    }
    octets += domain.size() + 2;
  }
  if (dns.search.size() > kMaxSearchDomains || octets > kMaxSearchOctets) {
    return absl::InvalidArgumentError(absl::StrCat("search: no room for more than ", kMaxSearchDomains,
                                                   " domains and ", kMaxSearchOctets, " octets in all"));
  }
  return absl::OkStatus();
}

}  // namespace xpu
