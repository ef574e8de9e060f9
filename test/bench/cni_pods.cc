#include "test/bench/cni_pods.h"

#include <utility>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "absl/time/clock.h"
#include "common/base/mac_address.h"
#include "common/base/status_macros.h"
#include "common/sys/in_namespace.h"
#include "common/sys/net_namespaces_real.h"
#include "common/sys/netlink_real.h"
#include "nlohmann/json.hpp"
#include "test/bench/at_once.h"
#include "test/bench/kernel_rest.h"

namespace xpu::testing {
namespace {

constexpr char kIfname[] = "eth0";

MacAddress MacOf(int pod, uint8_t end) {
  return MacAddress({0x02, end, 0, 0, static_cast<uint8_t>(pod >> 8), static_cast<uint8_t>(pod)});
}

}  // namespace

absl::StatusOr<double> Milliseconds(const absl::StatusOr<CniOutcome>& outcome, absl::string_view what) {
  XPU_RETURN_IF_ERROR(outcome.status());
  if (!outcome->ok())
    return absl::InternalError(absl::StrCat(what, ": ", outcome->output, outcome->error_output));
  return absl::ToDoubleMilliseconds(outcome->elapsed);
}

absl::StatusOr<std::unique_ptr<VethHost>> VethHost::Make(int pods) {
  XPU_ASSIGN_OR_RETURN(TemporaryDirectory folder, TemporaryDirectory::Make());
  std::unique_ptr<VethHost> host(new VethHost(pods, std::move(folder)));
  XPU_RETURN_IF_ERROR(host->Prepare());
  return host;
}

VethHost::~VethHost() {
  for (int i = 0; i < pods_; ++i) RemoveBoundNamespace(PodPath(i)).IgnoreError();
  for (const char* name : {"host", "switch"}) RemoveBoundNamespace(Path(name)).IgnoreError();
}

std::string VethHost::Interface(int number) { return absl::StrCat("vf", number); }
std::string VethHost::PodPath(int number) const { return Path(absl::StrCat("pod", number)); }

absl::Status VethHost::Prepare() {
  for (const char* name : {"host", "switch"}) XPU_RETURN_IF_ERROR(CreateBoundNamespace(Path(name)));
  NetNamespacesReal namespaces;
  NetlinkFactoryReal netlinks;
  XPU_ASSIGN_OR_RETURN(host_, namespaces.Open(Path("host")));
  XPU_ASSIGN_OR_RETURN(const auto switch_ns, namespaces.Open(Path("switch")));
  XPU_ASSIGN_OR_RETURN(const auto host, netlinks.Open(host_));
  XPU_ASSIGN_OR_RETURN(const auto the_switch, netlinks.Open(switch_ns));
  for (int i = 0; i < pods_; ++i) {
    XPU_RETURN_IF_ERROR(CreateBoundNamespace(PodPath(i)));
    const std::string other_end = absl::StrCat("representor", i);
    XPU_RETURN_IF_ERROR(host->CreateVeth(Interface(i), MacOf(i, 1), other_end, MacOf(i, 2), switch_ns));
    XPU_ASSIGN_OR_RETURN(const Link representor, the_switch->GetLink(other_end));
    XPU_RETURN_IF_ERROR(the_switch->ChangeLink(representor.ifindex, {.up = true}));
  }
  return absl::OkStatus();
}

absl::StatusOr<std::unique_ptr<TheirPods>> TheirPods::Make(int pods, const std::string& plugins) {
  XPU_ASSIGN_OR_RETURN(auto host, VethHost::Make(pods));
  return std::unique_ptr<TheirPods>(new TheirPods(std::move(host), plugins));
}

TheirPods::TheirPods(std::unique_ptr<VethHost> host, const std::string& plugins)
    : host_(std::move(host)), plugins_(plugins) {}

CniCall TheirPods::Call(const std::string& command, int pod) const {
  const nlohmann::json range = {{"subnet", "10.78.0.0/16"}};
  const nlohmann::json config = {{"cniVersion", "1.0.0"},
                                 {"name", "bench"},
                                 {"type", "host-device"},
                                 {"device", VethHost::Interface(pod)},
                                 {"ipam",
                                  {{"type", "host-local"},
                                   {"ranges", nlohmann::json::array({nlohmann::json::array({range})})},
                                   {"dataDir", host_->folder() + "/leases"}}}};
  return {.command = command,
          .container_id = absl::StrCat("bench-", round_, "-", pod),
          .netns = host_->PodPath(pod),
          .ifname = kIfname,
          .config = config.dump()};
}

absl::StatusOr<std::vector<double>> TheirPods::AddAndDel() {
  const ContainerRuntime runtime(
      {.plugin = plugins_ + "/host-device", .cni_path = plugins_, .net_namespace = host_->host()});
  ++round_;
  XPU_RETURN_IF_ERROR(LetKernelRest());
  XPU_ASSIGN_OR_RETURN(const double add, Milliseconds(runtime.Run(Call("ADD", 0)), "ADD"));
  XPU_RETURN_IF_ERROR(LetKernelRest());
  XPU_ASSIGN_OR_RETURN(const double del, Milliseconds(runtime.Run(Call("DEL", 0)), "DEL"));
  return std::vector<double>{add, del};
}

absl::StatusOr<std::vector<double>> TheirPods::AddAndDelAll() {
  const ContainerRuntime runtime({.plugin = plugins_ + "/host-device", .cni_path = plugins_});
  ++round_;
  std::vector<double> took;
  // Entered once and for all of them, so that nobody pays for it call by call.
  XPU_RETURN_IF_ERROR(InNamespace(host_->host(), [&]() -> absl::Status {
    for (const char* command : {"ADD", "DEL"}) {
      XPU_RETURN_IF_ERROR(LetKernelRest());
      const auto run = [&](int pod) {
        return Milliseconds(runtime.Run(Call(command, pod)), command).status();
      };
      XPU_ASSIGN_OR_RETURN(const absl::Duration all, AtOnce(host_->pods(), run));
      took.push_back(absl::ToDoubleMilliseconds(all));
    }
    return absl::OkStatus();
  }));
  return took;
}

absl::StatusOr<std::unique_ptr<BarePods>> BarePods::Make(int pods, const std::string& program,
                                                         BareSetup setup) {
  XPU_ASSIGN_OR_RETURN(auto host, VethHost::Make(pods));
  std::unique_ptr<BarePods> bare(new BarePods(std::move(host), program, std::move(setup)));
  NetNamespacesReal namespaces;
  NetlinkFactoryReal netlinks;
  for (int i = 0; i < pods; ++i) {
    Ends ends;
    XPU_ASSIGN_OR_RETURN(ends.pod_namespace, namespaces.Open(bare->host_->PodPath(i)));
    XPU_ASSIGN_OR_RETURN(ends.host, netlinks.Open(bare->host_->host()));
    XPU_ASSIGN_OR_RETURN(ends.pod, netlinks.Open(ends.pod_namespace));
    XPU_ASSIGN_OR_RETURN(const Link link, ends.host->GetLink(VethHost::Interface(i)));
    ends.ifindex = link.ifindex;
    bare->ends_.push_back(std::move(ends));
  }
  return bare;
}

BarePods::BarePods(std::unique_ptr<VethHost> host, const std::string& program, BareSetup setup)
    : host_(std::move(host)),
      runtime_({.plugin = program, .net_namespace = host_->host()}),
      setup_(std::move(setup)) {}

absl::Status BarePods::Move(int pod) {
  LinkChange change;
  change.name = kIfname;
  change.net_namespace = ends_[pod].pod_namespace;
  return ends_[pod].host->ChangeLink(ends_[pod].ifindex, change);
}

absl::Status BarePods::Return(int pod) {
  Ends& ends = ends_[pod];
  XPU_ASSIGN_OR_RETURN(const Link link, ends.pod->GetLink(kIfname));
  LinkChange change;
  change.name = VethHost::Interface(pod);
  change.mtu = 1500;
  change.net_namespace = host_->host();
  XPU_RETURN_IF_ERROR(ends.pod->ChangeLink(link.ifindex, change));
  XPU_ASSIGN_OR_RETURN(const Link home, ends.host->GetLink(VethHost::Interface(pod)));
  ends.ifindex = home.ifindex;
  return absl::OkStatus();
}

absl::Status BarePods::ReturnAll() {
  return AtOnce(host_->pods(), [this](int pod) { return Return(pod); }).status();
}

absl::StatusOr<std::vector<double>> BarePods::Attach() {
  XPU_RETURN_IF_ERROR(LetKernelRest());
  const auto outcome =
      runtime_.Run({.netns = host_->PodPath(0),
                    .ifname = kIfname,
                    .args = absl::StrCat(VethHost::Interface(0), " ", setup_.address, " ",
                                         setup_.gateway.empty() ? "-" : setup_.gateway, " ", setup_.mtu)});
  XPU_RETURN_IF_ERROR(Milliseconds(outcome, "xpu-bare-attach").status());
  int64_t end = 0;
  if (!absl::SimpleAtoi(absl::StripTrailingAsciiWhitespace(outcome->output), &end)) {
    return absl::InternalError("xpu-bare-attach does not say when it was done: " + outcome->output);
  }
  XPU_RETURN_IF_ERROR(Return(0));
  return std::vector<double>{absl::ToDoubleMilliseconds(absl::FromUnixNanos(end) - outcome->begun)};
}

absl::StatusOr<std::vector<double>> BarePods::MoveAllAtOnce() {
  XPU_ASSIGN_OR_RETURN(const absl::Duration took,
                       AtOnce(host_->pods(), [this](int pod) { return Move(pod); }));
  XPU_RETURN_IF_ERROR(ReturnAll());
  return std::vector<double>{absl::ToDoubleMilliseconds(took)};
}

absl::StatusOr<std::vector<double>> BarePods::MoveAllInTurn() {
  const absl::Time begun = absl::Now();
  for (int pod = 0; pod < host_->pods(); ++pod) XPU_RETURN_IF_ERROR(Move(pod));
  const absl::Duration took = absl::Now() - begun;
  XPU_RETURN_IF_ERROR(ReturnAll());
  return std::vector<double>{absl::ToDoubleMilliseconds(took)};
}

}  // namespace xpu::testing
