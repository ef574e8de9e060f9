#include "xpu-agent/plan/pipeline.h"
#include "xpu-agent/plan/stages.h"

namespace xpu::pipeline {
namespace {

struct Priority {
  static constexpr uint16_t kSolicitation = 120;
  static constexpr uint16_t kTrunk = 110;
  static constexpr uint16_t kPort = 100;
  static constexpr uint16_t kNothingElse = 0;
};

// NA flags S and O (RFC 4861, 4.4) as the switch prints the 32 bits after the checksum.
constexpr char kSolicitedOverride[] = "1610612736";
constexpr char kTargetLinkLayerAddress[] = "2";

// Sends a packet to several ports; the switch leaves out the ingress port. The list is cut into flows that
// fit an OpenFlow message, each of which hands over to the next.
class PortList {
 public:
  PortList(uint32_t destination, uint32_t key, FlowList* flows)
      : destination_(destination), key_(key), flows_(flows) {}

  void Add(const Member& member) {
    if (outputs_ == kMaxOutputsPerFlow) NextFlow();
    ++outputs_;
    if (member.vlan != 0 && !tagged_) {
      actions_.PushVlan(member.vlan);
      tagged_ = true;
    }
    actions_.Output(member.ofport);
  }

  void Finish() {
    if (outputs_ > 0) AddFlow();
  }

 private:
  void NextFlow() {
    actions_.LoadReg1(PartOf(part_ + 1)).Resubmit(Table::kOutput);
    AddFlow();
    ++part_;
    actions_ = Actions();
    outputs_ = 0;
  }
  void AddFlow() {
    flows_->Add(Table::kOutput, Priority::kPort, {.reg1 = PartOf(part_), .metadata = key_}, actions_);
  }
  uint32_t PartOf(uint32_t part) const { return destination_ | part << Destination::kPartShift; }

  uint32_t destination_;
  uint32_t key_;
  FlowList* flows_;
  Actions actions_;
  int outputs_ = 0;
  uint32_t part_ = 0;
  bool tagged_ = false;
};

// Ports without a tag come first: a tag that was pushed stays on the packet.
void AddPortList(const ActiveNetwork& network, uint32_t destination, FlowList* flows) {
  PortList list(destination, network.key, flows);
  for (const bool tagged : {false, true}) {
    for (const Member& member : network.members) {
      if ((member.vlan != 0) != tagged) continue;
      if (destination == Destination::kAll || !member.bound) list.Add(member);
    }
  }
  list.Finish();
}

}  // namespace

void AddOutputCommon(FlowList* flows) {
  Actions to_sender;
  to_sender.OutputToSender();
  flows->Add(Table::kOutput, Priority::kPort, {.reg1 = Destination::kSender}, to_sender);
  // The option becomes the target's link-layer address, which the switch stage has put into the frame's
  // source.
  Actions advertise;
  advertise.SetField("nd_reserved", kSolicitedOverride)
      .SetField("nd_options_type", kTargetLinkLayerAddress)
      .Move("NXM_OF_ETH_SRC", "NXM_NX_ND_TLL")
      .LoadReg1(Destination::kSender)
      .Resubmit(Table::kOutput);
  flows->Add(Table::kOutput, Priority::kSolicitation,
             {.protocol = Protocol::kIcmp6,
              .reg1 = Destination::kSenderOfSolicitation,
              .icmp_type = kNeighbourAdvertisement,
              .icmp_code = 0},
             advertise);
  flows->Add(Table::kOutput, Priority::kNothingElse, {}, Actions());
}

void AddOutput(const ActiveNetwork& network, FlowList* flows) {
  for (const Member& member : network.members) {
    Actions output;
    if (member.vlan == 0) {
      output.Output(member.ofport);
      flows->Add(Table::kOutput, Priority::kPort, {.reg1 = member.ofport}, output);
      continue;
    }
    output.PushVlan(member.vlan).Output(member.ofport);
    flows->Add(Table::kOutput, Priority::kTrunk, {.reg1 = member.ofport, .metadata = network.key}, output);
    Actions to_sender;
    to_sender.PushVlan(member.vlan).OutputToSender();
    flows->Add(Table::kOutput, Priority::kTrunk,
               {.reg0 = member.ofport, .reg1 = Destination::kSender, .metadata = network.key}, to_sender);
  }
  AddPortList(network, Destination::kAll, flows);
  if (network.has_unbound) AddPortList(network, Destination::kUnbound, flows);
}

}  // namespace xpu::pipeline
