#pragma once

#include <compare>
#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "xpu-agent/datapath/switch.h"
#include "xpu-agent/plan/flow_text.h"

namespace xpu {

// What is to be done to a table of flows.
struct FlowChange {
  std::vector<FlowKey> deletes;
  FlowTable puts;
  bool empty() const { return deletes.empty() && puts.empty(); }
};

}  // namespace xpu

namespace xpu::pipeline {

// Names what was compiled together. The order says whose flow counts, of two with the same key.
struct UnitId {
  enum Kind : uint8_t { kCommon, kNetwork, kGateway, kChain, kMember, kRemote, kList, kListPart, kCardPart };
  // 0 for the flows of every switch.
  uint32_t network = 0;
  Kind kind = kCommon;
  // Id of the port, or the name of the part.
  std::string name;
  friend auto operator<=>(const UnitId&, const UnitId&) = default;
};

// The flows of a switch, unit by unit, and what has changed about them. Keeps the text of each flow once.
class FlowUnits {
 public:
  FlowUnits() = default;
  FlowUnits(const FlowUnits&) = delete;
  FlowUnits& operator=(const FlowUnits&) = delete;

  // Instead of what the unit had; without flows it goes.
  void Put(const UnitId& id, FlowList flows);
  void Remove(const UnitId& id) { Put(id, FlowList()); }
  void RemoveNetwork(uint32_t network);

  // From the last call of this or ForgetChanges() to now; in the order of FlowKey, and nothing that came back
  // to what it was.
  FlowChange TakeChanges();
  void ForgetChanges() { before_.clear(); }

  // What leads from `present` to these flows.
  FlowChange Compare(const FlowTable& present) const;
  FlowTable Table() const;
  size_t size() const { return flows_.size(); }
  // Null if there is no such flow.
  const UnitId* OwnerOf(const FlowKey& key) const;

 private:
  struct KeyView {
    uint8_t table;
    uint16_t priority;
    std::string_view match;
    friend bool operator==(const KeyView&, const KeyView&) = default;
    template <typename H>
    friend H AbslHashValue(H h, const KeyView& key) {
      return H::combine(std::move(h), key.table, key.priority, key.match);
    }
  };
  struct Unit {
    const UnitId* id = nullptr;
    FlowList flows;
  };
  // A flow's place. Of two with the same key the smaller one counts.
  struct Place {
    const Unit* unit;
    uint32_t index;
    FlowList::Flow flow() const { return unit->flows[index]; }
    bool Before(const Place& other) const;
  };
  static KeyView KeyOf(const FlowList::Flow& flow) { return {flow.table, flow.priority, flow.match}; }
  static KeyView KeyOf(const FlowKey& key) { return {key.table, key.priority, key.match}; }
  static FlowKey ToKey(const KeyView& key) { return {key.table, key.priority, std::string(key.match)}; }

  void NoteBefore(const KeyView& key);
  void Add(const Place& place);
  void Take(const Place& place);

  std::map<UnitId, Unit> units_;
  // Those that count. The keys are views into the units.
  absl::flat_hash_map<KeyView, Place> flows_;
  // Those that do not, e.g. of a prefix that two networks have.
  std::map<FlowKey, std::vector<Place>> hidden_;
  // Actions before the change, of flows that were touched; none: there was no such flow.
  std::map<FlowKey, std::optional<std::string>> before_;
};

}  // namespace xpu::pipeline
