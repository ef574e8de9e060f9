#include "xpu-agent/core/model_owner.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "common/base/status_macros.h"
#include "common/opi/opi_names.h"
#include "spdlog/spdlog.h"
#include "xpu-agent/core/kinds.h"

namespace xpu {

namespace {

// `to` becomes the same as `from`, and goes on sharing what is the same as before.
void Follow(const std::map<std::string, Representor>& from, SharedMap<Representor>* to) {
  const SharedMap<Representor> before = *to;
  for (const auto& [id, representor] : before) {
    if (!from.contains(id)) to->erase(id);
  }
  for (const auto& [id, representor] : from) {
    const auto it = before.find(id);
    if (it == before.end() || !(it->second == representor)) to->insert_or_assign(id, representor);
  }
}

}  // namespace

const AgentState& ModelView::state() const { return owner_.state_; }
ObjectState ModelView::StateOf(const std::string& name) const { return owner_.StateOf(name); }
PortHealth ModelView::ports() const { return owner_.HealthNow(); }

ModelOwner::ModelOwner(EventLoop& loop, ModelStore& store, Switch& the_switch, Representors& representors,
                       const Options& options)
    : loop_(loop),
      store_(store),
      representors_(representors),
      options_(options),
      backoff_(options.retry, options.seed),
      table_(representors, options.uplink, options.dpdk_device),
      realizer_(the_switch, [this, alive = std::weak_ptr<bool>(alive_)](Report report) {
        loop_.Post([this, alive, report = std::move(report)]() mutable {
          if (!alive.expired()) OnReport(std::move(report));
        });
      }) {
  report_.outcome.reached = absl::UnavailableError("the switch was not asked yet");
}

ModelOwner::~ModelOwner() { alive_.reset(); }

absl::Status ModelOwner::Start() {
  XPU_ASSIGN_OR_RETURN(state_, store_.Load());
  XPU_RETURN_IF_ERROR(ScanRepresentors());
  state_.model.tunnel = options_.tunnel;
  PutRepresentors(&state_.model);
  XPU_ASSIGN_OR_RETURN(watcher_, representors_.Watch(loop_, [this, alive = std::weak_ptr<bool>(alive_)] {
    if (!alive.expired()) FindRepresentorsAgain();
  }));
  std::vector<std::string> loaded;
  ForEachKind([&](const auto& kind) {
    loaded.push_back(absl::StrCat((state_.model.*kind.objects).size(), " ", kind.plural));
  });
  spdlog::info("loaded {}", absl::StrJoin(loaded, ", "));
  ModelChange all = Difference(Model(), state_.model);
  if (model_changed_ != nullptr) model_changed_(all);
  realizer_.Change(std::move(all), version_);
  realizer_.Start();
  return absl::OkStatus();
}

absl::Status ModelOwner::ScanRepresentors() {
  XPU_RETURN_IF_ERROR(table_.Scan(state_.model));
  Follow(table_.usable(), &usable_);
  health_is_old_ = true;
  return absl::OkStatus();
}

void ModelOwner::PutRepresentors(Model* model) const {
  model->representors = usable_;
  model->uplink = table_.uplink();
}

void ModelOwner::Close() {
  closed_ = true;
  retry_.Cancel();
  verify_.Cancel();
  std::list<Waiter> waiters = std::move(waiters_);
  waiters_.clear();
  for (Waiter& waiter : waiters)
    Answer(waiter, absl::UnavailableError("the agent is stopping; try again"), false);
}

void ModelOwner::Submit(ChangeRequest request) {
  loop_.Post([this, alive = std::weak_ptr<bool>(alive_), request = std::move(request)]() mutable {
    if (!alive.expired()) Run(std::move(request));
  });
}

void ModelOwner::Read(std::function<void(const ModelView& view)> reader) {
  loop_.Post([this, alive = std::weak_ptr<bool>(alive_), reader = std::move(reader)] {
    if (!alive.expired()) reader(ModelView(*this));
  });
}

void ModelOwner::Run(ChangeRequest request) {
  if (closed_)
    return request.done(absl::UnavailableError("the agent is stopping; try again"), ModelView(*this));
  AgentState draft = state_;
  absl::Status status = request.change(draft, [this](const std::string& port_id) { return Lookup(port_id); });
  // The lookup may have found some.
  PutRepresentors(&draft.model);
  if (status.ok()) status = Commit(std::move(draft));
  if (!status.ok()) return request.done(status, ModelView(*this));

  Waiter& waiter = waiters_.emplace_back();
  waiter.version = VersionOf(request.objects);
  waiter.patience = std::min(request.patience, options_.max_patience);
  waiter.request = std::move(request);
  auto it = std::prev(waiters_.end());
  if (TryAnswer(waiter)) {
    waiters_.erase(it);
    return;
  }
  waiter.timer = loop_.After(waiter.patience, [this, it] { GiveUp(it); });
}

absl::Status ModelOwner::Commit(AgentState draft) {
  StateChange change = Diff(state_, draft);
  XPU_RETURN_IF_ERROR(PrepareRepresentors(change.model, draft.model));
  if (!change.empty()) {
    XPU_RETURN_IF_ERROR(
        Annotate(store_.Write(change), "the change could not be written down, so nothing was done"));
  }
  Publish(std::move(draft), std::move(change));
  return absl::OkStatus();
}

absl::Status ModelOwner::PrepareRepresentors(const ModelChange& change, const Model& model) {
  // Of a bridge that changes its MTU, all.
  if (!change.bridges.empty()) return table_.Prepare(model);
  for (const auto& [id, port] : change.ports) XPU_RETURN_IF_ERROR(table_.PreparePort(model, id));
  return absl::OkStatus();
}

void ModelOwner::Publish(AgentState draft, StateChange change) {
  ModelChange news = std::move(change.model);
  news.representors = DifferenceOf(state_.model.representors, draft.model.representors);
  if (state_.model.uplink != draft.model.uplink) news.uplink = draft.model.uplink;
  if (state_.model.tunnel != draft.model.tunnel) news.tunnel = draft.model.tunnel;
  state_ = std::move(draft);
  if (news.empty()) return;
  ++version_;
  // Of functions without a representor, those that have a port are told of.
  const auto is_told_of = [this](const auto& port) { return !table_.health().contains(port.first); };
  health_is_old_ = health_is_old_ || !news.representors.empty() ||
                   std::any_of(news.ports.begin(), news.ports.end(), is_told_of);
  for (const auto& [id, representor] : news.representors) {
    representor_changed_[id] = version_;
    changed_[BridgePortName(id)] = version_;
  }
  ForEachKind([&](const auto& kind) {
    for (const auto& [id, object] : news.*kind.changes) changed_[kind.name(id)] = version_;
  });
  // What a function can do depends on its ports, and who asks for it is to hear how it is with these.
  for (const auto& [id, function] : state_.model.network_functions) {
    for (const NetworkFunctionPort* port : {&function.input, &function.output}) {
      if (news.representors.contains(port->port) || news.ports.contains(port->port))
        changed_[NetworkFunctionName(id)] = version_;
    }
  }
  if (model_changed_ != nullptr) model_changed_(news);
  realizer_.Change(std::move(news), version_);
}

uint64_t ModelOwner::VersionOf(const std::vector<std::string>& objects) const {
  uint64_t version = 0;
  for (const std::string& name : objects) {
    if (auto it = changed_.find(name); it != changed_.end()) version = std::max(version, it->second);
  }
  return version;
}

ObjectState ModelOwner::StateOf(const std::string& name) const {
  if (!report_.outcome.reached.ok()) {
    return {ObjectState::kPending,
            absl::UnavailableError(absl::StrCat("the switch: ", report_.outcome.reached.message()))};
  }
  auto changed = changed_.find(name);
  if (changed != changed_.end() && changed->second > report_.version) {
    return {ObjectState::kPending, absl::UnavailableError("the switch has yet to confirm the last change")};
  }
  auto it = report_.outcome.states.find(name);
  return it == report_.outcome.states.end() ? ObjectState{} : it->second;
}

absl::Status ModelOwner::Lookup(const std::string& port_id) {
  if (table_.usable().contains(port_id)) return absl::OkStatus();
  absl::StatusOr<PortFunction> function = PortFunction::FromPortId(port_id);
  if (!function.ok()) return absl::NotFoundError(function.status().message());
  XPU_RETURN_IF_ERROR(representors_.Find(function->ToPhysPortName()).status());
  // It has just come, and its event is still on the way.
  XPU_RETURN_IF_ERROR(ScanRepresentors());
  if (table_.usable().contains(port_id)) return absl::OkStatus();
  return absl::FailedPreconditionError(table_.health().at(port_id));
}

void ModelOwner::FindRepresentorsAgain() {
  if (absl::Status status = ScanRepresentors(); !status.ok()) {
    spdlog::error("{}", status.ToString());
    return;
  }
  AgentState draft = state_;
  PutRepresentors(&draft.model);
  // Nothing of this is in the store.
  Publish(std::move(draft), StateChange());
  CheckHealth();
}

void ModelOwner::ObservePorts(std::function<void(const PortHealth& ports)> changed) {
  loop_.Post([this, alive = std::weak_ptr<bool>(alive_), changed = std::move(changed)]() mutable {
    if (alive.expired()) return;
    health_changed_ = std::move(changed);
    health_.reset();
    health_is_old_ = true;
    CheckHealth();
  });
}

void ModelOwner::ObserveSwitch(std::function<void(bool reachable)> changed) {
  loop_.Post([this, alive = std::weak_ptr<bool>(alive_), changed = std::move(changed)]() mutable {
    if (alive.expired()) return;
    switch_changed_ = std::move(changed);
    switch_reachable_.reset();
    CheckSwitch();
  });
}

void ModelOwner::CheckSwitch() {
  if (!is_reported_ || closed_ || switch_changed_ == nullptr) return;
  // That somebody else wrote to it is heard from the switch.
  const absl::Status& reached = report_.outcome.reached;
  const bool reachable = reached.ok() || absl::IsAborted(reached);
  if (switch_reachable_ == reachable) return;
  switch_reachable_ = reachable;
  switch_changed_(reachable);
}

PortHealth ModelOwner::HealthNow() const {
  PortHealth health = table_.health();
  for (const auto& [id, port] : state_.model.ports) {
    if (!PortFunction::FromPortId(id).ok()) continue;
    health.try_emplace(id, "no interface of the DPU stands for this function now");
  }
  const absl::Status& reached = report_.outcome.reached;
  for (auto& [id, why] : health) {
    if (!why.empty()) continue;
    if (!reached.ok()) {
      why = absl::StrCat("the switch: ", reached.message());
    } else if (auto it = report_.outcome.representors.find(id); it != report_.outcome.representors.end()) {
      why = std::string(it->second.why.message());
    } else if (representor_changed_.contains(id)) {
      why = "its representor is on the way to the switch";
    }
  }
  return health;
}

void ModelOwner::CheckHealth() {
  if (!is_reported_ || health_changed_ == nullptr || !health_is_old_) return;
  // Somebody else wrote to the switch, which is put right next: how the representors are is not known.
  if (absl::IsAborted(report_.outcome.reached)) return;
  health_is_old_ = false;
  PortHealth now = HealthNow();
  if (health_ == now) return;
  health_ = std::move(now);
  health_changed_(*health_);
}

void ModelOwner::OnReport(Report report) {
  if (const absl::Status& now = report.outcome.reached; !now.ok() && now != report_.outcome.reached) {
    // That it is away for a while is part of life.
    spdlog::log(absl::IsUnavailable(now) ? spdlog::level::info : spdlog::level::warn,
                "waiting for the switch: {}", now.ToString());
  }
  health_is_old_ = health_is_old_ || !is_reported_ || report.outcome.reached != report_.outcome.reached ||
                   report.outcome.representors != report_.outcome.representors;
  report_ = std::move(report);
  is_reported_ = true;
  if (report_.outcome.reached.ok()) {
    const auto is_done = [this](const auto& entry) { return entry.second <= report_.version; };
    if (std::erase_if(representor_changed_, is_done) > 0) health_is_old_ = true;
    std::erase_if(changed_, [this](const auto& entry) { return entry.second <= report_.version; });
  }
  if (closed_) return;
  CheckHealth();
  CheckSwitch();
  if (report_.outcome.reached.ok() && !report_.outcome.refused) {
    backoff_.Reset();
    retry_.Cancel();
    verify_ = loop_.After(options_.verify_after, [this] { realizer_.Verify(); });
  } else {
    retry_ = loop_.After(backoff_.Next(), [this] { realizer_.Retry(); });
  }
  AnswerWaiters();
}

void ModelOwner::AnswerWaiters() {
  for (auto it = waiters_.begin(); it != waiters_.end();) {
    // An answer may take a change back, which brings no waiters.
    it = TryAnswer(*it) ? waiters_.erase(it) : std::next(it);
  }
}

bool ModelOwner::TryAnswer(Waiter& waiter) {
  // What is only stored waits for no switch.
  const bool awaits_switch = !waiter.request.objects.empty();
  if (awaits_switch && (!report_.outcome.reached.ok() || report_.version < waiter.version)) return false;
  if (waiter.request.stands && !waiter.request.stands(state_)) {
    Answer(waiter,
           absl::AbortedError(absl::StrCat("another request changed ",
                                           absl::StrJoin(waiter.request.objects, " or "),
                                           " at the same time; read again")),
           false);
    return true;
  }
  for (const std::string& name : waiter.request.objects) {
    auto it = report_.outcome.states.find(name);
    if (it == report_.outcome.states.end()) continue;
    if (it->second.kind == ObjectState::kPending) return false;
    if (it->second.kind == ObjectState::kFailed && waiter.request.must_be_confirmed) {
      Answer(waiter, Annotate(it->second.why, absl::StrCat(name, " is not on the switch")), true);
      return true;
    }
  }
  Answer(waiter, absl::OkStatus(), false);
  return true;
}

void ModelOwner::GiveUp(std::list<Waiter>::iterator waiter) {
  std::list<Waiter> one;
  one.splice(one.begin(), waiters_, waiter);
  const char* then =
      one.front().request.rollback ? "it was taken back" : "it stays wanted and is done when possible";
  if (!report_.outcome.reached.ok()) {
    Answer(one.front(),
           absl::UnavailableError(absl::StrCat("the switch did not confirm the change (", then,
                                               "): ", report_.outcome.reached.message())),
           true);
  } else {
    Answer(one.front(),
           absl::DeadlineExceededError(absl::StrCat("the switch did not confirm the change within ",
                                                    absl::FormatDuration(one.front().patience), "; ", then)),
           true);
  }
}

void ModelOwner::Answer(Waiter& waiter, const absl::Status& status, bool take_back) {
  waiter.timer.Cancel();
  const ChangeRequest& request = waiter.request;
  if (take_back && request.rollback && (!request.stands || request.stands(state_))) {
    AgentState draft = state_;
    request.rollback(draft);
    // If the store fails here, at least the switch is made safe.
    StateChange change = Diff(state_, draft);
    if (absl::Status written = store_.Write(change); !written.ok()) {
      spdlog::error("taking a change back: {}", written.ToString());
    }
    Publish(std::move(draft), std::move(change));
  }
  request.done(status, ModelView(*this));
}

}  // namespace xpu
