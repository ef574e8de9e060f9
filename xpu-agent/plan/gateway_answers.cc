#include "xpu-agent/plan/answers.h"
#include "xpu-agent/plan/pipeline.h"
#include "xpu-agent/plan/stages.h"

namespace xpu::pipeline {
namespace {

// Above those of ports, which come to the same addresses only as an unknown part of a prefix.
struct Priority {
  static constexpr uint16_t kDetection = 270;
  static constexpr uint16_t kBareSolicitation = 260;
  static constexpr uint16_t kAnswer = 200;
};

constexpr char kAllNodes[] = "ff02::1";
constexpr char kAllNodesMac[] = "33:33:00:00:00:01";

const IpText& Unspecified() {
  static const IpText* const kText = new IpText(IpAddress(IpFamily::kV6, 0));
  return *kText;
}

void AddV6(uint32_t key, const MacText& mac, const IpText& address, FlowList* flows) {
  const auto solicitation = [&](const IpText* source, const MacText* link_layer) {
    return Match{.protocol = Protocol::kIcmp6,
                 .metadata = key,
                 .ip_src = source,
                 .icmp_type = kNeighbourSolicitation,
                 .icmp_code = 0,
                 .nd_target = &address,
                 .nd_sll = link_layer};
  };
  // Duplicate address detection: someone tries the router's address (RFC 4862, 5.4.3), and is told whose it
  // is, as all nodes would be. There is no room for the router's MAC, which it is believed without.
  Actions defend;
  defend.SetField("eth_src", mac.text)
      .SetField("eth_dst", kAllNodesMac)
      .SetField("ipv6_src", address.text)
      .SetField("ipv6_dst", kAllNodes)
      .SetField("nd_reserved", kRouterOverride)
      .SetField("icmpv6_type", "136")
      .LoadReg1(Destination::kSender)
      .Goto(Table::kOutput);
  flows->Add(Table::kSwitch, Priority::kDetection, solicitation(&Unspecified(), &NoMac()), defend);
  // Who knows the MAC may ask without its own whether the router is still there (RFC 4861, 7.3.3).
  Actions confirm;
  confirm.Move("NXM_OF_ETH_SRC", "NXM_OF_ETH_DST")
      .SetField("eth_src", mac.text)
      .Move("NXM_NX_IPV6_SRC", "NXM_NX_IPV6_DST")
      .SetField("ipv6_src", address.text)
      .SetField("nd_reserved", kRouterSolicitedOverride)
      .SetField("icmpv6_type", "136")
      .LoadReg1(Destination::kSender)
      .Goto(Table::kOutput);
  flows->Add(Table::kSwitch, Priority::kBareSolicitation, solicitation(nullptr, &NoMac()), confirm);
  flows->Add(Table::kSwitch, Priority::kAnswer, solicitation(nullptr, nullptr),
             AnswerSolicitation(mac, address, Destination::kSenderOfSolicitationForRouter));
}

}  // namespace

void AddGatewayAnswers(const ActiveNetwork& network, FlowList* flows) {
  if (!network.gateway) return;
  const Gateway& gateway = *network.gateway;
  const bool v6 = network.advertise_neighbours;
  if (v6) AddV6(network.key, gateway.mac_text, gateway.link_local_text, flows);
  for (const Gateway::Subnet& subnet : gateway.subnets) {
    if (subnet.prefix.family() == IpFamily::kV6) {
      if (v6) AddV6(network.key, gateway.mac_text, subnet.address_text, flows);
      continue;
    }
    flows->Add(Table::kSwitch, Priority::kAnswer,
               {.protocol = Protocol::kArp,
                .metadata = network.key,
                .arp_tpa = &subnet.address_text,
                .arp_op = kArpRequest},
               AnswerArp(gateway.mac_text, subnet.address_text));
  }
}

}  // namespace xpu::pipeline
