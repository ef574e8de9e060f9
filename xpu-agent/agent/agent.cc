#include "xpu-agent/agent/agent.h"

#include <functional>
#include <memory>
#include <optional>
#include <thread>

#include "absl/base/thread_annotations.h"
#include "absl/random/random.h"
#include "absl/strings/str_join.h"
#include "absl/synchronization/mutex.h"
#include "common/base/status_macros.h"
#include "common/opi/grpc_opi_client.h"
#include "grpcpp/ext/proto_server_reflection_plugin.h"
#include "grpcpp/health_check_service_interface.h"
#include "grpcpp/impl/service_type.h"
#include "spdlog/spdlog.h"
#include "xpu-agent/access/access_policy.h"
#include "xpu-agent/agent/endpoint.h"
#include "xpu-agent/controllers/controllers.h"
#include "xpu-agent/core/model_owner.h"
#include "xpu-agent/services/services.h"
#include "xpu-agent/slowpath/slow_path.h"

namespace xpu {
namespace {

// The owner of the model and the thread of its loop. The process's own loop stays free for signals, and for
// the owner to answer those who wait while the server stops.
class Core {
 public:
  Core(const XpuAgentOptions& options, const XpuAgentDeps& deps)
      : owner_(loop_, deps.store, deps.the_switch, deps.representors,
               {.max_patience = options.confirm_deadline,
                .retry = options.switch_retry,
                .seed = absl::Uniform<uint64_t>(absl::BitGen()),
                .tunnel = options.tunnel,
                .uplink = options.uplink,
                .dpdk_device = options.dpdk_device}) {}
  ~Core() {
    if (!thread_.joinable()) return;
    loop_.Stop();
    thread_.join();
  }

  absl::Status Start() {
    XPU_RETURN_IF_ERROR(owner_.Start());
    thread_ = std::thread([this] { loop_.Run(); });
    return absl::OkStatus();
  }
  // Answers everybody; nobody waits any more.
  void Close() {
    loop_.PostAndWait([this] { owner_.Close(); });
  }
  ModelOwner& owner() { return owner_; }

 private:
  EventLoop loop_;
  ModelOwner owner_;
  std::thread thread_;
};

// Where the services get addresses from, which is there later than they are and goes before them.
class LateAddressSource {
 public:
  void Set(Controllers* controllers) {
    absl::MutexLock lock(&mu_);
    controllers_ = controllers;
  }
  void Want(const std::string& bridge, const std::string& need,
            std::function<void(const absl::Status&)> done) {
    {
      absl::MutexLock lock(&mu_);
      if (controllers_ != nullptr) return controllers_->WantAddresses(bridge, need, std::move(done));
    }
    done(absl::UnavailableError("the agent is not connected to the API server yet; try again"));
  }

 private:
  absl::Mutex mu_;
  Controllers* controllers_ ABSL_GUARDED_BY(mu_) = nullptr;
};

}  // namespace

absl::Status RunXpuAgent(const XpuAgentOptions& options, const XpuAgentDeps& deps) {
  if (options.listen.empty()) return absl::InvalidArgumentError("no address to serve on; give at least one");
  if (deps.resources != nullptr && options.card.empty()) {
    return absl::InvalidArgumentError("the card has no name; Netdev resources are found by it");
  }
  // For grpcurl and for probes; both are switched on for all servers of the process.
  grpc::EnableDefaultHealthCheckService(true);
  grpc::reflection::InitProtoReflectionServerBuilderPlugin();

  // Before the owner, which tells it about the model.
  std::optional<SlowPath> slow_path;
  if (deps.packets != nullptr) {
    slow_path.emplace(*deps.packets, SlowPath::Options{.seed = absl::Uniform<uint64_t>(absl::BitGen())});
  }
  Core core(options, deps);
  if (slow_path.has_value()) {
    core.owner().ObserveModel([&slow_path](const ModelChange& change) { slow_path->Change(change); });
    slow_path->Start();
  }
  XPU_RETURN_IF_ERROR(core.Start());
  AccessPolicy access({.card = options.card,
                       .trust_domain = options.trust_domain,
                       .calls_per_second = options.calls_per_second,
                       .burst = options.call_burst},
                      Clock::Real());
  const auto vrfs = MakeVrfService(core.owner());
  const auto bridges = MakeLogicalBridgeService(core.owner());
  const auto ports = MakeBridgePortService(core.owner(), options.host_vlans, access);
  const auto svis = MakeSviService(core.owner());
  const auto chains = MakeChainService(core.owner());
  const auto offload = MakeOffloadService(core.owner(), deps.offload);
  LateAddressSource addresses;
  const auto bindings = MakePortService(core.owner(), options.host_vlans, access,
                                        [&addresses](const std::string& bridge, const std::string& need,
                                                     std::function<void(const absl::Status&)> done) {
                                          addresses.Want(bridge, need, std::move(done));
                                        });
  XPU_ASSIGN_OR_RETURN(std::unique_ptr<AgentEndpoint> server,
                       AgentEndpoint::Start(options, deps.loop, core.owner(), access,
                                            {vrfs.get(), bridges.get(), ports.get(), svis.get(),
                                             bindings.get(), chains.get(), offload.get()}));

  core.owner().ObserveSwitch([&server](bool reachable) { server->SetServing(reachable); });

  std::unique_ptr<GrpcOpiClient> client;
  std::unique_ptr<Controllers> controllers;
  auto stop = [&] {
    // First those who would write into a status that the agent refuses them.
    addresses.Set(nullptr);
    controllers.reset();
    client.reset();
    core.Close();
    server.reset();
  };
  if (deps.resources != nullptr) {
    absl::StatusOr<std::unique_ptr<GrpcOpiClient>> own = GrpcOpiClient::Make(
        server->own_address(),
        {.credentials = server->credentials(), .deadline = options.confirm_deadline + absl::Seconds(2)});
    if (!own.ok()) {
      stop();
      return own.status();
    }
    client = *std::move(own);
    absl::StatusOr<std::unique_ptr<Controllers>> started =
        Controllers::Start({.card = options.card,
                            .vtep = options.tunnel ? std::optional(options.tunnel->local) : std::nullopt,
                            .backoff = options.controller_retry,
                            .clock = nullptr},
                           *deps.resources, *client);
    if (!started.ok()) {
      stop();
      return started.status();
    }
    controllers = *std::move(started);
    addresses.Set(controllers.get());
  }
  spdlog::info("serving card {} on {}", options.card, absl::StrJoin(options.listen, ", "));
  if (deps.ready) deps.loop.Post(deps.ready);
  deps.loop.Run();
  spdlog::info("stopping; what is on the switch stays");
  stop();
  return absl::OkStatus();
}

}  // namespace xpu
