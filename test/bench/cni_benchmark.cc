// What the CNI plugin takes, beside the reference plugins and the kernel's own part:
//
//   version         xpu-cni VERSION; bridge VERSION
//   add             ADD of an emulated VF in a sandbox, which the kubelet has allocated before and whose port
//                   the DPU's switch has confirmed when ADD returns; ADD by host-device with host-local: one
//                   end of a veth pair is moved, named and given an address
//   del             DEL of the same, which the DPU has written down when it returns; DEL of the same
//   add_over_floor  the same ADD; xpu-bare-attach: the kernel's part alone, from the start of a process to
//                   the last call's end
//   add_32, del_32  32 at once, until the last one is done; the same of host-device with host-local
//   moves_32        32 veth ends moved into 32 namespaces, each by one call from a thread of its own; the
//                   same one after the other
//
// The last one measures the kernel: 1 means that it makes one move wait for the other, which no plugin can
// change; 1 / 32 would mean that it does all of them at the same time.
//
// Plugins are started by posix_spawn and timed until they are reaped, each has one IPv4 address to give
// (with IPv6 the reference plugins wait for duplicate address detection, which would flatter us), and each
// uses the same pod namespaces again and again, so that no namespace is made or torn down while something is
// measured. Each call finds a kernel that is done with what the one before has left to it (kernel_rest.h).

#include <unistd.h>

#include <memory>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "common/api/api.h"
#include "common/base/status_macros.h"
#include "control-plane/sandbox/sandbox.h"
#include "nlohmann/json.hpp"
#include "test/bench/at_once.h"
#include "test/bench/benchmark.h"
#include "test/bench/cni_pods.h"
#include "test/bench/kernel_rest.h"
#include "test/lib/pair/pair.h"
#include "test/lib/runtime/container_runtime.h"
#include "xpu/api/v1alpha1/network.pb.h"

namespace xpu::testing {
namespace {

constexpr char kReferencePlugins[] = "/usr/lib/cni";
constexpr char kHostDevice[] = "host-device with host-local (containernetworking-plugins)";
constexpr int kAtOnce = 32;

Side Version(const std::string& plugin) {
  return [runtime = ContainerRuntime({.plugin = plugin})]() -> absl::StatusOr<std::vector<double>> {
    const CniCall call{.command = "VERSION", .config = nlohmann::json{{"cniVersion", "1.0.0"}}.dump()};
    XPU_ASSIGN_OR_RETURN(const double took, Milliseconds(runtime.Run(call), "VERSION"));
    return std::vector<double>{took};
  };
}

// A sandbox with one network, and pods that are attached and detached.
class OurPods {
 public:
  static absl::StatusOr<std::unique_ptr<OurPods>> Make(const std::string& bin_dir) {
    SandboxOptions options{.name = "bench", .vfs = kAtOnce, .bin_dir = bin_dir, .log_level = "warn"};
    XPU_RETURN_IF_ERROR(options.Complete());
    // What a run that was killed has left.
    XPU_RETURN_IF_ERROR(Sandbox::Down(options.dir));
    XPU_ASSIGN_OR_RETURN(Sandbox sandbox, Sandbox::Up(options));
    std::unique_ptr<OurPods> ours(new OurPods(std::move(sandbox)));
    XPU_RETURN_IF_ERROR(ours->Prepare());
    return ours;
  }
  ~OurPods() { Sandbox::Down(sandbox_.options().dir).IgnoreError(); }

  // ADD and DEL of one pod.
  absl::StatusOr<std::vector<double>> AddAndDel() {
    Pod& pod = pods_.front();
    XPU_RETURN_IF_ERROR(Allocate(pod));
    XPU_RETURN_IF_ERROR(LetKernelRest());
    XPU_ASSIGN_OR_RETURN(const CniOutcome added, pair_->Cni("ADD", pod));
    XPU_ASSIGN_OR_RETURN(const double add, Milliseconds(added, "ADD"));
    XPU_RETURN_IF_ERROR(LetKernelRest());
    XPU_ASSIGN_OR_RETURN(const double del, Milliseconds(pair_->Cni("DEL", pod), "DEL"));
    XPU_RETURN_IF_ERROR(pair_->Deallocate(pod.container_id));
    added_ = added.output;
    return std::vector<double>{add, del};
  }

  // ADD of all pods at once, then DEL of all at once.
  absl::StatusOr<std::vector<double>> AddAndDelAll() {
    for (Pod& pod : pods_) XPU_RETURN_IF_ERROR(Allocate(pod));
    std::vector<double> took;
    for (const char* command : {"ADD", "DEL"}) {
      XPU_RETURN_IF_ERROR(LetKernelRest());
      const auto run = [&](int i) { return Milliseconds(pair_->Cni(command, pods_[i]), command).status(); };
      XPU_ASSIGN_OR_RETURN(const absl::Duration all, AtOnce(kAtOnce, run));
      took.push_back(absl::ToDoubleMilliseconds(all));
    }
    for (const Pod& pod : pods_) XPU_RETURN_IF_ERROR(pair_->Deallocate(pod.container_id));
    return took;
  }

  // What the last ADD of one pod gave its interface.
  absl::StatusOr<BareSetup> SetupOfAdd() const {
    const auto result = nlohmann::json::parse(added_, nullptr, /*allow_exceptions=*/false);
    try {
      const auto& ip = result.at("ips").at(0);
      // The MTU is in the result since version 1.1.0 of the specification, and the pods ask for 1.0.0.
      return BareSetup{.address = ip.at("address"), .gateway = ip.value("gateway", ""), .mtu = kMtu};
    } catch (const nlohmann::json::exception& error) {
      return absl::InternalError(absl::StrCat("ADD answered ", added_, ": ", error.what()));
    }
  }

