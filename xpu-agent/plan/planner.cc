#include "xpu-agent/plan/planner.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "xpu-agent/plan/pipeline.h"
#include "xpu-agent/plan/units.h"

namespace xpu {
namespace {

using pipeline::ActiveNetwork;
using pipeline::FlowList;
using pipeline::ListPart;
using pipeline::Member;
using pipeline::RemoteMember;
using pipeline::ResolvedNetwork;
using pipeline::UnitId;
using Touched = pipeline::NetworkIndex::Touched;

std::string NameOf(uint32_t list, const ListPart& part) {
  return absl::StrCat(list, "/", static_cast<int>(part.kind), "/", part.block);
}

template <typename K, typename V>
std::set<K> KeysOf(const std::map<K, V>& map) {
  std::set<K> keys;
  for (const auto& [key, value] : map) keys.insert(key);
  return keys;
}

}  // namespace

Planner::Planner() { CompileCommon(); }

void Planner::CompileCommon() {
  FlowList flows;
  pipeline::CompileCommon(index_.abilities(), &flows);
  units_.Put({}, std::move(flows));
}

void Planner::SetAbilities(const SwitchAbilities& abilities) {
  if (abilities == index_.abilities()) return;
  const auto networks = index_.SetAbilities(abilities);
  CompileCommon();
  for (const auto& [key, touched] : networks) UpdateNetwork(key, touched);
}

void Planner::Update(const ModelChange& change, const std::map<std::string, uint32_t>& changed_ofports) {
  for (const auto& [key, touched] : index_.Update(change, changed_ofports)) UpdateNetwork(key, touched);
}

void Planner::UpdateNetwork(uint32_t key, const Touched& touched) {
  const ResolvedNetwork* resolved = index_.Find(key);
  if (resolved == nullptr) {
    if (lists_.erase(key) > 0) units_.RemoveNetwork(key);
    return;
  }
  const ActiveNetwork& network = resolved->network;
  Touched all = touched;
  if (touched.network) {
    all.members.merge(KeysOf(resolved->members));
    all.remotes.merge(KeysOf(resolved->remotes));
    FlowList flows;
    pipeline::CompileNetwork(network, &flows);
    units_.Put({.network = key, .kind = UnitId::kNetwork}, std::move(flows));
    FlowList of_gateway;
    pipeline::CompileGateway(network, &of_gateway);
    units_.Put({.network = key, .kind = UnitId::kGateway}, std::move(of_gateway));
    FlowList of_chain;
    pipeline::CompileChain(network, &of_chain);
    units_.Put({.network = key, .kind = UnitId::kChain}, std::move(of_chain));
  }
  for (const std::string& id : all.members) {
    FlowList flows;
    if (const auto member = resolved->members.find(id); member != resolved->members.end())
      pipeline::CompileMember(network, member->second, &flows);
    units_.Put({.network = key, .kind = UnitId::kMember, .name = id}, std::move(flows));
  }
  for (const std::string& id : all.remotes) {
    FlowList flows;
    if (const auto remote = resolved->remotes.find(id); remote != resolved->remotes.end())
      pipeline::CompileRemote(network, remote->second, &flows);
    units_.Put({.network = key, .kind = UnitId::kRemote, .name = id}, std::move(flows));
  }
  Lists& lists = lists_[key];
  Stale stale;
  UpdatePorts(*resolved, all.members, &lists, &stale);
  UpdateCards(*resolved, all.remotes, &lists, &stale);
  // What names the parts is cheap to make again, and the same again if no part came or went.
  stale.heads = touched.network || !stale.ports.empty() || !stale.cards.empty();
  CompileLists(network, lists, stale);
}

void Planner::UpdatePorts(const ResolvedNetwork& network, const std::set<std::string>& touched, Lists* lists,
                          Stale* stale) {
  // All that goes goes first: a number may have passed from one port to another.
  for (const std::string& id : touched) {
    const auto before = lists->members.find(id);
    if (before == lists->members.end()) continue;
    const ListPart part = PartOf(before->second);
    for (const uint32_t list : ListsOf(before->second)) {
      Lists::Ports& parts = lists->ports[list];
      parts[part].erase(before->second.ofport);
      if (parts[part].empty()) parts.erase(part);
      stale->ports.emplace(list, part);
    }
    lists->members.erase(before);
  }
  for (const std::string& id : touched) {
    const auto member = network.members.find(id);
    if (member == network.members.end()) continue;
    const ListPart part = PartOf(member->second);
    for (const uint32_t list : ListsOf(member->second)) {
      lists->ports[list][part].insert(member->second.ofport);
      stale->ports.emplace(list, part);
    }
    lists->members.emplace(id, member->second);
  }
}

void Planner::UpdateCards(const ResolvedNetwork& network, const std::set<std::string>& touched, Lists* lists,
                          Stale* stale) {
  for (const std::string& id : touched) {
    if (const auto before = lists->remotes.find(id); before != lists->remotes.end()) {
      const ListPart part = PartOf(before->second);
      std::map<std::string, int>& vteps = lists->cards[part];
      if (--vteps[before->second.vtep.text] == 0) vteps.erase(before->second.vtep.text);
      if (vteps.empty()) lists->cards.erase(part);
      stale->cards.insert(part);
      lists->remotes.erase(before);
    }
    const auto remote = network.remotes.find(id);
    if (remote == network.remotes.end()) continue;
    const ListPart part = PartOf(remote->second);
    ++lists->cards[part][remote->second.vtep.text];
    stale->cards.insert(part);
    lists->remotes.emplace(id, remote->second);
  }
}

void Planner::CompileLists(const ActiveNetwork& network, const Lists& lists, const Stale& stale) {
  for (const auto& [list, part] : stale.ports) {
    FlowList flows;
    if (const auto parts = lists.ports.find(list); parts != lists.ports.end()) {
      if (const auto ports = parts->second.find(part); ports != parts->second.end())
        AddPortListPart(network, list, part, ports->second, &flows);
    }
    units_.Put({.network = network.key, .kind = UnitId::kListPart, .name = NameOf(list, part)},
               std::move(flows));
  }
  for (const ListPart& part : stale.cards) {
    FlowList flows;
    const auto cards = lists.cards.find(part);
    if (network.tunnel.has_value() && !network.only_routed && cards != lists.cards.end())
      AddCardListPart(network, part, KeysOf(cards->second), &flows);
    units_.Put({.network = network.key, .kind = UnitId::kCardPart, .name = absl::StrCat(part.block)},
               std::move(flows));
  }
  if (!stale.heads) return;
  for (const auto& [list, ports] : lists.ports) {
    FlowList flows;
    std::set<ListPart> parts = KeysOf(ports);
    if (list == pipeline::Destination::kAll && network.tunnel.has_value()) parts.merge(KeysOf(lists.cards));
    if (!ports.empty()) AddPortList(network, list, parts, &flows);
    units_.Put({.network = network.key, .kind = UnitId::kList, .name = absl::StrCat(list)}, std::move(flows));
  }
}

FlowOwners Planner::OwnersOfMeter(uint32_t meter) const {
  const std::string owner = index_.meters().OwnerOf(meter);
  return model().ports.contains(owner) ? FlowOwners{.ports = {owner}} : FlowOwners{};
}

FlowOwners Planner::OwnersOf(const FlowKey& flow) const {
  const UnitId* unit = units_.OwnerOf(flow);
  if (unit == nullptr || unit->kind == UnitId::kCommon) return {};
  if (unit->kind == UnitId::kMember) return {.ports = {unit->name}};
  if (unit->kind == UnitId::kRemote) return {.remote_ports = {unit->name}};
  if (unit->kind == UnitId::kChain) return {.network_functions = index_.FunctionsOf(unit->network)};
  const std::string& bridge = index_.Find(unit->network)->network.bridge.id;
  if (unit->kind != UnitId::kGateway) return {.bridges = {bridge}};
  FlowOwners owners;
  for (const auto& [id, svi] : model().svis) {
    if (svi.logical_bridge == bridge) owners.svis.push_back(id);
  }
  if (owners.svis.empty()) owners.bridges = {bridge};
  return owners;
}

}  // namespace xpu
