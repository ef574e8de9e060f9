// A card with 1,000 Netdevs of one network:
//   netdev_p50_ms, netdev_p99_ms  from writing a Netdev's change to its status, which says that Open vSwitch
//                                 has confirmed it; without a change of ports
//   ovs_reconfigure_ms            what one port more takes Open vSwitch at that size, for comparison
//   restart_ready_ms              from the start of an agent that was killed to when the switch has confirmed
//                                 what it knows, nothing having changed
//   restart_flow_mods             flows that it changed on the way
// There is no peer: beside ours stands what is promised.

#include <algorithm>
#include <iostream>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "common/base/status_macros.h"
#include "common/log/log.h"
#include "test/bench/benchmark.h"
#include "test/bench/big_card.h"

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

absl::StatusOr<double> Reconfigure(BigCard& card) {
  std::vector<double> took;
  XPU_RETURN_IF_ERROR(card.ovs()
                          .netns()
                          .Run({"ip", "link", "add", "extra0", "type", "veth", "peer", "name", "extra1"})
                          .status());
  for (int i = 0; i < kReconfigurations; ++i) {
    const absl::Time start = absl::Now();
    XPU_RETURN_IF_ERROR(card.ovs().Vsctl({"add-port", "br-xpu", "extra0"}).status());
    took.push_back(absl::ToDoubleMilliseconds(absl::Now() - start));
    XPU_RETURN_IF_ERROR(card.ovs().Vsctl({"del-port", "br-xpu", "extra0"}).status());
  }
  return Summarise(took).median;
}

}  // namespace

absl::StatusOr<std::vector<Figure>> BenchmarkConverge(const BenchmarkOptions& options) {
  XPU_RETURN_IF_ERROR(InitLogging("xpu-bench", "warn"));
  const int changes = options.runs > 0 ? options.runs : kChanges;
  XPU_ASSIGN_OR_RETURN(const std::unique_ptr<BigCard> card, BigCard::Make(options.bin_dir, kNetdevs));
  std::vector<double> took;
  for (int i = 0; i < changes; ++i) {
    XPU_ASSIGN_OR_RETURN(const absl::Duration one, card->ChangeOne(i * 7 % kNetdevs));
    took.push_back(absl::ToDoubleMilliseconds(one));
  }
  std::sort(took.begin(), took.end());
  const auto quantile = [&](double q) {
    return took[static_cast<size_t>(q * static_cast<double>(took.size()))];
  };
  card->KillAgent();
  XPU_ASSIGN_OR_RETURN(const BigCard::Restart restart, card->RestartAgent());
  XPU_ASSIGN_OR_RETURN(const double reconfigure, Reconfigure(*card));
  std::cout << "flows on the switch: " << restart.flows << ", longest change: " << took.back() << " ms\n";
  std::vector<Figure> figures = {
      Promise("netdev_p50_ms", "ms", quantile(0.5), kMedianLimit, changes),
      Promise("netdev_p99_ms", "ms", quantile(0.99), kTailLimit, changes),
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
