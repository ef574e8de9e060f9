#include "device-plugin/function_watch.h"

#include <random>
#include <utility>

#include "absl/strings/str_cat.h"
#include "grpcpp/grpcpp.h"
#include "spdlog/spdlog.h"
#include "xpu/hostagent/v1/host_agent.grpc.pb.h"

namespace xpu {
namespace {

using hostagent::v1::HostAgentService;
using hostagent::v1::WatchFunctionsRequest;
using hostagent::v1::WatchFunctionsResponse;

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

// One WatchFunctions call. gRPC's threads call it; it keeps itself alive until gRPC has done with it.
class FunctionWatch::Stream : public grpc::ClientReadReactor<WatchFunctionsResponse>,
                              public std::enable_shared_from_this<Stream> {
 public:
  Stream(const std::shared_ptr<grpc::Channel>& channel, LoopInbox::Post post, FunctionWatch* watch)
      : stub_(HostAgentService::NewStub(channel)), post_(std::move(post)), watch_(watch) {
    // A call on an agent that is away then waits for it instead of failing again and again.
    context_.set_wait_for_ready(true);
  }

  void Start() {
    self_ = shared_from_this();
    stub_->async()->WatchFunctions(&context_, &request_, this);
    StartRead(&response_);
    StartCall();
  }
  void Cancel() { context_.TryCancel(); }

  void OnReadDone(bool ok) override {
    if (!ok) return;
    post_([watch = watch_, functions = ToFunctions(response_), claims = response_.claims()]() mutable {
      watch->OnList(std::move(functions), claims);
    });
    StartRead(&response_);
  }
  void OnDone(const grpc::Status& status) override {
    post_([watch = watch_, why = status.ok() ? std::string("it ended the stream") : status.error_message()] {
      watch->OnEnd(why);
    });
    // The object goes with the last reference, here if its watch has dropped it already.
    const std::shared_ptr<Stream> last = std::move(self_);
  }

 private:
  grpc::ClientContext context_;
  const std::unique_ptr<HostAgentService::Stub> stub_;
  const WatchFunctionsRequest request_;
  WatchFunctionsResponse response_;
  const LoopInbox::Post post_;
  // Only used on the loop, while the inbox is open.
  FunctionWatch* const watch_;
  std::shared_ptr<Stream> self_;
};

FunctionWatch::FunctionWatch(EventLoop& loop, std::shared_ptr<grpc::Channel> channel, std::string address,
                             const Options& options, Events events)
    : loop_(loop),
      channel_(std::move(channel)),
      address_(std::move(address)),
      options_(options),
      events_(std::move(events)),
      backoff_(options.backoff, std::random_device()()),
      inbox_(loop) {
  Open();
}

FunctionWatch::~FunctionWatch() {
  if (stream_ != nullptr) stream_->Cancel();
}

void FunctionWatch::Open() {
  connected_ = false;
  stream_ = std::make_shared<Stream>(channel_, inbox_.post(), this);
  stream_->Start();
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
  stream_ = nullptr;
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
