#include "host-agent/provision/provisioner.h"

#include <algorithm>
#include <iterator>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/time/clock.h"
#include "common/base/status_macros.h"
#include "host-agent/alloc/allocator.h"
#include "spdlog/spdlog.h"

namespace xpu {
namespace {

using Kind = ProvisionStep::Kind;

// Held by a driver that gives it a network interface, which is not in this namespace: whoever moved it away
// uses it, although the journal does not know them.
bool IsElsewhere(const PciFunction& function) {
  static constexpr absl::string_view kWithoutInterface[] = {"uio_pci_generic", "igb_uio"};
  return !function.driver.empty() && function.vfio_node.empty() && function.driver != "vfio-pci" &&
         std::find(std::begin(kWithoutInterface), std::end(kWithoutInterface), function.driver) ==
             std::end(kWithoutInterface) &&
         function.netdevs.empty();
}

constexpr char kElsewhere[] =
    "somebody whom the journal does not know: its driver is bound, but its interface is not in this network "
    "namespace";

// What the same call will be answered as long as nobody changes anything.
bool MayHelp(const absl::Status& status) {
  switch (status.code()) {
    case absl::StatusCode::kUnimplemented:
    case absl::StatusCode::kInvalidArgument:
    case absl::StatusCode::kOutOfRange:
      return false;
    default:
      return true;
  }
}

// Failures of one pass over a physical function.
struct Failures {
  // Of single functions, and of the physical one.
  std::map<FunctionId, absl::Status> of;

