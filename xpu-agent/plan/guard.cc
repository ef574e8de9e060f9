#include "xpu-agent/plan/pipeline.h"
#include "xpu-agent/plan/stages.h"

namespace xpu::pipeline {
namespace {

// From "never" down to "nothing else"; what is more exact stands higher.
struct Priority {
  static constexpr uint16_t kNever = 500;
  // ARP and ND of bound ports.
  static constexpr uint16_t kBoundResolution = 400;
  // ARP and ND from elsewhere in the name of a bound port.
  static constexpr uint16_t kStolenResolution = 380;
  static constexpr uint16_t kUnboundResolution = 360;
  static constexpr uint16_t kOtherResolution = 350;
  static constexpr uint16_t kBoundIp = 300;
  static constexpr uint16_t kStolenIp = 250;
  static constexpr uint16_t kUnbound = 200;
  static constexpr uint16_t kNothingElse = 0;
};

const IpText& Unspecified4() {
  static const IpText* const kText = new IpText(IpAddress(IpFamily::kV4, 0));
  return *kText;
}

const IpText& Broadcast4() {
  static const IpText* const kText = new IpText(IpAddress(IpFamily::kV4, 0xffffffff));
  return *kText;
}

const IpText& Unspecified6() {
  static const IpText* const kText = new IpText(IpAddress(IpFamily::kV6, 0));
  return *kText;
}

// The port's guard. An access port is in one network, so its number says which; a trunk's does not.
class PortGuard {
 public:
  PortGuard(const ActiveNetwork& network, const Member& member, const Actions& pass, FlowList* flows)
      : member_(member),
        pass_(pass),
        flows_(flows),
        asks_dhcp_(member.asks_for_address || (!member.v4.empty() && AnswersDhcp(network))),
        solicits_(Advertises(network)) {
    if (member.vlan != 0) metadata_ = network.key;
  }
  // Of a port behind the tunnel, which many share: what it sends comes through the tunnel's port, as `member`
  // has it, from the card at `tun_src`.
  PortGuard(const ActiveNetwork& network, const Member& member, const IpText& tun_src, const Actions& pass,
            FlowList* flows)
      : member_(member), pass_(pass), flows_(flows), metadata_(network.key), tun_src_(&tun_src) {}

  void AddBound() {
    for (const IpText& address : member_.v4) {
      Arp(Priority::kBoundResolution, &address);
      Pass(Priority::kBoundIp, {.protocol = Protocol::kIp, .ip_src = &address});
    }
    if (asks_dhcp_) {
      // As a client without an address asks for one (RFC 2131, 4.1). DHCPv6 goes from the link-local address.
      Pass(Priority::kBoundIp, {.protocol = Protocol::kUdp,
                                .ip_src = &Unspecified4(),
                                .ip_dst = &Broadcast4(),
                                .tp_src = kDhcpClientPort,
                                .tp_dst = kDhcpServerPort});
    }
    // A probe for an address that the port does not have yet (RFC 5227).
    if (!member_.v4.empty() || member_.asks_for_address)
      Arp(Priority::kBoundResolution, &Unspecified4(), kArpRequest);
    for (const IpText& address : member_.v6) {
      Solicitation(Priority::kBoundResolution, &address, member_.mac);
      Solicitation(Priority::kBoundResolution, &address, NoMac());
      Advertisement(Priority::kBoundResolution, &address, member_.mac);
      Advertisement(Priority::kBoundResolution, &address, NoMac());
      Pass(Priority::kBoundIp, {.protocol = Protocol::kIpv6, .ip_src = &address});
    }
    if (solicits_) {
      for (const IpText& address : member_.v6) RouterSolicitation(address);
      RouterSolicitation(Unspecified6());
    }
    // Without an address yet: duplicate address detection (RFC 4862) and multicast listener reports (RFC
    // 3590).
    Solicitation(Priority::kBoundResolution, &Unspecified6(), NoMac());
    for (const uint8_t type : {kMldReport, kMld2Report}) {
      Pass(Priority::kBoundIp, {.protocol = Protocol::kIcmp6, .ip_src = &Unspecified6(), .icmp_type = type});
    }
  }

  void AddUnbound() {
    Arp(Priority::kUnboundResolution, nullptr);
    for (const MacText* mac : {&member_.mac, &NoMac()}) {
      Solicitation(Priority::kUnboundResolution, nullptr, *mac);
      Advertisement(Priority::kUnboundResolution, nullptr, *mac);
    }
    Pass(Priority::kUnbound, {});
  }

 private:
  // Lets through what `match` says, of what this port sends.
  void Pass(uint16_t priority, Match match) {
    match.reg0 = member_.ofport;
    match.tun_src = tun_src_;
    match.metadata = metadata_;
    match.dl_src = &member_.mac;
    flows_->Add(Table::kGuard, priority, match, pass_);
  }

