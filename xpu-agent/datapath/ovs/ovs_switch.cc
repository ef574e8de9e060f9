#include "xpu-agent/datapath/ovs/ovs_switch.h"

#include <pthread.h>
#include <signal.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <deque>
#include <optional>
#include <set>
#include <thread>
#include <utility>

#include "absl/base/thread_annotations.h"
#include "absl/strings/str_cat.h"
#include "absl/synchronization/mutex.h"
#include "absl/synchronization/notification.h"
#include "common/base/unique_fd.h"
#include "common/log/log.h"
#include "xpu-agent/datapath/ovs/openflow_client.h"
#include "xpu-agent/datapath/ovs/ovs_c.h"
#include "xpu-agent/datapath/ovs/ovsdb_client.h"

namespace xpu {
namespace {

// The library writes to sockets without MSG_NOSIGNAL: a peer that is gone must be an error, not the end of
// the process. Other signals are for threads that expect them.
void BlockSignals() {
  sigset_t signals;
  sigfillset(&signals);
  for (const int fault : {SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGABRT}) sigdelset(&signals, fault);
  pthread_sigmask(SIG_BLOCK, &signals, nullptr);
}

}  // namespace

// What runs on the thread of the poll loop, and how others hand it work.
class OvsSwitch::Thread {
 public:
  explicit Thread(OvsSwitchOptions options)
      : options_(std::move(options)), wake_(eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)) {
    xpu_ovs_init();
  }

  ~Thread() {
    if (!thread_.joinable()) return;
    Post([this] { stop_ = true; });
    thread_.join();
  }

  void Start(std::function<void()> changed) {
    changed_ = std::move(changed);
    started_ = true;
    thread_ = std::thread([this] { Loop(); });
  }
  bool started() const { return started_; }

  // Has the thread do that next.
  void Post(std::function<void()> work) {
    absl::MutexLock lock(&mutex_);
    work_.push_back(std::move(work));
    const uint64_t one = 1;
    (void)!write(wake_.get(), &one, sizeof(one));
  }
  void PostAndWait(std::function<void()> work) {
    absl::Notification done;
    Post([&] {
      work();
      done.Notify();
    });
    done.WaitForNotification();
  }

  absl::StatusOr<SwitchSnapshot> Snapshot() {
    absl::Status status = WhyNotReady();
    if (!status.ok()) return status;
    SwitchAbilities abilities = db_->abilities();
    abilities.meter = openflow_->can_meter();
    return SwitchSnapshot{.ports = db_->ports(),
                          .flows = openflow_->flows(),
                          .meters = openflow_->meters(),
                          .abilities = abilities};
  }

  // Runs the plan; `done` is notified when `result` is filled in, and nothing of the caller is used after
  // that.
  void StartApply(const SwitchPlan& plan, ApplyResult* result, absl::Notification* done);

  OvsSwitch::Counters counters() const {
    return {.flow_mods = flow_mods_,
            .wakeups = wakeups_,
            .bundles_at_once = bundles_at_once_,
            .at_switch = absl::Nanoseconds(at_switch_.load())};
  }

 private:
  // One Apply() under way.
  struct Job {
    const SwitchPlan* plan;
    ApplyResult* result;
    absl::Notification* done;
    long long deadline;
    std::set<std::string> names;
    bool in_ports = false;
  };

  void Loop();
  void RunPosted();
  absl::Status WhyNotReady() const;
  void AdvanceJob();
  void StartPorts();
  void FinishJob();
  void NotifyChanges();

  const OvsSwitchOptions options_;
  UniqueFd wake_;
  absl::Mutex mutex_;
  std::deque<std::function<void()>> work_ ABSL_GUARDED_BY(mutex_);
  std::function<void()> changed_;
  std::atomic<bool> started_ = false;
  std::atomic<uint64_t> wakeups_ = 0;
  std::atomic<uint64_t> flow_mods_ = 0;
  std::atomic<uint64_t> bundles_at_once_ = 0;
  std::atomic<int64_t> at_switch_ = 0;

  // On the thread only.
  bool stop_ = false;
  std::optional<OvsdbClient> db_;
  std::optional<OpenFlowClient> openflow_;
  // What the last call of `changed_` was about.
  absl::StatusCode state_ = absl::StatusCode::kUnavailable;
  std::optional<Job> job_;

  std::thread thread_;
};

void OvsSwitch::Thread::Loop() {
  pthread_setname_np(pthread_self(), "xpu-ovs");
  BlockSignals();
  db_.emplace(OvsdbClient::Options{.remote = options_.ovsdb_remote,
                                   .bridge = options_.bridge,
                                   .owner = options_.owner,
                                   .datapath_type = options_.datapath_type,
                                   .settings = options_.settings});
  openflow_.emplace(options_.openflow_dir, options_.bridge, absl::ToInt64Milliseconds(options_.deadline));
  while (!stop_) {
    db_->Run();
    if (db_->TakeFlush()) openflow_->Reconnect("the bridge's controllers changed, its flows are read again");
    openflow_->Run();
    RunPosted();
    AdvanceJob();
    openflow_->Settle();
    NotifyChanges();
    db_->Wait();
    openflow_->Wait();
    xpu_ovs_wait_fd(wake_.get());
    if (job_.has_value()) xpu_ovs_wait_until(job_->deadline);
    if (stop_) xpu_ovs_wake();
    xpu_ovs_block();
    ++wakeups_;
  }
  openflow_.reset();
  db_.reset();
}

