#include "host-agent/service/host_agent.h"

#include <algorithm>
#include <filesystem>
#include <map>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "common/base/folder_watch.h"
#include "common/base/status_macros.h"
#include "common/loop_rpc/loop_rpc_server.h"
#include "common/opi/opi_client.h"
#include "common/sys/files.h"
#include "common/vendor_plugin/loop_methods.h"
#include "common/vendor_plugin/vendor_plugin.h"
#include "host-agent/alloc/allocator.h"
#include "host-agent/attach/attacher.h"
#include "host-agent/attach/workers.h"
#include "host-agent/inventory/inventory.h"
#include "host-agent/lifecycle/host_plugin.h"
#include "host-agent/podresources/claim_auditor.h"
#include "host-agent/podresources/pod_watch.h"
#include "host-agent/provision/claim_gate.h"
#include "host-agent/provision/provisioner.h"
#include "host-agent/record/recorder.h"
#include "host-agent/service/allocate_handler.h"
#include "host-agent/service/cni_handler.h"
#include "host-agent/service/cni_service.h"
#include "host-agent/service/dpu_operator_endpoint.h"
#include "host-agent/service/host_agent_service.h"
#include "host-agent/service/lost_claims.h"
#include "host-agent/session/card_session.h"
#include "host-agent/session/plain_nic.h"
#include "spdlog/spdlog.h"

namespace xpu {
namespace {

// Functions that can be worked on at a time; a thread is only started when there is work for it.
constexpr int kMaxThreads = 256;
// Of the kubelet, in its folder of device plugins.
constexpr char kCheckpoint[] = "kubelet_internal_checkpoint";

absl::Status CheckOptions(const HostAgentOptions& options) {
  const auto alnum = [](char c) { return absl::ascii_islower(c) || absl::ascii_isdigit(c); };
  const std::string& node = options.node;
  const bool is_label =
      !node.empty() && node.size() <= 63 && alnum(node.front()) && alnum(node.back()) &&
      std::all_of(node.begin(), node.end(), [&](char c) { return alnum(c) || c == '-' || c == '.'; });
  if (!is_label) {
    return absl::InvalidArgumentError(
        absl::StrCat("node \"", node,
                     "\": the name of this host has 1 to 63 lower-case letters, digits, '-' and '.', as "
                     "Kubernetes names nodes"));
  }
  if (!absl::StartsWith(options.listen, "unix:/")) {
    return absl::InvalidArgumentError(
        absl::StrCat("listen \"", options.listen, "\": the agent serves this machine alone, on unix:/path"));
  }
  return CheckCards(options.cards);
}

// The agent's parts, in the order in which they need one another.
class HostAgent {
 public:
  HostAgent(const HostAgentOptions& options, const HostAgentDeps& deps)
      : options_(options),
        deps_(deps),
        gate_(deps.journal),
        host_(deps.bus, deps.netlinks, deps.namespaces, deps.announce),
        inventory_(
            options.cards, deps.bus, [this](const FunctionId& f) { return HealthOf(f); },
            [this] { return allocator_->Count(); }),
        executor_(std::make_unique<KeyedExecutor>(kMaxThreads)),
        inbox_(deps.loop) {}

  ~HostAgent() {
    // Nobody asks any more, then nobody gives work, then what was given is done.
    plugin_server_.reset();
    server_.reset();
    checkpoint_.reset();
    if (pods_ != nullptr) pods_->Stop();
    // What the executor is still at tells it, and the pod watch, which functions are free.
    if (provisioner_ != nullptr) provisioner_->Stop();
    for (auto& [card, session] : sessions_) session->Stop();
    executor_.reset();
    dpu_operator_.reset();
    recorder_.reset();
    // Answers that the executor's last work has posted are for nobody now, but what they touch is still
    // there.
  }

  // On the loop.
  void Drain() {
    if (drains_ > 0) return deps_.loop.Stop();
    spdlog::info("stopping: no call is taken any more, those that run come to their end");
    patience_ = deps_.loop.After(options_.drain, [this] {
      spdlog::warn(
          "calls that still run after {} are cut off; what they were at is undone or completed by the "
          "next start",
          absl::FormatDuration(options_.drain));
      deps_.loop.Stop();
    });
    const auto drained = [this] {
      if (--drains_ == 0) deps_.loop.Stop();
    };
    drains_ = dpu_operator_ == nullptr ? 1 : 2;
    server_->Drain(drained);
    // After the goodbye, so that who watches comes again to whoever serves then.
    watchers_.EndAll(absl::UnavailableError("the host agent is stopping"));
    if (dpu_operator_ != nullptr) dpu_operator_->Drain(drained);
  }

