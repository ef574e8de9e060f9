// allocate_p50, allocate_p99
//     Allocate of one function at xpu-device-plugin, which has 1,000, beside Allocate at a bare gRPC server
//     that answers with what it was asked. A host agent that claims at once stands behind the plugin: what is
//     measured is the plugin and its way to the agent and back.
// relayed_p50, relayed_p99
//     The same beside a bare gRPC server that passes Allocate on to the same host agent, through gRPC: the
//     least that can be done while functions are the host agent's.
// whole_p50, whole_p99
//     Allocate in a sandbox, where the host agent journals the claim and prepares the port at the DPU, beside
//     the echo.
// reregister_ms
//     From before the kubelet makes its socket anew until it follows the plugin's 1,000 devices; 50 ms.
//
// Everything is a process of its own on unix sockets; the client is one thread that waits for each answer.
// Percentiles are of blocks of calls; blocks take turns.

#include <grpcpp/grpcpp.h>

#include <algorithm>
#include <memory>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "common/base/status_macros.h"
#include "common/rpc/rpc.h"
#include "common/sys/files.h"
#include "control-plane/sandbox/layout.h"
#include "control-plane/sandbox/sandbox.h"
#include "device-plugin/resource_name.h"
#include "kubelet/deviceplugin/v1beta1/api.grpc.pb.h"
#include "test/bench/benchmark.h"
#include "test/lib/kubelet/kubelet.h"
#include "test/lib/ovs/child_process.h"
#include "test/lib/pair/pair.h"

namespace xpu::testing {
namespace {

constexpr int kFunctions = 1000;
constexpr int kCallsPerBlock = 500;
// Ratio.
constexpr double kAllocateLimit = 1.5;
// Milliseconds.
constexpr double kReregisterLimit = 50;
constexpr char kResource[] = "xpu.opiproject.org/vf";
constexpr char kEchoPeer[] = "bare gRPC echo (C++)";
constexpr char kRelayPeer[] = "bare gRPC relay (C++)";

// The client's side of one server.
class Allocator {
 public:
  static absl::StatusOr<Allocator> Make(const std::string& socket, std::string device) {
    XPU_ASSIGN_OR_RETURN(const std::shared_ptr<grpc::Channel> channel, MakeChannel("unix:" + socket));
    return Allocator(v1beta1::DevicePlugin::NewStub(channel), std::move(device));
  }

  absl::Status Call() const {
    grpc::ClientContext context;
    context.set_wait_for_ready(true);
    context.set_deadline(absl::ToChronoTime(absl::Now() + absl::Seconds(30)));
    v1beta1::AllocateRequest request;
    request.add_container_requests()->add_devices_ids(device_);
    v1beta1::AllocateResponse response;
    return FromGrpc(stub_->Allocate(&context, request, &response));
  }

  // Median and 99th percentile of a block, in microseconds.
  absl::StatusOr<std::vector<double>> Block() const {
    std::vector<double> took;
    took.reserve(kCallsPerBlock);
    for (int i = 0; i < kCallsPerBlock; ++i) {
      const absl::Time begun = absl::Now();
      XPU_RETURN_IF_ERROR(Call());
      took.push_back(absl::ToDoubleMicroseconds(absl::Now() - begun));
    }
    std::sort(took.begin(), took.end());
    return std::vector<double>{took[kCallsPerBlock / 2], took[kCallsPerBlock * 99 / 100]};
  }

 private:
  Allocator(std::unique_ptr<v1beta1::DevicePlugin::Stub> stub, std::string device)
      : stub_(std::move(stub)), device_(std::move(device)) {}

