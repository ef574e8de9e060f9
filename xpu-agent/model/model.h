#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "common/base/bandwidth.h"
#include "common/base/ip_address.h"
#include "common/base/mac_address.h"
#include "xpu-agent/model/shared_map.h"

namespace xpu {

// What the switch should do, as the OPI objects say. Plain values with no behaviour: services change them,
// the planner reads them, the store keeps them.

// What hosts of a network are told about names, by DHCP and in router advertisements.
struct DnsOptions {
  std::vector<IpAddress> servers;
  // Domain of the host itself; empty: none.
  std::string domain;
  // Domains in which short names are looked up.
  std::vector<std::string> search;
  friend bool operator==(const DnsOptions&, const DnsOptions&) = default;
};

struct LogicalBridge {
  std::string id;
  uint32_t vlan_id = 0;
  std::optional<uint32_t> vni;
  std::optional<InterfaceAddress> vtep;
  // Tells the network apart in the switch; given once, never used again while flows of it may exist. 1 to
  // 2^24-1.
  uint32_t network_key = 0;
  std::vector<IpPrefix> prefixes;
  std::vector<IpAddress> gateways;
  // The parts of the prefixes that this card may give addresses of; nothing: all of them.
  std::optional<std::vector<IpPrefix>> blocks;
  uint32_t mtu = 1500;
  DnsOptions dns;
  // Seconds for which a DHCP client is told that it has its address.
  uint32_t lease_time = 86400;
  friend bool operator==(const LogicalBridge&, const LogicalBridge&) = default;
};

enum class BridgePortType { kAccess, kTrunk };

struct BridgePort {
  std::string id;
  MacAddress mac;
  BridgePortType type = BridgePortType::kAccess;
  // Ids of logical bridges; empty: isolated.
  std::vector<std::string> logical_bridges;
  // In the card's network of this VLAN (0: untagged) instead of logical bridges. Such a network has no
  // prefixes; a bound port without addresses may look for some, by DHCP.
  std::optional<uint16_t> vlan;
  // Bound by the PortService: only these addresses pass. Not bound: only the MAC is checked.
  bool bound = false;
  std::vector<InterfaceAddress> addresses;
  // Claim number; 0 for clients without claims.
  int64_t claim = 0;
  // As operators have set it, and as its pod asks for.
  Bandwidth bandwidth = {};
  Bandwidth pod_bandwidth = {};
  // What counts.
  Bandwidth Limits() const { return Stricter(bandwidth, pod_bandwidth); }
  friend bool operator==(const BridgePort&, const BridgePort&) = default;
};

// A routing domain: the subnets of its SVIs reach each other and nothing else. Two may use the same prefixes.
struct Vrf {
  std::string id;
  // Names the domain between cards.
  std::optional<uint32_t> vni;
  std::optional<InterfaceAddress> loopback;
  std::optional<InterfaceAddress> vtep;
  // Tells the domain apart in the switch; as LogicalBridge::network_key, in numbers of its own.
  uint32_t vrf_key = 0;
  friend bool operator==(const Vrf&, const Vrf&) = default;
};

// Gateway of a logical bridge in a VRF. The same on every card that has the bridge.
struct Svi {
  std::string id;
  // Ids.
  std::string vrf;
  std::string logical_bridge;
  MacAddress mac;
  // With the length of their subnet.
  std::vector<InterfaceAddress> gateways;
  bool enable_bgp = false;
  uint32_t remote_as = 0;
  friend bool operator==(const Svi&, const Svi&) = default;
};

// A port of another card in a logical bridge of this one: where frames for it are sent to.
struct RemotePort {
  std::string id;
  // Id.
  std::string logical_bridge;
  MacAddress mac;
  std::vector<InterfaceAddress> addresses;
  // Tunnel end point of its card.
  IpAddress vtep;
  friend bool operator==(const RemotePort&, const RemotePort&) = default;
};

// One side of a network function: a bridge port, as long as it is the one that was meant. A function of the
// host that passes from one pod to the next keeps its name and often its MAC, and gets another claim.
struct NetworkFunctionPort {
  // Id of the bridge port.
  std::string port;
  MacAddress mac;
  int64_t claim = 0;
  friend bool operator==(const NetworkFunctionPort&, const NetworkFunctionPort&) = default;
};

// A network function: what the card's ports of a network exchange with whoever is beyond goes through it. Its
// ports are nothing else meanwhile.
struct NetworkFunction {
  std::string id;
  // Towards the card's ports.
  NetworkFunctionPort input;
  // Towards what is beyond: the uplink, other cards, the router.
  NetworkFunctionPort output;
  // Id of the logical bridge that it is for, or the VLAN. Neither: all networks that go on at the uplink,
  // each with its VLAN tag.
  std::string logical_bridge;
  std::optional<uint16_t> vlan;
  // Of several of a network the smallest is next to the card's ports; of two with the same the smaller id.
  uint32_t position = 0;
  // Id of the chain that was made as a whole and that it is of; empty if it was made by itself. Its bridge
  // and its ports may then be yet to come, and a port's id may be empty.
  std::string chain = {};
  friend bool operator==(const NetworkFunction&, const NetworkFunction&) = default;
};

// Interface of the DPU that stands for a function of the host. It is on the switch for as long as it is
// there, and isolated unless the bridge port of its function lets something pass.
struct Representor {
  std::string interface;
  // OpenFlow port number asked for, 1 to 0xfeff. Another one if the interface was made anew, as the switch
  // has to open it anew then.
  uint32_t ofport = 0;
  // How DPDK finds it ("0000:03:00.0,representor=pf0vf3"), if the switch drives the card by DPDK; otherwise
  // empty.
  std::string dpdk_devargs = {};
  friend bool operator==(const Representor&, const Representor&) = default;
};

// Where the card's tunnels to the other cards end (VXLAN, RFC 7348).
struct Tunnel {
  // Name of the port on the switch.
  std::string interface = "xpu-vxlan";
  // OpenFlow port number asked for.
  uint32_t ofport = 0xfeff;
  // Address of this card on the underlay.
  IpAddress local;
  uint16_t udp_port = 4789;
  // Bytes of layer 3 that a packet on the underlay may have.
  uint32_t underlay_mtu = 1500;
  friend bool operator==(const Tunnel&, const Tunnel&) = default;
};

// Largest packet of layer 3 in bytes that ports of the bridge can send each other. One that reaches over
// several cards leaves room for what a tunnel adds: Ethernet, VXLAN, UDP and IP.
inline uint32_t EffectiveMtu(const LogicalBridge& bridge, const std::optional<Tunnel>& tunnel) {
  if (!bridge.vni.has_value() || !tunnel.has_value()) return bridge.mtu;
  const uint32_t added = 14 + 8 + 8 + (tunnel->local.is_v4() ? 20 : 40);
  const uint32_t room = tunnel->underlay_mtu > added ? tunnel->underlay_mtu - added : 0;
  return bridge.mtu < room ? bridge.mtu : room;
}

// A copy costs the same however much there is.
struct Model {
  SharedMap<LogicalBridge> bridges;
  SharedMap<BridgePort> ports;
  SharedMap<Vrf> vrfs;
  SharedMap<Svi> svis;
  SharedMap<RemotePort> remote_ports;
  SharedMap<NetworkFunction> network_functions;
  // Those that are there now, by the id that the bridge port of their function has or would have.
  SharedMap<Representor> representors;
  // How this card reaches others: as its configuration says, not as objects ask for.
  std::optional<Tunnel> tunnel;
  // Interface that stands for the physical port, if that is on the switch: where networks of a VLAN go on.
  std::optional<Representor> uplink;
  friend bool operator==(const Model&, const Model&) = default;
};

}  // namespace xpu
