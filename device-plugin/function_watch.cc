#include "device-plugin/function_watch.h"

#include <random>
#include <utility>

#include "absl/strings/strip.h"
#include "spdlog/spdlog.h"
#include "xpu/hostagent/v1/host_agent.pb.h"

namespace xpu {
namespace {

using hostagent::v1::WatchFunctionsRequest;
using hostagent::v1::WatchFunctionsResponse;

constexpr char kMethod[] = "/xpu.hostagent.v1.HostAgentService/WatchFunctions";
// Of a list, in bytes: some tens of thousands of functions.
constexpr size_t kMaxList = size_t{16} << 20;

PluginFunctions ToFunctions(const WatchFunctionsResponse& response) {
  PluginFunctions functions;
  functions.reserve(static_cast<size_t>(response.functions_size()));
  for (const hostagent::v1::Function& function : response.functions()) {
    functions.push_back({
        .id = function.id(),
        .kind = function.kind() == hostagent::v1::Function::KIND_SF ? PluginFunction::Kind::kSf
                                                                    : PluginFunction::Kind::kVf,
        .pf_address = function.pf_address(),
        .pf_name = function.pf_name(),
        .card = function.card(),
        .index = function.index(),
        .numa_node = function.numa_node(),
        .healthy = function.healthy(),
        .reason = function.reason(),
        .vendor = function.vendor(),
        .device = function.device(),
        .driver = function.driver(),
        .link_type = function.link_type(),
        .vfio_node = function.vfio_node(),
        .auxiliary_device = function.auxiliary_device(),
        .rdma_devices = {function.rdma_devices().begin(), function.rdma_devices().end()},
        .rdma_nodes = {function.rdma_nodes().begin(), function.rdma_nodes().end()},
    });
  }
  return functions;
}

}  // namespace

FunctionWatch::FunctionWatch(EventLoop& loop, std::string address, const Options& options, Events events)
    : loop_(loop),
      address_(std::move(address)),
      options_(options),
      events_(std::move(events)),
      backoff_(options.backoff, std::random_device()()),
      client_(loop, std::string(absl::StripPrefix(address_, "unix:")),
              {.max_message = kMaxList,
               .reconnect = {.initial = absl::Milliseconds(5), .max = absl::Seconds(1)}}) {
  Open();
}

void FunctionWatch::Open() {
  connected_ = false;
  // A call on an agent that is away then waits for it instead of failing again and again.
  client_.Stream(
      kMethod, WatchFunctionsRequest().SerializeAsString(), {.wait_for_ready = true},
      [this](const std::string& message) {
        WatchFunctionsResponse response;
        if (!response.ParseFromString(message)) {
          spdlog::error("host agent at {}: its list is of another kind", address_);
          return;
        }
        OnList(ToFunctions(response), response.claims());
      },
      [this](const LoopRpcClient::Reply& reply) {
        OnEnd(reply.status.ok() ? "it ended the stream" : std::string(reply.status.message()));
      });
}

void FunctionWatch::OnList(PluginFunctions functions, int claims) {
  if (!connected_) {
    spdlog::info("host agent at {}: {} functions", address_, functions.size());
    connected_ = true;
    grace_runs_ = false;
    grace_timer_.Cancel();
    backoff_.Reset();
  }
  events_.listed(std::move(functions), claims);
}

void FunctionWatch::OnEnd(const std::string& why) {
  if (!grace_runs_) {
    spdlog::warn("host agent at {} is away: {}; its devices stay as they are for {}", address_, why,
                 absl::FormatDuration(options_.grace));
    grace_runs_ = true;
    grace_timer_ = loop_.After(options_.grace, [this] {
      spdlog::error(
          "host agent at {} stays away: its devices are unhealthy; start it (systemctl start xpu-host-agent)",
          address_);
      events_.lost();
    });
  }
  retry_timer_ = loop_.After(backoff_.Next(), [this] { Open(); });
}

}  // namespace xpu
