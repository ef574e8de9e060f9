#include "control-plane/broker/kind_sync.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "common/base/status_macros.h"
#include "common/kube/metadata.h"
#include "spdlog/spdlog.h"

namespace xpu::broker {
namespace {

// Steps of one turn; more only if others write the objects all the time, and then the next turn goes on.
constexpr int kMaxSteps = 16;

absl::StatusOr<std::optional<Resource>> GetIfThere(ResourceStore& store, const ResourceKind& kind,
                                                   const ResourceName& name) {
  absl::StatusOr<Resource> object = store.Get(kind, name);
  if (absl::IsNotFound(object.status())) return std::nullopt;
  XPU_RETURN_IF_ERROR(object.status());
  return *std::move(object);
}

// Takes over what was written; what is gone is gone.
absl::Status Store(absl::StatusOr<Resource> written, std::optional<Resource>* into) {
  if (absl::IsNotFound(written.status())) return absl::AbortedError("it is gone");
  XPU_RETURN_IF_ERROR(written.status());
  *into = *std::move(written);
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<std::unique_ptr<KindSync>> KindSync::Make(EventLoop& loop, ResourceStore& source,
                                                         ResourceStore& target, EventRecorder* events,
                                                         Options options) {
  XPU_ASSIGN_OR_RETURN(api::Selector selector, api::Selector::Parse(options.label_selector, ""));
  std::unique_ptr<KindSync> sync(
      new KindSync(source, target, events, std::move(selector), std::move(options)));
  sync->Watch(loop);
  return sync;
}

KindSync::KindSync(ResourceStore& source, ResourceStore& target, EventRecorder* events,
                   api::Selector selector, Options options)
    : source_(source),
      target_(target),
      events_(events),
      selector_(std::move(selector)),
      options_(std::move(options)),
      controller_(std::make_unique<Controller>(
          Controller::Options{.name = absl::StrCat("copies of ", options_.kind.plural),
                              .workers = options_.workers,
                              .backoff = options_.backoff,
                              .seed = options_.seed},
          [this](const ResourceName& target) { return Reconcile(target); })) {}

KindSync::~KindSync() {
  // No worker may look into an informer that goes.
  controller_->Stop();
  mappings_.clear();
}

void KindSync::Watch(EventLoop& loop) {
  for (const NamespacePair& names : options_.namespaces) mappings_[names.target].names = names;
  // All entries are there before the first object comes, and none is added after.
  for (auto& [target_ns, mapping] : mappings_) {
    const auto enqueue = [this, ns = target_ns](const ResourceName& name) {
      controller_->Enqueue({ns, name.name});
    };
    const auto enqueue_all = [this, &mapping = mapping, enqueue] {
      if (mapping.source == nullptr || mapping.target == nullptr) return;
      for (const Informer* side : {mapping.source.get(), mapping.target.get()}) {
        for (const ResourceName& name : side->Names()) enqueue(name);
      }
    };
    const Informer::Handler handler = {
        .added = [enqueue](const ResourceName& name, const Resource&) { enqueue(name); },
        .updated = [enqueue](const ResourceName& name, const Resource&, const Resource&) { enqueue(name); },
        .deleted = [enqueue](const ResourceName& name, const Resource&) { enqueue(name); },
        // What was seen before the other side was known had to wait for it.
        .synced = enqueue_all,
        // A copy may have been made, and taken away by somebody, without having been seen.
        .relisted = enqueue_all};
    // Of a namespace that is drained all objects matter: each may still be held.
    mapping.source = std::make_unique<Informer>(
        loop, source_,
        Informer::Options{.kind = options_.kind,
                          .ns = mapping.names.source,
                          .selection = {.label_selector = mapping.names.drain ? "" : options_.label_selector},
                          .backoff = options_.backoff,
                          .seed = options_.seed},
        handler);
    mapping.target = std::make_unique<Informer>(
        loop, target_,
        Informer::Options{
            .kind = options_.kind,
            .ns = target_ns,
            .selection = {.label_selector = absl::StrCat(kOriginLabel, "=", options_.origin.name)},
            .backoff = options_.backoff,
            .seed = options_.seed + 1},
        handler);
  }
}

bool KindSync::IsNamed(const Mapping& mapping, const Resource& source) const {
  return !mapping.names.drain && selector_.Matches(source);
}

Pair KindSync::PairAsSeen(const Mapping& mapping, const ResourceName& target) const {
  Pair pair{.target = target, .has_status = options_.has_status};
  pair.source = mapping.source->Get({mapping.names.source, target.name});
  pair.copy = mapping.target->Get(target);
  if (pair.source.has_value()) pair.named = IsNamed(mapping, *pair.source);
  return pair;
}

absl::StatusOr<Pair> KindSync::ReadPair(const Mapping& mapping, const ResourceName& target) {
  Pair pair{.target = target, .has_status = options_.has_status};
  // The copy first: a source that is read after it is at least as new, so that a copy is never taken for one
  // whose source has gone while it was being made.
  XPU_ASSIGN_OR_RETURN(pair.copy, GetIfThere(target_, options_.kind, target));
  XPU_ASSIGN_OR_RETURN(pair.source, GetIfThere(source_, options_.kind, {mapping.names.source, target.name}));
  if (pair.source.has_value()) pair.named = IsNamed(mapping, *pair.source);
  return pair;
}

absl::Status KindSync::Reconcile(const ResourceName& target) {
  const auto found = mappings_.find(target.ns);
  if (found == mappings_.end()) return absl::OkStatus();
  const Mapping& mapping = found->second;
  // Nothing is concluded from what is missing before all is known; then everything comes again.
  if (mapping.source == nullptr || mapping.target == nullptr || !mapping.source->synced() ||
      !mapping.target->synced()) {
    return absl::OkStatus();
  }
  Pair pair = PairAsSeen(mapping, target);
  bool is_fresh = false;
  for (int i = 0; i < kMaxSteps; ++i) {
    const Step step = NextStep(options_.origin, pair);
    if (step.kind == Step::kNothing && pair.source.has_value()) return absl::OkStatus();
    if (step.kind == Step::kWait) return absl::OkStatus();
    // What removes something, or gives up, is never done by hearsay.
    const bool destructive = step.kind == Step::kDeleteCopy || step.kind == Step::kReleaseSource ||
                             step.kind == Step::kTaken || step.kind == Step::kNothing;
    if (destructive && !is_fresh) {
      XPU_ASSIGN_OR_RETURN(pair, ReadPair(mapping, target));
      is_fresh = true;
      continue;
    }
    if (step.kind == Step::kNothing) return absl::OkStatus();
    const absl::Status done = Do(step, &pair);
    if (absl::IsAborted(done) || absl::IsAlreadyExists(done)) {
      XPU_ASSIGN_OR_RETURN(pair, ReadPair(mapping, target));
      is_fresh = true;
      continue;
    }
    if (!done.ok()) return Tell(pair, done);
  }
  return absl::AbortedError(absl::StrCat(options_.kind.kind, " ", target.ToString(),
                                         " is written by others all the time; it is looked at again later"));
}

absl::Status KindSync::Do(const Step& step, Pair* pair) {
  const ResourceKind& kind = options_.kind;
  switch (step.kind) {
    case Step::kNothing:
    case Step::kWait:
      return absl::OkStatus();
    case Step::kHoldSource:
    case Step::kReleaseSource: {
      const absl::Status status = Store(source_.Update(kind, step.object), &pair->source);
      // The last finalizer takes the object along.
      if (status.ok() && step.kind == Step::kReleaseSource && IsBeingDeleted(*pair->source)) {
        pair->source.reset();
      }
      return status;
    }
    case Step::kCreateCopy: {
      absl::StatusOr<Resource> made = target_.Create(kind, step.object);
      if (absl::IsNotFound(made.status())) {
        return absl::FailedPreconditionError(absl::StrCat("the target cluster has no namespace ",
                                                          pair->target.ns, ", or does not know the kind ",
                                                          kind.kind, ": ", made.status().message()));
      }
      XPU_RETURN_IF_ERROR(made.status());
      spdlog::info("copied {} {} to {}", kind.kind, NameOf(*pair->source).ToString(),
                   pair->target.ToString());
      pair->copy = *std::move(made);
      return absl::OkStatus();
    }
    case Step::kUpdateCopy:
      return Store(target_.Update(kind, step.object), &pair->copy);
    case Step::kDeleteCopy: {
      // This very copy, whatever has taken its name since.
      const absl::Status deleted = target_.Delete(kind, pair->target, {.uid = UidOf(*pair->copy)});
      if (!deleted.ok() && !absl::IsNotFound(deleted)) return deleted;
      spdlog::info("removed the copy {} {}", kind.kind, pair->target.ToString());
      XPU_ASSIGN_OR_RETURN(pair->copy, GetIfThere(target_, kind, pair->target));
      return absl::OkStatus();
    }
    case Step::kWriteStatus:
      return Store(source_.UpdateStatus(kind, step.object), &pair->source);
    case Step::kTaken: {
      const std::string owner = MarksOf(*pair->copy).origin;
      return absl::FailedPreconditionError(
          absl::StrCat("the target cluster has another ", kind.kind, " ", pair->target.ToString(), ", ",
                       owner.empty() ? "which is no copy" : absl::StrCat("which is a copy of ", owner, "'s"),
                       "; give this one another name, or its namespace another target"));
    }
  }
  return absl::OkStatus();
}

absl::Status KindSync::Tell(const Pair& pair, const absl::Status& why) {
  const bool transient = absl::IsUnavailable(why) || absl::IsDeadlineExceeded(why);
  if (events_ != nullptr && pair.source.has_value() && !transient) {
    events_->Record(*pair.source, EventRecorder::Type::kWarning, "NotCopied", std::string(why.message()));
  }
  return why;
}

}  // namespace xpu::broker
