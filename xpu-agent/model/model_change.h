#pragma once

#include <map>
#include <optional>
#include <string>

#include "xpu-agent/model/model.h"

namespace xpu {

// Objects of one kind by id. Nothing: the object goes.
template <typename T>
using ObjectChanges = std::map<std::string, std::optional<T>>;

// What leads from one set of objects to another. Both are sorted: one walk over the two.
template <typename T>
ObjectChanges<T> DifferenceOf(const std::map<std::string, T>& before, const std::map<std::string, T>& after) {
  ObjectChanges<T> changes;
  auto b = before.begin();
  auto a = after.begin();
  while (b != before.end() || a != after.end()) {
    const int order = a == after.end() ? -1 : b == before.end() ? 1 : b->first.compare(a->first);
    if (order < 0) changes.emplace_hint(changes.end(), b->first, std::nullopt);
    if (order > 0 || (order == 0 && !(a->second == b->second)))
      changes.emplace_hint(changes.end(), a->first, a->second);
    if (order <= 0) ++b;
    if (order >= 0) ++a;
  }
  return changes;
}

// What leads from one model to another.
struct ModelChange {
  ObjectChanges<LogicalBridge> bridges;
  ObjectChanges<BridgePort> ports;
  ObjectChanges<Vrf> vrfs;
  ObjectChanges<Svi> svis;
  ObjectChanges<RemotePort> remote_ports;
  ObjectChanges<Representor> representors;
  // Set if they change, to what they are then.
  std::optional<std::optional<Tunnel>> tunnel;
  std::optional<std::optional<Representor>> uplink;

  bool empty() const;
  // Does `later` after this.
  void Append(ModelChange later);
  friend bool operator==(const ModelChange&, const ModelChange&) = default;
};

ModelChange Difference(const Model& before, const Model& after);
void Apply(const ModelChange& change, Model* model);

}  // namespace xpu
