#include "xpu-agent/controllers/service_chain_controller.h"

#include <algorithm>
#include <map>
#include <utility>

#include "absl/strings/str_cat.h"
#include "common/api/api.h"
#include "common/base/mac_address.h"
#include "common/base/status_macros.h"
#include "common/kube/change_object.h"
#include "common/kube/metadata.h"
#include "common/opi/opi_client.h"
#include "common/opi/opi_names.h"
#include "xpu-agent/controllers/card_status.h"
#include "xpu-agent/controllers/network_controller.h"
#include "xpu-agent/controllers/outcome.h"
#include "xpu/api/v1alpha1/netdev.pb.h"
#include "xpu/api/v1alpha1/service_chain.pb.h"

namespace xpu {
namespace {

using api::v1alpha1::Netdev;
using api::v1alpha1::ServiceChain;
using api::v1alpha1::ServiceFunction;

const ResourceKind& Kind() { return api::KindOf<ServiceChain>().resource; }

// A Netdev that can be a function's port.
struct Candidate {
  std::string netdev;
  agent::v1::ChainPort port;
};
// The candidates of a Network by pod. The first by name counts, so that the choice is the same each time.
using Candidates = std::map<std::string, std::map<std::string, Candidate>>;

Candidates CandidatesAmong(const std::vector<Resource>& netdevs) {
  Candidates candidates;
  for (const Resource& object : netdevs) {
    const ResourceName name = NameOf(object);
    if (IsBeingDeleted(object)) continue;
    const absl::StatusOr<Netdev> netdev = api::Decode<Netdev>(object);
    if (!netdev.ok()) continue;
    const absl::StatusOr<MacAddress> mac = MacAddress::Parse(netdev->spec().mac());
    if (!mac.ok()) continue;
    Candidate candidate{.netdev = name.name, .port = {}};
    candidate.port.set_bridge_port(BridgePortName(netdev->spec().port()));
    candidate.port.set_mac_address(mac->ToBytes());
    candidate.port.set_claim(netdev->spec().claim());
    candidates[netdev->spec().pod().name()].emplace(name.name, std::move(candidate));
  }
  return candidates;
}

// Why no port can be what the function says, however many there are.
absl::Status CheckFunction(const ServiceFunction& function, const std::string& network) {
  if (function.input() == function.output()) {
    return absl::InvalidArgumentError(
        absl::StrCat("its input and its output are both Network ", function.output(), "; give each its own"));
  }
  if (function.input() != network && function.output() != network) return absl::OkStatus();
  return absl::InvalidArgumentError(absl::StrCat("Network ", network,
                                                 " is the one that the chain is for; make others for the "
                                                 "interfaces of its functions"));
}

absl::Status NoPodFor(const ServiceFunction& function) {
  const std::string who = function.pod().empty() ? "no pod" : absl::StrCat("no pod ", function.pod());
  return absl::NotFoundError(absl::StrCat(who, " on this card has an interface in each of the Networks ",
                                          function.input(), " and ", function.output(), "; nothing passes"));
}

}  // namespace

struct ServiceChainController::Placed {
  std::string name;
  Candidate input;
  Candidate output;
  // OK if it has both.
  absl::Status status;
};

struct ServiceChainController::Outcome {
  absl::Status status;
  // What to write of this card; nothing if the agent has said nothing.
  std::optional<Resource> functions;
  // Only a change of a resource can help, which brings the object back.
  bool waits = false;
};

ServiceChainController::ServiceChainController(std::string card, Deps deps)
    : card_(std::move(card)),
      finalizer_(absl::StrCat("xpu.opiproject.org/", card_, "-chain")),
      deps_(std::move(deps)) {}

bool ServiceChainController::IsNews(const Resource& before, const Resource& now) const {
  return IsNewsForCard(before, now, card_, finalizer_);
}

std::set<std::string> ServiceChainController::NetworksOf(const Resource& chain) {
  const absl::StatusOr<ServiceChain> decoded = api::Decode<ServiceChain>(chain);
  if (!decoded.ok()) return {};
  std::set<std::string> networks = {decoded->spec().network()};
  for (const ServiceFunction& function : decoded->spec().functions()) {
    networks.insert(function.input());
    networks.insert(function.output());
  }
  return networks;
}

absl::Status ServiceChainController::Reconcile(const ResourceName& name) {
  std::optional<Resource> object = deps_.get(name);
  if (!object) return vanished_.Remove(name, [&] { return RemoveFunctions(name); });
  bool is_here = true;
  // One that cannot be read may be meant for this card.
  if (const absl::StatusOr<ServiceChain> chain = api::Decode<ServiceChain>(*object); chain.ok()) {
    const auto& cards = chain->spec().cards();
    is_here = cards.empty() || std::find(cards.begin(), cards.end(), card_) != cards.end();
  }
  return is_here && !IsBeingDeleted(*object) ? Realize(name, *std::move(object)) : Remove(name, *object);
}

absl::Status ServiceChainController::Realize(const ResourceName& name, Resource object) {
  // Before the functions, so that there never are some whose chain can go without them.
  auto held = ChangeObject(*deps_.store, Kind(), object, ObjectPart::kAllButStatus,
                           [this](Resource* o) { return AddFinalizer(o, finalizer_); });
  if (absl::IsNotFound(held.status())) return absl::OkStatus();
  XPU_RETURN_IF_ERROR(held.status());
  object = *std::move(held);
  return WriteOutcome(object, Act(name, object));
}

ServiceChainController::Outcome ServiceChainController::Act(const ResourceName& name,
                                                            const Resource& object) {
  const absl::StatusOr<ServiceChain> chain = api::Decode<ServiceChain>(object);
  if (!chain.ok()) return {.status = chain.status(), .functions = std::nullopt, .waits = true};
  const std::string& network = chain->spec().network();
  std::map<std::string, Candidates> candidates;
  for (const std::string& member : NetworksOf(object))
    candidates[member] = CandidatesAmong(deps_.netdevs_in({name.ns, member}));
  std::vector<Placed> placed;
  for (const ServiceFunction& function : chain->spec().functions()) {
    Placed& one =
        placed.emplace_back(Placed{.name = function.name(), .input = {}, .output = {}, .status = {}});
    one.status = CheckFunction(function, network);
    if (!one.status.ok()) continue;
    auto& outputs = candidates[function.output()];
    for (auto& [pod, inputs] : candidates[function.input()]) {
      const auto of_pod = outputs.find(pod);
      if (of_pod == outputs.end() || (!function.pod().empty() && function.pod() != pod)) continue;
      // What one function has is no other's.
      if (inputs.empty() || of_pod->second.empty()) continue;
      one.input = std::move(inputs.extract(inputs.begin()).mapped());
      one.output = std::move(of_pod->second.extract(of_pod->second.begin()).mapped());
      break;
    }
    if (!one.input.netdev.empty()) continue;
    one.status = NoPodFor(function);
  }

  agent::v1::SetChainRequest request;
  request.set_chain_id(NetworkController::BridgeId(name));
  request.set_logical_bridge(LogicalBridgeName(NetworkController::BridgeId({name.ns, network})));
  for (const Placed& one : placed) {
    agent::v1::ChainFunction& function = *request.add_functions();
    function.set_id(one.name);
    *function.mutable_input() = one.input.port;
    *function.mutable_output() = one.output.port;
  }
  const absl::StatusOr<agent::v1::SetChainResponse> set = deps_.opi->SetChain(request);
  if (!set.ok()) return {.status = set.status(), .functions = std::nullopt, .waits = false};
  Outcome outcome{.status = absl::OkStatus(), .functions = Resource::array(), .waits = false};
  for (size_t i = 0; i < placed.size(); ++i) {
    absl::Status status = placed[i].status;
    const bool answered = static_cast<int>(i) < set->network_functions_size();
    if (status.ok() && (!answered || !set->network_functions(static_cast<int>(i)).up())) {
      status = absl::InternalError(answered ? set->network_functions(static_cast<int>(i)).reason()
                                            : "the card's agent says nothing of it");
    }
    Resource shown = {{"name", placed[i].name}, {"up", status.ok()}};
    if (!placed[i].input.netdev.empty()) {
      shown["input"] = placed[i].input.netdev;
      shown["output"] = placed[i].output.netdev;
    }
    if (!status.ok()) shown["message"] = std::string(status.message());
    outcome.functions->push_back(std::move(shown));
    if (status.ok() || !outcome.status.ok()) continue;
    outcome.status = Annotate(status, absl::StrCat("function ", placed[i].name));
    outcome.waits = !placed[i].status.ok();
  }
  return outcome;
}

absl::Status ServiceChainController::RemoveFunctions(const ResourceName& name) {
  agent::v1::SetChainRequest none;
  none.set_chain_id(NetworkController::BridgeId(name));
  const absl::Status removed = deps_.opi->SetChain(none).status();
  // An OPI agent that knows no chains has none to remove.
  return absl::IsUnimplemented(removed) ? absl::OkStatus() : removed;
}

absl::Status ServiceChainController::Remove(const ResourceName& name, const Resource& object) {
  if (!HasFinalizer(object, finalizer_)) return absl::OkStatus();
  if (const absl::Status removed = RemoveFunctions(name); !removed.ok())
    return WriteOutcome(object, {.status = removed, .functions = std::nullopt, .waits = false});
  // The others go on with it.
  if (!IsBeingDeleted(object)) {
    const absl::Status left =
        ChangeObject(*deps_.store, Kind(), object, ObjectPart::kStatus, [this](Resource* o) {
          return RemoveCardEntry(o, card_);
        }).status();
    if (!left.ok() && !absl::IsNotFound(left)) return left;
  }
  const absl::Status released =
      ChangeObject(*deps_.store, Kind(), object, ObjectPart::kAllButStatus, [this](Resource* o) {
        return RemoveFinalizer(o, finalizer_);
      }).status();
  return absl::IsNotFound(released) ? absl::OkStatus() : released;
}

absl::Status ServiceChainController::WriteOutcome(const Resource& object, const Outcome& outcome) {
  if (IsNoAnswer(outcome.status) && StaysConfirmed(object, card_)) return outcome.status;
  ReadyChange ready([this](const Resource& o) { return ReadyOnCard(o, card_); });
  const absl::Status written =
      ChangeObject(*deps_.store, Kind(), object, ObjectPart::kStatus, ready.Of([&](Resource* o) {
        // Changed meanwhile: what was found is about another spec, and the next turn is about this one.
        if (GenerationOf(*o) != GenerationOf(object)) return false;
        const Resource before = *o;
        Resource& entry = CardEntry(o, card_);
        if (outcome.functions.has_value()) {
          entry["functions"] = *outcome.functions;
          entry["confirmedGeneration"] = GenerationOf(object);
        }
        SetReadyOfCard(o, card_, outcome.status, deps_.clock->Now());
        return *o != before;
      })).status();
  if (!written.ok() && !absl::IsNotFound(written)) return written;
  if (written.ok()) ready.TellOf(object, deps_.tell_ready);
  return outcome.waits ? absl::OkStatus() : RetryFor(outcome.status);
}

}  // namespace xpu
