#include "xpu-agent/controllers/netdev_controller.h"

#include <algorithm>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "common/api/api.h"
#include "common/base/mac_address.h"
#include "common/base/status_macros.h"
#include "common/kube/change_object.h"
#include "common/kube/metadata.h"
#include "common/opi/opi_client.h"
#include "common/opi/opi_names.h"
#include "xpu-agent/controllers/network_controller.h"
#include "xpu-agent/controllers/outcome.h"
#include "xpu/api/v1alpha1/netdev.pb.h"

namespace xpu {
namespace {

using api::v1alpha1::Netdev;

constexpr char kIsolated[] = "Isolated";
constexpr char kAttached[] = "Attached";
constexpr char kFailed[] = "Failed";

const ResourceKind& Kind() { return api::KindOf<Netdev>().resource; }

// The network that the object names, in its own namespace; an empty name for none. Takes any object.
ResourceName NetworkOf(const Resource& object) {
  const auto spec = object.find("spec");
  if (spec == object.end() || !spec->is_object()) return {};
  const auto network = spec->find("network");
  if (network == spec->end() || !network->is_string()) return {};
  return {NameOf(object).ns, network->get<std::string>()};
}

bool IsIn(const evpn::BridgePort& port) { return port.spec().logical_bridges_size() > 0; }

agent::v1::Bandwidth ToOpi(const api::v1alpha1::Bandwidth& limits) {
  agent::v1::Bandwidth bandwidth;
  bandwidth.set_ingress_rate(static_cast<uint64_t>(limits.ingress_rate()));
  bandwidth.set_ingress_burst(static_cast<uint64_t>(limits.ingress_burst()));
  bandwidth.set_egress_rate(static_cast<uint64_t>(limits.egress_rate()));
  bandwidth.set_egress_burst(static_cast<uint64_t>(limits.egress_burst()));
  return bandwidth;
}

// The status that was last written is about this claim and says that the port was in a network.
bool WasAttached(const Netdev& netdev) {
  return netdev.status().state() == kAttached && netdev.status().claim() == netdev.spec().claim();
}

}  // namespace

// What came of acting on a Netdev.
struct NetdevController::Outcome {
  absl::Status status;
  // Empty: there is nothing to say; the object is out of date or has to wait for another.
  std::string state;
  agent::v1::PortBinding binding;
  // Of the status, only the condition is news.
  bool condition_only = false;
  // Its Network's own change brings the object back; nothing is gained by trying before.
  bool waits_for_network = false;
};

absl::Status NetdevController::Reconcile(const ResourceName& name) {
  std::optional<Resource> object = deps_.get(name);
  if (!object) return absl::OkStatus();
  return IsBeingDeleted(*object) ? Remove(*object) : Realize(*std::move(object));
}

bool NetdevController::IsNews(const Resource& before, const Resource& now) {
  if (IsBeingDeleted(now) || GenerationOf(before) != GenerationOf(now) || !HasFinalizer(now, kFinalizer)) {
    return true;
  }
  const ConditionValue ready = GetCondition(now, "Ready");
  const absl::StatusOr<Netdev> netdev = api::Decode<Netdev>(now);
  if (!netdev.ok() || ready.status != "True" || ready.observed_generation != GenerationOf(now)) return true;
  const bool isolated = netdev->spec().network().empty() && !netdev->spec().has_vlan();
  return netdev->status().claim() != netdev->spec().claim() ||
         netdev->status().state() != (isolated ? kIsolated : kAttached);
}

absl::Status NetdevController::Realize(Resource object) {
  // Before the port, so that there is never a port whose Netdev can go without it.
  auto held = ChangeObject(*deps_.store, Kind(), object, ObjectPart::kAllButStatus,
                           [](Resource* o) { return AddFinalizer(o, kFinalizer); });
  if (absl::IsNotFound(held.status())) return absl::OkStatus();
  XPU_RETURN_IF_ERROR(held.status());
  object = *std::move(held);

  const absl::StatusOr<Netdev> netdev = api::Decode<Netdev>(object);
  const Outcome outcome = netdev.ok() ? Act(object, *netdev) : Outcome{netdev.status(), kFailed};
  return WriteOutcome(object, outcome);
}

NetdevController::Outcome NetdevController::Act(const Resource& object, const Netdev& netdev) {
  const bool isolated = netdev.spec().network().empty() && !netdev.spec().has_vlan();
  Outcome outcome = isolated ? Isolate(netdev) : Bind(object, netdev);
  // A newer claim holds the port, or this one is over: the resource that says so is on its way.
  if (absl::IsAborted(outcome.status)) return {};
  return outcome;
}

NetdevController::Outcome NetdevController::Isolate(const Netdev& netdev) {
  const absl::StatusOr<MacAddress> mac = MacAddress::Parse(netdev.spec().mac());
  if (!mac.ok()) return {Annotate(mac.status(), "spec.mac"), kFailed};
  if (WasAttached(netdev)) {
    agent::v1::UnbindPortRequest unbind;
    unbind.set_bridge_port(BridgePortName(netdev.spec().port()));
    unbind.set_claim(netdev.spec().claim());
    if (const absl::Status unbound = deps_.opi->UnbindPort(unbind); !unbound.ok()) return {unbound, kFailed};
  }
  evpn::BridgePortSpec spec;
  spec.set_mac_address(mac->ToBytes());
  spec.set_ptype(evpn::BRIDGE_PORT_TYPE_ACCESS);
  const absl::StatusOr<evpn::BridgePort> port =
      deps_.opi->CreateBridgePort(netdev.spec().port(), spec, netdev.spec().claim());
  if (!port.ok()) return {port.status(), kFailed};
  // Bound already, over OPI: the resource that names the network has yet to come, and this one is out of
  // date.
  if (IsIn(*port)) return {};
  Outcome isolated{absl::OkStatus(), kIsolated};
  isolated.binding.set_mac_address(port->spec().mac_address());
  return isolated;
}

NetdevController::Outcome NetdevController::Bind(const Resource& object, const Netdev& netdev) {
  const ResourceName network = NetworkOf(object);
  if (!netdev.spec().has_vlan() && !deps_.has_bridge(network)) {
    const std::optional<Resource> resource = deps_.get_network(network);
    if (!resource) {
      return {.status = absl::NotFoundError(
                  absl::StrCat("there is no Network ", network.ToString(), "; create it")),
              .state = kFailed,
              .binding = {},
              .waits_for_network = true};
    }
    const ConditionValue ready = GetCondition(*resource, "Ready");
    // Not yet looked at: it will be, and then this Netdev again.
    if (ready.status != "False") return {};
    return {.status = absl::FailedPreconditionError(
                absl::StrCat("Network ", network.ToString(), " is not ready: ", ready.message)),
            .state = kFailed,
            .binding = {},
            .waits_for_network = true};
  }
  const absl::StatusOr<MacAddress> mac = MacAddress::Parse(netdev.spec().mac());
  if (!mac.ok()) return {Annotate(mac.status(), "spec.mac"), kFailed};
  agent::v1::BindPortRequest request;
  request.set_bridge_port(BridgePortName(netdev.spec().port()));
  if (netdev.spec().has_vlan()) {
    request.set_vlan(netdev.spec().vlan());
  } else {
    request.set_logical_bridge(LogicalBridgeName(NetworkController::BridgeId(network)));
  }
  request.set_mac_address(mac->ToBytes());
  for (const std::string& address : netdev.spec().addresses()) request.add_addresses(address);
  request.set_claim(netdev.spec().claim());
  // Also when there is none: a limit that was taken out of the spec goes.
  *request.mutable_bandwidth() = ToOpi(netdev.spec().bandwidth());
  if (netdev.spec().has_pod_bandwidth())
    *request.mutable_pod_bandwidth() = ToOpi(netdev.spec().pod_bandwidth());
  absl::StatusOr<agent::v1::PortBinding> bound = deps_.opi->BindPort(request);
  const bool spec_changed = GetCondition(object, "Ready").observed_generation != GenerationOf(object);
  if (absl::IsAlreadyExists(bound.status()) && WasAttached(netdev) && spec_changed) {
    // The port is bound as an earlier generation of this very object wanted it.
    agent::v1::UnbindPortRequest unbind;
    unbind.set_bridge_port(request.bridge_port());
    unbind.set_claim(request.claim());
    if (const absl::Status unbound = deps_.opi->UnbindPort(unbind); !unbound.ok()) return {unbound, kFailed};
    bound = deps_.opi->BindPort(request);
  }
  if (!bound.ok()) return {bound.status(), kFailed};
  return {absl::OkStatus(), kAttached, *std::move(bound)};
}

absl::Status NetdevController::Remove(const Resource& object) {
  if (!HasFinalizer(object, kFinalizer)) return absl::OkStatus();
  if (const absl::Status released = Release(object); !released.ok()) {
    return WriteOutcome(object,
                        {.status = released, .state = kFailed, .binding = {}, .condition_only = true});
  }
  TellNetworks(NameOf(object), NetworkOf(object));
  TellNetworks(NameOf(object), {});
  const absl::Status done =
      ChangeObject(*deps_.store, Kind(), object, ObjectPart::kAllButStatus, [](Resource* o) {
        return RemoveFinalizer(o, kFinalizer);
      }).status();
  return absl::IsNotFound(done) ? absl::OkStatus() : done;
}

absl::Status NetdevController::Release(const Resource& object) {
  const absl::StatusOr<Netdev> netdev = api::Decode<Netdev>(object);
  // What cannot be read was never acted on.
  if (!netdev.ok()) return absl::OkStatus();
  agent::v1::UnbindPortRequest request;
  request.set_bridge_port(BridgePortName(netdev->spec().port()));
  request.set_claim(netdev->spec().claim());
  request.set_release(true);
  const absl::Status released = deps_.opi->UnbindPort(request);
  // A newer claim holds the port: this one is over anyway.
  return absl::IsAborted(released) ? absl::OkStatus() : released;
}

// All but the conditions.
void NetdevController::SetStatus(Resource* object, const Outcome& outcome) {
  Netdev message;
  api::v1alpha1::NetdevStatus& status = *message.mutable_status();
  const agent::v1::PortBinding& binding = outcome.binding;
  status.set_state(outcome.state);
  status.set_claim((*object)["spec"].value("claim", int64_t{0}));
  *status.mutable_addresses() = binding.addresses();
  *status.mutable_gateways() = binding.gateways();
  status.set_mtu(binding.mtu());
  const absl::StatusOr<MacAddress> mac = MacAddress::FromBytes(binding.mac_address());
  if (mac.ok()) status.set_mac(mac->ToString());
  Resource fresh = api::Encode(message)["status"];
  Resource& old = (*object)["status"];
  if (old.is_object() && old.contains("conditions")) fresh["conditions"] = old["conditions"];
  old = std::move(fresh);
}

absl::Status NetdevController::WriteOutcome(const Resource& object, const Outcome& outcome) {
  if (outcome.state.empty()) return absl::OkStatus();
  // While the agent does not answer, what was confirmed is still what the switch does.
  if (IsNoAnswer(outcome.status) && GetCondition(object, "Ready").status == "True") return outcome.status;
  bool changed = false;
  ReadyChange ready;
  const auto write = ready.Of([&](Resource* o) {
    changed = false;
    // Changed meanwhile: what was found is about another spec, and the next turn is about this one.
    if (GenerationOf(*o) != GenerationOf(object)) return false;
    const Resource before = *o;
    if (!outcome.condition_only) SetStatus(o, outcome);
    SetCondition(o, ReadyCondition(*o, outcome.status, std::string(outcome.status.message())),
                 deps_.clock->Now());
    changed = *o != before;
    return changed;
  });
  const absl::Status written =
      ChangeObject(*deps_.store, Kind(), object, ObjectPart::kStatus, write).status();
  if (!written.ok() && !absl::IsNotFound(written)) return written;
  if (written.ok()) ready.TellOf(object, deps_.tell_ready);
  if (changed) TellNetworks(NameOf(object), NetworkOf(object));
  return outcome.waits_for_network ? absl::OkStatus() : RetryFor(outcome.status);
}

void NetdevController::TellNetworks(const ResourceName& name, const ResourceName& network) {
  ResourceName before;
  {
    absl::MutexLock lock(&mu_);
    const auto it = networks_.try_emplace(name).first;
    before = std::exchange(it->second, network);
    if (network.name.empty()) networks_.erase(it);
  }
  if (!before.name.empty() && before != network) deps_.ports_changed(before);
  if (!network.name.empty()) deps_.ports_changed(network);
}

}  // namespace xpu