  void Arp(uint16_t priority, const IpText* sender, std::optional<uint16_t> op = {}) {
    Pass(priority, {.protocol = Protocol::kArp, .arp_spa = sender, .arp_op = op, .arp_sha = &member_.mac});
  }

  void Solicitation(uint16_t priority, const IpText* source, const MacText& link_layer) {
    Pass(priority, {.protocol = Protocol::kIcmp6,
                    .ip_src = source,
                    .nw_ttl = kNdHopLimit,
                    .icmp_type = kNeighbourSolicitation,
                    .icmp_code = 0,
                    .nd_sll = &link_layer});
  }

  // Only the agent hears it and answers to the port's own MAC, whatever link-layer address is inside.
  void RouterSolicitation(const IpText& source) {
    Pass(Priority::kBoundResolution, {.protocol = Protocol::kIcmp6,
                                      .ip_src = &source,
                                      .nw_ttl = kNdHopLimit,
                                      .icmp_type = kRouterSolicitation,
                                      .icmp_code = 0});
  }

  // An interface advertises an address from that address.
  void Advertisement(uint16_t priority, const IpText* address, const MacText& link_layer) {
    Pass(priority, {.protocol = Protocol::kIcmp6,
                    .ip_src = address,
                    .nw_ttl = kNdHopLimit,
                    .icmp_type = kNeighbourAdvertisement,
                    .icmp_code = 0,
                    .nd_target = address,
                    .nd_tll = &link_layer});
  }

