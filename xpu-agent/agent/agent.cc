#include "xpu-agent/agent/agent.h"

#include <memory>
#include <thread>

#include "absl/random/random.h"
#include "absl/strings/match.h"
#include "absl/strings/str_join.h"
#include "common/base/status_macros.h"
#include "common/opi/grpc_opi_client.h"
#include "grpcpp/ext/proto_server_reflection_plugin.h"
#include "grpcpp/health_check_service_interface.h"
#include "grpcpp/impl/service_type.h"
#include "spdlog/spdlog.h"
#include "xpu-agent/controllers/controllers.h"
#include "xpu-agent/core/model_owner.h"
#include "xpu-agent/services/services.h"

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
                .seed = absl::Uniform<uint64_t>(absl::BitGen())}) {}
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

// How the agent's own controllers reach it: like anybody else.
std::string OwnAddress(const std::vector<std::string>& listen) {
  for (const std::string& address : listen) {
    if (absl::StartsWith(address, "unix:")) return address;
  }
  return listen.front();
}

}  // namespace

absl::Status RunXpuAgent(const XpuAgentOptions& options, const XpuAgentDeps& deps) {
  if (options.listen.empty()) return absl::InvalidArgumentError("no address to serve on; give at least one");
  if (deps.resources != nullptr && options.card.empty()) {
    return absl::InvalidArgumentError("the card has no name; Netdev resources are found by it");
  }
  // For grpcurl and for probes; both are switched on for all servers of the process.
  grpc::EnableDefaultHealthCheckService(true);
  grpc::reflection::InitProtoReflectionServerBuilderPlugin();

  Core core(options, deps);
  XPU_RETURN_IF_ERROR(core.Start());
  const auto bridges = MakeLogicalBridgeService(core.owner());
  const auto ports = MakeBridgePortService(core.owner());
  const auto bindings = MakePortService(core.owner(), options.host_vlans);
  XPU_ASSIGN_OR_RETURN(
      std::unique_ptr<RpcServer> server,
      RpcServer::Start(options.listen, {bridges.get(), ports.get(), bindings.get()}, options.tls));

  std::unique_ptr<GrpcOpiClient> client;
  std::unique_ptr<Controllers> controllers;
  auto stop = [&] {
    // First those who would write into a status that the agent refuses them.
    controllers.reset();
    client.reset();
    core.Close();
    server.reset();
  };
  if (deps.resources != nullptr) {
    absl::StatusOr<std::unique_ptr<GrpcOpiClient>> own =
        GrpcOpiClient::Make(OwnAddress(options.listen),
                            {.tls = options.tls, .deadline = options.confirm_deadline + absl::Seconds(2)});
    if (!own.ok()) {
      stop();
      return own.status();
    }
    client = *std::move(own);
    absl::StatusOr<std::unique_ptr<Controllers>> started =
        Controllers::Start({.card = options.card, .backoff = options.controller_retry, .clock = nullptr},
                           *deps.resources, *client);
    if (!started.ok()) {
      stop();
      return started.status();
    }
    controllers = *std::move(started);
  }
  spdlog::info("serving card {} on {}", options.card, absl::StrJoin(options.listen, ", "));
  if (deps.ready) deps.loop.Post(deps.ready);
  deps.loop.Run();
  spdlog::info("stopping; what is on the switch stays");
  stop();
  return absl::OkStatus();
}

}  // namespace xpu
