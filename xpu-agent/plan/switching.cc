#include "xpu-agent/plan/answers.h"
#include "xpu-agent/plan/pipeline.h"
#include "xpu-agent/plan/stages.h"

namespace xpu::pipeline {
namespace {

struct Priority {
  static constexpr uint16_t kAnnouncement = 300;
  static constexpr uint16_t kToOwner = 250;
  static constexpr uint16_t kAnswer = 200;
  static constexpr uint16_t kUnknownInPrefix = 150;
  static constexpr uint16_t kUnknown = 140;
  static constexpr uint16_t kForward = 100;
  static constexpr uint16_t kNothingElse = 0;
};

// Multicast and broadcast: the group bit of the destination.
const MacText& GroupMacs() {
  static const MacText* const kText = new MacText("01:00:00:00:00:00/01:00:00:00:00:00");
  return *kText;
}

Actions SendTo(uint32_t destination) {
  Actions actions;
  actions.LoadReg1(destination).Goto(Table::kOutput);
  return actions;
}

// Whose addresses are answered for.
struct Owner {
  const MacText& mac;
  // Where its frames come from.
  uint32_t ofport;
  // Sends a frame to it.
  const Actions& send;
};

void AddV4(uint32_t key, const Owner& owner, const IpText& address, FlowList* flows) {
  // The port's own announcement, or its probe whether someone else has the address, must be heard by all.
  flows->Add(Table::kSwitch, Priority::kAnnouncement,
             {.protocol = Protocol::kArp,
              .reg0 = owner.ofport,
              .metadata = key,
              .arp_tpa = &address,
              .arp_op = kArpRequest},
             SendTo(Destination::kAll));
  flows->Add(Table::kSwitch, Priority::kAnswer,
             {.protocol = Protocol::kArp, .metadata = key, .arp_tpa = &address, .arp_op = kArpRequest},
             AnswerArp(owner.mac, address));
}

void AddV6(const ActiveNetwork& network, const Owner& owner, const IpText& address, FlowList* flows) {
  const uint32_t key = network.key;
  // An answer needs the room of the sender's link-layer address for the target's. One without it, as
  // duplicate address detection sends, goes to the owner, who defends its address; the owner's own ends
  // there. Where the switch cannot answer, all go there.
  const bool answers = network.advertise_neighbours;
  flows->Add(Table::kSwitch, Priority::kToOwner,
             {.protocol = Protocol::kIcmp6,
              .metadata = key,
              .icmp_type = kNeighbourSolicitation,
              .icmp_code = 0,
              .nd_target = &address,
              .nd_sll = answers ? &NoMac() : nullptr},
             owner.send);
  if (!answers) return;
  flows->Add(Table::kSwitch, Priority::kAnswer,
             {.protocol = Protocol::kIcmp6,
              .metadata = key,
              .icmp_type = kNeighbourSolicitation,
              .icmp_code = 0,
              .nd_target = &address},
             AnswerSolicitation(owner.mac, address, Destination::kSenderOfSolicitation));
}

void AddUnknownInPrefix(uint32_t key, const IpPrefix& prefix, const Actions& to_unbound, FlowList* flows) {
  const IpText text(prefix);
  const IpText* const in_prefix = prefix.length() == 0 ? nullptr : &text;
  if (prefix.family() == IpFamily::kV4) {
    flows->Add(Table::kSwitch, Priority::kUnknownInPrefix,
               {.protocol = Protocol::kArp,
                .metadata = key,
                .dl_dst = &GroupMacs(),
                .arp_tpa = in_prefix,
                .arp_op = kArpRequest},
               to_unbound);
  } else {
    flows->Add(Table::kSwitch, Priority::kUnknownInPrefix,
               {.protocol = Protocol::kIcmp6,
                .metadata = key,
                .dl_dst = &GroupMacs(),
                .icmp_type = kNeighbourSolicitation,
                .icmp_code = 0,
                .nd_target = in_prefix},
               to_unbound);
  }
}

// Prefixes whose addresses may be asked for. A bridge without any is a plain layer 2 network.
std::vector<IpPrefix> PrefixesOnLink(const LogicalBridge& bridge) {
  const IpAddress link_local(IpFamily::kV6, absl::MakeUint128(0xfe80'0000'0000'0000, 0));
  if (bridge.prefixes.empty()) {
    return {IpPrefix(), IpPrefix::Of(IpAddress(IpFamily::kV6, 0), 0)};
  }
  std::vector<IpPrefix> prefixes = bridge.prefixes;
  prefixes.push_back(IpPrefix::Of(link_local, 10));
  return prefixes;
}

}  // namespace

void AddSwitchCommon(FlowList* flows) {
  flows->Add(Table::kSwitch, Priority::kUnknown,
             {.protocol = Protocol::kArp, .dl_dst = &GroupMacs(), .arp_op = kArpRequest}, Actions());
  flows->Add(Table::kSwitch, Priority::kUnknown,
             {.protocol = Protocol::kIcmp6, .dl_dst = &GroupMacs(), .icmp_type = kNeighbourSolicitation},
             Actions());
  flows->Add(Table::kSwitch, Priority::kForward, {.dl_dst = &GroupMacs()}, SendTo(Destination::kAll));
  flows->Add(Table::kSwitch, Priority::kNothingElse, {}, Actions());
}

void AddSwitch(const ActiveNetwork& network, FlowList* flows) {
  const Actions to_unbound = SendTo(Destination::kUnbound);
  for (const IpPrefix& prefix : PrefixesOnLink(network.bridge)) {
    AddUnknownInPrefix(network.key, prefix, to_unbound, flows);
  }
}

void AddSwitch(const ActiveNetwork& network, const Member& member, FlowList* flows) {
  const Actions send = SendTo(member.ofport);
  flows->Add(Table::kSwitch, Priority::kForward, {.metadata = network.key, .dl_dst = &member.mac}, send);
  const Owner owner{member.mac, member.ofport, send};
  for (const IpText& address : member.v4) AddV4(network.key, owner, address, flows);
  for (const IpText& address : member.v6) {
    AddV6(network, owner, address, flows);
    if (!network.tunnel || !network.advertise_neighbours) continue;
    // Another card's switch, which could not answer, has sent it on to the owner.
    flows->Add(Table::kSwitch, Priority::kToOwner,
               {.protocol = Protocol::kIcmp6,
                .reg0 = network.tunnel->ofport,
                .metadata = network.key,
                .icmp_type = kNeighbourSolicitation,
                .icmp_code = 0,
                .nd_target = &address},
               send);
  }
}

void AddSwitch(const ActiveNetwork& network, const RemoteMember& remote, FlowList* flows) {
  if (!network.tunnel) return;
  Actions send;
  send.SetTunnel(network.tunnel->vni)
      .SetTunnelEnd(remote.vtep)
      .LoadReg1(network.tunnel->ofport)
      .Goto(Table::kOutput);
  flows->Add(Table::kSwitch, Priority::kForward, {.metadata = network.key, .dl_dst = &remote.mac}, send);
  if (network.only_routed) return;
  const Owner owner{remote.mac, network.tunnel->ofport, send};
  for (const IpText& address : remote.v4) AddV4(network.key, owner, address, flows);
  for (const IpText& address : remote.v6) AddV6(network, owner, address, flows);
}

}  // namespace xpu::pipeline
