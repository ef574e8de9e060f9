#include "xpu-agent/model/model_change.h"

#include <utility>

namespace xpu {
namespace {

template <typename T>
void ApplyMap(const ObjectChanges<T>& changes, SharedMap<T>* objects) {
  for (const auto& [id, object] : changes) {
    if (object.has_value()) {
      objects->insert_or_assign(id, *object);
    } else {
      objects->erase(id);
    }
  }
}

template <typename T>
void AppendMap(ObjectChanges<T>&& later, ObjectChanges<T>* changes) {
  for (auto& [id, object] : later) changes->insert_or_assign(id, std::move(object));
}

}  // namespace

bool ModelChange::empty() const {
  return bridges.empty() && ports.empty() && vrfs.empty() && svis.empty() && remote_ports.empty() &&
         network_functions.empty() && representors.empty() && !tunnel.has_value() && !uplink.has_value();
}

void ModelChange::Append(ModelChange later) {
  AppendMap(std::move(later.bridges), &bridges);
  AppendMap(std::move(later.ports), &ports);
  AppendMap(std::move(later.vrfs), &vrfs);
  AppendMap(std::move(later.svis), &svis);
  AppendMap(std::move(later.remote_ports), &remote_ports);
  AppendMap(std::move(later.network_functions), &network_functions);
  AppendMap(std::move(later.representors), &representors);
  if (later.tunnel.has_value()) tunnel = std::move(later.tunnel);
  if (later.uplink.has_value()) uplink = std::move(later.uplink);
}

ModelChange Difference(const Model& before, const Model& after) {
  ModelChange change;
  change.bridges = DifferenceOf(before.bridges, after.bridges);
  change.ports = DifferenceOf(before.ports, after.ports);
  change.vrfs = DifferenceOf(before.vrfs, after.vrfs);
  change.svis = DifferenceOf(before.svis, after.svis);
  change.remote_ports = DifferenceOf(before.remote_ports, after.remote_ports);
  change.network_functions = DifferenceOf(before.network_functions, after.network_functions);
  change.representors = DifferenceOf(before.representors, after.representors);
  if (!(before.tunnel == after.tunnel)) change.tunnel = after.tunnel;
  if (!(before.uplink == after.uplink)) change.uplink = after.uplink;
  return change;
}

void Apply(const ModelChange& change, Model* model) {
  ApplyMap(change.bridges, &model->bridges);
  ApplyMap(change.ports, &model->ports);
  ApplyMap(change.vrfs, &model->vrfs);
  ApplyMap(change.svis, &model->svis);
  ApplyMap(change.remote_ports, &model->remote_ports);
  ApplyMap(change.network_functions, &model->network_functions);
  ApplyMap(change.representors, &model->representors);
  if (change.tunnel.has_value()) model->tunnel = *change.tunnel;
  if (change.uplink.has_value()) model->uplink = *change.uplink;
}

}  // namespace xpu
