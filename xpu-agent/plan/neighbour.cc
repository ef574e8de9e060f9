#include <functional>
#include <vector>

#include "xpu-agent/plan/answers.h"
#include "xpu-agent/plan/pipeline.h"
#include "xpu-agent/plan/stages.h"

namespace xpu::pipeline {
namespace {

struct Priority {
  static constexpr uint16_t kNever = 400;
  static constexpr uint16_t kEcho = 350;
  static constexpr uint16_t kRouter = 340;
  static constexpr uint16_t kExpired = 330;
  static constexpr uint16_t kTooBig = 320;
  static constexpr uint16_t kNeighbour = 300;
  static constexpr uint16_t kUnknown = 200;
  static constexpr uint16_t kNothingElse = 0;
};

// In reg3: the packet is larger than the network takes.
constexpr uint32_t kLarger = 1;
constexpr uint32_t kEthernetHeader = 14;
// A prefix of IPv4 that is longer has no broadcast address (RFC 3021).
constexpr int kLongestWithBroadcast = 30;

Protocol ProtocolOf(IpFamily family) { return family == IpFamily::kV4 ? Protocol::kIp : Protocol::kIpv6; }

// What a router does to a packet (RFC 1812, 5.3.1) that goes on to one of these addresses of `owner`. `next`
// brings it there.
// `way` counts if the network has a chain.
void AddForward(const ActiveNetwork& network, const MacText& owner, const std::vector<IpText>& addresses,
                uint32_t way, const std::function<void(Actions*)>& next, FlowList* flows) {
  const Gateway& gateway = *network.gateway;
  for (const IpText& address : addresses) {
    if (!gateway.Routes(address.address)) continue;
    Actions forward;
    forward.DecTtl()
        .SetField("eth_src", gateway.mac_text.text)
        .SetField("eth_dst", owner.text)
        .SetMetadata(network.key);
    if (network.chain) forward.LoadReg4(way);
    next(&forward);
    flows->Add(
        Table::kNeighbour, Priority::kNeighbour,
        {.protocol = ProtocolOf(address.address.family()), .reg2 = gateway.vrf_key, .ip_dst = &address},
        forward);
  }
}

}  // namespace

void AddNeighbourCommon(FlowList* flows) {
  const Actions drop;
  Actions next;
  next.Goto(Table::kNeighbour);
  flows->Add(Table::kSize, Priority::kNothingElse, {}, next);
  // Nowhere but on their own link (RFC 1812, 4.2.2.11 and 5.3.4; RFC 4291, 2.5.6), and nobody is told so.
  for (const char* prefix : {"0.0.0.0/8", "127.0.0.0/8", "169.254.0.0/16", "224.0.0.0/4",
                             "255.255.255.255/32", "::/127", "fe80::/10", "ff00::/8"}) {
    const IpPrefix never = IpPrefix::Parse(prefix).value();
    const IpText text(never);
    flows->Add(Table::kNeighbour, Priority::kNever, {.protocol = ProtocolOf(never.family()), .ip_dst = &text},
               drop);
  }
  // What cannot go on is the agent's, which tells the sender.
  Actions expired, too_big, no_route;
  expired.ToAgent(PacketOpcode::kTimeExceeded);
  too_big.ToAgent(PacketOpcode::kTooBig);
  no_route.ToAgent(PacketOpcode::kNetUnreachable);
  for (const Protocol protocol : {Protocol::kIp, Protocol::kIpv6}) {
    for (const uint8_t ttl : {0, 1}) {
      flows->Add(Table::kNeighbour, Priority::kExpired, {.protocol = protocol, .nw_ttl = ttl}, expired);
    }
    flows->Add(Table::kNeighbour, Priority::kTooBig, {.protocol = protocol, .reg3 = kLarger}, too_big);
  }
  flows->Add(Table::kNeighbour, Priority::kNothingElse, {}, no_route);
}

void AddNeighbour(const ActiveNetwork& network, FlowList* flows) {
  if (!network.gateway) return;
  const Gateway& gateway = *network.gateway;
  for (const Gateway::Subnet& subnet : gateway.subnets) {
    const IpFamily family = subnet.prefix.family();
    const bool v4 = family == IpFamily::kV4;
    const Protocol protocol = ProtocolOf(family);
    if (gateway.check_size) {
      Actions check;
      check.CheckLarger(network.bridge.mtu + kEthernetHeader).Goto(Table::kNeighbour);
      flows->Add(Table::kSize, Priority::kNeighbour,
                 {.protocol = protocol, .reg2 = gateway.vrf_key, .ip_dst = &subnet.prefix_text}, check);
    }
    // The router has its addresses on all links of the domain.
    flows->Add(Table::kNeighbour, Priority::kEcho,
               {.protocol = v4 ? Protocol::kIcmp : Protocol::kIcmp6,
                .reg2 = gateway.vrf_key,
                .ip_dst = &subnet.address_text,
                .icmp_type = v4 ? kEchoRequest : kIcmp6EchoRequest,
                .icmp_code = 0},
               AnswerEcho(family, subnet.address_text));
    flows->Add(Table::kNeighbour, Priority::kRouter,
               {.protocol = protocol, .reg2 = gateway.vrf_key, .ip_dst = &subnet.address_text}, Actions());
    if (v4 && subnet.prefix.length() <= kLongestWithBroadcast) {
      const IpText broadcast(subnet.prefix.Last());
      flows->Add(Table::kNeighbour, Priority::kNever,
                 {.protocol = protocol, .reg2 = gateway.vrf_key, .ip_dst = &broadcast}, Actions());
    }
    Actions unknown;
    unknown.ToAgent(PacketOpcode::kHostUnreachable);
    flows->Add(Table::kNeighbour, Priority::kUnknown,
               {.protocol = protocol, .reg2 = gateway.vrf_key, .ip_dst = &subnet.prefix_text}, unknown);
  }
}

void AddNeighbour(const ActiveNetwork& network, const Member& member, FlowList* flows) {
  if (!network.gateway) return;
  const auto output = [&](Actions* forward) { forward->LoadReg1(member.ofport).Goto(Table::kOutput); };
  AddForward(network, member.mac, member.v4, Way::kFromBeyond, output, flows);
  AddForward(network, member.mac, member.v6, Way::kFromBeyond, output, flows);
}

void AddNeighbour(const ActiveNetwork& network, const RemoteMember& remote, FlowList* flows) {
  if (!network.gateway) return;
  // The functions between that port and the rest are on its own card.
  const auto to_card = [](Actions* forward) { forward->Goto(Table::kSwitch); };
  AddForward(network, remote.mac, remote.v4, Way::kLeft, to_card, flows);
  AddForward(network, remote.mac, remote.v6, Way::kLeft, to_card, flows);
}

}  // namespace xpu::pipeline
