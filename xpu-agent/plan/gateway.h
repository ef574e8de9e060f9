#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "common/base/ip_address.h"
#include "common/base/mac_address.h"
#include "xpu-agent/model/model.h"
#include "xpu-agent/plan/flow_text.h"

namespace xpu::pipeline {

// MAC of a gateway that was given none. The same on every card and in every network: a pod that moves keeps
// its neighbour entry, and a card answers only for itself.
inline constexpr MacAddress kGatewayMac({0x02, 0x58, 0x50, 0x00, 0x00, 0x01});

// Router of a network, as its flows need it: an SVI with a VRF to route in.
struct Gateway {
  // An address of the router, and the prefix that is reached through it.
  struct Subnet {
    Subnet(const InterfaceAddress& gateway)
        : address(gateway.address), prefix(gateway.prefix()), address_text(address), prefix_text(prefix) {}
    IpAddress address;
    IpPrefix prefix;
    IpText address_text;
    IpText prefix_text;
    friend bool operator==(const Subnet&, const Subnet&) = default;
  };

  uint32_t vrf_key = 0;
  MacAddress mac;
  MacText mac_text{mac};
  // The address that every router has on a link (RFC 4291, 2.8).
  IpAddress link_local;
  IpText link_local_text{link_local};
  std::vector<Subnet> subnets;
  // Another network of the VRF takes larger packets, so that one may come that does not fit here.
  bool check_size = false;

  // Whether the router brings packets to this address of a port of the network.
  bool Routes(const IpAddress& address) const;
  friend bool operator==(const Gateway&, const Gateway&) = default;
};

// The gateways by the id of their logical bridge. Everything unclear stays out, as with networks: an SVI
// whose VRF or bridge is not there, whose VRF has no key or another one's, with a MAC that no interface can
// have, with an address that no router can have or that is twice in it or in two subnets that overlap. Of two
// SVIs of one bridge, or two of one VRF whose subnets overlap, the one with the smaller id is in. It does not
// matter which ports there are, so all cards come to the same result.
std::map<std::string, Gateway> ResolveGateways(const Model& model);

}  // namespace xpu::pipeline
