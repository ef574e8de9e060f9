#include "xpu-agent/slowpath/responder.h"

#include <algorithm>
#include <utility>

#include "xpu-agent/plan/pipeline.h"
#include "xpu-agent/slowpath/dhcp.h"
#include "xpu-agent/slowpath/icmp_error.h"
#include "xpu-agent/slowpath/neighbour_discovery.h"
#include "xpu-agent/slowpath/wire.h"

namespace xpu::slowpath {
namespace {

using pipeline::PacketOpcode;

// Who speaks DHCP in a network without a router: an address that no host has as its own (RFC 3927).
IpAddress ServerWithoutGateway() { return IpAddress(IpFamily::kV4, 0xa9fe'0001); }

IcmpError ErrorOf(PacketOpcode opcode) {
  switch (opcode) {
    case PacketOpcode::kTimeExceeded:
      return IcmpError::kTimeExceeded;
    case PacketOpcode::kHostUnreachable:
      return IcmpError::kHostUnreachable;
    case PacketOpcode::kTooBig:
      return IcmpError::kTooBig;
    default:
      return IcmpError::kNetUnreachable;
  }
}

// The address of the router in the subnet of `host`; of IPv6 also one in another subnet of the link.
// Unspecified if there is none.
IpAddress RouterFor(const pipeline::Gateway& gateway, const IpAddress& host) {
  for (const auto& subnet : gateway.subnets) {
    if (subnet.prefix.Contains(host)) return subnet.address;
  }
  for (const auto& subnet : gateway.subnets) {
    if (subnet.address.is_v6() && host.is_v6()) return subnet.address;
  }
  return IpAddress(host.family(), 0);
}

}  // namespace

PacketOut ToPort(uint64_t key, uint32_t port, std::string frame) {
  return {.table = pipeline::Table::kOutput, .metadata = key, .regs = {0, port}, .bytes = std::move(frame)};
}

PacketOut ToNetwork(uint64_t key, std::string frame) {
  return ToPort(key, pipeline::Destination::kAll, std::move(frame));
}

RouterAdvertisement AdvertisementOf(const ModelIndex::Network& network) {
  RouterAdvertisement advertisement{.router = network.gateway->mac,
                                    .prefixes = network.bridge->prefixes,
                                    .mtu = network.bridge->mtu,
                                    .dns_servers = network.bridge->dns.servers,
                                    .search = network.bridge->dns.search};
  // RFC 8106 knows search domains only.
  const std::string& domain = network.bridge->dns.domain;
  auto& search = advertisement.search;
  if (!domain.empty() && std::find(search.begin(), search.end(), domain) == search.end()) {
    search.insert(search.begin(), domain);
  }
  return advertisement;
}

Responder::Answer Responder::Handle(const ModelIndex& index, const PacketIn& packet, absl::Time now) {
  Ethernet frame;
  const ModelIndex::Network* network = index.FindNetwork(packet.metadata);
  if (network == nullptr || !Parse(packet.bytes, &frame)) {
    ++counters_.ignored;
    return {};
  }
  const auto opcode = static_cast<PacketOpcode>(packet.regs[1]);
  const bool is_message = opcode == PacketOpcode::kDhcp || opcode == PacketOpcode::kRouterSolicitation ||
                          opcode == PacketOpcode::kNeighbourSolicitation;
  if (!(is_message ? messages_ : errors_).Take({packet.metadata, frame.src}, now)) {
    ++counters_.limited;
    return {};
  }
  Answer answer;
  std::optional<std::string> reply;
  switch (opcode) {
    case PacketOpcode::kDhcp:
      if (const BridgePort* port = index.FindPort(packet.metadata, frame.src)) {
        reply = Dhcp(*network, *port, packet.bytes);
      }
      break;
    case PacketOpcode::kRouterSolicitation:
      answer.solicitation = ParseRouterSolicitation(packet.bytes);
      if (answer.solicitation.has_value()) {
        ++counters_.solicitations;
        return answer;
      }
      break;
    case PacketOpcode::kNeighbourSolicitation:
      reply = Neighbour(*network, packet.bytes);
      break;
    case PacketOpcode::kTimeExceeded:
    case PacketOpcode::kNetUnreachable:
    case PacketOpcode::kHostUnreachable:
    case PacketOpcode::kTooBig:
      reply = Error(index, *network, opcode, packet);
      break;
  }
  if (reply.has_value()) {
    answer.packet = ToPort(packet.metadata, packet.regs[0], *std::move(reply));
  } else {
    ++counters_.ignored;
  }
  return answer;
}

std::optional<std::string> Responder::Dhcp(const ModelIndex::Network& network, const BridgePort& port,
                                           const std::string& frame) {
  const auto address = std::find_if(port.addresses.begin(), port.addresses.end(),
                                    [](const InterfaceAddress& a) { return a.address.is_v4(); });
  if (address == port.addresses.end()) return std::nullopt;
  DhcpBinding binding{.client = port.mac,
                      .address = *address,
                      .server = ServerWithoutGateway(),
                      .server_mac = pipeline::kGatewayMac,
                      .router = IpAddress(),
                      .dns_servers = network.bridge->dns.servers,
                      .domain = network.bridge->dns.domain,
                      .search = network.bridge->dns.search,
                      .mtu = network.bridge->mtu,
                      .lease_time = network.bridge->lease_time};
  if (network.gateway != nullptr) {
    binding.server_mac = network.gateway->mac;
    if (const IpAddress router = RouterFor(*network.gateway, address->address); router != IpAddress()) {
      binding.server = router;
      binding.router = router;
    }
  }
  DhcpReply reply = AnswerDhcp(binding, frame);
  if (reply.outcome == DhcpOutcome::kDeclined) ++counters_.dhcp_declines;
  if (reply.frame.empty()) return std::nullopt;
  ++counters_.dhcp_answers;
  return std::move(reply.frame);
}

std::optional<std::string> Responder::Neighbour(const ModelIndex::Network& network,
                                                const std::string& frame) {
  if (network.gateway == nullptr) return std::nullopt;
  const std::optional<Solicitation> solicitation = ParseSolicitation(frame, kNeighbourSolicitation);
  if (!solicitation.has_value()) return std::nullopt;
  const pipeline::Gateway& gateway = *network.gateway;
  const bool own = solicitation->target == gateway.link_local ||
                   std::any_of(gateway.subnets.begin(), gateway.subnets.end(),
                               [&](const auto& subnet) { return subnet.address == solicitation->target; });
  if (!own) return std::nullopt;
  ++counters_.neighbour_advertisements;
  return BuildNeighbourAdvertisement(gateway.mac, *solicitation);
}

std::optional<std::string> Responder::Error(const ModelIndex& index, const ModelIndex::Network& network,
                                            PacketOpcode opcode, const PacketIn& packet) {
  if (network.gateway == nullptr) return std::nullopt;
  Ethernet frame;
  Ipv4 v4;
  Ipv6 v6;
  IpAddress src, dst;
  if (!Parse(packet.bytes, &frame)) return std::nullopt;
  if (frame.type == kTypeIpv4 && Parse(frame.payload, &v4)) {
    src = v4.src;
    dst = v4.dst;
  } else if (frame.type == kTypeIpv6 && Parse(frame.payload, &v6)) {
    src = v6.src;
    dst = v6.dst;
  } else {
    return std::nullopt;
  }
  ErrorSource source{.mac = network.gateway->mac, .address = RouterFor(*network.gateway, src)};
  if (source.address.value() == 0) return std::nullopt;
  if (opcode == PacketOpcode::kTooBig) source.mtu = index.MtuTowards(packet.regs[2], dst);
  std::string message = BuildIcmpError(ErrorOf(opcode), source, packet.bytes);
  if (message.empty()) return std::nullopt;
  ++counters_.icmp_errors;
  return message;
}

}  // namespace xpu::slowpath