  std::unique_ptr<v1beta1::DevicePlugin::Stub> stub_;
  std::string device_;
};

// A device plugin with 1,000 functions of a stand-in host agent, and an echo.
class Stage {
 public:
  static absl::StatusOr<std::unique_ptr<Stage>> Make(const std::string& bin_dir) {
    XPU_ASSIGN_OR_RETURN(TemporaryDirectory folder, TemporaryDirectory::Make());
    std::unique_ptr<Stage> stage(new Stage(std::move(folder)));
    XPU_RETURN_IF_ERROR(MakeDirectories(stage->plugin_dir()));
    const std::string servers = bin_dir + "/xpu-allocate-servers";
    XPU_ASSIGN_OR_RETURN(stage->echo_,
                         ChildProcess::Start({.argv = {servers, "echo", stage->echo_socket()}}));
    const std::string agent = stage->folder_.path() + "/host-agent.sock";
    XPU_ASSIGN_OR_RETURN(
        stage->host_agent_,
        ChildProcess::Start({.argv = {servers, "host-agent", agent, absl::StrCat(kFunctions)}}));
    XPU_ASSIGN_OR_RETURN(stage->relay_,
                         ChildProcess::Start({.argv = {servers, "relay", stage->relay_socket(), agent}}));
    XPU_RETURN_IF_ERROR(stage->StartKubelet());
    XPU_ASSIGN_OR_RETURN(
        stage->plugin_,
        ChildProcess::Start({.argv = {bin_dir + "/xpu-device-plugin", "--host-agent", "unix:" + agent,
                                      "--plugin-dir", stage->plugin_dir(), "--resource", kResource,
                                      "--cdi-dir", stage->folder_.path() + "/cdi", "--device-info-dir",
                                      stage->folder_.path() + "/devinfo", "--log-level", "warn"}}));
    XPU_RETURN_IF_ERROR(stage->AwaitDevices());
    return stage;
  }

  std::string echo_socket() const { return folder_.path() + "/echo.sock"; }
  std::string relay_socket() const { return folder_.path() + "/relay.sock"; }
  std::string plugin_socket() const { return absl::StrCat(plugin_dir(), "/", PluginSocketName(kResource)); }
  // One that both sides are asked for.
  absl::StatusOr<std::string> Device() {
    const KubeletResource seen = kubelet_->Look(kResource);
    if (seen.devices.empty()) return absl::NotFoundError("the plugin has announced no device");
    return seen.devices.front().id();
  }

  // A kubelet that has stopped comes back; milliseconds until it has the plugin's devices.
  absl::StatusOr<std::vector<double>> Reregister() {
    kubelet_ = nullptr;
    const absl::Time begun = absl::Now();
    XPU_RETURN_IF_ERROR(StartKubelet());
    XPU_RETURN_IF_ERROR(AwaitDevices());
    return std::vector<double>{absl::ToDoubleMilliseconds(absl::Now() - begun)};
  }

 private:
  explicit Stage(TemporaryDirectory folder) : folder_(std::move(folder)) {}
  std::string plugin_dir() const { return folder_.path() + "/device-plugins"; }
  absl::Status StartKubelet() {
    XPU_ASSIGN_OR_RETURN(kubelet_, Kubelet::Start({.plugin_dir = plugin_dir()}));
    return absl::OkStatus();
  }
  absl::Status AwaitDevices() {
    return kubelet_
        ->Await(
            kResource,
            [](const KubeletResource& seen) { return seen.connected && seen.allocatable == kFunctions; },
            absl::Now() + absl::Seconds(60))
        .status();
  }

  TemporaryDirectory folder_;
  ChildProcess echo_;
  ChildProcess host_agent_;
  ChildProcess relay_;
  std::unique_ptr<Kubelet> kubelet_;
  ChildProcess plugin_;
};

// A sandbox, and a device in it that no pod holds.
class WholeStage {
 public:
  static absl::StatusOr<std::unique_ptr<WholeStage>> Make(const std::string& bin_dir) {
    SandboxOptions options{.name = "allocate", .bin_dir = bin_dir, .log_level = "warn"};
    XPU_RETURN_IF_ERROR(options.Complete());
    // What a run that was killed has left.
    XPU_RETURN_IF_ERROR(Sandbox::Down(options.dir));
    XPU_ASSIGN_OR_RETURN(Sandbox sandbox, Sandbox::Up(options));
    std::unique_ptr<WholeStage> stage(new WholeStage(std::move(sandbox)));
    XPU_ASSIGN_OR_RETURN(stage->pair_, Pair::Connect(stage->sandbox_));
    XPU_RETURN_IF_ERROR(stage->pair_->AwaitDevices(1));
    XPU_ASSIGN_OR_RETURN(stage->device_, stage->pair_->Allocate("bench"));
    // What the kubelet calls a pod's is given to nobody else.
    XPU_RETURN_IF_ERROR(stage->pair_->Deallocate("bench"));
    return stage;
  }
  ~WholeStage() { Sandbox::Down(sandbox_.options().dir).IgnoreError(); }

