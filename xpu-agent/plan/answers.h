#pragma once

#include <cstdint>

#include "common/base/ip_address.h"
#include "xpu-agent/plan/flow_text.h"

namespace xpu::pipeline {

// What the switch itself answers, in the name of the owner of an address: actions that turn the question into
// the answer and send it back through the output stage.

// Of an ARP request for `address` (RFC 826).
Actions AnswerArp(const MacText& owner, const IpText& address);

// Of a neighbour solicitation for `address` that carries the sender's link-layer address, whose room the
// owner's takes. `destination`: Destination::kSenderOfSolicitation or kSenderOfSolicitationForRouter.
Actions AnswerSolicitation(const MacText& owner, const IpText& address, uint32_t destination);

// Of an ICMP or ICMPv6 echo request to `address` (RFC 792, 4443). The MACs change places.
Actions AnswerEcho(IpFamily family, const IpText& address);

}  // namespace xpu::pipeline
