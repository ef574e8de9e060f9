// The API server beside Debian's etcd, both with 10,000 objects on the disk, both answering a write once it
// survives a loss of power, both on unix sockets to a client that costs next to nothing; time for each, in
// turns:
//   writes   one of 10,000 Netdevs, 16 at a time       puts of the same bytes
//   reads    one of 10,000 Netdevs, 16 at a time       reads of one key
//   fanout   for each event that each of 20 watchers gets of 500 changes, 16 at a time
//
// The client of agents, with an informer (there is no peer):
//   events_per_core_s_10k, _50k   changes that an informer of so many Netdevs takes in a second of one core
//   bytes_per_object_10k, _50k    memory that it holds for each
//
// The broker, a process between two API servers (there is no peer):
//   broker_one_ms   from a change of one of 10,000 Netdevs in the source, over its copy, to the status that
//   the target's
//                   side gives it at once, back in the source
//   broker_10k_s    from the broker's start to 10,000 copies in an empty target

#include <iostream>
#include <memory>
#include <utility>

#include "absl/time/clock.h"
#include "common/base/status_macros.h"
#include "common/log/log.h"
#include "test/bench/benchmark.h"
#include "test/bench/etcd.h"
#include "test/bench/kube_figures.h"
#include "test/bench/kube_server.h"

namespace xpu::testing {
namespace {

constexpr int kNetdevs = 10'000;
constexpr int kNetworks = 100;
constexpr int kAtOnce = 16;
constexpr int kWrites = 2'000;
constexpr int kReads = 4'000;
constexpr int kWatchers = 20;
constexpr int kChanges = 500;
constexpr int kRuns = 7;
constexpr double kLimit = 1.0;

double Microseconds(absl::Time since, int count) {
  return absl::ToDoubleMicroseconds(absl::Now() - since) / count;
}

// All over the objects, in an order that no cache likes.
int Scattered(size_t i, int count) { return static_cast<int>(i * 7919 % static_cast<size_t>(count)); }

// The two sides, which do the same.
class Servers {
 public:
  static absl::StatusOr<std::unique_ptr<Servers>> Make(const std::string& bin_dir) {
    auto servers = std::make_unique<Servers>();
    XPU_ASSIGN_OR_RETURN(servers->ours_, KubeServer::Start(bin_dir));
    XPU_ASSIGN_OR_RETURN(servers->load_, HttpLoad::Connect(servers->ours_->socket(), kAtOnce));
    XPU_ASSIGN_OR_RETURN(servers->etcd_, Etcd::Start());
    XPU_RETURN_IF_ERROR(servers->load_->Watch(kWatchers, std::string(kNetworksPath) + "?watch=true"));
    XPU_RETURN_IF_ERROR(servers->etcd_->Watch(kWatchers, kNetworksPath));
    XPU_RETURN_IF_ERROR(servers->ours_->FillWithNetdevs(kNetdevs));
    XPU_RETURN_IF_ERROR(servers->load_->Run(kNetworks, [](size_t i) {
      return HttpLoad::Request("POST", kNetworksPath, NetworkJson(static_cast<int>(i), 1500));
    }));
    XPU_RETURN_IF_ERROR(servers->load_->AwaitLines(kNetworks * kWatchers));
    XPU_RETURN_IF_ERROR(servers->etcd_->Put(
        kNetdevs, kAtOnce, [](size_t i) { return NetdevPath(static_cast<int>(i)); },
        [](size_t i) { return NetdevJson(static_cast<int>(i), 1, /*stored=*/true); }));
    return servers;
  }

