// Beside a bare gRPC server in C++ that has answered one call:
//   host_agent_rss        xpu-host-agent that serves 256 functions
//   device_plugin_rss     xpu-device-plugin that announces them
// Beside two of those:
//   idle_wakeups_per_s    of both agents together, while nothing happens but that the DPUs live
//   silent_wakeups_per_s  the same once the DPUs have fallen silent: what is left then is polling
//
// And of the xPU agent of a card with 1,000 Netdevs, beside one of those:
//   xpu_agent_rss, xpu_agent_idle_wakeups_per_s
//
// The bare server is linked in the same way as the agents are: in the preset `release` with archives.
//
// A wakeup is a voluntary context switch of any of a process' threads. Which threads those were is printed:
// gRPC's own (nexting_thread, timer_manager, grpc_global_timer) wake in any process that has gRPC.

#include <grpcpp/grpcpp.h>
#include <poll.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <csignal>
#include <iostream>
#include <memory>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "common/base/status_macros.h"
#include "common/base/unique_fd.h"
#include "common/rpc/rpc.h"
#include "common/sys/files.h"
#include "control-plane/sandbox/sandbox.h"
#include "kubelet/deviceplugin/v1beta1/api.grpc.pb.h"
#include "test/bench/benchmark.h"
#include "test/bench/big_card.h"
#include "test/bench/process_usage.h"
#include "test/lib/ovs/child_process.h"
#include "test/lib/pair/pair.h"

namespace xpu::testing {
namespace {

constexpr int kNetdevs = 1000;
constexpr int kCards = 2;
constexpr int kVfsPerCard = 128;
// How long "idle" is watched.
constexpr absl::Duration kIdle = absl::Seconds(10);
// How often memory is read, one DEL and ADD of a pod apart.
constexpr int kRuns = 10;
// With so few in it, of all threads together, an agent has done what there is to do at its start.
constexpr absl::Duration kQuiet = absl::Seconds(2);
constexpr int64_t kQuietWakeups = 100;
constexpr absl::Duration kSettleDeadline = absl::Minutes(1);
// Ratios.
constexpr double kMemoryLimit = 1.4;
constexpr double kWakeupLimit = 1.0;
constexpr char kPeer[] = "bare gRPC server (C++)";
constexpr char kPeers[] = "two bare gRPC servers (C++)";

// Says what is being done, and how long what was done before has taken: parts of this take a minute.
class Progress {
 public:
  void Next(const std::string& what) {
    const absl::Time now = absl::Now();
    if (!what_.empty()) {
      std::cerr << "footprint: " << what_ << ": "
                << absl::FormatDuration(absl::Trunc(now - since_, absl::Milliseconds(1))) << "\n";
    }
    since_ = now;
    what_ = what;
  }
  ~Progress() { Next(""); }

 private:
  absl::Time since_;
  std::string what_;
};

class OurSide {
 public:
  static absl::StatusOr<std::unique_ptr<OurSide>> Make(const std::string& bin_dir) {
    SandboxOptions options{
        .name = "footprint", .cards = kCards, .vfs = kVfsPerCard, .bin_dir = bin_dir, .log_level = "warn"};
    XPU_RETURN_IF_ERROR(options.Complete());
    // What a run that was killed has left.
    XPU_RETURN_IF_ERROR(Sandbox::Down(options.dir));
    XPU_ASSIGN_OR_RETURN(Sandbox sandbox, Sandbox::Up(options));
    std::unique_ptr<OurSide> ours(new OurSide(std::move(sandbox)));
    XPU_ASSIGN_OR_RETURN(ours->pair_, Pair::Connect(ours->sandbox_));
    XPU_RETURN_IF_ERROR(ours->pair_->AwaitDevices(kCards * kVfsPerCard));
    return ours;
  }
  ~OurSide() { Sandbox::Down(sandbox_.options().dir).IgnoreError(); }

  absl::StatusOr<pid_t> Pid(const std::string& process) const {
    for (const Sandbox::ProcessState& state : sandbox_.Status()) {
      if (state.name == process && state.alive) return state.pid;
    }
    return absl::NotFoundError(process + " does not run in the sandbox");
  }

  // What a DPU without power does: none of its connections ends, and nothing comes any more.
  absl::Status SilenceCards(bool silent) const {
    for (const Sandbox::ProcessState& state : sandbox_.Status()) {
      if (absl::StartsWith(state.name, "xpu-agent-") && kill(state.pid, silent ? SIGSTOP : SIGCONT) != 0) {
        return absl::ErrnoToStatus(errno, "cannot stop " + state.name);
      }
    }
    return absl::OkStatus();
  }

  Pair& pair() { return *pair_; }

