#include "xpu-agent/plan/answers.h"

#include "xpu-agent/plan/pipeline.h"

namespace xpu::pipeline {

Actions AnswerArp(const MacText& owner, const IpText& address) {
  Actions actions;
  actions.Move("NXM_OF_ETH_SRC", "NXM_OF_ETH_DST")
      .SetField("eth_src", owner.text)
      .SetField("arp_op", "2")
      .Move("NXM_NX_ARP_SHA", "NXM_NX_ARP_THA")
      .Move("NXM_OF_ARP_SPA", "NXM_OF_ARP_TPA")
      .SetField("arp_sha", owner.text)
      .SetField("arp_spa", address.text)
      .LoadReg1(Destination::kSender)
      .Goto(Table::kOutput);
  return actions;
}

// What only an advertisement has can be set once the packet is matched as one, which the output stage does.
Actions AnswerSolicitation(const MacText& owner, const IpText& address, uint32_t destination) {
  Actions actions;
  actions.Move("NXM_OF_ETH_SRC", "NXM_OF_ETH_DST")
      .SetField("eth_src", owner.text)
      .Move("NXM_NX_IPV6_SRC", "NXM_NX_IPV6_DST")
      .SetField("ipv6_src", address.text)
      .SetField("icmpv6_type", "136")
      .LoadReg1(destination)
      .Goto(Table::kOutput);
  return actions;
}

Actions AnswerEcho(IpFamily family, const IpText& address) {
  Actions actions;
  actions.Push("NXM_OF_ETH_SRC").Push("NXM_OF_ETH_DST").Pop("NXM_OF_ETH_SRC").Pop("NXM_OF_ETH_DST");
  if (family == IpFamily::kV4) {
    actions.Move("NXM_OF_IP_SRC", "NXM_OF_IP_DST")
        .SetField("ip_src", address.text)
        .SetField("nw_ttl", "64")
        .SetField("icmp_type", "0");
  } else {
    actions.Move("NXM_NX_IPV6_SRC", "NXM_NX_IPV6_DST")
        .SetField("ipv6_src", address.text)
        .SetField("nw_ttl", "64")
        .SetField("icmpv6_type", "129");
  }
  actions.LoadReg1(Destination::kSender).Goto(Table::kOutput);
  return actions;
}

}  // namespace xpu::pipeline
