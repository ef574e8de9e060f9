// A card with 1,000 Netdevs of one network:
//   netdev_whole_p50_ms, ..._p99  from writing a Netdev's change to its status, which says that Open vSwitch
//                                 has confirmed it; without a change of ports
//   beside these                  what the same ovs-vswitchd takes for the same flows from a client that does
//                                 nothing else: after each change of a Netdev, a bundle and its barrier, on a
//                                 bridge of their own, so that the agent has no part in it
//   netdev_p50_ms, netdev_p99_ms  the difference of the two: our part. Percentile less percentile, as the two
//                                 of a pair say nothing of each other but that the machine was the same
//   ovs_reconfigure_ms            what one port more takes Open vSwitch at that size, for comparison
//   restart_ready_ms              from the start of an agent that was killed to when the switch has confirmed
//                                 what it knows, nothing having changed
//   restart_flow_mods             flows that it changed on the way
// There is no peer: beside ours stands what is promised.

#include <algorithm>
#include <functional>
#include <iostream>
#include <map>
#include <memory>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "common/base/status_macros.h"
#include "common/log/log.h"
#include "test/bench/benchmark.h"
#include "test/bench/big_card.h"
#include "xpu-agent/datapath/ovs/ovs_switch.h"
#include "xpu-agent/datapath/switch_observer.h"
#include "xpu-agent/plan/planner.h"

namespace xpu::testing {
namespace {

constexpr int kNetdevs = 1000;
constexpr int kChanges = 500;
constexpr int kReconfigurations = 5;
constexpr double kMedianLimit = 10;
constexpr double kTailLimit = 10;
constexpr double kReadyLimit = 1000;

Figure Promise(const std::string& metric, const std::string& unit, double ours, double promised, int runs) {
  return {.metric = metric,
          .unit = unit,
          .peer = "what is promised",
          .ours = Summarise({ours}),
          .theirs = Summarise({promised}),
          .runs = runs,
          .limit = 1};
}

// Without a limit: what Open vSwitch takes of it stands beside it.
Figure Measured(const std::string& metric, double ours, double of_ovs, int runs) {
  Figure figure = Promise(metric, "ms", ours, of_ovs, runs);
  figure.peer = "Open vSwitch alone, the same flows";
  figure.limit = 0;
  return figure;
}

double Quantile(std::vector<double> values, double q) {
  std::sort(values.begin(), values.end());
  return values[std::min(values.size() - 1, static_cast<size_t>(q * static_cast<double>(values.size())))];
}

absl::StatusOr<double> Reconfigure(BigCard& card) {
  std::vector<double> took;
  XPU_RETURN_IF_ERROR(card.ovs()
                          .netns()
                          .Run({"ip", "link", "add", "extra0", "type", "veth", "peer", "name", "extra1"})
                          .status());
  for (int i = 0; i < kReconfigurations; ++i) {
    const absl::Time start = absl::Now();
    XPU_RETURN_IF_ERROR(card.ovs().Vsctl({"add-port", BigCard::kBridge, "extra0"}).status());
    took.push_back(absl::ToDoubleMilliseconds(absl::Now() - start));
    XPU_RETURN_IF_ERROR(card.ovs().Vsctl({"del-port", BigCard::kBridge, "extra0"}).status());
  }
  return Summarise(took).median;
}

// A client of Open vSwitch that has the flows of a port's change at hand, and nothing to do but to send them.
class BareClient {
 public:
  static constexpr char kBridge[] = "br-bare";
  static absl::StatusOr<std::unique_ptr<BareClient>> Make(TestOvs& ovs) {
    XPU_RETURN_IF_ERROR(ovs.AddBridge(kBridge));
    std::unique_ptr<BareClient> client(new BareClient(ovs));
    client->observer_.Start(client->switch_);
    if (!client->observer_.AwaitReady())
      return absl::UnavailableError("Open vSwitch does not get ready for the bare client");
    ModelChange all;
    std::map<std::string, uint32_t> ofports;
    all.bridges["blue"] =
        LogicalBridge{.id = "blue", .network_key = 1, .prefixes = {IpPrefix::Parse("10.0.0.0/16").value()}};
    for (int i = 0; i < kNetdevs; ++i) {
      all.ports[IdOf(i)] = PortOf(i, 0);
      all.representors[IdOf(i)] = Representor{.interface = IdOf(i), .ofport = 1u + static_cast<uint32_t>(i)};
      ofports[IdOf(i)] = 1u + static_cast<uint32_t>(i);
    }
    client->planner_.Update(all, ofports);
    client->planner_.ForgetChanges();
    XPU_RETURN_IF_ERROR(client->switch_.Apply(SwitchPlan{.meter_puts = client->planner_.Meters()}).flows);
    XPU_RETURN_IF_ERROR(
        client->switch_.Apply(SwitchPlan{.flow_puts = client->planner_.Flows(), .as_printed = true}).flows);
    return client;
  }

  // Another MAC for that port, from when its flows are known until the switch has confirmed them.
  absl::StatusOr<absl::Duration> ChangeOne(int i) {
    ModelChange change;
    change.ports[IdOf(i)] = PortOf(i, ++variant_);
    planner_.Update(change, {});
    FlowChange flows = planner_.TakeChanges();
    flow_mods_ = flows.deletes.size() + flows.puts.size();
    const SwitchPlan plan{
        .flow_deletes = std::move(flows.deletes), .flow_puts = std::move(flows.puts), .as_printed = true};
    const absl::Time start = absl::Now();
    XPU_RETURN_IF_ERROR(switch_.Apply(plan).flows);
    return absl::Now() - start;
  }
  // Of the last change.
  size_t flow_mods() const { return flow_mods_; }