  absl::Status Start() {
    if (deps_.journal_complete) XPU_RETURN_IF_ERROR(CompleteJournal());
    XPU_ASSIGN_OR_RETURN(allocator_, Allocator::Open(gate_));
    XPU_RETURN_IF_ERROR(MakeSessions());
    attacher_ = std::make_unique<Attacher>(MakeParts());
    XPU_RETURN_IF_ERROR(inventory_.Refresh());
    for (const CardConfig& card : options_.cards) {
      if (const absl::Status status = deps_.bus.Get(card.pf).status(); !status.ok()) {
        spdlog::warn("card {}: its physical function is not there (yet): {}", card.name, status.ToString());
      }
    }
    if (deps_.store != nullptr) {
      recorder_ = std::make_unique<Recorder>(
          Recorder::Options{.host = options_.node, .backoff = options_.api_backoff}, deps_.loop, *deps_.store,
          *allocator_);
    }
    provisioner_ = std::make_unique<Provisioner>(
        options_.cards, Provisioner::Parts{.bus = deps_.bus,
                                           .devlink = deps_.devlink,
                                           .gate = gate_,
                                           .read = [this] { return inventory_.ReadNow(); },
                                           .rows = [this] { return allocator_->Rows(); },
                                           .changed = [this](const PfState& state) { PostSetup(state); },
                                           .backoff = options_.setup_backoff});
    allocator_->Observe([this](const FunctionId& function) {
      PostHealth(function);
      if (!allocator_->Find(function)) {
        provisioner_->Freed();
        if (pods_ != nullptr) pods_->Changed();
      }
      if (recorder_ != nullptr) recorder_->RowChanged(function);
    });
    XPU_ASSIGN_OR_RETURN(netlink_, deps_.netlinks.Open(nullptr));
    XPU_RETURN_IF_ERROR(
        inventory_.Follow(deps_.loop, *netlink_,
                          {.interface_seen = [this](const FunctionId& function) { InterfaceSeen(function); },
                           .pf_changed = [this](const PciAddress& pf) { provisioner_->Look(pf); }}));

    // In each function's queue before anything that a client may ask of it.
    for (const ClaimRow& row : allocator_->Rows()) {
      executor_->Run(row.function, [this, function = row.function] { attacher_->Recover(function); });
    }
    for (auto& [card, session] : sessions_) session->Start();
    provisioner_->Start();
    StartPodWatch();

    allocate_ = std::make_unique<AllocateHandler>(inventory_, *attacher_, *executor_, pods_.get());
    cni_ = std::make_unique<CniHandler>(CniHandler::Parts{.allocator = *allocator_,
                                                          .inventory = inventory_,
                                                          .attacher = *attacher_,
                                                          .executor = *executor_,
                                                          .ipam = deps_.ipam});
    XPU_RETURN_IF_ERROR(Serve());
    if (!options_.dpu_operator_socket.empty()) {
      XPU_ASSIGN_OR_RETURN(dpu_operator_,
                           DpuOperatorEndpoint::Start(deps_.loop, *cni_, options_.dpu_operator_socket));
    }
    if (!options_.vendor_plugin_socket.empty()) XPU_RETURN_IF_ERROR(ServeVendorPlugin());
    spdlog::info("serving {} functions of {} cards on {}, with {} claims in the journal",
                 inventory_.List().size(), sessions_.size(), options_.listen, allocator_->Rows().size());
    return absl::OkStatus();
  }

 private:
  absl::Status CompleteJournal() {
    LostClaimsSources sources{.cards = options_.cards,
                              .bus = deps_.bus,
                              .netlinks = deps_.netlinks,
                              .namespaces = deps_.namespaces,
                              .pods = deps_.pod_resources};
    if (deps_.pod_namespaces) sources.pod_namespaces = deps_.pod_namespaces();
    XPU_RETURN_IF_ERROR(AddLostClaims(sources, deps_.journal));
    return deps_.journal_complete();
  }

  absl::Status ServeVendorPlugin() {
    HostPlugin::Parts parts{
        .functions = [this] { return inventory_.List(); },
        .rows = [this] { return allocator_->Rows(); },
        .set_vfs =
            [this](const PciAddress& pf, int count, std::function<void(absl::StatusOr<int>)> done) {
              provisioner_->SetVfs(pf, count, std::move(done));
            }};
    for (const CardConfig& card : options_.cards) parts.physical_functions.push_back(card.pf);
    if (!options_.dpu_operator_endpoint.empty()) {
      XPU_ASSIGN_OR_RETURN(parts.endpoint, PluginEndpoint::Parse(options_.dpu_operator_endpoint));
    }
    plugin_ = std::make_unique<HostPlugin>(std::move(parts));
    XPU_RETURN_IF_ERROR(MakeDirectories(std::filesystem::path(options_.vendor_plugin_socket).parent_path()));
    XPU_ASSIGN_OR_RETURN(plugin_server_,
                         LoopRpcServer::Start(deps_.loop, options_.vendor_plugin_socket,
                                              VendorPluginMethods(*plugin_, options_.node, inbox_.post())));
    return absl::OkStatus();
  }

