#include "xpu-agent/slowpath/dhcp.h"

#include <algorithm>
#include <array>
#include <map>

#include "xpu-agent/slowpath/wire.h"

namespace xpu::slowpath {
namespace {

constexpr uint16_t kServerPort = 67;
constexpr uint16_t kClientPort = 68;
constexpr uint8_t kBootRequest = 1;
constexpr uint8_t kBootReply = 2;
constexpr uint8_t kEthernet = 1;
constexpr uint32_t kMagicCookie = 0x63825363;
constexpr uint16_t kBroadcastFlag = 0x8000;
// BOOTP's least (RFC 1542, 2.1).
constexpr size_t kLeastMessage = 300;
// IP packet that any client takes (RFC 2131, 2), and IP and UDP headers in it.
constexpr size_t kLeastMaximum = 576;
constexpr size_t kHeaders = 28;

enum Option : uint8_t {
  kPad = 0,
  kSubnetMask = 1,
  kRouter = 3,
  kDnsServers = 6,
  kDomainName = 15,
  kInterfaceMtu = 26,
  kRequestedAddress = 50,
  kLeaseTime = 51,
  kOverload = 52,
  kMessageType = 53,
  kServerIdentifier = 54,
  kParameterRequestList = 55,
  kMaxMessageSize = 57,
  kRenewalTime = 58,
  kRebindingTime = 59,
  kClientIdentifier = 61,
  kDomainSearch = 119,
  kClasslessRoutes = 121,
  kEnd = 255,
};

enum MessageType : uint8_t {
  kDiscover = 1,
  kOffer = 2,
  kRequest = 3,
  kDecline = 4,
  kAck = 5,
  kNak = 6,
  kRelease = 7,
  kInform = 8,
};

struct Message {
  uint32_t xid = 0;
  uint16_t flags = 0;
  IpAddress ciaddr;
  IpAddress giaddr;
  absl::string_view chaddr;
  // An option that occurs several times is one, put together (RFC 3396).
  std::map<uint8_t, std::string> options;

  uint8_t type() const {
    const auto option = options.find(kMessageType);
    return option == options.end() || option->second.size() != 1 ? 0
                                                                 : static_cast<uint8_t>(option->second[0]);
  }
  // The address in an option; false if there is none, and in `malformed` if it is none.
  bool Address(uint8_t code, IpAddress* address) const {
    const auto option = options.find(code);
    if (option == options.end()) return false;
    *address = IpAddress::FromBytes(option->second).value_or(IpAddress());
    return true;
  }
};

bool ParseOptions(absl::string_view bytes, std::map<uint8_t, std::string>* options) {
  WireReader reader(bytes);
  while (!reader.rest().empty()) {
    const uint8_t code = reader.U8();
    if (code == kPad) continue;
    if (code == kEnd) return true;
    const uint8_t size = reader.U8();
    const absl::string_view value = reader.Bytes(size);
    if (!reader.ok()) return false;
    (*options)[code].append(value.data(), value.size());
  }
  // Without an end: clients that fill the packet up to the last octet.
  return true;
}

bool ParseMessage(absl::string_view bytes, Message* message) {
  WireReader reader(bytes);
  const uint8_t op = reader.U8();
  const uint8_t hardware = reader.U8();
  const uint8_t hardware_length = reader.U8();
  reader.U8();  // hops
  message->xid = reader.U32();
  reader.U16();  // secs
  message->flags = reader.U16();
  message->ciaddr = reader.Ip(IpFamily::kV4);
  reader.U32();  // yiaddr
  reader.U32();  // siaddr
  message->giaddr = reader.Ip(IpFamily::kV4);
  message->chaddr = reader.Bytes(16);
  const absl::string_view sname = reader.Bytes(64);
  const absl::string_view file = reader.Bytes(128);
  const uint32_t cookie = reader.U32();
  if (!reader.ok() || op != kBootRequest || hardware != kEthernet || hardware_length != 6 ||
      cookie != kMagicCookie || !ParseOptions(reader.rest(), &message->options)) {
    return false;
  }
  const auto overload = message->options.find(kOverload);
  if (overload == message->options.end()) return true;
  if (overload->second.size() != 1) return false;
  const int where = overload->second[0];
  return ((where & 1) == 0 || ParseOptions(file, &message->options)) &&
         ((where & 2) == 0 || ParseOptions(sname, &message->options));
}

// Writes options as far as the client has room for them; the most important come first.
class OptionWriter {
 public:
  OptionWriter(const Message& request, WireWriter* out) : out_(out) {
    size_t most = kLeastMaximum;
    if (const auto size = request.options.find(kMaxMessageSize);
        size != request.options.end() && size->second.size() == 2) {
      most = std::max<size_t>(most, WireReader(size->second).U16());
    }
    // And no more than an Ethernet frame takes everywhere.
    limit_ = std::min<size_t>(most, 1500) - kHeaders;
    if (const auto wanted = request.options.find(kParameterRequestList); wanted != request.options.end()) {
      wanted_ = &wanted->second;
    }
  }

