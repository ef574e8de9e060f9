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
      : member_(member), pass_(pass), flows_(flows) {
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
      flows_->Add(Table::kGuard, Priority::kBoundIp,
                  {.protocol = Protocol::kIp,
                   .reg0 = member_.ofport,
                   .tun_src = tun_src_,
                   .metadata = metadata_,
                   .dl_src = &member_.mac,
                   .ip_src = &address},
                  pass_);
    }
    if (member_.asks_for_address) {
      // As a client without an address asks for one (RFC 2131, 4.1). DHCPv6 goes from the link-local address.
      flows_->Add(Table::kGuard, Priority::kBoundIp,
                  {.protocol = Protocol::kUdp,
                   .reg0 = member_.ofport,
                   .tun_src = tun_src_,
                   .metadata = metadata_,
                   .dl_src = &member_.mac,
                   .ip_src = &Unspecified4(),
                   .ip_dst = &Broadcast4(),
                   .tp_src = kDhcpClientPort,
                   .tp_dst = kDhcpServerPort},
                  pass_);
    }
    // A probe for an address that the port does not have yet (RFC 5227).
    if (!member_.v4.empty() || member_.asks_for_address)
      Arp(Priority::kBoundResolution, &Unspecified4(), kArpRequest);
    for (const IpText& address : member_.v6) {
      Solicitation(Priority::kBoundResolution, &address, member_.mac);
      Solicitation(Priority::kBoundResolution, &address, NoMac());
      Advertisement(Priority::kBoundResolution, &address, member_.mac);
      Advertisement(Priority::kBoundResolution, &address, NoMac());
      flows_->Add(Table::kGuard, Priority::kBoundIp,
                  {.protocol = Protocol::kIpv6,
                   .reg0 = member_.ofport,
                   .tun_src = tun_src_,
                   .metadata = metadata_,
                   .dl_src = &member_.mac,
                   .ip_src = &address},
                  pass_);
    }
    // Without an address yet: duplicate address detection (RFC 4862) and multicast listener reports (RFC
    // 3590).
    Solicitation(Priority::kBoundResolution, &Unspecified6(), NoMac());
    for (const uint8_t type : {kMldReport, kMld2Report}) {
      flows_->Add(Table::kGuard, Priority::kBoundIp,
                  {.protocol = Protocol::kIcmp6,
                   .reg0 = member_.ofport,
                   .tun_src = tun_src_,
                   .metadata = metadata_,
                   .dl_src = &member_.mac,
                   .ip_src = &Unspecified6(),
                   .icmp_type = type},
                  pass_);
    }
  }

  void AddUnbound() {
    Arp(Priority::kUnboundResolution, nullptr);
    for (const MacText* mac : {&member_.mac, &NoMac()}) {
      Solicitation(Priority::kUnboundResolution, nullptr, *mac);
      Advertisement(Priority::kUnboundResolution, nullptr, *mac);
    }
    flows_->Add(Table::kGuard, Priority::kUnbound,
                {.reg0 = member_.ofport, .tun_src = tun_src_, .metadata = metadata_, .dl_src = &member_.mac}, pass_);
  }

 private:
  void Arp(uint16_t priority, const IpText* sender, std::optional<uint16_t> op = {}) {
    flows_->Add(Table::kGuard, priority,
                {.protocol = Protocol::kArp,
                 .reg0 = member_.ofport,
                 .tun_src = tun_src_,
                 .metadata = metadata_,
                 .dl_src = &member_.mac,
                 .arp_spa = sender,
                 .arp_op = op,
                 .arp_sha = &member_.mac},
                pass_);
  }

  void Solicitation(uint16_t priority, const IpText* source, const MacText& link_layer) {
    flows_->Add(Table::kGuard, priority,
                {.protocol = Protocol::kIcmp6,
                 .reg0 = member_.ofport,
                 .tun_src = tun_src_,
                 .metadata = metadata_,
                 .dl_src = &member_.mac,
                 .ip_src = source,
                 .nw_ttl = kNdHopLimit,
                 .icmp_type = kNeighbourSolicitation,
                 .icmp_code = 0,
                 .nd_sll = &link_layer},
                pass_);
  }

  // An interface advertises an address from that address.
  void Advertisement(uint16_t priority, const IpText* address, const MacText& link_layer) {
    flows_->Add(Table::kGuard, priority,
                {.protocol = Protocol::kIcmp6,
                 .reg0 = member_.ofport,
                 .tun_src = tun_src_,
                 .metadata = metadata_,
                 .dl_src = &member_.mac,
                 .ip_src = address,
                 .nw_ttl = kNdHopLimit,
                 .icmp_type = kNeighbourAdvertisement,
                 .icmp_code = 0,
                 .nd_target = address,
                 .nd_tll = &link_layer},
                pass_);
  }

  const Member& member_;
  const Actions& pass_;
  FlowList* flows_;
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

void AddGuardCommon(FlowList* flows) {
  const Actions drop;
  // Addresses that no bridge forwards (IEEE 802.1Q, table 8-1): spanning tree, pause frames, LLDP.
  const MacText reserved("01:80:c2:00:00:00/ff:ff:ff:ff:ff:f0");
  flows->Add(Table::kGuard, Priority::kNever, {.dl_dst = &reserved}, drop);
  flows->Add(Table::kGuard, Priority::kNever, {.protocol = Protocol::kUdp, .tp_src = kDhcpServerPort}, drop);
  flows->Add(Table::kGuard, Priority::kNever, {.protocol = Protocol::kUdp6, .tp_src = kDhcp6ServerPort},
             drop);
  flows->Add(Table::kGuard, Priority::kNever, {.protocol = Protocol::kIcmp, .icmp_type = kIcmpRedirect},
             drop);
  // There is no router to solicit, and the switch cannot see the link-layer address inside a solicitation.
  for (const uint8_t type : {kRouterSolicitation, kRouterAdvertisement, kIcmp6Redirect}) {
    flows->Add(Table::kGuard, Priority::kNever, {.protocol = Protocol::kIcmp6, .icmp_type = type}, drop);
  }
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
  for (const IpAddress& gateway : network.bridge.gateways) {
    (gateway.is_v4() ? AddStolen4 : AddStolen6)(network.key, IpText(gateway), flows);
  }
}

void AddGuard(const ActiveNetwork& network, const Member& member, FlowList* flows) {
  Actions pass;
  pass.Goto(Table::kSwitch);
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
  pass.Goto(Table::kSwitch);
  // To the tunnel it is a port like any other, and cards say of all their ports what addresses they have.
  const Member member{.ofport = network.tunnel->ofport,
                      .mac = remote.mac,
                      .bound = true,
                      .v4 = remote.v4,
                      .v6 = remote.v6};
  PortGuard(network, member, remote.vtep, pass, flows).AddBound();
  if (!network.has_unbound) return;
  for (const IpText& address : remote.v4) AddStolen4(network.key, address, flows);
  for (const IpText& address : remote.v6) AddStolen6(network.key, address, flows);
}

}  // namespace xpu::pipeline
