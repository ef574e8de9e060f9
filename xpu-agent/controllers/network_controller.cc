#include "xpu-agent/controllers/network_controller.h"

#include <algorithm>
#include <set>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "common/api/api.h"
#include "common/base/status_macros.h"
#include "common/kube/change_object.h"
#include "common/kube/metadata.h"
#include "common/opi/opi_client.h"
#include "common/opi/opi_names.h"
#include "xpu-agent/controllers/card_status.h"
#include "xpu-agent/controllers/outcome.h"
#include "xpu/api/v1alpha1/network.pb.h"

namespace xpu {
namespace {

using api::v1alpha1::Network;

constexpr uint32_t kMaxVlan = 4094;

const ResourceKind& Kind() { return api::KindOf<Network>().resource; }

// Writes the card's entry of status.cards, whatever others write into the object. Aborted, NotFound: it is
// gone.
absl::Status ApplyEntry(ResourceStore& store, const Resource& object, const std::string& card,
                        const Resource& entry) {
  Resource applied = MakeResource(Kind(), NameOf(object));
  applied["metadata"]["uid"] = UidOf(object);
  applied["status"]["cards"] = Resource::array({entry});
  const ApplyOptions options = {
      .field_manager = absl::StrCat("xpu-agent-", card), .force = true, .status = true};
  return store.Apply(Kind(), applied, options).status();
}

}  // namespace

NetworkController::NetworkController(std::string card, Deps deps)
    : card_(std::move(card)),
      finalizer_(absl::StrCat("xpu.opiproject.org/", card_, "-network")),
      deps_(std::move(deps)),
      gateway_(deps_.opi) {}

std::string NetworkController::BridgeId(const ResourceName& name) {
  return absl::StrCat(name.ns, ".", name.name);
}

bool NetworkController::HasBridge(const ResourceName& name) const {
  absl::MutexLock lock(&mu_);
  return bridges_.contains(name);
}

void NetworkController::ForgetBridges() {
  absl::MutexLock lock(&mu_);
  bridges_.clear();
}

bool NetworkController::IsNews(const Resource& before, const Resource& now) const {
  return IsNewsForCard(before, now, card_, finalizer_);
}

absl::Status NetworkController::Reconcile(const ResourceName& name) {
  std::optional<Resource> object = deps_.get(name);
  if (object && IsBeingDeleted(*object)) return Remove(name, *object);
  if (object) return Realize(name, *std::move(object));
  return vanished_.Remove(name, [&] { return DeleteBridge(name); });
}

absl::Status NetworkController::Realize(const ResourceName& name, Resource object) {
  // Before the bridge, so that there is never a bridge whose Network can go without it.
  auto held = ChangeObject(*deps_.store, Kind(), object, ObjectPart::kAllButStatus,
                           [this](Resource* o) { return AddFinalizer(o, finalizer_); });
  if (absl::IsNotFound(held.status())) return absl::OkStatus();
  XPU_RETURN_IF_ERROR(held.status());
  object = *std::move(held);

  absl::Status outcome;
  absl::Status gateway;
  api::v1alpha1::NetworkSpec spec;
  if (absl::StatusOr<Network> network = api::Decode<Network>(object); !network.ok()) {
    outcome = network.status();
  } else {
    spec = network->spec();
    outcome = EnsureBridge(name, static_cast<uint32_t>(spec.vni()));
    if (outcome.ok()) {
      agent::v1::Subnets subnets;
      subnets.set_logical_bridge(LogicalBridgeName(BridgeId(name)));
      for (const std::string& prefix : network->spec().prefixes()) subnets.add_prefixes(prefix);
      for (const std::string& gateway : network->spec().gateways()) subnets.add_gateways(gateway);
      subnets.set_mtu(static_cast<uint32_t>(network->spec().mtu()));
      if (network->spec().has_dns()) {
        const api::v1alpha1::NetworkDns& dns = network->spec().dns();
        *subnets.mutable_dns()->mutable_servers() = dns.servers();
        subnets.mutable_dns()->set_domain(dns.domain());
        *subnets.mutable_dns()->mutable_search() = dns.search();
      }
      if (deps_.before_prefixes) outcome = deps_.before_prefixes(name);
      if (outcome.ok()) outcome = deps_.opi->SetSubnets(subnets).status();
    }
  }
  if (outcome.ok()) {
    // Ports reach each other without it.
    gateway = gateway_.Ensure(name, spec);
    const int64_t generation = GenerationOf(object);
    bool news = false;
    {
      absl::MutexLock lock(&mu_);
      news = std::exchange(bridges_[name], generation) != generation;
    }
    if (news) deps_.bridge_ready(name);
  }
  if (!gateway.ok()) outcome = Annotate(gateway, "gateway");
  return WriteOutcome(object, outcome);
}

absl::Status NetworkController::EnsureBridge(const ResourceName& name, uint32_t vni) {
  const std::string id = BridgeId(name);
  absl::StatusOr<evpn::LogicalBridge> there = deps_.opi->GetLogicalBridge(LogicalBridgeName(id));
  if (there.ok() && there->spec().vni() == vni) return absl::OkStatus();
  // A VNI never changes, so this is the bridge of an earlier Network of that name.
  if (there.ok()) XPU_RETURN_IF_ERROR(DeleteBridge(name));
  if (!there.ok() && !absl::IsNotFound(there.status())) return there.status();
  XPU_ASSIGN_OR_RETURN(const uint32_t vlan, FreeVlan());
  evpn::LogicalBridgeSpec spec;
  spec.set_vlan_id(vlan);
  spec.set_vni(vni);
  return deps_.opi->CreateLogicalBridge(id, spec).status();
}

absl::StatusOr<uint32_t> NetworkController::FreeVlan() {
  XPU_ASSIGN_OR_RETURN(const std::vector<evpn::LogicalBridge> bridges, deps_.opi->ListLogicalBridges());
  std::set<uint32_t> taken;
  for (const evpn::LogicalBridge& bridge : bridges) taken.insert(bridge.spec().vlan_id());
  for (uint32_t vlan = 1; vlan <= kMaxVlan; ++vlan) {
    if (!taken.contains(vlan)) return vlan;
  }
  return absl::ResourceExhaustedError(absl::StrCat("the card has a logical bridge for each of the ", kMaxVlan,
                                                   " VLANs; delete a Network first"));
}

absl::Status NetworkController::DeleteBridge(const ResourceName& name) {
  const std::string bridge = LogicalBridgeName(BridgeId(name));
  absl::Status deleted = deps_.opi->DeleteLogicalBridge(bridge);
  if (absl::IsFailedPrecondition(deleted)) {
    // The gateway goes last: ports that are still there use it.
    XPU_RETURN_IF_ERROR(CheckNoPorts(bridge));
    XPU_RETURN_IF_ERROR(gateway_.Remove(name));
    deleted = deps_.opi->DeleteLogicalBridge(bridge);
  }
  XPU_RETURN_IF_ERROR(deleted);
  {
    absl::MutexLock lock(&mu_);
    bridges_.erase(name);
  }
  return gateway_.DeleteUnusedVrfs();
}

absl::Status NetworkController::CheckNoPorts(const std::string& bridge) {
  XPU_ASSIGN_OR_RETURN(const std::vector<evpn::BridgePort> ports, deps_.opi->ListBridgePorts());
  std::vector<std::string> users;
  for (const evpn::BridgePort& port : ports) {
    const auto& bridges = port.spec().logical_bridges();
    if (std::find(bridges.begin(), bridges.end(), bridge) == bridges.end()) continue;
    const absl::StatusOr<std::string> id = BridgePortId(port.name());
    users.push_back(id.ok() ? *id : port.name());
  }
  if (users.empty()) return absl::OkStatus();
  return absl::FailedPreconditionError(absl::StrCat("ports are still in it: ", absl::StrJoin(users, ", "),
                                                    "; it goes when their pods are gone"));
}

absl::Status NetworkController::Remove(const ResourceName& name, const Resource& object) {
  if (const absl::Status deleted = DeleteBridge(name); !deleted.ok()) return WriteOutcome(object, deleted);
  const absl::Status released =
      ChangeObject(*deps_.store, Kind(), object, ObjectPart::kAllButStatus, [this](Resource* o) {
        return RemoveFinalizer(o, finalizer_);
      }).status();
  return absl::IsNotFound(released) ? absl::OkStatus() : released;
}

absl::Status NetworkController::WriteOutcome(const Resource& object, const absl::Status& outcome) {
  if (IsNoAnswer(outcome) && StaysConfirmed(object, card_)) return outcome;
  int64_t ports = 0;
  int64_t addresses = 0;
  const absl::StatusOr<std::vector<agent::v1::PortBinding>> bindings = deps_.opi->ListPortBindings();
  if (outcome.ok()) XPU_RETURN_IF_ERROR(bindings.status());
  if (bindings.ok()) {
    for (const agent::v1::PortBinding& binding : *bindings) {
      if (binding.logical_bridge() != LogicalBridgeName(BridgeId(NameOf(object)))) continue;
      ++ports;
      addresses += binding.addresses_size();
    }
  }
  ReadyChange ready([this](const Resource& o) { return ReadyOnCard(o, card_); });
  const auto change = ready.Of([&](Resource* o) {
    // Changed meanwhile: what was found is about another spec, and the next turn is about this one.
    if (GenerationOf(*o) != GenerationOf(object)) return false;
    const Resource before = *o;
    Resource& entry = CardEntry(o, card_);
    if (bindings.ok()) {
      entry["ports"] = ports;
      entry["addresses"] = addresses;
    }
    if (outcome.ok()) entry["confirmedGeneration"] = GenerationOf(object);
    SetReadyOfCard(o, card_, outcome, deps_.clock->Now());
    return *o != before;
  });
  Resource wanted = object;
  absl::Status written;
  if (change(&wanted)) {
    // The entry is this card's alone, and changes with each pod: applied, it never meets the entries of other
    // cards. The condition is everybody's, and follows from what all of them say is wrong: both are only
    // changed as they were read.
    const bool entry_only = GetCondition(wanted, "Ready") == GetCondition(object, "Ready") &&
                            ProblemOnCard(wanted, card_) == ProblemOnCard(object, card_);
    written = entry_only ? ApplyEntry(*deps_.store, object, card_, CardEntry(&wanted, card_))
                         : ChangeObject(*deps_.store, Kind(), object, ObjectPart::kStatus, change).status();
  }
  if (!written.ok() && !absl::IsNotFound(written)) return written;
  if (written.ok()) ready.TellOf(object, deps_.tell_ready);
  return RetryFor(outcome);
}

}  // namespace xpu
