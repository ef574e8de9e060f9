// Ports onto Open vSwitch over the agent's own connection, 500 in one transaction, each side on an Open
// vSwitch of its own; until ovs-vswitchd has acted on them:
//   ports_500        beside one ovs-vsctl for each port
//   ports_500_batch  beside one ovs-vsctl for all

#include <fstream>
#include <memory>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "common/base/status_macros.h"
#include "common/log/log.h"
#include "test/bench/benchmark.h"
#include "test/lib/ovs/test_ovs.h"
#include "xpu-agent/datapath/ovs/ovs_switch.h"
#include "xpu-agent/datapath/switch_observer.h"

namespace xpu::testing {
namespace {

constexpr int kPorts = 500;
constexpr int kBatchRuns = 5;
constexpr char kBridge[] = "br-bench";
constexpr double kEachLimit = 0.05;
constexpr double kBatchLimit = 1.3;

double Milliseconds(absl::Time since) { return absl::ToDoubleMilliseconds(absl::Now() - since); }
std::string PortName(int i) { return absl::StrCat("rep", i); }

absl::StatusOr<std::unique_ptr<TestOvs>> StartWithInterfaces() {
  XPU_ASSIGN_OR_RETURN(std::unique_ptr<TestOvs> ovs, TestOvs::Start());
  const std::string file = ovs->dir() + "/links";
  {
    std::ofstream out(file);
    for (int i = 0; i < kPorts; ++i) {
      out << "link add " << PortName(i) << " type veth peer name fn" << i << "\n"
          << "link set " << PortName(i) << " up\n";
    }
  }
  XPU_RETURN_IF_ERROR(ovs->netns().Run({"ip", "-batch", file}, absl::Minutes(2)).status());
  return ovs;
}

class OurPorts {
 public:
  static absl::StatusOr<std::unique_ptr<OurPorts>> Make() {
    std::unique_ptr<OurPorts> ours(new OurPorts);
    XPU_ASSIGN_OR_RETURN(ours->ovs_, StartWithInterfaces());
    ours->switch_ = std::make_unique<OvsSwitch>(OvsSwitchOptions{.ovsdb_remote = ours->ovs_->remote(),
                                                                 .openflow_dir = ours->ovs_->openflow_dir(),
                                                                 .bridge = kBridge,
                                                                 .datapath_type = "netdev",
                                                                 .owner = "bench",
                                                                 .deadline = absl::Minutes(2)});
    ours->observer_.Start(*ours->switch_);
    if (!ours->observer_.AwaitReady()) return absl::UnavailableError("Open vSwitch does not get ready");
    return ours;
  }

  absl::StatusOr<std::vector<double>> AddAll() {
    SwitchPlan add, remove;
    for (int i = 0; i < kPorts; ++i) {
      add.port_adds.push_back({.name = PortName(i), .ofport = 1u + i});
      remove.port_deletes.push_back(PortName(i));
    }
    const absl::Time start = absl::Now();
    XPU_RETURN_IF_ERROR(switch_->Apply(add).ports);
    const double took = Milliseconds(start);
    XPU_ASSIGN_OR_RETURN(const SwitchSnapshot snapshot, switch_->Snapshot());
    for (const auto& [name, port] : snapshot.ports) {
      if (port.ofport == 0) return absl::InternalError(name + " has no number");
    }
    if (snapshot.ports.size() != kPorts) return absl::InternalError("ports are missing");
    XPU_RETURN_IF_ERROR(switch_->Apply(remove).ports);
    return std::vector<double>{took};
  }

 private:
  OurPorts() = default;
  std::unique_ptr<TestOvs> ovs_;
  // Outlives the switch.
  SwitchObserver observer_;
  std::unique_ptr<OvsSwitch> switch_;
};

class TheirPorts {
 public:
  static absl::StatusOr<std::unique_ptr<TheirPorts>> Make() {
    std::unique_ptr<TheirPorts> theirs(new TheirPorts);
    XPU_ASSIGN_OR_RETURN(theirs->ovs_, StartWithInterfaces());
    XPU_RETURN_IF_ERROR(theirs->ovs_->AddBridge(kBridge));
    return theirs;
  }

  absl::StatusOr<std::vector<double>> AddAll() {
    std::vector<std::string> add;
    for (int i = 0; i < kPorts; ++i) Append(AddOne(i), &add);
    const absl::Time start = absl::Now();
    XPU_RETURN_IF_ERROR(ovs_->Vsctl(add).status());
    const double took = Milliseconds(start);
    XPU_RETURN_IF_ERROR(RemoveAll());
    return std::vector<double>{took};
  }
  absl::StatusOr<std::vector<double>> AddEach() {
    const absl::Time start = absl::Now();
    for (int i = 0; i < kPorts; ++i) XPU_RETURN_IF_ERROR(ovs_->Vsctl(AddOne(i)).status());
    const double took = Milliseconds(start);
    XPU_RETURN_IF_ERROR(RemoveAll());
    return std::vector<double>{took};
  }

 private:
  TheirPorts() = default;
  static void Append(std::vector<std::string> words, std::vector<std::string>* command) {
    if (!command->empty()) command->push_back("--");
    command->insert(command->end(), words.begin(), words.end());
  }
  static std::vector<std::string> AddOne(int i) {
    return {"add-port", kBridge,     PortName(i), "--",
            "set",      "Interface", PortName(i), absl::StrCat("ofport_request=", i + 1)};
  }
  absl::Status RemoveAll() {
    std::vector<std::string> remove;
    for (int i = 0; i < kPorts; ++i) Append({"del-port", kBridge, PortName(i)}, &remove);
    return ovs_->Vsctl(remove).status();
  }
  std::unique_ptr<TestOvs> ovs_;
};

}  // namespace

absl::StatusOr<std::vector<Figure>> BenchmarkPorts(const BenchmarkOptions& options) {
  XPU_RETURN_IF_ERROR(InitLogging("xpu-bench", "warn"));
  XPU_ASSIGN_OR_RETURN(const std::unique_ptr<OurPorts> ours, OurPorts::Make());
  XPU_ASSIGN_OR_RETURN(const std::unique_ptr<TheirPorts> theirs, TheirPorts::Make());
  Comparison comparison{.metrics = {"ports_500_batch"},
                        .unit = "ms",
                        .peer = "one ovs-vsctl for all ports",
                        .runs = options.runs > 0 ? options.runs : kBatchRuns,
                        .limits = {{"ports_500_batch", kBatchLimit}}};
  XPU_ASSIGN_OR_RETURN(std::vector<Figure> figures,
                       Compare(
                           comparison, [&] { return ours->AddAll(); }, [&] { return theirs->AddAll(); }));
  // Takes long, and the same every time.
  XPU_ASSIGN_OR_RETURN(const std::vector<double> all, ours->AddAll());
  XPU_ASSIGN_OR_RETURN(const std::vector<double> each, theirs->AddEach());
  figures.push_back({.metric = "ports_500",
                     .unit = "ms",
                     .peer = "an ovs-vsctl for each port",
                     .ours = Summarise(all),
                     .theirs = Summarise(each),
                     .runs = 1,
                     .limit = kEachLimit});
  return figures;
}

}  // namespace xpu::testing
