// A card with 1,000 Netdevs of one network:
//   netdev_p50_ms, netdev_p99_ms  from writing a Netdev's change to its status, which says that Open vSwitch
//                                 has confirmed it, without what ovs-vswitchd took of just this change: from
//                                 when all of its flows were in the socket until the answer was read. Without
//                                 a change of ports
//   netdev_whole_p50_ms, ..._p99  the same with it, and beside it what ovs-vswitchd took
//   ovs_reconfigure_ms            what one port more takes Open vSwitch at that size, for comparison
//   restart_ready_ms              from the start of an agent that was killed to when the switch has confirmed
//                                 what it knows, nothing having changed
//   restart_flow_mods             flows that it changed on the way
// There is no peer: beside ours stands what is promised.

#include <algorithm>
#include <functional>
#include <iostream>
#include <memory>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "common/base/status_macros.h"
#include "common/log/log.h"
#include "test/bench/benchmark.h"
#include "test/bench/big_card.h"
#include "xpu-agent/agent/allocator.h"

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
  figure.peer = "ovs-vswitchd's part of it";
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
  SetUpAllocator();
  const int changes = options.runs > 0 ? options.runs : kChanges;
  XPU_ASSIGN_OR_RETURN(const std::unique_ptr<BigCard> card, BigCard::Make(options.bin_dir, kNetdevs));
  XPU_ASSIGN_OR_RETURN(const auto touched, Repeat(changes, [&](int i) { return card->TouchOne(i); }));
  XPU_ASSIGN_OR_RETURN(const auto bound, Repeat(changes, [&](int i) { return card->BindOne(i); }));
  card->KillAgent();
  XPU_ASSIGN_OR_RETURN(const BigCard::Restart restart, card->RestartAgent());
  XPU_RETURN_IF_ERROR(card->RunAgentHere());
  // The first of them wait until the agent has looked at all Netdevs.
  XPU_RETURN_IF_ERROR(card->ChangeOne(0).status());
  std::vector<double> whole, at_switch, ours;
  for (int i = 0; i < changes; ++i) {
    XPU_ASSIGN_OR_RETURN(const BigCard::Change change, card->ChangeOne(i * 7 % kNetdevs));
    whole.push_back(absl::ToDoubleMilliseconds(change.whole));
    at_switch.push_back(absl::ToDoubleMilliseconds(change.at_switch));
    ours.push_back(whole.back() - at_switch.back());
  }
  XPU_ASSIGN_OR_RETURN(const double reconfigure, Reconfigure(*card));
  std::cout << "Flows on the switch: " << restart.flows << "\n";
  Print("a Netdev, from its change to its status", whole);
  Print("of which ovs-vswitchd takes", at_switch);
  Print("our part, change by change", ours);
  Print("the API server and a watch, which it needs twice", touched);
  Print("the agent and Open vSwitch, asked over OPI", bound);
  std::vector<Figure> figures = {
      Promise("netdev_p50_ms", "ms", Quantile(ours, 0.5), kMedianLimit, changes),
      Promise("netdev_p99_ms", "ms", Quantile(ours, 0.99), kTailLimit, changes),
      Measured("netdev_whole_p50_ms", Quantile(whole, 0.5), Quantile(at_switch, 0.5), changes),
      Measured("netdev_whole_p99_ms", Quantile(whole, 0.99), Quantile(at_switch, 0.99), changes),
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
