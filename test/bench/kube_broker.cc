// Two API servers and a broker between them, each a process: broker_10k_s, broker_one_ms.

#include <algorithm>
#include <iostream>
#include <memory>
#include <utility>

#include "absl/base/thread_annotations.h"
#include "absl/strings/str_cat.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/clock.h"
#include "common/base/status_macros.h"
#include "common/kube/kube_client.h"
#include "common/kube/metadata.h"
#include "common/sys/files.h"
#include "test/bench/kube_figures.h"
#include "test/bench/kube_server.h"

namespace xpu::testing {
namespace {

constexpr int kNetdevs = 10'000;
constexpr int kChanges = 200;
constexpr double kOneLimit = 10;
constexpr double kAllLimit = 20;
constexpr absl::Duration kPatience = absl::Minutes(3);
const ResourceKind kNetdevKind = {"xpu.opiproject.org", "v1alpha1", "Netdev", "netdevs"};

Figure Promise(const std::string& metric, const std::string& unit, double ours, double promised, int runs) {
  return {.metric = metric,
          .unit = unit,
          .peer = "what is promised",
          .ours = Summarise({ours}),
          .theirs = Summarise({promised}),
          .runs = runs,
          .limit = 1};
}

int64_t ClaimOf(const Resource& object, const char* part) {
  const auto found = object.find(part);
  return found != object.end() && found->is_object() ? found->value("claim", int64_t{0}) : 0;
}

class BrokerBenchmark {
 public:
  static absl::StatusOr<std::unique_ptr<BrokerBenchmark>> Make(const std::string& bin_dir) {
    XPU_ASSIGN_OR_RETURN(TemporaryDirectory folder, TemporaryDirectory::Make());
    std::unique_ptr<BrokerBenchmark> bench(new BrokerBenchmark(bin_dir, std::move(folder)));
    XPU_ASSIGN_OR_RETURN(bench->source_, KubeServer::Start(bin_dir));
    XPU_ASSIGN_OR_RETURN(bench->target_, KubeServer::Start(bin_dir));
    XPU_ASSIGN_OR_RETURN(bench->to_source_, KubeClient::Make({.server = bench->source_->endpoint()}));
    XPU_ASSIGN_OR_RETURN(bench->to_target_, KubeClient::Make({.server = bench->target_->endpoint()}));
    XPU_RETURN_IF_ERROR(bench->source_->FillWithNetdevs(kNetdevs));
    return bench;
  }

  // Seconds to copy all.
  absl::StatusOr<double> CopyAll() {
    XPU_ASSIGN_OR_RETURN(watch_target_,
                         Watch(*to_target_, [this](const WatchEvent& event) { OnTarget(event); }));
    const std::string file = folder_.path() + "/broker.yaml";
    XPU_RETURN_IF_ERROR(WriteFileAtomic(
        file, absl::StrCat(
                  "origin: tenant\nsource: {server: \"", source_->endpoint(), "\"}\ntarget: {server: \"",
                  target_->endpoint(),
                  "\"}\npolicies: [{kinds: [Netdev], namespaces: [{source: default, target: default}]}]\n")));
    const absl::Time start = absl::Now();
    XPU_ASSIGN_OR_RETURN(
        broker_,
        StartReady({bin_dir_ + "/xpu-broker", "--config", file, "--log-level", "warn"}, folder_.path()));
    XPU_RETURN_IF_ERROR(Await([this]() ABSL_NO_THREAD_SAFETY_ANALYSIS { return copies_ == kNetdevs; }));
    return absl::ToDoubleSeconds(absl::Now() - start);
  }

