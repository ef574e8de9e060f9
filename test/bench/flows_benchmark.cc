// Flows into Open vSwitch over the agent's own connection, beside ovs-ofctl, each on a bridge of its own:
//   add_100k     100,000 flows onto an empty bridge           ovs-ofctl --bundle add-flows FILE
//   change_1pct  new MACs for a hundredth of their ports      ovs-ofctl replace-flows FILE
//   change_one   a new MAC for one port                       ovs-ofctl --bundle add-flows FILE with what
//   changes
// Ours has the model and the switch's flows as the agent has them, and plans the change as well; the peer is
// given what it is to do.

#include <algorithm>
#include <cstdio>
#include <fstream>
#include <functional>
#include <memory>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/time/clock.h"
#include "common/base/status_macros.h"
#include "common/log/log.h"
#include "test/bench/benchmark.h"
#include "test/lib/ovs/test_ovs.h"
#include "xpu-agent/agent/allocator.h"
#include "xpu-agent/datapath/ovs/canonical_flow.h"
#include "xpu-agent/datapath/ovs/ovs_switch.h"
#include "xpu-agent/datapath/switch_observer.h"
#include "xpu-agent/plan/planner.h"

namespace xpu::testing {
namespace {

constexpr int kNetworks = 4;
constexpr size_t kFlows = 100'000;
constexpr int kRuns = 7;
// Changes of one port in a run, of which the median counts.
constexpr int kSmallChanges = 9;
constexpr char kOurs[] = "br-ours";
constexpr char kTheirs[] = "br-theirs";
constexpr double kAddLimit = 0.8;
constexpr double kPercentLimit = 0.03;
constexpr double kOneLimit = 0.05;

double Milliseconds(absl::Time since) { return absl::ToDoubleMilliseconds(absl::Now() - since); }

std::string PortId(int i) { return absl::StrCat("host0-", i); }

BridgePort PortOf(int i, int variant) {
  BridgePort port{.id = PortId(i), .logical_bridges = {absl::StrCat("b", i % kNetworks)}, .bound = true};
  port.mac = MacAddress(
      {2, static_cast<uint8_t>(variant), 0, 0, static_cast<uint8_t>(i >> 8), static_cast<uint8_t>(i)});
  for (const std::string& address :
       {absl::StrFormat("10.0.%d.%d/16", i >> 8, i & 255), absl::StrFormat("2001:db8::%x/64", i + 1)}) {
    port.addresses.push_back(InterfaceAddress::Parse(address).value());
  }
  return port;
}

// As many ports as it takes for so many flows; `ofports` gets their numbers.
ModelChange Crowd(std::map<std::string, uint32_t>* ofports, int* ports) {
  ModelChange all;
  for (int b = 0; b < kNetworks; ++b) {
    all.bridges[absl::StrCat("b", b)] = LogicalBridge{
        .id = absl::StrCat("b", b),
        .network_key = 1u + b,
        .prefixes = {IpPrefix::Parse("10.0.0.0/16").value(), IpPrefix::Parse("2001:db8::/64").value()}};
  }
  Planner planner;
  planner.Update(all, {});
  for (int i = 0; planner.size() < kFlows; ++i) {
    ModelChange one;
    one.ports[PortId(i)] = PortOf(i, 0);
    one.representors[PortId(i)] = Representor{.interface = absl::StrCat("r", i), .ofport = 1u + i};
    (*ofports)[absl::StrCat("r", i)] = 1u + i;
    planner.Update(one, {{absl::StrCat("r", i), 1u + i}});
    all.Append(std::move(one));
    *ports = i + 1;
  }
  return all;
}

std::string Line(const FlowKey& key, const std::string& actions) {
  return absl::StrCat("cookie=", kFlowCookie, ",", FlowToText(key, actions), "\n");
}

class FlowsBenchmark {
 public:
  static absl::StatusOr<std::unique_ptr<FlowsBenchmark>> Make() {
    std::unique_ptr<FlowsBenchmark> benchmark(new FlowsBenchmark);
    XPU_ASSIGN_OR_RETURN(benchmark->ovs_, TestOvs::Start());
    XPU_RETURN_IF_ERROR(benchmark->ovs_->AddBridge(kTheirs));
    benchmark->file_ = benchmark->ovs_->dir() + "/flows";
    std::map<std::string, uint32_t> ofports;
    benchmark->crowd_ = Crowd(&ofports, &benchmark->ports_);
    benchmark->ofports_ = std::move(ofports);
    Planner planner;
    planner.Update(benchmark->crowd_, benchmark->ofports_);
    // Flows name meters, which must be there before; theirs are no flows, and are not measured.
    for (const char* const bridge : {kTheirs, kOurs}) {
      benchmark->switch_.reset();
      benchmark->observer_ = std::make_unique<SwitchObserver>();
      benchmark->switch_ =
          std::make_unique<OvsSwitch>(OvsSwitchOptions{.ovsdb_remote = benchmark->ovs_->remote(),
                                                       .openflow_dir = benchmark->ovs_->openflow_dir(),
                                                       .bridge = bridge,
                                                       .datapath_type = "netdev",
                                                       .owner = "bench",
                                                       .deadline = absl::Minutes(1)});
      benchmark->observer_->Start(*benchmark->switch_);
      if (!benchmark->observer_->AwaitReady())
        return absl::UnavailableError("Open vSwitch does not get ready");
      XPU_RETURN_IF_ERROR(benchmark->switch_->Apply(SwitchPlan{.meter_puts = planner.Meters()}).flows);
    }
    return benchmark;
  }

