#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "common/base/ip_address.h"
#include "common/base/mac_address.h"
#include "xpu-agent/model/model.h"

namespace xpu {

// What a card's network should do, said as simply as it can be: who is where, and who reaches whom. Knows
// nothing of flows and shares no code with the planner. Ports have one network (access ports of logical
// bridges).
class ReferenceNetwork {
 public:
  struct Endpoint {
    std::string port;
    uint32_t ofport = 0;
    MacAddress mac;
    bool bound = false;
    // With the link-local one; none of an unbound port, which are not known.
    std::set<IpAddress> addresses;
    std::string bridge;
  };
  struct Router {
    std::string vrf;
    MacAddress mac;
    std::vector<InterfaceAddress> gateways;
    bool Has(const IpAddress& address) const;
    bool Reaches(const IpAddress& address) const;
  };

  explicit ReferenceNetwork(const Model& model);

  const std::vector<Endpoint>& endpoints() const { return endpoints_; }
  // Null if the bridge has none.
  const Router* RouterOf(const std::string& bridge) const;

  // Ports that a frame to `mac` reaches in the network of `from`.
  std::set<uint32_t> Switched(const Endpoint& from, const MacAddress& mac) const;
  // Ports that a broadcast reaches.
  std::set<uint32_t> Flooded(const Endpoint& from) const;
  // Whether `from` may send from this address.
  bool MaySendFrom(const Endpoint& from, const IpAddress& source) const;
  // The network functions between a network's ports and its router, from the ports on: their OpenFlow ports,
  // in and out. Nothing if there are none; empty if one is missing, so that nothing passes.
  using Functions = std::vector<std::pair<uint32_t, uint32_t>>;
  std::optional<Functions> FunctionsOf(const std::string& bridge) const;
  // Where what a function is given at this port comes out; nothing for a port that is no function's, or of
  // one that lacks its other port.
  std::optional<uint32_t> OtherSide(uint32_t ofport) const;
  bool IsFunctionPort(const std::string& port) const { return function_ports_.contains(port); }

  // Who gets a packet that `from` hands its router; null: nobody.
  const Endpoint* Routed(const Endpoint& from, const IpAddress& source, const IpAddress& destination) const;
  // Whether the router of `from` answers a ping.
  bool RouterAnswers(const Endpoint& from, const IpAddress& source, const IpAddress& destination) const;
  // Whose MAC an ARP request or neighbour solicitation of `from` is answered with.
  std::optional<MacAddress> Resolved(const Endpoint& from, const IpAddress& target) const;

 private:
  struct Function {
    std::string id;
    uint32_t position = 0;
    // Of one network only.
    std::string bridge;
    // 0: missing.
    uint32_t in = 0;
    uint32_t out = 0;
  };
  void AddFunctions(const Model& model);
  bool IsCut(const std::string& bridge) const;
  void AddRouters(const Model& model);
  void AddEndpoints(const Model& model);
  const Endpoint* OwnerIn(const std::string& bridge, const IpAddress& address) const;

  // Whether the address is kept for a router of the bridge.
  bool IsReserved(const std::string& bridge, const IpAddress& address) const;

  std::map<std::string, Router> routers_;
  // Of bridges.
  std::map<std::string, std::vector<IpAddress>> gateways_;
  std::vector<Endpoint> endpoints_;
  // In the order of their places.
  std::vector<Function> functions_;
  std::set<std::string> function_ports_;
};

}  // namespace xpu
