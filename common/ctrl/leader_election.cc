#include "common/ctrl/leader_election.h"

#include <algorithm>
#include <chrono>
#include <utility>

#include "absl/base/thread_annotations.h"
#include "absl/strings/str_cat.h"
#include "absl/synchronization/mutex.h"
#include "common/base/status_macros.h"
#include "common/ctrl/controller.h"
#include "common/kube/informer.h"
#include "common/kube/metadata.h"
#include "spdlog/spdlog.h"

namespace xpu {
namespace {

const ResourceKind kLeases = {"coordination.k8s.io", "v1", "Lease", "leases"};

std::string HolderOf(const Resource& lease) {
  const auto spec = lease.find("spec");
  if (spec == lease.end() || !spec->is_object()) return "";
  const auto holder = spec->find("holderIdentity");
  return holder != spec->end() && holder->is_string() ? holder->get<std::string>() : "";
}

int64_t TransitionsOf(const Resource& lease) {
  const auto spec = lease.find("spec");
  if (spec == lease.end() || !spec->is_object()) return 0;
  const auto count = spec->find("leaseTransitions");
  return count != spec->end() && count->is_number_integer() ? count->get<int64_t>() : 0;
}

// MicroTime of the Kubernetes API.
std::string MicroTime(absl::Time time) {
  return absl::FormatTime("%Y-%m-%dT%H:%M:%E6SZ", time, absl::UTCTimeZone());
}

}  // namespace

class LeaderElection::Core : public std::enable_shared_from_this<Core> {
 public:
  Core(EventLoop& loop, ResourceStore& store, Options options, Changed changed)
      : loop_(loop), store_(store), options_(std::move(options)), changed_(std::move(changed)) {}

  void Start() {
    const absl::Duration retry = options_.renew_period;
    controller_ = std::make_unique<Controller>(
        Controller::Options{.name = "leader", .backoff = {.initial = retry / 2, .max = retry}},
        [this](const ResourceName&) { return TryToHold(); });
    informer_ = std::make_unique<Informer>(
        loop_, store_,
        Informer::Options{
            .kind = kLeases,
            .ns = options_.lease.ns,
            .selection = {.field_selector = absl::StrCat("metadata.name=", options_.lease.name)},
            .backoff = {.initial = retry / 2, .max = retry}},
        Informer::Handler{
            .added = [this](const ResourceName&, const Resource& now) { Seen(now); },
            .updated = [this](const ResourceName&, const Resource&, const Resource& now) { Seen(now); },
            .deleted = [this](const ResourceName&, const Resource&) { Gone(); },
            .synced = [this] { TryNow(); }});
  }

  void Close() {
    closed_ = true;
    next_try_.Cancel();
    give_up_.Cancel();
    vacancy_.Cancel();
    informer_.reset();
    controller_->Stop();
    bool held = false;
    {
      absl::MutexLock lock(&mu_);
      held = held_;
    }
    if (held) GiveBack();
  }

  bool leading() const { return leading_; }

 private:
  // The loop's thread.

  // Somebody has written the Lease.
  void Seen(const Resource& lease) {
    const std::string holder = HolderOf(lease);
    {
      absl::MutexLock lock(&mu_);
      seen_ = VersionOf(lease);
      expired_ = holder.empty();
      may_create_ = holder.empty() || (holder == options_.identity && leading_);
    }
    vacancy_.Cancel();
    vacant_ = false;
    if (holder == options_.identity) {
      // It stands there though the answer that said so was lost, or this process had given up.
      if (!leading_) TryNow();
      return;
    }
    if (leading_) Lead(false);
    if (holder.empty()) return TryNow();
    next_try_ = loop_.After(options_.lease_duration, [this] {
      {
        absl::MutexLock lock(&mu_);
        expired_ = true;
      }
      TryNow();
    });
  }

  // The Lease is not there any more. Who held it may lead for a while without knowing.
  void Gone() {
    if (closed_) return;
    {
      absl::MutexLock lock(&mu_);
      if (may_create_) return TryNow();
    }
    if (std::exchange(vacant_, true)) return;
    vacancy_ = loop_.After(options_.lease_duration, [this] {
      {
        absl::MutexLock lock(&mu_);
        may_create_ = true;
      }
      TryNow();
    });
  }

  void TryNow() { controller_->Enqueue(options_.lease); }

  void Held(std::chrono::steady_clock::time_point asked) {
    if (closed_) return;
    // From when it was asked for: the others count from when it was written.
    const absl::Duration since = absl::FromChrono(std::chrono::steady_clock::now() - asked);
    give_up_ = loop_.After(std::max(absl::ZeroDuration(), options_.renew_deadline - since), [this] {
      spdlog::warn("the lease {} could not be renewed for {}", options_.lease.ToString(),
                   absl::FormatDuration(options_.renew_deadline));
      Lead(false);
    });
    next_try_ = loop_.After(options_.renew_period, [this] { TryNow(); });
    if (!leading_) Lead(true);
  }

