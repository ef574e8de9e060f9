// What the client costs an agent that follows many objects: events_per_core_s and bytes_per_object. The
// informer, its client and whoever writes are threads of this process; what the writer's thread used is taken
// off.

#include <malloc.h>
#include <sys/resource.h>
#include <time.h>

#include <memory>
#include <thread>
#include <utility>

#include "absl/base/thread_annotations.h"
#include "absl/strings/str_cat.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/clock.h"
#include "common/base/event_loop.h"
#include "common/base/status_macros.h"
#include "common/kube/informer.h"
#include "common/kube/kube_client.h"
#include "test/bench/http_load.h"
#include "test/bench/kube_figures.h"
#include "test/bench/kube_server.h"

namespace xpu::testing {
namespace {

constexpr int kEvents = 10'000;
constexpr int kAtOnce = 16;
constexpr absl::Duration kPatience = absl::Minutes(2);
const ResourceKind kNetdevs = {"xpu.opiproject.org", "v1alpha1", "Netdev", "netdevs"};

absl::Duration CpuTime(clockid_t clock) {
  timespec time{};
  clock_gettime(clock, &time);
  return absl::DurationFromTimespec(time);
}

double HeapBytes() {
  const struct mallinfo2 info = mallinfo2();
  return static_cast<double>(info.uordblks + info.hblkhd);
}

// An informer with a loop of its own, which counts what it is told.
class Follower {
 public:
  static absl::StatusOr<std::unique_ptr<Follower>> Start(const std::string& endpoint) {
    auto follower = std::make_unique<Follower>();
    XPU_ASSIGN_OR_RETURN(follower->client_, KubeClient::Make({.server = endpoint}, absl::Minutes(1)));
    follower->thread_ = std::thread([f = follower.get()] { f->loop_.Run(); });
    return follower;
  }
  ~Follower() {
    loop_.PostAndWait([this] { informer_.reset(); });
    loop_.Stop();
    thread_.join();
  }

  absl::Status Sync() {
    const auto count = [this](int64_t Follower::*what) {
      absl::MutexLock lock(&mu_);
      ++(this->*what);
    };
    loop_.PostAndWait([&] {
      informer_ = std::make_unique<Informer>(
          loop_, *client_, Informer::Options{.kind = kNetdevs},
          Informer::Handler{.added = {},
                            .updated = [count](const ResourceName&, const Resource&,
                                               const Resource&) { count(&Follower::updated_); },
                            .deleted = {},
                            .synced = [count] { count(&Follower::synced_); }});
    });
    return Await(&Follower::synced_, 1);
  }
  absl::Status AwaitUpdates(int64_t count) { return Await(&Follower::updated_, count); }

 private:
  absl::Status Await(int64_t Follower::*what, int64_t count) {
    const auto enough = [&]() ABSL_SHARED_LOCKS_REQUIRED(mu_) { return this->*what >= count; };
    absl::MutexLock lock(&mu_);
    if (mu_.AwaitWithTimeout(absl::Condition(&enough), kPatience)) return absl::OkStatus();
    return absl::DeadlineExceededError("the informer does not hear of what was written");
  }

  EventLoop loop_;
  std::unique_ptr<KubeClient> client_;
  std::unique_ptr<Informer> informer_;
  std::thread thread_;
  absl::Mutex mu_;
  int64_t synced_ ABSL_GUARDED_BY(mu_) = 0;
  int64_t updated_ ABSL_GUARDED_BY(mu_) = 0;
};

Figure Alone(const std::string& metric, const std::string& unit, double value) {
  return {.metric = metric,
          .unit = unit,
          .peer = "none",
          .ours = Summarise({value}),
          .theirs = Summarise({value}),
          .runs = 1,
          .limit = 0};
}

absl::StatusOr<std::vector<Figure>> Measure(const std::string& bin_dir, int netdevs,
                                            const std::string& suffix) {
  XPU_ASSIGN_OR_RETURN(const std::unique_ptr<KubeServer> server, KubeServer::Start(bin_dir));
  XPU_RETURN_IF_ERROR(server->FillWithNetdevs(netdevs));
  XPU_ASSIGN_OR_RETURN(const std::unique_ptr<Follower> follower, Follower::Start(server->endpoint()));
  const double before = HeapBytes();
  XPU_RETURN_IF_ERROR(follower->Sync());
  const double bytes = (HeapBytes() - before) / netdevs;

  XPU_ASSIGN_OR_RETURN(const std::unique_ptr<HttpLoad> load, HttpLoad::Connect(server->socket(), kAtOnce));
  const absl::Duration all = CpuTime(CLOCK_PROCESS_CPUTIME_ID), writer = CpuTime(CLOCK_THREAD_CPUTIME_ID);
  XPU_RETURN_IF_ERROR(load->Run(kEvents, [](size_t i) {
    return HttpLoad::Request("PUT", NetdevPath(static_cast<int>(i)), NetdevJson(static_cast<int>(i), 2));
  }));
  XPU_RETURN_IF_ERROR(follower->AwaitUpdates(kEvents));
  const absl::Duration used =
      (CpuTime(CLOCK_PROCESS_CPUTIME_ID) - all) - (CpuTime(CLOCK_THREAD_CPUTIME_ID) - writer);
  return std::vector<Figure>{
      Alone("events_per_core_s_" + suffix, "1/s", kEvents / absl::ToDoubleSeconds(used)),
      Alone("bytes_per_object_" + suffix, "bytes", bytes)};
}

}  // namespace

absl::StatusOr<std::vector<Figure>> MeasureInformers(const BenchmarkOptions& options) {
  XPU_ASSIGN_OR_RETURN(std::vector<Figure> figures, Measure(options.bin_dir, 10'000, "10k"));
  XPU_ASSIGN_OR_RETURN(const std::vector<Figure> more, Measure(options.bin_dir, 50'000, "50k"));
  figures.insert(figures.end(), more.begin(), more.end());
  return figures;
}

}  // namespace xpu::testing