  const Member& member_;
  const Actions& pass_;
  FlowList* flows_;
  // The other cards' agents answer their ports.
  bool asks_dhcp_ = false;
  bool solicits_ = false;
  std::optional<uint32_t> metadata_;
  const IpText* tun_src_ = nullptr;
};

// Keeps unbound ports, of which only the MAC is known, from using an address that is not theirs.
void AddStolen4(uint32_t key, const IpText& address, FlowList* flows) {
  flows->Add(Table::kGuard, Priority::kStolenResolution,
             {.protocol = Protocol::kArp, .metadata = key, .arp_spa = &address}, Actions());
  flows->Add(Table::kGuard, Priority::kStolenIp,
             {.protocol = Protocol::kIp, .metadata = key, .ip_src = &address}, Actions());
}

void AddStolen6(uint32_t key, const IpText& address, FlowList* flows) {
  flows->Add(Table::kGuard, Priority::kStolenResolution,
             {.protocol = Protocol::kIcmp6,
              .metadata = key,
              .ip_src = &address,
              .icmp_type = kNeighbourSolicitation},
             Actions());
  flows->Add(Table::kGuard, Priority::kStolenResolution,
             {.protocol = Protocol::kIcmp6,
              .metadata = key,
              .icmp_type = kNeighbourAdvertisement,
              .icmp_code = 0,
              .nd_target = &address},
             Actions());
  flows->Add(Table::kGuard, Priority::kStolenIp,
             {.protocol = Protocol::kIpv6, .metadata = key, .ip_src = &address}, Actions());
}

}  // namespace

const MacText& ReservedMacs() {
  static const MacText* const kText = new MacText("01:80:c2:00:00:00/ff:ff:ff:ff:ff:f0");
  return *kText;
}

namespace {

// What is cut or broken so that the switch, which sees zero then, cannot tell what a receiver will make of
// it.
void AddUnreadable(FlowList* flows) {
  const Actions drop;
  // A header that contradicts itself, or extension headers that go on in the next fragment (RFC 7112).
  flows->Add(Table::kGuard, Priority::kNever, {.protocol = Protocol::kIp, .nw_proto = 0}, drop);
  flows->Add(Table::kGuard, Priority::kNever, {.protocol = Protocol::kIpv6, .nw_proto = 0}, drop);
  // A first fragment that ends before the ports or the type; 0 is neither.
  flows->Add(Table::kGuard, Priority::kNever,
             {.protocol = Protocol::kUdp, .first_fragment = true, .tp_src = 0}, drop);
  flows->Add(Table::kGuard, Priority::kNever,
             {.protocol = Protocol::kUdp6, .first_fragment = true, .tp_src = 0}, drop);
  flows->Add(Table::kGuard, Priority::kNever, {.protocol = Protocol::kIcmp6, .icmp_type = 0}, drop);
  // Neighbour discovery is never cut (RFC 6980): what it says would be in the other piece.
  for (const uint8_t type : {kNeighbourSolicitation, kNeighbourAdvertisement}) {
    flows->Add(Table::kGuard, Priority::kNever,
               {.protocol = Protocol::kIcmp6, .first_fragment = true, .icmp_type = type}, drop);
  }
  flows->Add(Table::kGuard, Priority::kNever, {.protocol = Protocol::kRarp}, drop);
}

}  // namespace

void AddGuardCommon(FlowList* flows) {
  const Actions drop;
  flows->Add(Table::kGuard, Priority::kNever, {.dl_dst = &ReservedMacs()}, drop);
  // A tag inside the one that said which network it is would be one of the VLAN that it comes out in.
  for (const uint16_t tag : kTagTypes) {
    flows->Add(Table::kGuard, Priority::kNever, {.dl_type = tag}, drop);
  }
  flows->Add(Table::kGuard, Priority::kNever, {.protocol = Protocol::kUdp, .tp_src = kDhcpServerPort}, drop);
  flows->Add(Table::kGuard, Priority::kNever, {.protocol = Protocol::kUdp6, .tp_src = kDhcp6ServerPort},
             drop);
  // Clients look at the port that an answer goes to, and not at the one that it comes from.
  flows->Add(Table::kGuard, Priority::kNever, {.protocol = Protocol::kUdp, .tp_dst = kDhcpClientPort}, drop);
  flows->Add(Table::kGuard, Priority::kNever, {.protocol = Protocol::kUdp6, .tp_dst = kDhcp6ClientPort},
             drop);
  AddUnreadable(flows);
  flows->Add(Table::kGuard, Priority::kNever, {.protocol = Protocol::kIcmp, .icmp_type = kIcmpRedirect},
             drop);
  for (const uint8_t type : {kRouterAdvertisement, kIcmp6Redirect}) {
    flows->Add(Table::kGuard, Priority::kNever, {.protocol = Protocol::kIcmp6, .icmp_type = type}, drop);
  }
  // Where there is no router to solicit.
  flows->Add(Table::kGuard, Priority::kOtherResolution,
             {.protocol = Protocol::kIcmp6, .icmp_type = kRouterSolicitation}, drop);
  for (const uint8_t type : {kNeighbourSolicitation, kNeighbourAdvertisement}) {
    // The switch sees no target and no link-layer address in a message that has the same option twice, where
    // a kernel takes the first of them.
    flows->Add(
        Table::kGuard, Priority::kNever,
        {.protocol = Protocol::kIcmp6, .icmp_type = type, .icmp_code = 0, .nd_target = &Unspecified6()},
        drop);
    flows->Add(Table::kGuard, Priority::kOtherResolution, {.protocol = Protocol::kIcmp6, .icmp_type = type},
               drop);
  }
  flows->Add(Table::kGuard, Priority::kOtherResolution, {.protocol = Protocol::kArp}, drop);
  flows->Add(Table::kGuard, Priority::kNothingElse, {}, drop);
}

void AddGuard(const ActiveNetwork& network, FlowList* flows) {
  if (!network.has_unbound) return;
  // Gateways' addresses are the router's.
  if (network.gateway) {
    AddStolen6(network.key, network.gateway->link_local_text, flows);
    for (const Gateway::Subnet& subnet : network.gateway->subnets) {
      (subnet.prefix.family() == IpFamily::kV4 ? AddStolen4 : AddStolen6)(network.key, subnet.address_text,
                                                                          flows);
    }
  }
  for (const IpAddress& gateway : network.bridge.gateways) {
    (gateway.is_v4() ? AddStolen4 : AddStolen6)(network.key, IpText(gateway), flows);
  }
}

void AddGuard(const ActiveNetwork& network, const Member& member, FlowList* flows) {
  Actions pass;
  pass.Goto(Table::kRoute);
  PortGuard guard(network, member, pass, flows);
  if (member.bound) {
    guard.AddBound();
  } else {
    guard.AddUnbound();
  }
  if (!network.has_unbound) return;
  for (const IpText& address : member.v4) AddStolen4(network.key, address, flows);
  for (const IpText& address : member.v6) AddStolen6(network.key, address, flows);
}

void AddGuard(const ActiveNetwork& network, const RemoteMember& remote, FlowList* flows) {
  if (!network.tunnel) return;
  Actions pass;
  // Its own card has routed it, if it was to be.
  pass.Goto(Table::kSwitch);
  // To the tunnel it is a port like any other, and cards say of all their ports what addresses they have.
  const Member member{
      .ofport = network.tunnel->ofport, .mac = remote.mac, .bound = true, .v4 = remote.v4, .v6 = remote.v6};
  PortGuard(network, member, remote.vtep, pass, flows).AddBound();
  if (!network.has_unbound) return;
  for (const IpText& address : remote.v4) AddStolen4(network.key, address, flows);
  for (const IpText& address : remote.v6) AddStolen6(network.key, address, flows);
}

}  // namespace xpu::pipeline