  void Lead(bool leads) {
    if (leads == leading_) return;
    leading_ = leads;
    {
      absl::MutexLock lock(&mu_);
      may_create_ = leads;
    }
    if (!leads) give_up_.Cancel();
    spdlog::info("{} {} lead by the lease {}", options_.identity, leads ? "begins to" : "no longer does",
                 options_.lease.ToString());
    changed_(leads);
  }

  // The controller's thread.

  absl::Status TryToHold() {
    const auto asked = std::chrono::steady_clock::now();
    absl::StatusOr<Resource> lease = store_.Get(kLeases, options_.lease);
    if (absl::IsNotFound(lease.status())) {
      if (!MayCreate()) {
        loop_.Post([self = shared_from_this()] { self->Gone(); });
        return absl::OkStatus();
      }
      Resource fresh = MakeResource(kLeases, options_.lease);
      Fill(fresh, /*first=*/true);
      lease = store_.Create(kLeases, fresh);
    } else if (lease.ok()) {
      if (!MayHold(*lease)) return absl::OkStatus();
      Fill(*lease, HolderOf(*lease) != options_.identity);
      lease = store_.Update(kLeases, *lease);
    }
    // Somebody else was quicker: the watch tells who.
    if (absl::IsAborted(lease.status()) || absl::IsAlreadyExists(lease.status())) return absl::OkStatus();
    XPU_RETURN_IF_ERROR(lease.status());
    {
      absl::MutexLock lock(&mu_);
      held_ = true;
    }
    loop_.Post([self = shared_from_this(), asked] { self->Held(asked); });
    return absl::OkStatus();
  }

  bool MayHold(const Resource& lease) {
    const std::string holder = HolderOf(lease);
    absl::MutexLock lock(&mu_);
    if (holder != options_.identity) held_ = false;
    // An expired Lease that has been renewed after all is not.
    return holder == options_.identity || holder.empty() || (expired_ && seen_ == VersionOf(lease));
  }

  bool MayCreate() {
    absl::MutexLock lock(&mu_);
    return may_create_;
  }

  void Fill(Resource& lease, bool first) const {
    Clock& clock = options_.clock == nullptr ? Clock::Real() : *options_.clock;
    const int64_t transitions = TransitionsOf(lease) + (first && !HolderOf(lease).empty() ? 1 : 0);
    Resource& spec = lease["spec"];
    if (!spec.is_object()) spec = Resource::object();
    spec["holderIdentity"] = options_.identity;
    // Whole seconds, and at least one.
    spec["leaseDurationSeconds"] =
        absl::ToInt64Seconds(absl::Ceil(options_.lease_duration, absl::Seconds(1)));
    spec["renewTime"] = MicroTime(clock.Now());
    if (first) spec["acquireTime"] = MicroTime(clock.Now());
    spec["leaseTransitions"] = transitions;
  }

  void GiveBack() {
    absl::StatusOr<Resource> lease = store_.Get(kLeases, options_.lease);
    if (!lease.ok() || HolderOf(*lease) != options_.identity) return;
    (*lease)["spec"]["holderIdentity"] = "";
    if (const absl::Status status = store_.Update(kLeases, *lease).status(); !status.ok()) {
      spdlog::warn("the lease {} could not be given back, so that others wait until it expires: {}",
                   options_.lease.ToString(), status.ToString());
    }
  }

  EventLoop& loop_;
  ResourceStore& store_;
  const Options options_;
  const Changed changed_;

  // The loop's.
  bool leading_ = false;
  bool closed_ = false;
  EventLoop::Handle next_try_;
  EventLoop::Handle give_up_;
  // The Lease has gone with a holder, who is left time to make it again.
  bool vacant_ = false;
  EventLoop::Handle vacancy_;

  absl::Mutex mu_;
  // The version that was seen last, and whether its holder has let it expire or given it back.
  std::string seen_ ABSL_GUARDED_BY(mu_);
  bool expired_ ABSL_GUARDED_BY(mu_) = false;
  // A Lease that is not there has no holder that could still lead.
  bool may_create_ ABSL_GUARDED_BY(mu_) = true;
  // This process has written itself into the Lease, and nobody else since.
  bool held_ ABSL_GUARDED_BY(mu_) = false;
  std::unique_ptr<Controller> controller_;
  std::unique_ptr<Informer> informer_;
};

LeaderElection::LeaderElection(EventLoop& loop, ResourceStore& store, Options options, Changed changed)
    : core_(std::make_shared<Core>(loop, store, std::move(options), std::move(changed))) {
  core_->Start();
}

LeaderElection::~LeaderElection() { core_->Close(); }

bool LeaderElection::leading() const { return core_->leading(); }

}  // namespace xpu