  // writes, reads, fanout in microseconds.
  absl::StatusOr<std::vector<double>> Ours() {
    const int claim = ++turns_;
    std::vector<double> took;
    absl::Time start = absl::Now();
    XPU_RETURN_IF_ERROR(load_->Run(kWrites, [&](size_t i) {
      const int n = Scattered(i, kNetdevs);
      return HttpLoad::Request("PUT", NetdevPath(n), NetdevJson(n, claim + 1));
    }));
    took.push_back(Microseconds(start, kWrites));
    start = absl::Now();
    XPU_RETURN_IF_ERROR(load_->Run(
        kReads, [&](size_t i) { return HttpLoad::Request("GET", NetdevPath(Scattered(i, kNetdevs))); }));
    took.push_back(Microseconds(start, kReads));
    start = absl::Now();
    XPU_RETURN_IF_ERROR(load_->Run(kChanges, [&](size_t i) {
      const int n = static_cast<int>(i) % kNetworks;
      return HttpLoad::Request("PUT", NetworkPath(n), NetworkJson(n, NextMtu()));
    }));
    XPU_RETURN_IF_ERROR(load_->AwaitLines(kChanges * kWatchers));
    took.push_back(Microseconds(start, kChanges * kWatchers));
    return took;
  }

  absl::StatusOr<std::vector<double>> Theirs() {
    const int claim = ++turns_;
    std::vector<double> took;
    absl::Time start = absl::Now();
    XPU_RETURN_IF_ERROR(etcd_->Put(
        kWrites, kAtOnce, [](size_t i) { return NetdevPath(Scattered(i, kNetdevs)); },
        [&](size_t i) { return NetdevJson(Scattered(i, kNetdevs), claim + 1, /*stored=*/true); }));
    took.push_back(Microseconds(start, kWrites));
    start = absl::Now();
    XPU_RETURN_IF_ERROR(
        etcd_->Get(kReads, kAtOnce, [](size_t i) { return NetdevPath(Scattered(i, kNetdevs)); }));
    took.push_back(Microseconds(start, kReads));
    start = absl::Now();
    XPU_RETURN_IF_ERROR(etcd_->Put(
        kChanges, kAtOnce, [](size_t i) { return NetworkPath(static_cast<int>(i) % kNetworks); },
        [&](size_t i) { return NetworkJson(static_cast<int>(i) % kNetworks, NextMtu(), /*stored=*/true); }));
    XPU_RETURN_IF_ERROR(etcd_->AwaitEvents(kChanges * kWatchers));
    took.push_back(Microseconds(start, kChanges * kWatchers));
    return took;
  }

 private:
  // Each differs from the one before, so that every write changes something.
  int NextMtu() { return 1280 + ++mtu_ % 7001; }

  std::unique_ptr<KubeServer> ours_;
  std::unique_ptr<HttpLoad> load_;
  std::unique_ptr<Etcd> etcd_;
  int turns_ = 0;
  int mtu_ = 0;
};

}  // namespace

absl::StatusOr<std::vector<Figure>> BenchmarkKube(const BenchmarkOptions& options) {
  XPU_RETURN_IF_ERROR(InitLogging("xpu-bench", "warn"));
  std::vector<Figure> figures;
  {
    XPU_ASSIGN_OR_RETURN(const std::unique_ptr<Servers> servers, Servers::Make(options.bin_dir));
    XPU_ASSIGN_OR_RETURN(figures, Compare(
                                      {.metrics = {"writes", "reads", "fanout"},
                                       .unit = "us",
                                       .peer = "etcd 3.4 (Debian), the same bytes",
                                       .runs = options.runs > 0 ? options.runs : kRuns,
                                       .limits = {{"writes", kLimit}, {"reads", kLimit}, {"fanout", kLimit}}},
                                      [&] { return servers->Ours(); }, [&] { return servers->Theirs(); }));
  }
  for (const Figure& figure : figures) {
    std::cout << figure.metric << " per second: " << static_cast<int64_t>(1e6 / figure.ours.median)
              << ", etcd " << static_cast<int64_t>(1e6 / figure.theirs.median) << "\n";
  }
  for (const auto& measure : {&MeasureInformers, &MeasureBroker}) {
    XPU_ASSIGN_OR_RETURN(const std::vector<Figure> more, measure(options));
    figures.insert(figures.end(), more.begin(), more.end());
  }
  return figures;
}

}  // namespace xpu::testing