  // add_100k, change_1pct, change_one in milliseconds.
  absl::StatusOr<std::vector<double>> Ours() {
    Planner planner;
    planner.Update(crowd_, ofports_);
    planner.ForgetChanges();
    SwitchPlan all{.flow_puts = planner.Flows(), .as_printed = true};
    std::vector<double> took;
    absl::Time start = absl::Now();
    XPU_RETURN_IF_ERROR(switch_->Apply(all).flows);
    took.push_back(Milliseconds(start));
    const auto make = [&](int count) -> absl::StatusOr<double> {
      const ModelChange change = Change(count);
      const absl::Time begun = absl::Now();
      planner.Update(change, {});
      XPU_RETURN_IF_ERROR(switch_->Apply(PlanOf(planner.TakeChanges())).flows);
      return Milliseconds(begun);
    };
    XPU_ASSIGN_OR_RETURN(took.emplace_back(), make(ports_ / 100));
    XPU_ASSIGN_OR_RETURN(took.emplace_back(), MedianOfSmall([&] { return make(1); }));
    SwitchPlan removal{.as_printed = true};
    XPU_ASSIGN_OR_RETURN(const SwitchSnapshot snapshot, switch_->Snapshot());
    if (!planner.Compare(snapshot.flows).empty()) return absl::InternalError("flows are missing");
    for (const auto& [key, actions] : snapshot.flows) removal.flow_deletes.push_back(key);
    XPU_RETURN_IF_ERROR(switch_->Apply(removal).flows);
    return took;
  }

  absl::StatusOr<std::vector<double>> Theirs() {
    Planner planner;
    planner.Update(crowd_, ofports_);
    planner.ForgetChanges();
    XPU_RETURN_IF_ERROR(WriteTable(planner));
    std::vector<double> took(3);
    XPU_ASSIGN_OR_RETURN(took[0], Run({"--bundle", "add-flows", kTheirs, file_}));
    planner.Update(Change(ports_ / 100), {});
    planner.ForgetChanges();
    XPU_RETURN_IF_ERROR(WriteTable(planner));
    XPU_ASSIGN_OR_RETURN(took[1], Run({"replace-flows", kTheirs, file_}));
    XPU_ASSIGN_OR_RETURN(took[2], MedianOfSmall([&]() -> absl::StatusOr<double> {
                           planner.Update(Change(1), {});
                           XPU_RETURN_IF_ERROR(WriteChange(planner.TakeChanges()));
                           return Run({"--bundle", "add-flows", kTheirs, file_});
                         }));
    XPU_RETURN_IF_ERROR(Run({"del-flows", kTheirs}).status());
    return took;
  }

 private:
  FlowsBenchmark() = default;

  static SwitchPlan PlanOf(FlowChange flows) {
    return {.flow_deletes = std::move(flows.deletes), .flow_puts = std::move(flows.puts), .as_printed = true};
  }

  // The first change of one port after a large one waits for what the switch still does about that; this is
  // how long it takes on a switch that many ports have changed on, one after the other.
  static absl::StatusOr<double> MedianOfSmall(const std::function<absl::StatusOr<double>()>& change) {
    std::vector<double> took;
    for (int i = 0; i < kSmallChanges; ++i) {
      XPU_ASSIGN_OR_RETURN(took.emplace_back(), change());
    }
    std::ranges::nth_element(took, took.begin() + kSmallChanges / 2);
    return took[kSmallChanges / 2];
  }

  // New MACs for the first ports.
  ModelChange Change(int count) {
    ++variant_;
    ModelChange change;
    for (int i = 0; i < count; ++i) change.ports[PortId(i)] = PortOf(i, 1 + variant_ % 250);
    return change;
  }

  absl::Status WriteTable(const Planner& planner) const {
    std::ofstream out(file_);
    for (const auto& [key, actions] : planner.Flows()) out << Line(key, actions);
    return out.flush() ? absl::OkStatus() : absl::InternalError("cannot write " + file_);
  }
  absl::Status WriteChange(const FlowChange& change) const {
    std::ofstream out(file_);
    for (const FlowKey& key : change.deletes) out << "delete_strict " << FlowToText(key) << "\n";
    for (const auto& [key, actions] : change.puts) out << "add " << Line(key, actions);
    return out.flush() ? absl::OkStatus() : absl::InternalError("cannot write " + file_);
  }
  absl::StatusOr<double> Run(std::vector<std::string> args) const {
    const absl::Time start = absl::Now();
    XPU_RETURN_IF_ERROR(ovs_->Ofctl(std::move(args)).status());
    return Milliseconds(start);
  }

  std::unique_ptr<TestOvs> ovs_;
  std::string file_;
  // Outlives the switch.
  std::unique_ptr<SwitchObserver> observer_;
  std::unique_ptr<OvsSwitch> switch_;
  ModelChange crowd_;
  std::map<std::string, uint32_t> ofports_;
  int ports_ = 0;
  int variant_ = 0;
};

}  // namespace

absl::StatusOr<std::vector<Figure>> BenchmarkFlows(const BenchmarkOptions& options) {
  XPU_RETURN_IF_ERROR(InitLogging("xpu-bench", "warn"));
  SetUpAllocator();
  XPU_ASSIGN_OR_RETURN(const std::unique_ptr<FlowsBenchmark> benchmark, FlowsBenchmark::Make());
  return Compare(
      {.metrics = {"add_100k", "change_1pct", "change_one"},
       .unit = "ms",
       .peer = "ovs-ofctl",
       .runs = options.runs > 0 ? options.runs : kRuns,
       .limits = {{"add_100k", kAddLimit}, {"change_1pct", kPercentLimit}, {"change_one", kOneLimit}}},
      [&] { return benchmark->Ours(); }, [&] { return benchmark->Theirs(); });
}

}  // namespace xpu::testing