  absl::Status Serve() {
    LoopRpcServer::Methods methods = HostAgentServiceMethods({.inventory = inventory_,
                                                              .allocator = *allocator_,
                                                              .allocate = *allocate_,
                                                              .provisioner = *provisioner_,
                                                              .watchers = watchers_},
                                                             inbox_.post());
    methods.merge(CniServiceMethods(*cni_, inbox_.post()));
    const std::string socket(absl::StripPrefix(options_.listen, "unix:"));
    XPU_ASSIGN_OR_RETURN(server_, LoopRpcServer::Start(deps_.loop, socket, std::move(methods)));
    return absl::OkStatus();
  }

  void StartPodWatch() {
    if (deps_.pod_resources == nullptr) return;
    const auto in_turn = [this](void (HostAgent::*act)(const FunctionId&, int64_t)) {
      return [this, act](const FunctionId& function, int64_t claim) {
        executor_->Run(function, [this, act, function, claim] { (this->*act)(function, claim); });
      };
    };
    pods_ = std::make_unique<PodWatch>(PodWatch::Parts{.pods = *deps_.pod_resources,
                                                       .allocator = *allocator_,
                                                       .device_ids = [this] { return DeviceIdsNow(); },
                                                       .unused = in_turn(&HostAgent::ReleaseUnused),
                                                       .pod_gone = in_turn(&HostAgent::LookAfter),
                                                       .device_gone = in_turn(&HostAgent::ReleaseDevice),
                                                       .booking = options_.kubelet_booking});
    if (!options_.kubelet_devices.empty()) {
      absl::StatusOr<std::unique_ptr<FolderWatch>> watch = FolderWatch::Start(
          deps_.loop, options_.kubelet_devices, [this](FolderWatch::Change change, const std::string& name) {
            const bool written = change == FolderWatch::Change::kCreated && name == kCheckpoint;
            if (written || change == FolderWatch::Change::kUnknown) pods_->CheckpointWritten();
          });
      if (watch.ok()) {
        checkpoint_ = *std::move(watch);
      } else {
        spdlog::info("what the kubelet writes is not followed: {}", watch.status().ToString());
      }
    }
    pods_->Start();
  }

  DeviceIds DeviceIdsNow() const {
    DeviceIds ids;
    for (const HostFunction& function : inventory_.List()) {
      ids.emplace(function.id.ToString(), function.id);
      if (!function.auxiliary_device.empty()) ids.emplace(function.auxiliary_device, function.id);
    }
    return ids;
  }

  // These in the function's turn, for claims that the kubelet knows no holder of.
  void ReleaseUnused(const FunctionId& function, int64_t claim) {
    if (!pods_->StillUnused(function, claim)) return;
    spdlog::info("function {}: no pod holds it any more, and none came for it; its claim is released",
                 function.ToString());
    attacher_->Unclaim(function, claim).IgnoreError();
  }
  void LookAfter(const FunctionId& function, int64_t claim) {
    if (const auto row = allocator_->Find(function); row && row->claim == claim) attacher_->Recover(function);
  }
  void ReleaseDevice(const FunctionId& function, int64_t claim) {
    const std::optional<ClaimRow> row = allocator_->Find(function);
    if (!row || row->claim != claim || !row->attachment) return;
    spdlog::info("function {}: {} is no more; it is taken back", function.ToString(), DescribeHolder(*row));
    attacher_->Release(function, *row->attachment).IgnoreError();
  }

