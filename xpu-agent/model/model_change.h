#pragma once

#include <map>
#include <optional>
#include <string>

#include "xpu-agent/model/model.h"

namespace xpu {

// Objects of one kind by id. Nothing: the object goes.
template <typename T>
using ObjectChanges = std::map<std::string, std::optional<T>>;

// What leads from one set of objects to another. Takes as long as there is to be found where one was made by
// changing a copy of the other.
template <typename T>
ObjectChanges<T> DifferenceOf(const SharedMap<T>& before, const SharedMap<T>& after) {
  ObjectChanges<T> changes;
  SharedMap<T>::Compare(before, after, [&changes](const std::string& id, const T*, const T* now) {
    changes.emplace_hint(changes.end(), id, now == nullptr ? std::nullopt : std::optional<T>(*now));
  });
  return changes;
}

// What leads from one model to another.
struct ModelChange {
  ObjectChanges<LogicalBridge> bridges;
  ObjectChanges<BridgePort> ports;
  ObjectChanges<Vrf> vrfs;
  ObjectChanges<Svi> svis;
  ObjectChanges<RemotePort> remote_ports;
  ObjectChanges<NetworkFunction> network_functions;
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
