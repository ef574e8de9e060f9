#include <optional>

#include "xpu-agent/plan/answers.h"
#include "xpu-agent/plan/pipeline.h"
#include "xpu-agent/plan/stages.h"

namespace xpu::pipeline {
namespace {

struct Priority {
  static constexpr uint16_t kLink = 400;
  static constexpr uint16_t kEcho = 300;
  static constexpr uint16_t kRouter = 250;
  static constexpr uint16_t kAdmitSteered = 110;
  static constexpr uint16_t kAdmit = 100;
  static constexpr uint16_t kNothingElse = 0;
};

// What is sent to an address that the router has on this link, also from an address that it routes nothing
// for (a link-local one).
void AddRouter(const ActiveNetwork& network, const Gateway& gateway, IpFamily family, const IpText& address,
               FlowList* flows) {
  const bool v4 = family == IpFamily::kV4;
  flows->Add(Table::kRoute, Priority::kEcho,
             {.protocol = v4 ? Protocol::kIcmp : Protocol::kIcmp6,
              .metadata = network.key,
              .dl_dst = &gateway.mac_text,
              .ip_dst = &address,
              .icmp_type = v4 ? kEchoRequest : kIcmp6EchoRequest,
              .icmp_code = 0},
             AnswerEcho(family, address));
  flows->Add(Table::kRoute, Priority::kRouter,
             {.protocol = v4 ? Protocol::kIp : Protocol::kIpv6,
              .metadata = network.key,
              .dl_dst = &gateway.mac_text,
              .ip_dst = &address},
             Actions());
}

}  // namespace

void AddRouteCommon(FlowList* flows) {
  Actions stay;
  stay.Goto(Table::kSwitch);
  // Neighbour discovery ends at the link, whoever it is addressed to.
  for (const uint8_t type : {kRouterSolicitation, kRouterAdvertisement, kNeighbourSolicitation,
                             kNeighbourAdvertisement, kIcmp6Redirect}) {
    flows->Add(Table::kRoute, Priority::kLink, {.protocol = Protocol::kIcmp6, .icmp_type = type}, stay);
  }
  flows->Add(Table::kRoute, Priority::kNothingElse, {}, stay);
}

void AddRoute(const ActiveNetwork& network, FlowList* flows) {
  if (!network.gateway) return;
  const Gateway& gateway = *network.gateway;
  AddRouter(network, gateway, IpFamily::kV6, gateway.link_local_text, flows);
  for (const Gateway::Subnet& subnet : gateway.subnets) {
    const IpFamily family = subnet.prefix.family();
    AddRouter(network, gateway, family, subnet.address_text, flows);
    // From an address of the subnet only (RFC 2827): the guard knows whose an address is in this network, and
    // not whose it is in the next one.
    Actions admit;
    admit.LoadReg2(gateway.vrf_key).Goto(Table::kSize);
    const auto add = [&](uint16_t priority, std::optional<uint32_t> way, const Actions& actions) {
      flows->Add(Table::kRoute, priority,
                 {.protocol = family == IpFamily::kV4 ? Protocol::kIp : Protocol::kIpv6,
                  .reg4 = way,
                  .metadata = network.key,
                  .dl_dst = &gateway.mac_text,
                  .ip_src = &subnet.prefix_text},
                 actions);
    };
    if (!network.chain) {
      add(Priority::kAdmit, std::nullopt, admit);
      continue;
    }
    // The router is beyond the chain.
    add(Priority::kAdmit, std::nullopt, IntoChain(network));
    for (const uint32_t way : {Way::kLeft, Way::kFromBeyond}) add(Priority::kAdmitSteered, way, admit);
  }
}

}  // namespace xpu::pipeline