  const std::string& device() const { return device_; }
  std::string plugin_socket() const {
    const SandboxLayout layout(sandbox_.options().dir);
    return absl::StrCat(layout.plugin_dir(), "/", PluginSocketName(layout.resource_name()));
  }

 private:
  explicit WholeStage(Sandbox sandbox) : sandbox_(std::move(sandbox)) {}
  Sandbox sandbox_;
  std::unique_ptr<Pair> pair_;
  std::string device_;
};

absl::StatusOr<std::vector<Figure>> CompareAllocate(const std::string& prefix, const std::string& peer,
                                                    int runs, const Allocator& ours,
                                                    const Allocator& theirs) {
  return Compare(
      {.metrics = {prefix + "_p50", prefix + "_p99"},
       .unit = "µs",
       .peer = peer,
       .runs = runs,
       .limits = {{"allocate_p50", kAllocateLimit}, {"allocate_p99", kAllocateLimit}}},
      [&] { return ours.Block(); }, [&] { return theirs.Block(); });
}

}  // namespace

absl::StatusOr<std::vector<Figure>> BenchmarkDevicePlugin(const BenchmarkOptions& options) {
  XPU_ASSIGN_OR_RETURN(const auto stage, Stage::Make(options.bin_dir));
  XPU_ASSIGN_OR_RETURN(const std::string device, stage->Device());
  XPU_ASSIGN_OR_RETURN(const Allocator echo, Allocator::Make(stage->echo_socket(), device));
  XPU_ASSIGN_OR_RETURN(const Allocator relay, Allocator::Make(stage->relay_socket(), device));
  XPU_ASSIGN_OR_RETURN(const Allocator plugin, Allocator::Make(stage->plugin_socket(), device));
  const int runs = options.runs > 0 ? options.runs : 40;
  XPU_ASSIGN_OR_RETURN(std::vector<Figure> figures,
                       CompareAllocate("allocate", kEchoPeer, runs, plugin, echo));
  XPU_ASSIGN_OR_RETURN(const std::vector<Figure> relayed,
                       CompareAllocate("relayed", kRelayPeer, runs, plugin, relay));
  figures.insert(figures.end(), relayed.begin(), relayed.end());

  const int reregistrations = options.runs > 0 ? options.runs : 30;
  std::vector<double> took;
  for (int run = 0; run < reregistrations; ++run) {
    XPU_ASSIGN_OR_RETURN(const std::vector<double> once, stage->Reregister());
    took.push_back(once.front());
  }
  figures.push_back({.metric = "reregister_ms",
                     .unit = "ms",
                     .peer = "the limit",
                     .ours = Summarise(std::move(took)),
                     .theirs = Summarise({kReregisterLimit}),
                     .runs = reregistrations,
                     .limit = 1});

  XPU_ASSIGN_OR_RETURN(const auto whole, WholeStage::Make(options.bin_dir));
  XPU_ASSIGN_OR_RETURN(const Allocator whole_plugin,
                       Allocator::Make(whole->plugin_socket(), whole->device()));
  XPU_ASSIGN_OR_RETURN(
      const std::vector<Figure> of_all,
      CompareAllocate("whole", kEchoPeer, options.runs > 0 ? options.runs : 10, whole_plugin, echo));
  figures.insert(figures.end(), of_all.begin(), of_all.end());
  return figures;
}

}  // namespace xpu::testing