 private:
  explicit OurSide(Sandbox sandbox) : sandbox_(std::move(sandbox)) {}
  Sandbox sandbox_;
  std::unique_ptr<Pair> pair_;
};

class BareServer {
 public:
  static absl::StatusOr<std::unique_ptr<BareServer>> Make(const std::string& bin_dir) {
    XPU_ASSIGN_OR_RETURN(TemporaryDirectory folder, TemporaryDirectory::Make());
    const std::string socket = folder.path() + "/bare.sock";
    XPU_ASSIGN_OR_RETURN(ChildProcess process,
                         ChildProcess::Start({.argv = {bin_dir + "/xpu-bare-grpc-server", socket}}));
    const auto stub = v1beta1::Registration::NewStub(
        grpc::CreateChannel("unix:" + socket, grpc::InsecureChannelCredentials()));
    grpc::ClientContext context;
    context.set_wait_for_ready(true);
    context.set_deadline(absl::ToChronoTime(absl::Now() + absl::Seconds(30)));
    v1beta1::Empty answer;
    XPU_RETURN_IF_ERROR(FromGrpc(stub->Register(&context, v1beta1::RegisterRequest(), &answer)));
    return std::unique_ptr<BareServer>(new BareServer(std::move(folder), std::move(process)));
  }
  pid_t pid() const { return process_.pid(); }