  void Always(uint8_t code, absl::string_view value) {
    if (value.size() > 255 || out_->size() + 2 + value.size() + 1 > limit_) return;
    out_->U8(code).U8(static_cast<uint8_t>(value.size())).Bytes(value);
  }
  // What the client asks for, or anything if it does not say.
  void IfWanted(uint8_t code, absl::string_view value) {
    if (value.empty()) return;
    if (wanted_ != nullptr && wanted_->find(static_cast<char>(code)) == std::string::npos) return;
    Always(code, value);
  }

 private:
  WireWriter* out_;
  size_t limit_ = 0;
  const std::string* wanted_ = nullptr;
};

std::string Number(uint32_t value) { return WireWriter().U32(value).bytes(); }

std::string Mask(int length) { return Number(length == 0 ? 0 : ~uint32_t{0} << (32 - length)); }

// The default route, and if the gateway is on no subnet of the address, the way to it (RFC 3442).
std::string ClasslessRoutes(const DhcpBinding& binding) {
  WireWriter routes;
  if (!binding.address.prefix().Contains(binding.router)) routes.U8(32).Ip(binding.router).U32(0);
  return routes.U8(0).Ip(binding.router).bytes();
}

void AddConfiguration(const DhcpBinding& binding, OptionWriter* options) {
  const bool routed = binding.router != IpAddress();
  options->Always(kSubnetMask, Mask(binding.address.length));
  // A client that asks for both must take the routes and forget the router.
  if (routed) options->IfWanted(kClasslessRoutes, ClasslessRoutes(binding));
  if (routed) options->IfWanted(kRouter, binding.router.ToBytes());
  std::string servers;
  for (const IpAddress& server : binding.dns_servers) {
    if (server.is_v4()) servers += server.ToBytes();
  }
  options->IfWanted(kDnsServers, servers);
  options->IfWanted(kInterfaceMtu, WireWriter().U16(static_cast<uint16_t>(binding.mtu)).bytes());
  options->IfWanted(kDomainName, binding.domain);
  WireWriter search;
  for (const std::string& domain : binding.search) search.DomainName(domain);
  options->IfWanted(kDomainSearch, search.bytes());
}

std::string Build(const DhcpBinding& binding, const Message& request, uint8_t type) {
  const bool leases = type == kOffer || (type == kAck && request.type() != kInform);
  WireWriter out;
  out.U8(kBootReply).U8(kEthernet).U8(6).U8(0).U32(request.xid).U16(0).U16(request.flags);
  // A NAK names no address (RFC 2131, table 3).
  out.Ip(type == kAck ? request.ciaddr : IpAddress());
  out.Ip(leases ? binding.address.address : IpAddress());
  out.U32(0).Ip(request.giaddr).Bytes(request.chaddr).Zeros(64 + 128).U32(kMagicCookie);
  OptionWriter options(request, &out);
  options.Always(kMessageType, WireWriter().U8(type).bytes());
  options.Always(kServerIdentifier, binding.server.ToBytes());
  // RFC 6842.
  if (const auto id = request.options.find(kClientIdentifier); id != request.options.end()) {
    options.Always(kClientIdentifier, id->second);
  }
  if (leases) {
    options.Always(kLeaseTime, Number(binding.lease_time));
    // RFC 2131, 4.4.5.
    options.Always(kRenewalTime, Number(binding.lease_time / 2));
    options.Always(kRebindingTime, Number(static_cast<uint32_t>(uint64_t{binding.lease_time} * 7 / 8)));
  }
  if (type != kNak) AddConfiguration(binding, &options);
  out.U8(kEnd);
  if (out.size() < kLeastMessage) out.Zeros(kLeastMessage - out.size());

  const IpAddress broadcast(IpFamily::kV4, 0xffff'ffff);
  const MacAddress all({0xff, 0xff, 0xff, 0xff, 0xff, 0xff});
  IpHeader header{.eth_dst = binding.client, .eth_src = binding.server_mac, .src = binding.server};
  // RFC 2131, 4.1.
  if (type != kNak && request.ciaddr != IpAddress()) {
    header.dst = request.ciaddr;
  } else if (type == kNak || (request.flags & kBroadcastFlag) != 0) {
    header.dst = broadcast;
    header.eth_dst = all;
  } else {
    header.dst = binding.address.address;
  }
  return UdpFrame(header, kServerPort, kClientPort, out.bytes());
}

// What a REQUEST in any of a client's states is answered with (RFC 2131, 4.3.2); 0: nothing.
uint8_t AnswerToRequest(const DhcpBinding& binding, const Message& request) {
  const IpAddress& own = binding.address.address;
  IpAddress server, requested;
  const bool selecting = request.Address(kServerIdentifier, &server);
  const bool names_one = request.Address(kRequestedAddress, &requested);
  // It has chosen another server's offer.
  if (selecting && server != binding.server) return 0;
  if (names_one) return requested == own ? kAck : kNak;
  if (request.ciaddr == IpAddress()) return 0;
  return request.ciaddr == own ? kAck : kNak;
}

}  // namespace

DhcpReply AnswerDhcp(const DhcpBinding& binding, absl::string_view frame) {
  Ethernet ethernet;
  Ipv4 ip;
  if (!Parse(frame, &ethernet) || ethernet.type != kTypeIpv4 || !Parse(ethernet.payload, &ip)) return {};
  WireReader udp(ip.payload);
  const uint16_t src_port = udp.U16();
  const uint16_t dst_port = udp.U16();
  const size_t length = udp.U16();
  udp.U16();
  if (!udp.ok() || ip.protocol != kProtocolUdp || ip.later_fragment || ip.more_fragments ||
      src_port != kClientPort || dst_port != kServerPort || length < 8 || length - 8 > udp.rest().size()) {
    return {};
  }
  Message request;
  if (!ParseMessage(udp.rest().substr(0, length - 8), &request)) return {};
  // Neither for another interface nor from a relay: a port is one host.
  if (request.chaddr.substr(0, 6) != binding.client.ToBytes() || request.giaddr != IpAddress()) {
    return {.outcome = DhcpOutcome::kIgnored, .frame = ""};
  }
  uint8_t answer = 0;
  switch (request.type()) {
    case kDiscover:
      answer = kOffer;
      break;
    case kRequest:
      answer = AnswerToRequest(binding, request);
      break;
    case kInform:
      if (request.ciaddr == binding.address.address) answer = kAck;
      break;
    case kDecline:
      return {.outcome = DhcpOutcome::kDeclined, .frame = ""};
    case kRelease:
      break;
    default:
      return {};
  }
  if (answer == 0) return {.outcome = DhcpOutcome::kIgnored, .frame = ""};
  return {.outcome = answer == kOffer ? DhcpOutcome::kOffered
                     : answer == kAck ? DhcpOutcome::kAcknowledged
                                      : DhcpOutcome::kRefused,
          .frame = Build(binding, request, answer)};
}

}  // namespace xpu::slowpath
