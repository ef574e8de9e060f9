// metric   ours                                              peer
// version  xpu-cni VERSION                                   bridge VERSION
// add      ADD of an emulated VF in a sandbox. The kubelet   ADD by host-device with host-local: one end of a
// veth pair
//          has allocated it before; the DPU's switch has     is moved, named and given an address
//          confirmed the port when ADD returns.
// del      DEL of the same, the DPU included                 DEL of the same
//
// Both sides are started by posix_spawn and timed until they are reaped, each has one IPv4 address to give
// (with IPv6 the reference plugins wait for duplicate address detection, which would flatter us), and each
// uses one pod namespace again and again, so that no namespace is made or torn down while something is
// measured.

#include <unistd.h>

#include <memory>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "common/api/api.h"
#include "common/base/mac_address.h"
#include "common/base/status_macros.h"
#include "common/sys/files.h"
#include "common/sys/net_namespaces_real.h"
#include "common/sys/netlink_real.h"
#include "control-plane/sandbox/sandbox.h"
#include "nlohmann/json.hpp"
#include "test/bench/benchmark.h"
#include "test/lib/pair/pair.h"
#include "test/lib/runtime/container_runtime.h"
#include "xpu/api/v1alpha1/network.pb.h"

namespace xpu::testing {
namespace {

constexpr char kReferencePlugins[] = "/usr/lib/cni";
constexpr char kCniVersion[] = "1.0.0";

absl::StatusOr<double> Milliseconds(const absl::StatusOr<CniOutcome>& outcome, absl::string_view what) {
  XPU_RETURN_IF_ERROR(outcome.status());
  if (!outcome->ok())
    return absl::InternalError(absl::StrCat(what, ": ", outcome->output, outcome->error_output));
  return absl::ToDoubleMilliseconds(outcome->elapsed);
}

Side Version(const std::string& plugin) {
  return [runtime = ContainerRuntime({.plugin = plugin})]() -> absl::StatusOr<std::vector<double>> {
    const CniCall call{.command = "VERSION", .config = nlohmann::json{{"cniVersion", kCniVersion}}.dump()};
    XPU_ASSIGN_OR_RETURN(const double took, Milliseconds(runtime.Run(call), "VERSION"));
    return std::vector<double>{took};
  };
}

// A sandbox with one network, and one pod that is attached and detached.
class OurPod {
 public:
  static absl::StatusOr<std::unique_ptr<OurPod>> Make(const std::string& bin_dir) {
    SandboxOptions options{.name = "bench", .bin_dir = bin_dir, .log_level = "warn"};
    XPU_RETURN_IF_ERROR(options.Complete());
    // What a run that was killed has left.
    XPU_RETURN_IF_ERROR(Sandbox::Down(options.dir));
    XPU_ASSIGN_OR_RETURN(Sandbox sandbox, Sandbox::Up(options));
    std::unique_ptr<OurPod> ours(new OurPod(std::move(sandbox)));
    XPU_RETURN_IF_ERROR(ours->Prepare());
    return ours;
  }
  ~OurPod() { Sandbox::Down(sandbox_.options().dir).IgnoreError(); }

  absl::StatusOr<std::vector<double>> AddAndDel() {
    pod_.container_id = absl::StrCat("bench-", ++count_);
    XPU_ASSIGN_OR_RETURN(pod_.device, pair_->Allocate(pod_.container_id));
    XPU_ASSIGN_OR_RETURN(const double add, Milliseconds(pair_->Cni("ADD", pod_), "ADD"));
    XPU_ASSIGN_OR_RETURN(const double del, Milliseconds(pair_->Cni("DEL", pod_), "DEL"));
    XPU_RETURN_IF_ERROR(pair_->Deallocate(pod_.container_id));
    return std::vector<double>{add, del};
  }

 private:
  explicit OurPod(Sandbox sandbox) : sandbox_(std::move(sandbox)) {}

  absl::Status Prepare() {
    XPU_ASSIGN_OR_RETURN(pair_, Pair::Connect(sandbox_));
    const nlohmann::json network = {{"apiVersion", "xpu.opiproject.org/v1alpha1"},
                                    {"kind", "Network"},
                                    {"metadata", {{"name", "bench"}, {"namespace", "default"}}},
                                    {"spec", {{"vni", 7001}, {"prefixes", {"10.77.0.0/16"}}}}};
    XPU_RETURN_IF_ERROR(pair_->store().Create(api::KindOf<api::v1alpha1::Network>(), network).status());
    XPU_RETURN_IF_ERROR(pair_->WaitUntilNetworksReady(absl::Now() + absl::Seconds(60)));
    XPU_RETURN_IF_ERROR(pair_->AwaitDevices(1));
    pod_ = pair_->Describe({.name = "bench", .network = "default/bench"});
    return sandbox_.AddPodNamespace("pod-bench");
  }