 private:
  explicit OurPods(Sandbox sandbox) : sandbox_(std::move(sandbox)) {}

  absl::Status Prepare() {
    XPU_ASSIGN_OR_RETURN(pair_, Pair::Connect(sandbox_));
    const nlohmann::json network = {{"apiVersion", "xpu.opiproject.org/v1alpha1"},
                                    {"kind", "Network"},
                                    {"metadata", {{"name", "bench"}, {"namespace", "default"}}},
                                    {"spec", {{"vni", 7001}, {"mtu", kMtu}, {"prefixes", {"10.77.0.0/16"}}}}};
    XPU_RETURN_IF_ERROR(pair_->store().Create(api::KindOf<api::v1alpha1::Network>(), network).status());
    XPU_RETURN_IF_ERROR(pair_->WaitUntilNetworksReady(absl::Now() + absl::Seconds(60)));
    XPU_RETURN_IF_ERROR(pair_->AwaitDevices(kAtOnce));
    for (int i = 0; i < kAtOnce; ++i) {
      pods_.push_back(pair_->Describe({.name = absl::StrCat("bench-", i), .network = "default/bench"}));
      XPU_RETURN_IF_ERROR(sandbox_.AddPodNamespace(absl::StrCat("pod-bench-", i)));
    }
    return absl::OkStatus();
  }

  // A container in the pod's place that has a function.
  absl::Status Allocate(Pod& pod) {
    pod.container_id = absl::StrCat("container-", ++count_);
    XPU_ASSIGN_OR_RETURN(pod.device, pair_->Allocate(pod.container_id));
    return absl::OkStatus();
  }

  static constexpr uint32_t kMtu = 1450;
  Sandbox sandbox_;
  std::unique_ptr<Pair> pair_;
  std::vector<Pod> pods_;
  int count_ = 0;
  std::string added_;
};

absl::Status CheckPlugins() {
  for (const char* plugin : {"bridge", "host-device", "host-local"}) {
    const std::string path = absl::StrCat(kReferencePlugins, "/", plugin);
    if (access(path.c_str(), X_OK) != 0) {
      return absl::NotFoundError(
          absl::StrCat(path, " is missing; install the package containernetworking-plugins"));
    }
  }
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<std::vector<Figure>> BenchmarkCni(const BenchmarkOptions& options) {
  XPU_RETURN_IF_ERROR(CheckPlugins());
  std::vector<Figure> figures;
  const auto compare = [&](Comparison comparison, const Side& ours, const Side& theirs) -> absl::Status {
    comparison.unit = "ms";
    if (options.runs > 0) comparison.runs = options.runs;
    XPU_ASSIGN_OR_RETURN(const std::vector<Figure> compared, Compare(comparison, ours, theirs));
    figures.insert(figures.end(), compared.begin(), compared.end());
    return absl::OkStatus();
  };
  XPU_RETURN_IF_ERROR(compare({.metrics = {"version"},
                               .peer = "bridge (containernetworking-plugins)",
                               .runs = 300,
                               .limits = {{"version", 0.3}}},
                              Version(options.bin_dir + "/xpu-cni"),
                              Version(absl::StrCat(kReferencePlugins, "/bridge"))));

  XPU_ASSIGN_OR_RETURN(const auto ours, OurPods::Make(options.bin_dir));
  XPU_ASSIGN_OR_RETURN(const auto theirs, TheirPods::Make(kAtOnce, kReferencePlugins));
  XPU_RETURN_IF_ERROR(compare(
      {.metrics = {"add", "del"}, .peer = kHostDevice, .runs = 60, .limits = {{"add", 0.75}, {"del", 0.85}}},
      [&] { return ours->AddAndDel(); }, [&] { return theirs->AddAndDel(); }));

  XPU_ASSIGN_OR_RETURN(BareSetup setup, ours->SetupOfAdd());
  XPU_ASSIGN_OR_RETURN(const auto bare,
                       BarePods::Make(kAtOnce, options.bin_dir + "/xpu-bare-attach", std::move(setup)));
  const auto only_add = [&]() -> absl::StatusOr<std::vector<double>> {
    XPU_ASSIGN_OR_RETURN(const std::vector<double> add_and_del, ours->AddAndDel());
    return std::vector<double>{add_and_del.front()};
  };
  XPU_RETURN_IF_ERROR(compare({.metrics = {"add_over_floor"},
                               .peer = "the kernel's part alone (xpu-bare-attach)",
                               .runs = 60,
                               .limits = {{"add_over_floor", 1.15}}},
                              only_add, [&] { return bare->Attach(); }));

  XPU_RETURN_IF_ERROR(compare(
      {.metrics = {"add_32", "del_32"}, .peer = kHostDevice, .runs = 15, .limits = {{"add_32", 0.8}}},
      [&] { return ours->AddAndDelAll(); }, [&] { return theirs->AddAndDelAll(); }));
  XPU_RETURN_IF_ERROR(compare(
      {.metrics = {"moves_32"}, .peer = "the same one after the other", .runs = 15},
      [&] { return bare->MoveAllAtOnce(); }, [&] { return bare->MoveAllInTurn(); }));
  return figures;
}

}  // namespace xpu::testing
