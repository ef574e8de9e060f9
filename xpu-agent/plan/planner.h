#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "xpu-agent/datapath/switch.h"
#include "xpu-agent/model/model.h"
#include "xpu-agent/model/model_change.h"
#include "xpu-agent/plan/flow_units.h"
#include "xpu-agent/plan/network_index.h"
#include "xpu-agent/plan/stages.h"

namespace xpu {

using pipeline::MeterChange;

// What a flow or a meter is there for: objects of one kind, by their ids; none if every switch has it.
struct FlowOwners {
  std::vector<std::string> ports;
  std::vector<std::string> remote_ports;
  std::vector<std::string> svis;
  std::vector<std::string> network_functions;
  std::vector<std::string> bridges;
};

// The flows that a model wants, kept up to date change by change. What has come of a number of changes is
// what it would be if their result were compiled anew; it takes as long as the change is large. No I/O and no
// clock; one thread.
class Planner {
 public:
  Planner();

  // `changed_ofports`: OpenFlow numbers by interface, as far as they are others; 0: none any more.
  void Update(const ModelChange& change, const std::map<std::string, uint32_t>& changed_ofports);
  // What the switch can do; at first everything.
  void SetAbilities(const SwitchAbilities& abilities);
  const Model& model() const { return index_.model(); }
  const std::map<std::string, uint32_t>& ofports() const { return index_.ofports(); }

  // What has changed since the last call of one of these.
  FlowChange TakeChanges() { return units_.TakeChanges(); }
  MeterChange TakeMeterChanges() { return index_.meters().TakeChanges(); }
  void ForgetChanges() {
    units_.ForgetChanges();
    index_.meters().ForgetChanges();
  }

  // What leads from `present` to what is wanted.
  FlowChange Compare(const FlowTable& present) const { return units_.Compare(present); }
  MeterChange Compare(const MeterTable& present) const { return index_.meters().Compare(present); }
  FlowTable Flows() const { return units_.Table(); }
  MeterTable Meters() const { return index_.meters().Table(); }
  size_t size() const { return units_.size(); }
  FlowOwners OwnersOf(const FlowKey& flow) const;
  // The port; none: the uplink or the tunnel.
  FlowOwners OwnersOfMeter(uint32_t meter) const;

  const pipeline::NetworkIndex& index() const { return index_; }

 private:
  // What a network's lists are made of, so that one that goes is found in them.
  struct Lists {
    using Ports = std::map<pipeline::ListPart, std::set<uint32_t>>;
    std::map<uint32_t, Ports> ports;
    std::map<std::string, pipeline::Member> members;
    // The tunnel ends of a part's cards, and how many ports each has.
    std::map<pipeline::ListPart, std::map<std::string, int>> cards;
    std::map<std::string, pipeline::RemoteMember> remotes;
  };
  // Parts whose flows are to be compiled.
  struct Stale {
    std::set<std::pair<uint32_t, pipeline::ListPart>> ports;
    std::set<pipeline::ListPart> cards;
    bool heads = false;
  };

  void CompileCommon();
  void UpdateNetwork(uint32_t key, const pipeline::NetworkIndex::Touched& touched);
  static void UpdatePorts(const pipeline::ResolvedNetwork& network, const std::set<std::string>& touched,
                          Lists* lists, Stale* stale);
  static void UpdateCards(const pipeline::ResolvedNetwork& network, const std::set<std::string>& touched,
                          Lists* lists, Stale* stale);
  void CompileLists(const pipeline::ActiveNetwork& network, const Lists& lists, const Stale& stale);

  pipeline::NetworkIndex index_;
  pipeline::FlowUnits units_;
  std::map<uint32_t, Lists> lists_;
};

}  // namespace xpu
