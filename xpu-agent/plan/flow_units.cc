#include "xpu-agent/plan/flow_units.h"

#include <algorithm>
#include <utility>

namespace xpu::pipeline {

bool FlowUnits::Place::Before(const Place& other) const {
  if (unit != other.unit) return *unit->id < *other.unit->id;
  return index < other.index;
}

void FlowUnits::NoteBefore(const KeyView& key) {
  FlowKey owned = ToKey(key);
  if (before_.contains(owned)) return;
  const auto present = flows_.find(key);
  std::optional<std::string> actions;
  if (present != flows_.end()) actions = std::string(present->second.flow().actions);
  before_.emplace(std::move(owned), std::move(actions));
}

void FlowUnits::Add(const Place& place) {
  const KeyView key = KeyOf(place.flow());
  NoteBefore(key);
  const auto [present, is_new] = flows_.try_emplace(key, place);
  if (is_new) return;
  Place hidden = place;
  if (place.Before(present->second)) {
    hidden = present->second;
    // The key must be a view into the unit that counts.
    flows_.erase(present);
    flows_.emplace(key, place);
  }
  hidden_[ToKey(key)].push_back(hidden);
}

void FlowUnits::Take(const Place& place) {
  const KeyView key = KeyOf(place.flow());
  NoteBefore(key);
  const auto is_place = [&](const Place& other) {
    return other.unit == place.unit && other.index == place.index;
  };
  const auto present = flows_.find(key);
  const bool counted = present != flows_.end() && is_place(present->second);
  const auto hidden = hidden_.empty() ? hidden_.end() : hidden_.find(ToKey(key));
  if (counted) flows_.erase(present);
  if (hidden == hidden_.end()) return;
  std::vector<Place>& places = hidden->second;
  if (counted) {
    const auto next = std::min_element(places.begin(), places.end(),
                                       [](const Place& a, const Place& b) { return a.Before(b); });
    flows_.emplace(KeyOf(next->flow()), *next);
    places.erase(next);
  } else {
    places.erase(std::find_if(places.begin(), places.end(), is_place));
  }
  if (places.empty()) hidden_.erase(hidden);
}

void FlowUnits::Put(const UnitId& id, FlowList flows) {
  const auto [entry, is_new] = units_.try_emplace(id);
  Unit& unit = entry->second;
  if (unit.flows == flows && !is_new) return;
  unit.id = &entry->first;
  for (uint32_t i = 0; i < unit.flows.size(); ++i) Take({&unit, i});
  if (flows.size() == 0) {
    units_.erase(entry);
    return;
  }
  unit.flows = std::move(flows);
  unit.flows.ShrinkToFit();
  for (uint32_t i = 0; i < unit.flows.size(); ++i) Add({&unit, i});
}

void FlowUnits::RemoveNetwork(uint32_t network) {
  for (auto unit = units_.lower_bound({.network = network});
       unit != units_.end() && unit->first.network == network;) {
    const UnitId id = unit->first;
    ++unit;
    Remove(id);
  }
}

FlowChange FlowUnits::TakeChanges() {
  FlowChange change;
  for (auto& [key, actions] : before_) {
    const auto now = flows_.find(KeyOf(key));
    if (now == flows_.end()) {
      if (actions.has_value()) change.deletes.push_back(key);
    } else if (!actions.has_value() || *actions != now->second.flow().actions) {
      change.puts.emplace_hint(change.puts.end(), key, now->second.flow().actions);
    }
  }
  before_.clear();
  return change;
}

FlowChange FlowUnits::Compare(const FlowTable& present) const {
  FlowChange change;
  size_t found = 0;
  for (const auto& [key, actions] : present) {
    const auto wanted = flows_.find(KeyOf(key));
    if (wanted == flows_.end()) {
      change.deletes.push_back(key);
      continue;
    }
    ++found;
    if (wanted->second.flow().actions != actions)
      change.puts.emplace_hint(change.puts.end(), key, wanted->second.flow().actions);
  }
  if (found == flows_.size()) return change;
  for (const auto& [key, place] : flows_) {
    FlowKey owned = ToKey(key);
    if (!present.contains(owned)) change.puts.emplace(std::move(owned), place.flow().actions);
  }
  return change;
}

FlowTable FlowUnits::Table() const {
  FlowTable table;
  for (const auto& [key, place] : flows_) table.emplace(ToKey(key), place.flow().actions);
  return table;
}

const UnitId* FlowUnits::OwnerOf(const FlowKey& key) const {
  const auto place = flows_.find(KeyOf(key));
  return place == flows_.end() ? nullptr : place->second.unit->id;
}

}  // namespace xpu::pipeline
