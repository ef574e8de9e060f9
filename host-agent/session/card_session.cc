#include "host-agent/session/card_session.h"

#include <functional>
#include <map>
#include <utility>

#include "absl/strings/str_cat.h"
#include "common/base/status_macros.h"
#include "common/opi/bandwidth.h"
#include "common/opi/opi_client.h"
#include "common/opi/opi_names.h"
#include "spdlog/spdlog.h"

namespace xpu {
namespace {

using Namespaces = std::map<std::string, std::string>;

// The Network's bridge on the card. NotFound: no Network of that namespace can be there, and what has its
// name is somebody else's.
absl::StatusOr<std::string> LogicalBridgeOf(const Namespaces& namespaces, const Attachment& attachment) {
  std::string ns = attachment.network_namespace;
  if (!namespaces.empty()) {
    const auto there = namespaces.find(ns);
    if (there == namespaces.end()) {
      return absl::NotFoundError(absl::StrCat("there is no Network ", ns, "/", attachment.network,
                                              " for this host: its configuration's namespaces do not name ",
                                              ns));
    }
    ns = there->second;
  }
  return LogicalBridgeName(absl::StrCat(ns, ".", attachment.network));
}

absl::StatusOr<Confirmation> ReadBinding(const agent::v1::PortBinding& binding) {
  Confirmation confirmation;
  for (const std::string& text : binding.addresses()) {
    XPU_ASSIGN_OR_RETURN(confirmation.addresses.emplace_back(), InterfaceAddress::Parse(text));
  }
  for (const std::string& text : binding.gateways()) {
    XPU_ASSIGN_OR_RETURN(confirmation.gateways.emplace_back(), IpAddress::Parse(text));
  }
  confirmation.mtu = binding.mtu();
  return confirmation;
}

bool IsInNetworkOf(const Namespaces& namespaces, const Attachment& attachment,
                   const agent::v1::PortBinding& binding) {
  if (attachment.vlan) return binding.has_vlan() && binding.vlan() == *attachment.vlan;
  const absl::StatusOr<std::string> bridge = LogicalBridgeOf(namespaces, attachment);
  return !binding.has_vlan() && bridge.ok() && binding.logical_bridge() == *bridge;
}

CardPorts ToCardPorts(const agent::v1::PortStates& states) {
  CardPorts ports;
  for (const agent::v1::PortState& state : states.ports()) {
    if (state.healthy()) {
      ports.healthy.insert(state.port());
    } else {
      ports.unhealthy[state.port()] = state.reason();
    }
  }
  return ports;
}

// Whether the card limits the pod as it asked to be.
bool IsLimitedAs(const Attachment& attachment, const agent::v1::PortBinding& binding) {
  return FromOpi(binding.pod_bandwidth()) == attachment.bandwidth;
}

// Whether the card holds what the row says.
bool Agrees(const Namespaces& namespaces, const ClaimRow& row, const agent::v1::PortBinding& binding) {
  if (row.state != ClaimState::kAttached || !row.confirmed || row.claim != binding.claim()) return false;
  if (!IsInNetworkOf(namespaces, *row.attachment, binding)) return false;
  if (!IsLimitedAs(*row.attachment, binding)) return false;
  const absl::StatusOr<Confirmation> read = ReadBinding(binding);
  return read.ok() && read->addresses == row.addresses && binding.mac_address() == row.mac.ToBytes();
}

uint64_t SeedOf(const std::string& name) { return std::hash<std::string>()(name); }

// What ends a claim; `port` as OPI names it.
agent::v1::UnbindPortRequest ReleaseOf(const std::string& port, int64_t claim) {
  agent::v1::UnbindPortRequest request;
  request.set_bridge_port(port);
  request.set_claim(claim);
  request.set_release(true);
  return request;
}

}  // namespace

CardSession::CardSession(Options options, OpiClient& client, Allocator& allocator, Settle settle)
    : options_(std::move(options)),
      client_(client),
      allocator_(allocator),
      settle_(std::move(settle)),
      backoff_(options_.backoff, SeedOf(options_.card)) {}

CardSession::~CardSession() { Stop(); }

void CardSession::Stop() {
  client_.ObserveConnection(nullptr);
  if (options_.ports_changed != nullptr) client_.WatchPorts(nullptr);
  {
    absl::MutexLock lock(&mu_);
    stop_ = true;
  }
  if (thread_.joinable()) thread_.join();
}

void CardSession::Start() {
  thread_ = std::thread([this] { Run(); });
  client_.ObserveConnection([this](bool connected) { ConnectionChanged(connected); });
  if (options_.ports_changed == nullptr) return;
  client_.WatchPorts([this](const absl::StatusOr<agent::v1::PortStates>& states) {
    options_.ports_changed(states.ok() ? absl::StatusOr<CardPorts>(ToCardPorts(*states))
                                       : absl::StatusOr<CardPorts>(states.status()));
  });
}

absl::Status CardSession::Prepare(const ClaimRow& row) {
  evpn::BridgePortSpec spec;
  spec.set_mac_address(row.mac.ToBytes());
  spec.set_ptype(evpn::BRIDGE_PORT_TYPE_ACCESS);
  const absl::Status status = client_.CreateBridgePort(row.port, spec, row.claim).status();
  if (!status.ok()) return Annotate(status, absl::StrCat("card ", card(), ", port ", row.port));
  Succeeded();
  return absl::OkStatus();
}

absl::StatusOr<Confirmation> CardSession::Bind(const ClaimRow& row) {
  agent::v1::BindPortRequest request;
  request.set_bridge_port(BridgePortName(row.port));
  if (row.attachment->vlan) {
    request.set_vlan(*row.attachment->vlan);
  } else {
    const absl::StatusOr<std::string> bridge = LogicalBridgeOf(options_.namespaces, *row.attachment);
    if (!bridge.ok()) return Annotate(bridge.status(), absl::StrCat("card ", card()));
    request.set_logical_bridge(*bridge);
  }
  request.set_mac_address(row.mac.ToBytes());
  for (const InterfaceAddress& address : row.addresses) {
    request.add_addresses(row.attachment->vlan ? address.ToString() : address.address.ToString());
  }
  request.set_claim(row.claim);
  if (row.attachment->bandwidth.has_limits()) {
    *request.mutable_pod_bandwidth() = ToOpi(row.attachment->bandwidth);
  }
  const absl::StatusOr<agent::v1::PortBinding> binding = client_.BindPort(request);
  if (!binding.ok()) {
    absl::Status status = binding.status();
    // The answer does not say which of the two names is wrong.
    if (absl::IsNotFound(status) &&
        (row.attachment->vlan || client_.GetLogicalBridge(request.logical_bridge()).ok())) {
      status = absl::FailedPreconditionError(status.message());
    }
    return Annotate(status, absl::StrCat("card ", card(), ", port ", row.port));
  }
  Succeeded();
  if (request.has_pod_bandwidth() && !IsLimitedAs(*row.attachment, *binding)) {
    return absl::FailedPreconditionError(absl::StrCat(
        "card ", card(), ", port ", row.port,
        ": its xPU agent is of a version that does not limit what pods ask for (runtimeConfig.bandwidth); "
        "upgrade it, or remove the pod's annotations kubernetes.io/ingress-bandwidth and "
        "kubernetes.io/egress-bandwidth"));
  }
  absl::StatusOr<Confirmation> confirmation = ReadBinding(*binding);
  if (!confirmation.ok()) {
    return absl::InternalError(absl::StrCat("card ", card(), " answered what cannot be read for port ",
                                            row.port, ": ", confirmation.status().message()));
  }
  return confirmation;
}

absl::Status CardSession::CheckBinding(const ClaimRow& row) {
  const absl::StatusOr<std::vector<agent::v1::PortBinding>> bindings = client_.ListPortBindings();
  if (!bindings.ok()) {
    return Annotate(bindings.status(), absl::StrCat("card ", card(), ", port ", row.port));
  }
  for (const agent::v1::PortBinding& binding : *bindings) {
    if (binding.bridge_port() != BridgePortName(row.port)) continue;
    if (Agrees(options_.namespaces, row, binding)) return absl::OkStatus();
    return absl::FailedPreconditionError(absl::StrCat("card ", card(), ": port ", row.port,
                                                      " is bound otherwise: ", binding.ShortDebugString()));
  }
  return absl::FailedPreconditionError(
      absl::StrCat("card ", card(), ": port ", row.port, " is in no network"));
}

absl::Status CardSession::Release(const ClaimRow& row) {
  agent::v1::UnbindPortRequest request = ReleaseOf(BridgePortName(row.port), row.claim);
  // The function is on its way home or there. While it moves, the kernel holds a lock that the switch has to
  // wait for.
  request.set_answer_when_stored(true);
  const absl::Status status = client_.UnbindPort(request);
  if (!status.ok() && !absl::IsAborted(status)) {
    return Annotate(status, absl::StrCat("card ", card(), ", port ", row.port));
  }
  Succeeded();
  return absl::OkStatus();
}

void CardSession::TryAgainLater() {
  absl::MutexLock lock(&mu_);
  if (compare_at_ != absl::InfiniteFuture()) return;
  compare_at_ = (options_.clock != nullptr ? *options_.clock : Clock::Real()).Now() + backoff_.Next();
}

void CardSession::Succeeded() {
  absl::MutexLock lock(&mu_);
  backoff_.Reset();
}

void CardSession::ConnectionChanged(bool connected) {
  absl::MutexLock lock(&mu_);
  if (connected == connected_) return;
  connected_ = connected;
  compare_now_ = connected;
  if (connected) {
    spdlog::info("card {}: its xPU agent can be reached", card());
  } else {
    spdlog::warn("card {}: its xPU agent cannot be reached; pods that go are taken off it when it is back",
                 card());
  }
}

void CardSession::Run() {
  while (true) {
    {
      absl::MutexLock lock(&mu_);
      const auto wanted = [this] {
        mu_.AssertReaderHeld();
        return stop_ || compare_now_ || compare_at_ != absl::InfiniteFuture();
      };
      mu_.Await(absl::Condition(&wanted));
      // A delay that runs is cut short by a connection that is back, not by further failures.
      const auto at_once = [this] {
        mu_.AssertReaderHeld();
        return stop_ || compare_now_;
      };
      mu_.AwaitWithDeadline(absl::Condition(&at_once), compare_at_);
      if (stop_) return;
      compare_now_ = false;
      compare_at_ = absl::InfiniteFuture();
      // The connection's return starts it again.
      if (!connected_) continue;
    }
    if (const absl::Status status = Compare(); !status.ok()) {
      spdlog::warn("card {}: what it holds could not be read, trying again: {}", card(), status.ToString());
      TryAgainLater();
    }
  }
}

absl::Status CardSession::Compare() {
  // In this order: a row that comes after the list was read has no binding in it, but one that goes after the
  // rows were read would look like a claim that nobody holds.
  XPU_ASSIGN_OR_RETURN(const std::vector<agent::v1::PortBinding> bindings, client_.ListPortBindings());
  std::map<std::string, ClaimRow> rows;
  for (ClaimRow& row : allocator_.Rows()) {
    if (row.card == card()) rows.emplace(BridgePortName(row.port), std::move(row));
  }
  std::map<std::string, const agent::v1::PortBinding*> bound;
  for (const agent::v1::PortBinding& binding : bindings) {
    bound.emplace(binding.bridge_port(), &binding);
    // Without a claim it is not a host agent's.
    if (binding.claim() == 0 || rows.contains(binding.bridge_port())) continue;
    spdlog::warn("card {}: releasing {}, whose claim {} is in no journal", card(), binding.bridge_port(),
                 binding.claim());
    // Aborted: a newer claim has come meanwhile, which is what was to be made way for.
    absl::Status status = client_.UnbindPort(ReleaseOf(binding.bridge_port(), binding.claim()));
    if (!status.ok() && !absl::IsAborted(status)) return status;
  }
  for (const auto& [port, row] : rows) {
    const auto binding = bound.find(port);
    if (binding == bound.end() || !Agrees(options_.namespaces, row, *binding->second)) settle_(row.function);
  }
  return absl::OkStatus();
}

}  // namespace xpu