  // Milliseconds to the copy and back, sorted.
  absl::StatusOr<std::vector<double>> ChangeSome() {
    XPU_ASSIGN_OR_RETURN(const ResourceList list, to_source_->List(kNetdevKind, "default", {}));
    XPU_ASSIGN_OR_RETURN(watch_source_,
                         Watch(*to_source_, [this](const WatchEvent& event) { OnSource(event); }));
    std::vector<double> took;
    for (int i = 0; i < kChanges; ++i) {
      Resource object = list.items[static_cast<size_t>(i) * 7919 % list.items.size()];
      object["spec"]["claim"] = i + 2;
      object["metadata"].erase("resourceVersion");
      const absl::Time start = absl::Now();
      XPU_RETURN_IF_ERROR(to_source_->Update(kNetdevKind, object).status());
      XPU_RETURN_IF_ERROR(Await([&]() ABSL_NO_THREAD_SAFETY_ANALYSIS { return confirmed_ == i + 2; }));
      took.push_back(absl::ToDoubleMilliseconds(absl::Now() - start));
    }
    std::sort(took.begin(), took.end());
    return took;
  }

 private:
  BrokerBenchmark(std::string bin_dir, TemporaryDirectory folder)
      : bin_dir_(std::move(bin_dir)), folder_(std::move(folder)) {}

  static absl::StatusOr<std::unique_ptr<ResourceStore::Watcher>> Watch(
      KubeClient& client, std::function<void(const WatchEvent&)> event) {
    XPU_ASSIGN_OR_RETURN(const ResourceList list, client.List(kNetdevKind, "default", {}));
    return client.Watch(kNetdevKind, "default", list.resource_version, {},
                        {.event = std::move(event), .ended = [](const absl::Status&) {}});
  }

  // The target's side: says at once what became of a copy's new claim.
  void OnTarget(const WatchEvent& event) {
    if (event.type == WatchEvent::Type::kAdded) {
      absl::MutexLock lock(&mu_);
      ++copies_;
    }
    const int64_t claim = ClaimOf(event.object, "spec");
    if (claim < 2 || ClaimOf(event.object, "status") == claim) return;
    Resource object = event.object;
    object["metadata"].erase("resourceVersion");
    object["status"] = {{"state", "Attached"}, {"claim", claim}};
    const absl::Status written = to_target_->UpdateStatus(kNetdevKind, object).status();
    absl::MutexLock lock(&mu_);
    failed_.Update(written);
  }
  void OnSource(const WatchEvent& event) {
    absl::MutexLock lock(&mu_);
    confirmed_ = std::max(confirmed_, ClaimOf(event.object, "status"));
  }

  absl::Status Await(const std::function<bool()>& done) {
    const auto over = [&]() ABSL_SHARED_LOCKS_REQUIRED(mu_) { return done() || !failed_.ok(); };
    absl::MutexLock lock(&mu_);
    if (!mu_.AwaitWithTimeout(absl::Condition(&over), kPatience)) {
      return absl::DeadlineExceededError(
          absl::StrCat("the broker does not copy; ", copies_, " copies so far"));
    }
    return failed_;
  }

  const std::string bin_dir_;
  TemporaryDirectory folder_;
  std::unique_ptr<KubeServer> source_;
  std::unique_ptr<KubeServer> target_;
  std::unique_ptr<KubeClient> to_source_;
  std::unique_ptr<KubeClient> to_target_;
  std::unique_ptr<Process> broker_;
  absl::Mutex mu_;
  int copies_ ABSL_GUARDED_BY(mu_) = 0;
  int64_t confirmed_ ABSL_GUARDED_BY(mu_) = 0;
  absl::Status failed_ ABSL_GUARDED_BY(mu_);
  std::unique_ptr<ResourceStore::Watcher> watch_source_;
  std::unique_ptr<ResourceStore::Watcher> watch_target_;
};

}  // namespace

absl::StatusOr<std::vector<Figure>> MeasureBroker(const BenchmarkOptions& options) {
  XPU_ASSIGN_OR_RETURN(const std::unique_ptr<BrokerBenchmark> bench, BrokerBenchmark::Make(options.bin_dir));
  XPU_ASSIGN_OR_RETURN(const double all, bench->CopyAll());
  XPU_ASSIGN_OR_RETURN(const std::vector<double> one, bench->ChangeSome());
  std::cout << "broker, 99th percentile of one change: " << one[one.size() * 99 / 100] << " ms\n";
  return std::vector<Figure>{Promise("broker_one_ms", "ms", one[one.size() / 2], kOneLimit, kChanges),
                             Promise("broker_10k_s", "s", all, kAllLimit, 1)};
}

}  // namespace xpu::testing