void OvsSwitch::Thread::RunPosted() {
  std::deque<std::function<void()>> work;
  {
    absl::MutexLock lock(&mutex_);
    uint64_t count;
    (void)!read(wake_.get(), &count, sizeof(count));
    work.swap(work_);
  }
  for (auto& function : work) function();
}

absl::Status OvsSwitch::Thread::WhyNotReady() const {
  if (!db_->ready()) return db_->reason();
  if (!openflow_->ready()) return absl::UnavailableError(openflow_->reason());
  return absl::OkStatus();
}

void OvsSwitch::Thread::StartApply(const SwitchPlan& plan, ApplyResult* result, absl::Notification* done) {
  if (const absl::Status why_not = WhyNotReady(); !why_not.ok()) {
    const absl::Status status = absl::UnavailableError(why_not.message());
    *result = {.flows = status, .ports = status};
    done->Notify();
    return;
  }
  job_ = Job{.plan = &plan,
             .result = result,
             .done = done,
             .deadline = xpu_ovs_now() + absl::ToInt64Milliseconds(options_.deadline),
             .names = {plan.port_deletes.begin(), plan.port_deletes.end()}};
  for (const PortAdd& port : plan.port_adds) job_->names.insert(port.name);
  result->flows = openflow_->StartBundle(plan);
  flow_mods_ = openflow_->flow_mods_sent();
  if (!result->flows.ok()) {
    StartPorts();
  } else {
    // What was queued goes out now.
    openflow_->Run();
  }
}

// The flows are settled. Without their flows gone, ports stay: their numbers must not become those of others.
void OvsSwitch::Thread::StartPorts() {
  job_->in_ports = true;
  SwitchPlan ports;
  ports.port_adds = job_->plan->port_adds;
  if (job_->result->flows.ok()) ports.port_deletes = job_->plan->port_deletes;
  if (!db_->ready()) {
    job_->result->ports = db_->reason();
    FinishJob();
    return;
  }
  db_->StartPorts(ports);
}

void OvsSwitch::Thread::AdvanceJob() {
  if (!job_.has_value()) return;
  const bool late = xpu_ovs_now() >= job_->deadline;
  if (!job_->in_ports) {
    if (auto status = openflow_->TakeBundleResult()) {
      job_->result->flows = *status;
      flow_mods_ = openflow_->flow_mods_sent();
      bundles_at_once_ = openflow_->sent_at_once();
      at_switch_ = absl::ToInt64Nanoseconds(openflow_->at_switch());
      StartPorts();
    } else if (late) {
      job_->result->flows = absl::DeadlineExceededError("the switch has not confirmed the flows in time");
      openflow_->Reconnect("the switch did not answer in time");
      (void)openflow_->TakeBundleResult();
      job_->result->ports = absl::DeadlineExceededError("not tried: the flows took all the time");
      FinishJob();
    }
  }
  if (!job_.has_value() || !job_->in_ports) return;
  if (late) db_->GiveUpPorts();
  if (auto status = db_->TakePortsResult()) {
    job_->result->ports = *status;
    if (status->ok() && !job_->result->flows.ok() && !job_->plan->port_deletes.empty()) {
      job_->result->ports =
          absl::AbortedError("ports were not removed, because the flows that go with them were not");
    }
    FinishJob();
  }
}

void OvsSwitch::Thread::FinishJob() {
  absl::Notification* done = job_->done;
  // What Apply() did to its own ports is no news; other changes still are.
  const std::set<std::string> changed = db_->TakeChangedPorts();
  const bool others = std::any_of(changed.begin(), changed.end(),
                                  [this](const std::string& name) { return !job_->names.contains(name); });
  job_.reset();
  done->Notify();
  if (others) changed_();
}

void OvsSwitch::Thread::NotifyChanges() {
  const absl::Status state = WhyNotReady();
  bool news = std::exchange(state_, state.code()) != state.code();
  if (news && state.ok()) {
    spdlog::info("switch {}: connected, {} ports and {} flows of ours", options_.bridge, db_->ports().size(),
                 openflow_->flows().size());
  } else if (news) {
    spdlog::warn("switch {}: {}", options_.bridge, std::string(state.message()));
  }
  news |= openflow_->TakeForeignChange();
  if (!job_.has_value()) news |= !db_->TakeChangedPorts().empty();
  if (news) changed_();
}

OvsSwitch::OvsSwitch(OvsSwitchOptions options) : thread_(std::make_unique<Thread>(std::move(options))) {}

OvsSwitch::~OvsSwitch() = default;

void OvsSwitch::Start(std::function<void()> changed) { thread_->Start(std::move(changed)); }

absl::StatusOr<SwitchSnapshot> OvsSwitch::Snapshot() {
  if (!thread_->started()) return absl::UnavailableError("the switch was not started");
  absl::StatusOr<SwitchSnapshot> result;
  thread_->PostAndWait([&] { result = thread_->Snapshot(); });
  return result;
}

ApplyResult OvsSwitch::Apply(const SwitchPlan& plan) {
  ApplyResult result;
  if (!thread_->started()) {
    result.flows = result.ports = absl::UnavailableError("the switch was not started");
    return result;
  }
  absl::Notification done;
  thread_->Post([&] { thread_->StartApply(plan, &result, &done); });
  done.WaitForNotification();
  return result;
}

OvsSwitch::Counters OvsSwitch::counters() const { return thread_->counters(); }

}  // namespace xpu
