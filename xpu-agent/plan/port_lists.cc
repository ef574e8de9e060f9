#include <optional>

#include "xpu-agent/plan/pipeline.h"
#include "xpu-agent/plan/stages.h"

namespace xpu::pipeline {
namespace {

constexpr uint16_t kPriority = 100;

struct SteeredPriority {
  static constexpr uint16_t kWay = 110;
  static constexpr uint16_t kFromPort = 100;
};

// Above three times the blocks that there are of ports.
constexpr uint32_t kFirstOfCards = 3200;

// Hands a packet to parts one after the other, and then to where else it goes on with the network's tag.
class Replicator {
 public:
  Replicator(const ActiveNetwork& network, uint32_t list) : network_(network), list_(list) {}

  // In the order of the parts: those of ports with a tag come last, as one that was pushed stays.
  void AddPart(const ListPart& part) {
    if (part.kind == ListPart::kTaggedPorts) Tag(static_cast<uint16_t>(network_.bridge.vlan_id));
    actions_.LoadReg1(DestinationOf(list_, part)).Resubmit(Table::kOutput);
  }
  // Of ports, or of cards.
  void AddParts(const std::set<ListPart>& parts, bool cards) {
    for (const ListPart& part : parts) {
      if ((part.kind == ListPart::kCards) == cards) AddPart(part);
    }
  }
  // `vlan` is 0 for a port that gets the frame as it is, which none can after one with a tag.
  void AddPort(uint32_t ofport, uint16_t vlan) {
    if (vlan != 0) Tag(vlan);
    actions_.Output(ofport);
  }
  const Actions& actions() const { return actions_; }

 private:
  void Tag(uint16_t vlan) {
    if (!tagged_) actions_.PushVlan(vlan);
    tagged_ = true;
  }
  const ActiveNetwork& network_;
  const uint32_t list_;
  Actions actions_;
  bool tagged_ = false;
};

// The list of a network with a chain: a port's frames go to the other ports and into the chain, those that
// came out of it to one side only, and those from beyond into it.
void AddSteeredList(const ActiveNetwork& network, uint32_t list, const std::set<ListPart>& parts,
                    FlowList* flows) {
  const auto add = [&](uint16_t priority, std::optional<uint32_t> way, const Actions& actions) {
    flows->Add(Table::kOutput, priority, {.reg1 = list, .reg4 = way, .metadata = network.key}, actions);
  };
  Replicator ports(network, list), arrived(network, list), beyond(network, list);
  // Nobody of whom no addresses are known is on another card.
  const bool goes_on = list == Destination::kAll || network.uplink.has_value();
  const std::vector<ChainHop>& hops = network.chain->hops;
  const bool into = goes_on && network.chain->is_whole();
  if (into && hops.front().vlan == 0) ports.AddPort(hops.front().input, 0);
  ports.AddParts(parts, /*cards=*/false);
  if (into && hops.front().vlan != 0) ports.AddPort(hops.front().input, hops.front().vlan);
  arrived.AddParts(parts, /*cards=*/false);
  beyond.AddParts(parts, /*cards=*/true);
  if (network.uplink) beyond.AddPort(network.uplink->ofport, network.uplink->vlan);
  add(SteeredPriority::kFromPort, std::nullopt, ports.actions());
  add(SteeredPriority::kWay, Way::kLeft, beyond.actions());
  add(SteeredPriority::kWay, Way::kArrived, arrived.actions());
  add(SteeredPriority::kWay, Way::kFromBeyond, IntoChainFromBeyond(network));
}

}  // namespace

uint32_t DestinationOf(uint32_t list, const ListPart& part) {
  uint32_t number = kFirstOfCards + part.block;
  switch (part.kind) {
    case ListPart::kCards:
      break;
    case ListPart::kPorts:
      number = 1 + 3 * part.block;
      break;
    case ListPart::kTaggedPorts:
      number = 2 + 3 * part.block;
      break;
    case ListPart::kLimitedPorts:
      number = 3 + 3 * part.block;
      break;
  }
  return list | number << Destination::kPartShift;
}

ListPart PartOf(const Member& member) {
  const ListPart::Kind plain = member.vlan != 0 ? ListPart::kTaggedPorts : ListPart::kPorts;
  return {.kind = member.ingress_limited ? ListPart::kLimitedPorts : plain,
          .block = member.ofport >> kPartBits};
}

std::set<uint32_t> ListsOf(const Member& member) {
  std::set<uint32_t> lists = {Destination::kAll};
  if (!member.bound) lists.insert(Destination::kUnbound);
  return lists;
}

void AddPortListPart(const ActiveNetwork& network, uint32_t list, const ListPart& part,
                     const std::set<uint32_t>& ports, FlowList* flows) {
  Actions actions;
  // The switch leaves out the ingress port.
  for (const uint32_t port : ports) {
    if (part.kind == ListPart::kLimitedPorts) {
      // By way of the port's own flow, which has its meter and its tag.
      actions.Aside(port, Table::kOutput);
    } else {
      actions.Output(port);
    }
  }
  flows->Add(Table::kOutput, kPriority, {.reg1 = DestinationOf(list, part), .metadata = network.key},
             actions);
}

void AddPortList(const ActiveNetwork& network, uint32_t list, const std::set<ListPart>& parts,
                 FlowList* flows) {
  if (network.chain) return AddSteeredList(network, list, parts, flows);
  if (parts.empty()) return;
  Replicator all(network, list);
  for (const ListPart& part : parts) all.AddPart(part);
  if (network.uplink) all.AddPort(network.uplink->ofport, network.uplink->vlan);
  flows->Add(Table::kOutput, kPriority, {.reg1 = list, .metadata = network.key}, all.actions());
}

}  // namespace xpu::pipeline
