#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "xpu-agent/datapath/switch.h"
#include "xpu-agent/model/model.h"
#include "xpu-agent/model/model_change.h"
#include "xpu-agent/plan/active_network.h"
#include "xpu-agent/plan/contest.h"
#include "xpu-agent/plan/membership.h"
#include "xpu-agent/plan/port_meters.h"

namespace xpu::pipeline {

// What ResolveNetworks() says, kept up to date change by change: a port costs what it takes part in, a
// bridge, SVI or VRF a look at all of these.
class NetworkIndex {
 public:
  // What is different about a network.
  struct Touched {
    // What holds for all of it, or that it is there at all.
    bool network = false;
    std::set<std::string> members;
    std::set<std::string> remotes;
  };
  // OpenFlow numbers by interface; 0: none any more.
  using Ofports = std::map<std::string, uint32_t>;
  // By the key of the network.
  std::map<uint32_t, Touched> Update(const ModelChange& change, const Ofports& changed_ofports);
  std::map<uint32_t, Touched> SetAbilities(const SwitchAbilities& abilities);

  // A network with members; null if there is no such.
  const ResolvedNetwork* Find(uint32_t key) const;
  const std::map<uint32_t, ResolvedNetwork>& networks() const { return active_; }
  // Ids of the network functions that are for the network.
  std::vector<std::string> FunctionsOf(uint32_t key) const;
  const Model& model() const { return model_; }
  const Ofports& ofports() const { return ofports_; }
  const SwitchAbilities& abilities() const { return abilities_; }
  // Of the ports, by their ids, and of the uplink and the tunnel, by ids that no port can have.
  PortMeters& meters() { return meters_; }
  const PortMeters& meters() const { return meters_; }

 private:
  // What a port asks for by itself.
  struct Place {
    uint32_t ofport = 0;
    std::vector<Membership> memberships;
  };
  struct Network {
    Contest contest;
    // Of all who want to be in.
    std::map<std::string, Member> locals;
    std::map<std::string, RemoteMember> remotes;
    int unbound = 0;
  };
  // What is looked at again in one update.
  struct Work {
    std::set<std::string> ports;
    std::set<std::string> remote_ports;
    std::map<uint32_t, Touched> touched;
  };

  void NoteOfports(const Ofports& changed, Work* work);
  void NoteRepresentors(const ModelChange& change, Work* work);
  void NoteBridgesOf(const ModelChange& change);
  void DescribeAgain(Work* work);
  void FindNumbers(Work* work);
  // Whether a port of a network function is another than before, or may be.
  bool TouchesFunctions(const ModelChange& change, const Work& work) const;
  void PlaceFunctionsAgain(Work* work);
  void FindPlaces(Work* work);
  // Networks of VRFs that have come to this card, or left it, are settled again.
  void SettleVrfs(Work* work);
  bool HasNumber(const std::string& id) const;
  uint32_t OfportOf(const std::string& id) const;
  void TakeOfport(const std::string& id, uint32_t ofport, std::set<std::string>* affected);
  void EnterPort(const std::string& id, Work* work);
  void PutMeters(const std::string& id, uint32_t ofport, const Bandwidth& bandwidth);
  void PutMetersOfInterface(const std::string& owner, const std::optional<std::string>& interface);
  void EnterRemotePort(const std::string& id, Work* work);
  void Settle(uint32_t key, Touched* touched);
  static void SettleMembers(Network& network, const Touched& touched, ResolvedNetwork* resolved);
  std::optional<BridgePlace> PlaceOf(const std::string& bridge) const;
  ActiveNetwork Describe(uint32_t key) const;

  Model model_;
  Ofports ofports_;
  SwitchAbilities abilities_;
  std::map<std::string, std::set<std::string>> ports_of_interface_;
  std::map<std::string, std::set<std::string>> ports_of_bridge_;
  std::map<std::string, std::set<std::string>> remotes_of_bridge_;
  // The bridges that ports and remote ports are noted for above.
  std::map<std::string, std::vector<std::string>> bridges_of_port_;
  std::map<std::string, std::string> bridge_of_remote_;
  std::map<std::string, std::string> interface_of_port_;
  // Who asks for a number: the first has it.
  std::map<uint32_t, std::set<std::string>> ports_of_ofport_;
  std::map<std::string, Place> places_;
  std::map<std::string, uint32_t> network_of_remote_;
  std::map<std::string, BridgePlace> bridge_places_;
  std::map<uint32_t, ActiveNetwork> described_;
  std::vector<PlacedFunction> functions_;
  std::set<std::string> function_ports_;
  // Keys of the VRFs of the networks that have members, and how many of these each has.
  std::map<uint32_t, uint32_t> vrf_of_network_;
  std::map<uint32_t, int> vrfs_;
  std::map<uint32_t, Network> networks_;
  std::map<uint32_t, ResolvedNetwork> active_;
  PortMeters meters_;
};

}  // namespace xpu::pipeline
