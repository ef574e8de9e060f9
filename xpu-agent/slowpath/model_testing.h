#pragma once

#include <cstdint>
#include <string>

#include "xpu-agent/datapath/packet_io.h"
#include "xpu-agent/model/model.h"
#include "xpu-agent/plan/packet_opcode.h"
#include "xpu-agent/slowpath/model_index.h"
#include "xpu-agent/slowpath/testing.h"

namespace xpu::slowpath {

// Networks red (10.0.0.0/24, 2001:db8::/64, port 1) and blue (10.1.0.0/24, 2001:db8:1::/64, MTU 1400, port 2)
// of one routing domain, and plain (192.168.0.0/24, ports 3 and 4, which is not bound) without a router.
inline constexpr uint32_t kRed = 7, kBlue = 8, kPlain = 9, kVrf = 3;
inline constexpr char kMacA[] = "02:00:00:00:00:0a";
inline constexpr char kMacB[] = "02:00:00:00:00:0b";
inline constexpr char kMacC[] = "02:00:00:00:00:0c";
inline constexpr char kMacUnbound[] = "02:00:00:00:00:0d";

inline Model TwoRoutedNetworks() {
  Model model;
  const auto add_bridge = [&](const std::string& id, uint32_t key, const std::string& v4,
                              const std::string& v6) {
    LogicalBridge& bridge = model.bridges[id];
    bridge.id = id;
    bridge.network_key = key;
    bridge.prefixes = {IpPrefix::Parse(v4).value()};
    if (!v6.empty()) bridge.prefixes.push_back(IpPrefix::Parse(v6).value());
  };
  const auto add_port = [&](const std::string& id, uint32_t ofport, const std::string& mac,
                            const std::string& bridge, const std::string& v4) {
    model.ports[id] = {
        .id = id, .mac = Mac(mac), .logical_bridges = {bridge}, .bound = !v4.empty(), .addresses = {}};
    if (!v4.empty()) model.ports[id].addresses.push_back(InterfaceAddress::Parse(v4).value());
    model.representors[id] = {.interface = id, .ofport = ofport};
  };
  add_bridge("red", kRed, "10.0.0.0/24", "2001:db8::/64");
  add_bridge("blue", kBlue, "10.1.0.0/24", "2001:db8:1::/64");
  add_bridge("plain", kPlain, "192.168.0.0/24", "");
  model.bridges["red"].dns = {
      .servers = {Ip("10.0.0.53"), Ip("2001:db8::53")}, .domain = "red.example", .search = {"example"}};
  model.bridges["blue"].mtu = 1400;
  add_port("a", 1, kMacA, "red", "10.0.0.1/24");
  add_port("b", 2, kMacB, "blue", "10.1.0.1/24");
  add_port("c", 3, kMacC, "plain", "192.168.0.3/24");
  add_port("d", 4, kMacUnbound, "plain", "");
  model.vrfs["v"] = {.id = "v", .vrf_key = kVrf};
  const auto add_svi = [&](const std::string& bridge, const std::string& v4, const std::string& v6) {
    model.svis[bridge] = {
        .id = bridge,
        .vrf = "v",
        .logical_bridge = bridge,
        .mac = Mac("02:58:50:00:00:01"),
        .gateways = {InterfaceAddress::Parse(v4).value(), InterfaceAddress::Parse(v6).value()}};
  };
  add_svi("red", "10.0.0.254/24", "2001:db8::fe/64");
  add_svi("blue", "10.1.0.254/24", "2001:db8:1::fe/64");
  return model;
}

inline ModelIndex IndexOf(const Model& model) {
  ModelIndex index;
  index.Change(Difference(Model(), model));
  return index;
}

inline PacketIn Packet(pipeline::PacketOpcode opcode, uint64_t key, uint32_t port, const std::string& bytes) {
  return {.in_port = port, .metadata = key, .regs = {port, static_cast<uint32_t>(opcode)}, .bytes = bytes};
}

}  // namespace xpu::slowpath
