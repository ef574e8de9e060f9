#include "xpu-agent/plan/network_index.h"

#include <utility>

namespace xpu::pipeline {
namespace {

// Owners of meters.
constexpr char kUplinkMeters[] = "//uplink";
constexpr char kTunnelMeters[] = "//tunnel";

void Drop(std::map<std::string, std::set<std::string>>* index, const std::string& key,
          const std::string& id) {
  const auto entry = index->find(key);
  if (entry == index->end()) return;
  entry->second.erase(id);
  if (entry->second.empty()) index->erase(entry);
}

void AddAll(const std::map<std::string, std::set<std::string>>& index, const std::string& key,
            std::set<std::string>* ids) {
  const auto entry = index.find(key);
  if (entry != index.end()) ids->insert(entry->second.begin(), entry->second.end());
}

}  // namespace

const ResolvedNetwork* NetworkIndex::Find(uint32_t key) const {
  const auto network = active_.find(key);
  return network == active_.end() ? nullptr : &network->second;
}

std::map<uint32_t, NetworkIndex::Touched> NetworkIndex::Update(const ModelChange& change,
                                                               const Ofports& changed_ofports) {
  Work work;
  Apply(change, &model_);
  for (const auto& [id, port] : change.ports) work.ports.insert(id);
  for (const auto& [id, port] : change.remote_ports) work.remote_ports.insert(id);
  NoteRepresentors(change, &work);
  NoteOfports(changed_ofports, &work);
  NoteBridgesOf(change);
  // What is neither a representor nor a port of a network may be something that networks look at.
  bool describe = !change.bridges.empty() || !change.svis.empty() || !change.vrfs.empty() ||
                  change.tunnel.has_value() || change.uplink.has_value();
  for (const auto& [interface, ofport] : changed_ofports)
    describe = describe || !ports_of_interface_.contains(interface);
  if (describe) DescribeAgain(&work);
  FindNumbers(&work);
  if (TouchesFunctions(change, work)) PlaceFunctionsAgain(&work);
  FindPlaces(&work);
  for (const std::string& id : work.remote_ports) EnterRemotePort(id, &work);
  for (auto& [key, touched] : work.touched) Settle(key, &touched);
  SettleVrfs(&work);
  return std::move(work.touched);
}

std::map<uint32_t, NetworkIndex::Touched> NetworkIndex::SetAbilities(const SwitchAbilities& abilities) {
  const bool meter_changed = abilities_.meter != abilities.meter;
  abilities_ = abilities;
  Work work;
  for (const auto& [key, network] : active_) work.touched[key];
  if (meter_changed) {
    for (const auto& [id, place] : places_) work.ports.insert(id);
    DescribeAgain(&work);
    FindPlaces(&work);
  }
  for (auto& [key, touched] : work.touched) Settle(key, &touched);
  SettleVrfs(&work);
  return std::move(work.touched);
}

void NetworkIndex::NoteRepresentors(const ModelChange& change, Work* work) {
  for (const auto& [id, representor] : change.representors) {
    work->ports.insert(id);
    if (const auto before = interface_of_port_.find(id); before != interface_of_port_.end()) {
      Drop(&ports_of_interface_, before->second, id);
      interface_of_port_.erase(before);
    }
    if (!representor.has_value()) continue;
    interface_of_port_[id] = representor->interface;
    ports_of_interface_[representor->interface].insert(id);
  }
}

void NetworkIndex::NoteOfports(const Ofports& changed, Work* work) {
  for (const auto& [interface, ofport] : changed) {
    if (ofport == 0) {
      ofports_.erase(interface);
    } else {
      ofports_[interface] = ofport;
    }
    AddAll(ports_of_interface_, interface, &work->ports);
  }
}

// Which ports are to be looked at when a bridge comes to be another.
void NetworkIndex::NoteBridgesOf(const ModelChange& change) {
  for (const auto& [id, port] : change.ports) {
    for (const std::string& bridge : bridges_of_port_[id]) Drop(&ports_of_bridge_, bridge, id);
    bridges_of_port_.erase(id);
    if (!port.has_value() || port->logical_bridges.empty()) continue;
    bridges_of_port_[id] = port->logical_bridges;
    for (const std::string& bridge : port->logical_bridges) ports_of_bridge_[bridge].insert(id);
  }
  for (const auto& [id, port] : change.remote_ports) {
    if (const auto before = bridge_of_remote_.find(id); before != bridge_of_remote_.end()) {
      Drop(&remotes_of_bridge_, before->second, id);
      bridge_of_remote_.erase(before);
    }
    if (!port.has_value()) continue;
    bridge_of_remote_[id] = port->logical_bridge;
    remotes_of_bridge_[port->logical_bridge].insert(id);
  }
}

void NetworkIndex::DescribeAgain(Work* work) {
  PutMetersOfInterface(kUplinkMeters, model_.uplink ? std::optional(model_.uplink->interface) : std::nullopt);
  PutMetersOfInterface(kTunnelMeters, model_.tunnel ? std::optional(model_.tunnel->interface) : std::nullopt);
  std::map<uint32_t, ActiveNetwork> described = DescribeNetworks(model_, ofports_);
  std::map<std::string, BridgePlace> places;
  for (const auto& [id, bridge] : model_.bridges) {
    const auto network = described.find(bridge.network_key);
    const bool usable = network != described.end() && network->second.bridge.id == id;
    places[id] = {bridge.network_key, bridge.vlan_id, usable};
  }
  for (const auto* one : {&bridge_places_, &places}) {
    const auto& other = one == &places ? bridge_places_ : places;
    for (const auto& [id, place] : *one) {
      const auto same = other.find(id);
      if (same != other.end() && same->second == place) continue;
      AddAll(ports_of_bridge_, id, &work->ports);
      AddAll(remotes_of_bridge_, id, &work->remote_ports);
    }
  }
  bridge_places_ = std::move(places);
  described_ = std::move(described);
  // Settle() finds those that are no other than before.
  for (const auto& [key, network] : networks_) work->touched[key];
  for (const auto& [key, network] : active_) work->touched[key];
  for (const auto& [key, network] : described_) work->touched[key];
}

bool NetworkIndex::TouchesFunctions(const ModelChange& change, const Work& work) const {
  if (!change.network_functions.empty()) return true;
  for (const auto& [id, function] : model_.network_functions) {
    if (work.ports.contains(function.input.port) || work.ports.contains(function.output.port)) return true;
  }
  return false;
}

void NetworkIndex::PlaceFunctionsAgain(Work* work) {
  std::set<std::string> ports = FunctionPorts(model_);
  for (const auto* one : {&function_ports_, &ports}) {
    const auto& other = one == &ports ? function_ports_ : ports;
    for (const std::string& id : *one) {
      if (!other.contains(id)) work->ports.insert(id);
    }
  }
  function_ports_ = std::move(ports);
  functions_ = PlaceFunctions(
      model_, [this](const std::string& id) { return HasNumber(id) ? places_.at(id).ofport : 0; });
  // Settle() finds those that are no other than before.
  for (const auto& [key, network] : active_) work->touched[key];
}

std::vector<std::string> NetworkIndex::FunctionsOf(uint32_t key) const {
  std::vector<std::string> ids;
  const ResolvedNetwork* network = Find(key);
  if (network == nullptr) return ids;
  for (const PlacedFunction& function : functions_) {
    if (IsFor(function, key, network->network.bridge)) ids.push_back(function.id);
  }
  return ids;
}

void NetworkIndex::SettleVrfs(Work* work) {
  std::set<uint32_t> changed;
  const auto count = [&](uint32_t vrf, int change) {
    if (vrf == 0) return;
    int& networks = vrfs_[vrf];
    if (networks == 0 || networks + change == 0) changed.insert(vrf);
    networks += change;
    if (networks == 0) vrfs_.erase(vrf);
  };
  for (const auto& [key, touched] : work->touched) {
    const ResolvedNetwork* network = Find(key);
    const bool counts = network != nullptr && !network->members.empty() && network->network.gateway;
    const uint32_t now = counts ? network->network.gateway->vrf_key : 0;
    uint32_t& before = vrf_of_network_[key];
    if (before != now) {
      count(now, 1);
      count(before, -1);
      before = now;
    }
    if (now == 0) vrf_of_network_.erase(key);
  }
  if (changed.empty()) return;
  for (const auto& [key, network] : described_) {
    if (!network.gateway || !changed.contains(network.gateway->vrf_key)) continue;
    Touched& touched = work->touched[key];
    const bool before = touched.network;
    Settle(key, &touched);
    touched.network = touched.network || before;
  }
}

std::optional<BridgePlace> NetworkIndex::PlaceOf(const std::string& bridge) const {
  const auto place = bridge_places_.find(bridge);
  if (place == bridge_places_.end()) return std::nullopt;
  return place->second;
}

uint32_t NetworkIndex::OfportOf(const std::string& id) const {
  const auto port = model_.ports.find(id);
  const auto representor = model_.representors.find(id);
  if (port == model_.ports.end() || representor == model_.representors.end()) return 0;
  if (!port->second.mac.IsUnicast()) return 0;
  const auto ofport = ofports_.find(representor->second.interface);
  return ofport == ofports_.end() || ofport->second > kMaxOfport ? 0 : ofport->second;
}

// Notes what number a port asks for; `affected` gets those that lose or win one by it.
void NetworkIndex::TakeOfport(const std::string& id, uint32_t ofport, std::set<std::string>* affected) {
  Place& place = places_[id];
  if (place.ofport == ofport) return;
  for (const bool out : {true, false}) {
    const uint32_t number = out ? place.ofport : ofport;
    if (number == 0) continue;
    std::set<std::string>& asking = ports_of_ofport_[number];
    if (!asking.empty()) affected->insert(*asking.begin());
    if (out) asking.erase(id);
    if (!out) asking.insert(id);
    if (!asking.empty()) affected->insert(*asking.begin());
    if (asking.empty()) ports_of_ofport_.erase(number);
  }
  place.ofport = ofport;
}

void NetworkIndex::FindNumbers(Work* work) {
  std::set<std::string> affected;
  for (const std::string& id : work->ports) TakeOfport(id, OfportOf(id), &affected);
  work->ports.merge(affected);
}

bool NetworkIndex::HasNumber(const std::string& id) const {
  const auto place = places_.find(id);
  return place != places_.end() && place->second.ofport != 0 &&
         *ports_of_ofport_.at(place->second.ofport).begin() == id;
}

void NetworkIndex::FindPlaces(Work* work) {
  for (const std::string& id : work->ports) EnterPort(id, work);
}

void NetworkIndex::EnterPort(const std::string& id, Work* work) {
  Place& place = places_[id];
  std::vector<Membership> memberships;
  const bool has_number = HasNumber(id);
  const Bandwidth limits = has_number ? model_.ports.at(id).Limits() : Bandwidth();
  PutMeters(id, has_number ? place.ofport : 0, limits);
  // What cannot be limited as it was asked for is left out.
  const bool is_limited = abilities_.meter || !limits.has_limits();
  if (has_number && is_limited && !function_ports_.contains(id)) {
    memberships = MembershipsOf(model_.ports.at(id), [this](const std::string& b) { return PlaceOf(b); });
  }
  std::set<uint32_t> left;
  for (const Membership& membership : place.memberships) left.insert(membership.key);
  for (const Membership& membership : memberships) {
    left.erase(membership.key);
    const BridgePort& port = model_.ports.at(id);
    Member member = MemberOf(port, place.ofport);
    member.vlan = membership.vlan;
    Network& network = networks_[membership.key];
    network.contest.Put({.id = id}, ClaimsOf(port));
    const auto [entry, is_new] = network.locals.try_emplace(id, member);
    if (!is_new && entry->second == member) continue;
    entry->second = std::move(member);
    work->touched[membership.key].members.insert(id);
  }
  for (const uint32_t key : left) {
    Network& network = networks_[key];
    network.contest.Remove({.id = id});
    network.locals.erase(id);
    work->touched[key].members.insert(id);
  }
  if (memberships.empty() && place.ofport == 0) {
    places_.erase(id);
  } else {
    place.memberships = std::move(memberships);
  }
}

void NetworkIndex::PutMeters(const std::string& id, uint32_t ofport, const Bandwidth& bandwidth) {
  meters_.Put(id, ofport == 0 || !abilities_.meter ? MeterTable() : MetersOf(ofport, bandwidth));
}

void NetworkIndex::PutMetersOfInterface(const std::string& owner,
                                        const std::optional<std::string>& interface) {
  const auto ofport = interface.has_value() ? ofports_.find(*interface) : ofports_.end();
  PutMeters(owner, ofport == ofports_.end() ? 0 : ofport->second, {});
}

void NetworkIndex::EnterRemotePort(const std::string& id, Work* work) {
  const auto port = model_.remote_ports.find(id);
  uint32_t key = 0;
  if (port != model_.remote_ports.end() && port->second.mac.IsUnicast()) {
    const std::optional<BridgePlace> place = PlaceOf(port->second.logical_bridge);
    if (place.has_value() && place->usable) key = place->key;
  }
  const auto before = network_of_remote_.find(id);
  if (before != network_of_remote_.end() && before->second != key) {
    Network& network = networks_[before->second];
    network.contest.Remove({.remote = true, .id = id});
    network.remotes.erase(id);
    work->touched[before->second].remotes.insert(id);
    network_of_remote_.erase(before);
  }
  if (key == 0) return;
  network_of_remote_[id] = key;
  Network& network = networks_[key];
  network.contest.Put({.remote = true, .id = id}, ClaimsOf(port->second));
  RemoteMember member = RemoteMemberOf(port->second);
  const auto [entry, is_new] = network.remotes.try_emplace(id, member);
  if (!is_new && entry->second == member) return;
  entry->second = std::move(member);
  work->touched[key].remotes.insert(id);
}

ActiveNetwork NetworkIndex::Describe(uint32_t key) const {
  const auto of_bridge = described_.find(key);
  ActiveNetwork network = of_bridge != described_.end()
                              ? of_bridge->second
                              : DescribeVlanNetwork(VlanOfNetworkKey(key), model_, ofports_);
  network.advertise_neighbours = abilities_.advertise_neighbours;
  network.meter = abilities_.meter;
  network.chain = ChainOf(functions_, key, network.bridge);
  return network;
}

// Brings what is in the network in line with who is in now; what `touched` has is what may have changed, and
// then what has.
void NetworkIndex::Settle(uint32_t key, Touched* touched) {
  Network& network = networks_[key];
  ActiveNetwork now = Describe(key);
  network.contest.Reserve(ReservedClaims(now));
  for (const Contest::Id& id : network.contest.Settle()) {
    (id.remote ? touched->remotes : touched->members).insert(id.id);
  }
  const bool was_active = active_.contains(key);
  ResolvedNetwork& resolved = active_[key];
  SettleMembers(network, *touched, &resolved);
  const bool is_routed_to = now.gateway && vrfs_.contains(now.gateway->vrf_key);
  if (resolved.members.empty() && is_routed_to) LeaveRoutingOnly(&now);
  if (resolved.members.empty() && !is_routed_to) {
    // Without a port that could reach them the others do not matter.
    active_.erase(key);
    *touched = {.network = was_active};
    if (network.contest.empty()) networks_.erase(key);
    return;
  }
  if (!was_active) {
    for (const auto& [id, remote] : network.remotes) {
      if (network.contest.IsIn({.remote = true, .id = id}) && resolved.remotes.emplace(id, remote).second)
        touched->remotes.insert(id);
    }
  }
  now.has_unbound = network.unbound > 0;
  touched->network = !was_active || !(resolved.network == now);
  resolved.network = std::move(now);
  if (network.contest.empty()) networks_.erase(key);
}

void NetworkIndex::SettleMembers(Network& network, const Touched& touched, ResolvedNetwork* resolved) {
  for (const std::string& id : touched.members) {
    if (const auto before = resolved->members.find(id); before != resolved->members.end()) {
      network.unbound -= before->second.bound ? 0 : 1;
      resolved->members.erase(before);
    }
    if (!network.contest.IsIn({.id = id})) continue;
    const Member& member = network.locals.at(id);
    network.unbound += member.bound ? 0 : 1;
    resolved->members.emplace(id, member);
  }
  for (const std::string& id : touched.remotes) {
    resolved->remotes.erase(id);
    if (network.contest.IsIn({.remote = true, .id = id}))
      resolved->remotes.emplace(id, network.remotes.at(id));
  }
}

}  // namespace xpu::pipeline