 private:
  BareServer(TemporaryDirectory folder, ChildProcess process)
      : folder_(std::move(folder)), process_(std::move(process)) {}
  TemporaryDirectory folder_;
  ChildProcess process_;
};

// By process and name of the thread.
using WakeupsOf = std::map<std::string, std::map<std::string, int64_t>>;

absl::StatusOr<WakeupsOf> WatchFor(absl::Duration duration, const std::map<std::string, pid_t>& processes) {
  std::map<std::string, std::map<pid_t, ThreadUsage>> before;
  WakeupsOf wakeups;
  for (const auto& [name, pid] : processes) {
    XPU_ASSIGN_OR_RETURN(before[name], ThreadsOf(pid));
  }
  // Nothing is to happen, so there is nothing to wait for but the time.
  poll(nullptr, 0, static_cast<int>(absl::ToInt64Milliseconds(duration)));
  for (const auto& [name, pid] : processes) {
    XPU_ASSIGN_OR_RETURN(const auto after, ThreadsOf(pid));
    wakeups[name] = Wakeups(before[name], after);
  }
  return wakeups;
}

int64_t Sum(const std::map<std::string, int64_t>& wakeups) {
  int64_t sum = 0;
  for (const auto& [thread, count] : wakeups) sum += count;
  return sum;
}

double PerSecond(const std::map<std::string, int64_t>& wakeups) {
  return static_cast<double>(Sum(wakeups)) / absl::ToDoubleSeconds(kIdle);
}

// Who does not come to rest in time is named: then "idle" means something else.
absl::Status AwaitQuiet(const std::map<std::string, pid_t>& processes) {
  const absl::Time deadline = absl::Now() + kSettleDeadline;
  while (true) {
    XPU_ASSIGN_OR_RETURN(const WakeupsOf wakeups, WatchFor(kQuiet, processes));
    std::string busy;
    for (const auto& [process, threads] : wakeups) {
      if (Sum(threads) <= kQuietWakeups) continue;
      absl::StrAppend(&busy, busy.empty() ? "" : "; ", process);
      for (const auto& [thread, count] : threads) absl::StrAppend(&busy, " ", thread, ":", count);
    }
    if (busy.empty()) return absl::OkStatus();
    if (absl::Now() >= deadline) {
      return absl::DeadlineExceededError(absl::StrCat("not at rest within ",
                                                      absl::FormatDuration(kSettleDeadline), "; wakeups in ",
                                                      absl::FormatDuration(kQuiet), ": ", busy));
    }
  }
}

void Print(const std::string& when, const WakeupsOf& wakeups) {
  std::cout << "Wakeups in " << kIdle << ", " << when << ":\n";
  for (const auto& [process, threads] : wakeups) {
    std::cout << "  " << process << ": " << PerSecond(threads) << "/s";
    for (const auto& [thread, count] : threads) std::cout << "  " << thread << " " << count;
    std::cout << "\n";
  }
}

// Of the xPU agent; nothing is promised of them.
absl::StatusOr<std::vector<Figure>> MeasureXpuAgent(const std::string& bin_dir, pid_t bare, int runs) {
  Progress progress;
  progress.Next(absl::StrCat("a card with ", kNetdevs, " Netdevs"));
  XPU_ASSIGN_OR_RETURN(const auto card, BigCard::Make(bin_dir, kNetdevs));
  progress.Next("memory of the xPU agent");
  std::vector<double> ours, theirs;
  for (int run = 0; run < runs; ++run) {
    XPU_RETURN_IF_ERROR(card->ChangeOne(run % kNetdevs).status());
    XPU_ASSIGN_OR_RETURN(ours.emplace_back(), ResidentMiB(card->agent_pid()));
    XPU_ASSIGN_OR_RETURN(theirs.emplace_back(), ResidentMiB(bare));
  }
  std::vector<Figure> figures = {{.metric = "xpu_agent_rss",
                                  .unit = "MiB",
                                  .peer = kPeer,
                                  .ours = Summarise(ours),
                                  .theirs = Summarise(theirs),
                                  .runs = runs}};
  const std::map<std::string, pid_t> processes = {{"xpu-agent", card->agent_pid()}, {kPeer, bare}};
  progress.Next("rest of the xPU agent");
  XPU_RETURN_IF_ERROR(AwaitQuiet(processes));
  progress.Next("wakeups of the xPU agent");
  XPU_ASSIGN_OR_RETURN(const auto idle, WatchFor(kIdle, processes));
  Print(absl::StrCat(kNetdevs, " Netdevs"), idle);
  figures.push_back({.metric = "xpu_agent_idle_wakeups_per_s",
                     .unit = "1/s",
                     .peer = kPeer,
                     .ours = Summarise({PerSecond(idle.at("xpu-agent"))}),
                     .theirs = Summarise({PerSecond(idle.at(kPeer))}),
                     .runs = 1});
  return figures;
}

absl::StatusOr<std::vector<Figure>> MeasureHostAgents(const std::string& bin_dir, pid_t bare, int runs) {
  Progress progress;
  progress.Next(absl::StrCat("a sandbox with ", kCards * kVfsPerCard, " functions"));
  XPU_ASSIGN_OR_RETURN(const auto ours, OurSide::Make(bin_dir));
  std::map<std::string, pid_t> processes = {{kPeer, bare}};
  for (const char* name : {"xpu-host-agent", "xpu-device-plugin"}) {
    XPU_ASSIGN_OR_RETURN(processes[name], ours->Pid(name));
  }

  progress.Next("memory of the host's agents");
  std::map<std::string, std::vector<double>> resident;
  for (int run = 0; run < runs; ++run) {
    // What an agent needs while it works, it may keep.
    const std::string container = absl::StrCat("footprint-", run);
    XPU_RETURN_IF_ERROR(ours->pair().Allocate(container).status());
    XPU_RETURN_IF_ERROR(ours->pair().Deallocate(container));
    for (const auto& [name, pid] : processes) {
      XPU_ASSIGN_OR_RETURN(const double mib, ResidentMiB(pid));
      resident[name].push_back(mib);
    }
  }
  progress.Next("rest of the host's agents");
  XPU_RETURN_IF_ERROR(AwaitQuiet(processes));
  progress.Next("wakeups of the host's agents");
  XPU_ASSIGN_OR_RETURN(const auto idle, WatchFor(kIdle, processes));
  Print("the DPUs alive", idle);
  progress.Next("wakeups of the host's agents, the DPUs silent");
  XPU_RETURN_IF_ERROR(ours->SilenceCards(true));
  // The first of them is over when the agents have heard of the silence and done what there is to do then.
  absl::Status silenced = WatchFor(kIdle, processes).status();
  auto silent = WatchFor(kIdle, processes);
  silenced.Update(ours->SilenceCards(false));
  XPU_RETURN_IF_ERROR(silenced);
  XPU_RETURN_IF_ERROR(silent.status());
  Print("the DPUs silent", *silent);

  const auto memory = [&](const std::string& metric, const std::string& process) {
    return Figure{.metric = metric,
                  .unit = "MiB",
                  .peer = kPeer,
                  .ours = Summarise(resident[process]),
                  .theirs = Summarise(resident[kPeer]),
                  .runs = runs,
                  .limit = kMemoryLimit};
  };
  const auto wakeups = [&](const std::string& metric, const auto& seen) {
    return Figure{
        .metric = metric,
        .unit = "1/s",
        .peer = kPeers,
        .ours = Summarise({PerSecond(seen.at("xpu-host-agent")) + PerSecond(seen.at("xpu-device-plugin"))}),
        .theirs = Summarise({2 * PerSecond(seen.at(kPeer))}),
        .runs = 1,
        .limit = kWakeupLimit};
  };
  return std::vector<Figure>{memory("host_agent_rss", "xpu-host-agent"),
                             memory("device_plugin_rss", "xpu-device-plugin"),
                             wakeups("idle_wakeups_per_s", idle), wakeups("silent_wakeups_per_s", *silent)};
}

}  // namespace

absl::StatusOr<std::vector<Figure>> BenchmarkFootprint(const BenchmarkOptions& options) {
  const int runs = options.runs > 0 ? options.runs : kRuns;
  XPU_ASSIGN_OR_RETURN(const auto bare, BareServer::Make(options.bin_dir));
  std::vector<Figure> figures;
  absl::Status status;
  // One after the other, each with the machine to itself; what one cannot measure the other still does.
  for (const auto& measure : {MeasureXpuAgent, MeasureHostAgents}) {
    const absl::StatusOr<std::vector<Figure>> some = measure(options.bin_dir, bare->pid(), runs);
    if (!some.ok()) {
      std::cerr << "footprint: cannot be measured: " << some.status().message() << "\n";
      status.Update(some.status());
      continue;
    }
    figures.insert(figures.end(), some->begin(), some->end());
  }
  if (figures.empty()) return status;
  return figures;
}

}  // namespace xpu::testing