  bool Concern(const FunctionId& function, const PciAddress& pf) const {
    return of.contains(function) || of.contains(pf);
  }
};

}  // namespace

Provisioner::Provisioner(std::vector<CardConfig> cards, Parts parts) : parts_(std::move(parts)) {
  for (CardConfig& card : cards) {
    PfState state{.pf = card.pf, .card = card.name, .setup = card.setup};
    const uint64_t seed = std::hash<std::string>()(card.pf.ToString());
    pfs_.push_back(
        Pf{.config = std::move(card), .state = std::move(state), .backoff = {parts_.backoff, seed}});
  }
}

Provisioner::~Provisioner() { Stop(); }

void Provisioner::Stop() {
  {
    absl::MutexLock lock(&mu_);
    stop_ = true;
  }
  if (thread_.joinable()) thread_.join();
  std::deque<VfsRequest> unanswered;
  {
    absl::MutexLock lock(&mu_);
    for (Pf& pf : pfs_) {
      std::move(pf.requests.begin(), pf.requests.end(), std::back_inserter(unanswered));
      pf.requests.clear();
    }
  }
  for (const VfsRequest& request : unanswered) {
    request.done(absl::UnavailableError("the host agent is stopping; try again"));
  }
}

void Provisioner::Start() {
  {
    absl::MutexLock lock(&mu_);
    for (Pf& pf : pfs_) pf.look = true;
  }
  thread_ = std::thread([this] { ThreadMain(); });
}

void Provisioner::Look(const PciAddress& address) {
  absl::MutexLock lock(&mu_);
  for (Pf& pf : pfs_) {
    if (pf.config.pf == address) pf.look = true;
  }
}

void Provisioner::Freed() {
  absl::MutexLock lock(&mu_);
  for (Pf& pf : pfs_) {
    // One that is at work may have found the function in use, which its outcome will tell.
    if (pf.busy) pf.freed = true;
    if (!pf.state.reason.empty()) pf.look = true;
  }
}

void Provisioner::SetVfs(const PciAddress& address, int count,
                         std::function<void(absl::StatusOr<int>)> done) {
  {
    absl::MutexLock lock(&mu_);
    for (Pf& pf : pfs_) {
      if (pf.config.pf != address) continue;
      pf.requests.push_back({.count = count, .done = std::move(done)});
      pf.look = true;
      return;
    }
  }
  done(absl::NotFoundError(
      absl::StrCat(address.ToString(), " is no physical function of a card of this host's configuration")));
}

absl::StatusOr<int> Provisioner::TrySetVfs(const CardConfig& config, int count) {
  PfState state{.pf = config.pf, .card = config.name};
  if (config.setup.vfs.has_value() && *config.setup.vfs != count) {
    return absl::FailedPreconditionError(absl::StrCat(config.pf.ToString(), " is configured to have ",
                                                      *config.setup.vfs, " virtual functions and not ", count,
                                                      "; change the host agent's configuration"));
  }
  CardConfig asked = config;
  asked.setup = PfSetup{.vfs = count};
  bool acted = false;
  XPU_RETURN_IF_ERROR(Provision(asked, &state, &acted));
  if (state.vfs == count && state.reason.empty()) return count;
  return absl::FailedPreconditionError(absl::StrCat(config.pf.ToString(), " has ", state.vfs,
                                                    " virtual functions and not ", count, ": ",
                                                    state.reason.empty() ? "it is not there" : state.reason));
}

std::vector<PfState> Provisioner::States() const {
  absl::MutexLock lock(&mu_);
  std::vector<PfState> states;
  for (const Pf& pf : pfs_) states.push_back(pf.state);
  return states;
}

void Provisioner::ThreadMain() {
  mu_.Lock();
  while (!stop_) {
    const absl::Time now = absl::Now();
    const auto next =
        std::find_if(pfs_.begin(), pfs_.end(), [now](const Pf& pf) { return pf.look || pf.retry_at <= now; });
    if (next == pfs_.end()) {
      absl::Time wake = absl::InfiniteFuture();
      for (const Pf& pf : pfs_) wake = std::min(wake, pf.retry_at);
      const auto has_work = [this] {
        mu_.AssertReaderHeld();
        return stop_ || std::any_of(pfs_.begin(), pfs_.end(), [](const Pf& pf) { return pf.look; });
      };
      mu_.AwaitWithDeadline(absl::Condition(&has_work), wake);
      continue;
    }
    next->look = false;
    next->busy = true;
    next->freed = false;
    next->retry_at = absl::InfiniteFuture();
    PfState state{.pf = next->config.pf, .card = next->config.name, .setup = next->config.setup};
    // The list never changes, nor what is not the thread's own in it.
    const CardConfig& config = next->config;
    if (!next->requests.empty()) {
      const VfsRequest request = std::move(next->requests.front());
      next->requests.pop_front();
      // Then as it is configured, and the next request.
      next->look = true;
      mu_.Unlock();
      request.done(TrySetVfs(config, request.count));
      mu_.Lock();
      next->busy = false;
      continue;
    }
    mu_.Unlock();
    bool acted = false;
    const absl::Status status = Provision(config, &state, &acted);
    mu_.Lock();
    next->busy = false;
    // Nothing was in the way: that functions come and go all the time must not keep it looking.
    if (next->freed && !state.reason.empty()) next->look = true;
    if (status.ok()) {
      next->backoff.Reset();
    } else if (MayHelp(status)) {
      next->retry_at = absl::Now() + next->backoff.Next();
    }
    if (state == next->state && !acted) continue;
    if (state.reason != next->state.reason) {
      if (state.reason.empty()) {
        spdlog::info("physical function {} is as configured", state.pf.ToString());
      } else {
        spdlog::warn("physical function {} is not as configured: {}", state.pf.ToString(), state.reason);
      }
    }
    next->state = state;
    mu_.Unlock();
    parts_.changed(state);
    mu_.Lock();
  }
  mu_.Unlock();
}

absl::StatusOr<PfView> Provisioner::Read(const CardConfig& config, PfState* state) {
  PfView view;
  view.pf = config.pf;
  XPU_ASSIGN_OR_RETURN(const std::shared_ptr<const BusReading> reading, parts_.read());
  for (const PciFunction& function : reading->functions) {
    if (function.address == config.pf) {
      view.present = true;
      view.vfs = function.num_vfs;
      view.total_vfs = function.total_vfs;
    } else if (function.physical_function == config.pf) {
      view.functions.push_back({function.address, function.vf_index, function.driver});
      if (IsElsewhere(function)) view.holders[function.address] = kElsewhere;
    }
  }
  if (view.present) {
    if (const auto active = reading->subfunctions.find(config.pf); active != reading->subfunctions.end()) {
      for (const Subfunction& sf : active->second) {
        view.active_sfs.insert(sf.number);
        if (!sf.driver.empty() && sf.netdevs.empty())
          view.holders[FunctionId(config.pf, sf.number)] = kElsewhere;
      }
    }
    if (config.setup.sfs) {
      absl::StatusOr<std::vector<DevlinkSf>> sfs = parts_.devlink == nullptr
                                                       ? absl::UnimplementedError("this host has no devlink")
                                                       : parts_.devlink->ListSfs(config.pf);
      view.sfs_error = sfs.status();
      if (sfs.ok()) view.sfs = *std::move(sfs);
    }
  }
  AddHolders(&view);
  state->present = view.present;
  state->vfs = view.vfs;
  state->total_vfs = view.total_vfs;
  state->sfs = static_cast<int>(view.active_sfs.size());
  return view;
}

bool Provisioner::AddHolders(PfView* view) const {
  std::set<FunctionId> there;
  for (const PfView::Vf& vf : view->functions) there.insert(vf.address);
  for (const DevlinkSf& sf : view->sfs) there.insert(FunctionId(view->pf, sf.number));
  for (const uint32_t number : view->active_sfs) there.insert(FunctionId(view->pf, number));
  bool added = false;
  for (const ClaimRow& row : parts_.rows()) {
    if (!there.contains(row.function)) continue;
    // The journal knows better whose an interface is that is elsewhere.
    added |= view->holders.insert_or_assign(row.function, DescribeHolder(row)).second;
  }
  return added;
}

absl::Status Provisioner::Provision(const CardConfig& config, PfState* state, bool* acted) {
  Failures failures;
  std::vector<ProvisionStep> done;
  for (;;) {
    absl::StatusOr<PfView> view = Read(config, state);
    if (!view.ok()) {
      state->reason = absl::StrCat("what there is cannot be read: ", view.status().message());
      return view.status();
    }
    ProvisionPlan plan = PlanPf(config.setup, *view);
    std::erase_if(plan.steps,
                  [&](const ProvisionStep& step) { return failures.Concern(step.function, config.pf); });
    if (plan.steps == done) {
      for (const ProvisionStep& step : plan.steps) {
        failures.of[step.function] =
            absl::FailedPreconditionError(absl::StrCat(step.ToString(), ": was done but had no effect"));
      }
      plan.steps.clear();
    }
    if (plan.steps.empty() || Stopping()) {
      std::vector<std::string> reasons;
      if (!plan.obstacle.empty()) reasons.push_back(plan.obstacle);
      state->refusals = std::move(plan.refusals);
      absl::Status status;
      for (const auto& [function, failure] : failures.of) {
        reasons.push_back(std::string(failure.message()));
        if (function != FunctionId(config.pf)) state->refusals[function] = std::string(failure.message());
        // One that may be better next time decides.
        if (status.ok() || !MayHelp(status)) status = failure;
      }
      state->reason = absl::StrJoin(reasons, "; ");
      return status;
    }
    const auto closed =
        parts_.gate.Close(plan.touched, absl::StrCat(config.pf.ToString(), " is being set up as configured"));
    // Nobody can claim them any more; who did before that has a row by now.
    if (AddHolders(&*view)) continue;
    for (const ProvisionStep& step : plan.steps) {
      if (failures.Concern(step.function, config.pf)) continue;
      if (Stopping()) break;
      spdlog::info("card {}: {}", config.name, step.ToString());
      *acted = true;
      if (const absl::Status status = Do(step); !status.ok()) {
        failures.of[step.function] = Annotate(status, step.ToString());
      }
    }
    done = std::move(plan.steps);
  }
}

bool Provisioner::Stopping() const {
  absl::MutexLock lock(&mu_);
  return stop_;
}

absl::Status Provisioner::Do(const ProvisionStep& step) {
  const PciAddress& address = step.function.pci;
  const uint32_t number = step.function.sf.value_or(0);
  switch (step.kind) {
    case Kind::kSetVfs:
      return parts_.bus.SetNumVfs(address, step.count);
    case Kind::kBindDriver:
      return parts_.bus.BindDriver(address, step.driver);
    case Kind::kAddSf:
      return parts_.devlink->AddSf(address, number);
    case Kind::kSetSfMac:
      return parts_.devlink->ConfigureSf(address, number, step.mac);
    case Kind::kActivateSf:
      return parts_.devlink->ActivateSf(address, number);
    case Kind::kRemoveSf:
      return parts_.devlink->RemoveSf(address, number);
  }
  return absl::OkStatus();
}

}  // namespace xpu