 private:
  explicit BareClient(TestOvs& ovs)
      : switch_({.ovsdb_remote = ovs.remote(),
                 .openflow_dir = ovs.openflow_dir(),
                 .bridge = kBridge,
                 .datapath_type = "netdev",
                 .owner = "bare"}) {}

  static std::string IdOf(int i) { return absl::StrCat("host0-", i); }
  static BridgePort PortOf(int i, int variant) {
    BridgePort port{.id = IdOf(i), .logical_bridges = {"blue"}, .bound = true};
    port.mac = MacAddress({2, static_cast<uint8_t>(variant >> 8), static_cast<uint8_t>(variant), 1,
                           static_cast<uint8_t>(i >> 8), static_cast<uint8_t>(i)});
    port.addresses.push_back(
        InterfaceAddress::Parse(absl::StrCat("10.0.", (i + 2) >> 8, ".", (i + 2) & 255, "/16")).value());
    return port;
  }

  // Outlives the switch.
  SwitchObserver observer_;
  OvsSwitch switch_;
  Planner planner_;
  int variant_ = 0;
  size_t flow_mods_ = 0;
};

// A step of a change by itself, so many times.
absl::StatusOr<std::vector<double>> Repeat(int times,
                                           const std::function<absl::StatusOr<absl::Duration>(int)>& step) {
  std::vector<double> took;
  for (int i = 0; i < times; ++i) {
    XPU_ASSIGN_OR_RETURN(const absl::Duration one, step(i * 7 % kNetdevs));
    took.push_back(absl::ToDoubleMilliseconds(one));
  }
  return took;
}

void Print(const std::string& what, const std::vector<double>& took) {
  std::cout << "  " << what << ": p50 " << Quantile(took, 0.5) << ", p99 " << Quantile(took, 0.99)
            << ", longest " << Quantile(took, 1) << " ms\n";
}

}  // namespace

absl::StatusOr<std::vector<Figure>> BenchmarkConverge(const BenchmarkOptions& options) {
  XPU_RETURN_IF_ERROR(InitLogging("xpu-bench", "warn"));
  const int changes = options.runs > 0 ? options.runs : kChanges;
  XPU_ASSIGN_OR_RETURN(const std::unique_ptr<BigCard> card, BigCard::Make(options.bin_dir, kNetdevs));
  XPU_ASSIGN_OR_RETURN(std::unique_ptr<BareClient> bare, BareClient::Make(card->ovs()));
  // In turns, so that both see the same machine.
  std::vector<double> took, committed;
  for (int i = 0; i < changes; ++i) {
    const int function = i * 7 % kNetdevs;
    XPU_ASSIGN_OR_RETURN(const absl::Duration whole, card->ChangeOne(function));
    took.push_back(absl::ToDoubleMilliseconds(whole));
    XPU_ASSIGN_OR_RETURN(const absl::Duration alone, bare->ChangeOne(function));
    committed.push_back(absl::ToDoubleMilliseconds(alone));
  }
  const size_t flow_mods = bare->flow_mods();
  bare.reset();
  XPU_RETURN_IF_ERROR(card->ovs().Vsctl({"del-br", BareClient::kBridge}).status());
  // The same in parts.
  XPU_ASSIGN_OR_RETURN(const auto touched, Repeat(changes, [&](int i) { return card->TouchOne(i); }));
  XPU_ASSIGN_OR_RETURN(const auto bound, Repeat(changes, [&](int i) { return card->BindOne(i); }));
  card->KillAgent();
  XPU_ASSIGN_OR_RETURN(const BigCard::Restart restart, card->RestartAgent());
  XPU_ASSIGN_OR_RETURN(const double reconfigure, Reconfigure(*card));
  std::cout << "Flows on the switch: " << restart.flows << "\n";
  Print("a Netdev, from its change to its status", took);
  Print(absl::StrCat("Open vSwitch alone, for the ", flow_mods, " flow mods of one, in turns with these"),
        committed);
  const auto ours = [&](double q) { return Quantile(took, q) - Quantile(committed, q); };
  std::cout << "  our part, which is percentile less percentile: p50 " << ours(0.5) << ", p99 " << ours(0.99)
            << " ms\n";
  Print("of which the API server and a watch take, twice", touched);
  Print("the agent and Open vSwitch, asked over OPI", bound);
  std::vector<Figure> figures = {
      Promise("netdev_p50_ms", "ms", ours(0.5), kMedianLimit, changes),
      Promise("netdev_p99_ms", "ms", ours(0.99), kTailLimit, changes),
      Measured("netdev_whole_p50_ms", Quantile(took, 0.5), Quantile(committed, 0.5), changes),
      Measured("netdev_whole_p99_ms", Quantile(took, 0.99), Quantile(committed, 0.99), changes),
      Promise("restart_ready_ms", "ms", absl::ToDoubleMilliseconds(restart.ready), kReadyLimit, 1)};
  Figure mods = Promise("restart_flow_mods", "flow mods", static_cast<double>(restart.flow_mods), 1, 1);
  // None at all.
  mods.limit = 0.5;
  figures.push_back(mods);
  Figure ovs = Promise("ovs_reconfigure_ms", "ms", reconfigure, reconfigure, kReconfigurations);
  ovs.peer = "ovs-vsctl add-port, the same";
  ovs.limit = 0;
  figures.push_back(ovs);
  return figures;
}

}  // namespace xpu::testing