  absl::Status MakeSessions() {
    for (const CardConfig& card : options_.cards) {
      if (sessions_.contains(card.name)) continue;
      std::unique_ptr<OpiClient> client;
      if (card.endpoint.empty()) {
        client = std::make_unique<PlainNic>(card.name);
      } else {
        XPU_ASSIGN_OR_RETURN(client, deps_.open_card(card.endpoint));
      }
      sessions_[card.name] = std::make_unique<CardSession>(
          CardSession::Options{
              .card = card.name,
              .backoff = options_.card_backoff,
              .namespaces = options_.namespaces,
              .ports_changed = [this, name = card.name](const auto& ports) { PostPorts(name, ports); }},
          *client, *allocator_, [this](const FunctionId& function) {
            executor_->Run(function, [this, function] { attacher_->Settle(function); });
          });
      clients_.push_back(std::move(client));
      if (card.endpoint.empty()) TellPlainNic(*sessions_[card.name]);
    }
    return absl::OkStatus();
  }
  // It remembers nothing of an earlier life, and there is nobody whom a CHECK could wait for.
  void TellPlainNic(CardSession& session) {
    for (const ClaimRow& row : allocator_->Rows()) {
      // What it does not take is said when the session compares.
      if (row.card == session.card() && row.state == ClaimState::kAttached) session.Bind(row).IgnoreError();
    }
  }

  Attacher::Parts MakeParts() {
    Attacher::Parts parts{.allocator = *allocator_, .inventory = inventory_, .host = host_};
    for (auto& [card, session] : sessions_) parts.sessions[card] = session.get();
    parts.ipam = deps_.ipam;
    parts.stuck_changed = [this](const FunctionId& function) { PostHealth(function); };
    return parts;
  }

  ClaimHealth HealthOf(const FunctionId& function) const {
    return {.claimed = allocator_->Find(function).has_value(), .stuck = attacher_->StuckReason(function)};
  }

  void PostHealth(const FunctionId& function) {
    deps_.loop.Post([this, alive = std::weak_ptr<bool>(alive_), function] {
      if (!alive.expired()) inventory_.ClaimChanged(function);
    });
  }

  void PostPorts(const std::string& card, const absl::StatusOr<CardPorts>& ports) {
    deps_.loop.Post([this, alive = std::weak_ptr<bool>(alive_), card, ports] {
      if (!alive.expired()) inventory_.CardPortsChanged(card, ports);
    });
  }

  void PostSetup(const PfState& state) {
    deps_.loop.Post([this, alive = std::weak_ptr<bool>(alive_), state] {
      if (!alive.expired()) inventory_.PfSetUp(state.pf, state.reason, state.refusals);
    });
  }

  // An interface that comes back from a namespace that is gone is put in order.
  void InterfaceSeen(const FunctionId& function) {
    const std::optional<ClaimRow> row = allocator_->Find(function);
    if (!row || row->state != ClaimState::kUndoing || !row->host_pending) return;
    executor_->Run(function, [this, function] { attacher_->Settle(function); });
  }

  const HostAgentOptions& options_;
  const HostAgentDeps& deps_;
  // Ends with the agent: for what the loop may still have to do then.
  std::shared_ptr<bool> alive_ = std::make_shared<bool>(true);
  // Between the allocator and the journal.
  ClaimGate gate_;
  std::unique_ptr<Allocator> allocator_;
  HostSide host_;
  std::unique_ptr<Netlink> netlink_;
  Inventory inventory_;
  std::vector<std::unique_ptr<OpiClient>> clients_;
  std::map<std::string, std::unique_ptr<CardSession>> sessions_;
  std::unique_ptr<Attacher> attacher_;
  std::unique_ptr<Recorder> recorder_;
  std::unique_ptr<KeyedExecutor> executor_;
  // Outlives the executor, as the pod watch does.
  std::unique_ptr<Provisioner> provisioner_;
  std::unique_ptr<HostPlugin> plugin_;
  std::unique_ptr<LoopRpcServer> plugin_server_;
  // Outlives the executor, whose work asks it. Null without a kubelet to ask.
  std::unique_ptr<PodWatch> pods_;
  std::unique_ptr<FolderWatch> checkpoint_;
  std::unique_ptr<AllocateHandler> allocate_;
  std::unique_ptr<CniHandler> cni_;
  std::unique_ptr<DpuOperatorEndpoint> dpu_operator_;
  FunctionWatchers watchers_;
  std::unique_ptr<LoopRpcServer> server_;
  // Servers that have calls to finish before the loop stops, and for how long they may.
  int drains_ = 0;
  EventLoop::Handle patience_;
  // Brings the answers that workers give.
  LoopInbox inbox_;
};

}  // namespace

absl::Status RunHostAgent(const HostAgentOptions& options, const HostAgentDeps& deps) {
  XPU_RETURN_IF_ERROR(CheckOptions(options));
  HostAgent agent(options, deps);
  XPU_RETURN_IF_ERROR(agent.Start());
  deps.loop.Post([&deps, &agent] {
    if (deps.ready) deps.ready([&agent] { agent.Drain(); });
  });
  deps.loop.Run();
  return absl::OkStatus();
}

}  // namespace xpu