  Sandbox sandbox_;
  std::unique_ptr<Pair> pair_;
  Pod pod_;
  int count_ = 0;
};

// A host with one end of a veth pair, whose other end is in a namespace of its own, and a pod that gets it.
class TheirPod {
 public:
  static absl::StatusOr<std::unique_ptr<TheirPod>> Make() {
    XPU_ASSIGN_OR_RETURN(TemporaryDirectory folder, TemporaryDirectory::Make());
    std::unique_ptr<TheirPod> theirs(new TheirPod(std::move(folder)));
    XPU_RETURN_IF_ERROR(theirs->Prepare());
    return theirs;
  }
  ~TheirPod() {
    for (const char* name : {"pod", "host", "switch"}) RemoveBoundNamespace(Path(name)).IgnoreError();
  }

  absl::StatusOr<std::vector<double>> AddAndDel() {
    call_.container_id = absl::StrCat("bench-", ++count_);
    call_.command = "ADD";
    XPU_ASSIGN_OR_RETURN(const double add, Milliseconds(runtime_->Run(call_), "ADD"));
    call_.command = "DEL";
    XPU_ASSIGN_OR_RETURN(const double del, Milliseconds(runtime_->Run(call_), "DEL"));
    return std::vector<double>{add, del};
  }

 private:
  explicit TheirPod(TemporaryDirectory folder) : folder_(std::move(folder)) {}
  std::string Path(const std::string& name) const { return folder_.path() + "/" + name; }

  absl::Status Prepare() {
    for (const char* name : {"host", "switch", "pod"}) XPU_RETURN_IF_ERROR(CreateBoundNamespace(Path(name)));
    NetNamespacesReal namespaces;
    NetlinkFactoryReal netlinks;
    XPU_ASSIGN_OR_RETURN(const auto host_ns, namespaces.Open(Path("host")));
    XPU_ASSIGN_OR_RETURN(const auto switch_ns, namespaces.Open(Path("switch")));
    XPU_ASSIGN_OR_RETURN(const auto host, netlinks.Open(host_ns));
    XPU_ASSIGN_OR_RETURN(const auto the_switch, netlinks.Open(switch_ns));
    XPU_RETURN_IF_ERROR(host->CreateVeth("vf0", MacAddress({0x02, 0, 0, 0, 0, 1}), "representor0",
                                         MacAddress({0x02, 0, 0, 0, 0, 2}), switch_ns));
    XPU_ASSIGN_OR_RETURN(const Link representor, the_switch->GetLink("representor0"));
    XPU_RETURN_IF_ERROR(the_switch->ChangeLink(representor.ifindex, {.up = true}));

    runtime_ = std::make_unique<ContainerRuntime>(ContainerRuntime::Options{
        .plugin = absl::StrCat(kReferencePlugins, "/host-device"),
        .cni_path = kReferencePlugins,
        .net_namespace = host_ns,
    });
    call_.netns = Path("pod");
    call_.ifname = "eth0";
    const nlohmann::json subnet = {{"subnet", "10.78.0.0/16"}};
    call_.config = nlohmann::json{{"cniVersion", kCniVersion},
                                  {"name", "bench"},
                                  {"type", "host-device"},
                                  {"device", "vf0"},
                                  {"ipam",
                                   {{"type", "host-local"},
                                    {"ranges", nlohmann::json::array({nlohmann::json::array({subnet})})},
                                    {"dataDir", Path("leases")}}}}
                       .dump();
    return absl::OkStatus();
  }

  TemporaryDirectory folder_;
  std::unique_ptr<ContainerRuntime> runtime_;
  CniCall call_;
  int count_ = 0;
};

}  // namespace

absl::StatusOr<std::vector<Figure>> BenchmarkCni(const BenchmarkOptions& options) {
  for (const char* plugin : {"bridge", "host-device", "host-local"}) {
    const std::string path = absl::StrCat(kReferencePlugins, "/", plugin);
    if (access(path.c_str(), X_OK) != 0) {
      return absl::NotFoundError(
          absl::StrCat(path, " is missing; install the package containernetworking-plugins"));
    }
  }
  XPU_ASSIGN_OR_RETURN(
      std::vector<Figure> figures,
      Compare({.metrics = {"version"},
               .unit = "ms",
               .peer = "bridge (containernetworking-plugins)",
               .runs = options.runs > 0 ? options.runs : 300},
              Version(options.bin_dir + "/xpu-cni"), Version(absl::StrCat(kReferencePlugins, "/bridge"))));
  XPU_ASSIGN_OR_RETURN(const auto ours, OurPod::Make(options.bin_dir));
  XPU_ASSIGN_OR_RETURN(const auto theirs, TheirPod::Make());
  XPU_ASSIGN_OR_RETURN(std::vector<Figure> attachments,
                       Compare(
                           {.metrics = {"add", "del"},
                            .unit = "ms",
                            .peer = "host-device with host-local (containernetworking-plugins)",
                            .runs = options.runs > 0 ? options.runs : 60},
                           [&] { return ours->AddAndDel(); }, [&] { return theirs->AddAndDel(); }));
  figures.insert(figures.end(), attachments.begin(), attachments.end());
  return figures;
}

}  // namespace xpu::testing
