#include <utility>

#include "xpu-agent/plan/pipeline.h"
#include "xpu-agent/plan/port_meters.h"
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

}  // namespace

void AddOutputCommon(const SwitchAbilities& abilities, FlowList* flows) {
  Actions to_sender;
  to_sender.OutputToSender();
  flows->Add(Table::kOutput, Priority::kPort, {.reg1 = Destination::kSender}, to_sender);
  flows->Add(Table::kOutput, Priority::kNothingElse, {}, Actions());
  if (!abilities.advertise_neighbours) return;
  // The option becomes the target's link-layer address, which the switch stage has put into the frame's
  // source.
  const std::pair<uint32_t, const char*> senders[] = {
      {Destination::kSenderOfSolicitation, kSolicitedOverride},
      {Destination::kSenderOfSolicitationForRouter, kRouterSolicitedOverride}};
  for (const auto& [sender, flags] : senders) {
    Actions advertise;
    advertise.SetField("nd_reserved", flags)
        .SetField("nd_options_type", kTargetLinkLayerAddress)
        .Move("NXM_OF_ETH_SRC", "NXM_NX_ND_TLL")
        .LoadReg1(Destination::kSender)
        .Resubmit(Table::kOutput);
    flows->Add(
        Table::kOutput, Priority::kSolicitation,
        {.protocol = Protocol::kIcmp6, .reg1 = sender, .icmp_type = kNeighbourAdvertisement, .icmp_code = 0},
        advertise);
  }
}

void AddOutput(const ActiveNetwork& network, const Member& member, FlowList* flows) {
  Actions output;
  if (member.ingress_limited) output.Meter(MeterId(MeterUse::kIngress, member.ofport));
  if (member.vlan == 0) {
    output.Output(member.ofport);
    flows->Add(Table::kOutput, Priority::kPort, {.reg1 = member.ofport}, output);
    return;
  }
  output.PushVlan(member.vlan).Output(member.ofport);
  flows->Add(Table::kOutput, Priority::kTrunk, {.reg1 = member.ofport, .metadata = network.key}, output);
  Actions to_sender;
  to_sender.PushVlan(member.vlan).OutputToSender();
  flows->Add(Table::kOutput, Priority::kTrunk,
             {.reg0 = member.ofport, .reg1 = Destination::kSender, .metadata = network.key}, to_sender);
}

}  // namespace xpu::pipeline
