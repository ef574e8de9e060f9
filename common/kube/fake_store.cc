#include "common/kube/fake_store.h"

#include <algorithm>
#include <cstdlib>
#include <exception>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "common/api/kinds.h"
#include "common/base/status_macros.h"
#include "common/kube/fake_watcher.h"
#include "common/kube/metadata.h"

namespace xpu {
namespace {

constexpr absl::Duration kWaitDeadline = absl::Seconds(20);

std::string Collection(const ResourceKind& kind) { return absl::StrCat(kind.group, "/", kind.plural); }

std::string Say(const ResourceKind& kind, const ResourceName& name) {
  return absl::StrCat(Collection(kind), " \"", name.ToString(), "\"");
}

// Everything but metadata and status, whose change makes a new generation.
Resource Desired(Resource object) {
  object.erase("metadata");
  object.erase("status");
  return object;
}

absl::Status CheckObject(const ResourceKind& kind, const Resource& object) {
  if (!object.is_object() || object.value("apiVersion", "") != kind.ApiVersion() ||
      object.value("kind", "") != kind.kind) {
    return absl::InvalidArgumentError(absl::StrCat("the object is not a ", kind.ApiVersion(), " ", kind.kind,
                                                   ": check apiVersion and kind"));
  }
  if (NameOf(object).name.empty()) return absl::InvalidArgumentError("metadata.name: Required value");
  return absl::OkStatus();
}

absl::StatusOr<api::Selector> SelectorOf(const ResourceKind& kind, const ListOptions& options) {
  XPU_ASSIGN_OR_RETURN(api::Selector selector,
                       api::Selector::Parse(options.label_selector, options.field_selector));
  if (const api::KindInfo* info = api::FindKind(kind.ApiVersion(), kind.kind)) {
    XPU_RETURN_IF_ERROR(selector.CheckFields(*info));
  }
  return selector;
}

}  // namespace

FakeStore::~FakeStore() = default;

std::optional<FakeStore::Fault> FakeStore::Enter(Call call, const ResourceKind& kind,
                                                 const ResourceName& name) {
  FaultHook hook;
  {
    absl::MutexLock lock(&mu_);
    ++calls_[call];
    if (away_) return Fault{absl::UnavailableError("the fake store was told to be away")};
    std::deque<Fault>& faults = faults_[call];
    if (!faults.empty()) {
      const Fault fault = faults.front();
      faults.pop_front();
      return fault;
    }
    hook = hook_;
  }
  return hook ? hook(call, kind, name) : std::nullopt;
}

absl::StatusOr<Resource> FakeStore::Create(const ResourceKind& kind, const Resource& object) {
  const std::optional<Fault> fault = Enter(Call::kCreate, kind, NameOf(object));
  if (fault && !fault->after_effect) return fault->status;
  absl::MutexLock lock(&mu_);
  absl::StatusOr<Resource> made = DoCreate(kind, object);
  return fault ? fault->status : made;
}

absl::StatusOr<Resource> FakeStore::DoCreate(const ResourceKind& kind, const Resource& object) {
  XPU_RETURN_IF_ERROR(CheckObject(kind, object));
  const Key key(Collection(kind), NameOf(object));
  if (objects_.contains(key)) return absl::AlreadyExistsError(Say(kind, key.second) + " already exists");
  if (validator_) XPU_RETURN_IF_ERROR(validator_(kind, object, nullptr));
  Resource made = object;
  made.erase("status");
  Resource& metadata = made["metadata"];
  metadata.erase("deletionTimestamp");
  metadata["uid"] = absl::StrFormat("00000000-0000-4000-8000-%012x", next_uid_++);
  metadata["creationTimestamp"] = KubeTime(clock_.Now());
  metadata["generation"] = 1;
  return Commit(key, nullptr, std::move(made));
}

absl::StatusOr<Resource> FakeStore::Get(const ResourceKind& kind, const ResourceName& name) {
  if (const auto fault = Enter(Call::kGet, kind, name)) return fault->status;
  absl::MutexLock lock(&mu_);
  const auto it = objects_.find(Key(Collection(kind), name));
  if (it == objects_.end()) return absl::NotFoundError(Say(kind, name) + " not found");
  return it->second;
}

absl::StatusOr<ResourceList> FakeStore::List(const ResourceKind& kind, const std::string& ns,
                                             const ListOptions& options) {
  if (const auto fault = Enter(Call::kList, kind, {ns, ""})) return fault->status;
  XPU_ASSIGN_OR_RETURN(const api::Selector selector, SelectorOf(kind, options));
  absl::MutexLock lock(&mu_);
  ResourceList list;
  list.resource_version = absl::StrCat(version_);
  for (const auto& [key, object] : objects_) {
    if (key.first != Collection(kind) || (!ns.empty() && key.second.ns != ns)) continue;
    if (selector.Matches(object)) list.items.push_back(object);
  }
  return list;
}

absl::StatusOr<Resource> FakeStore::Update(const ResourceKind& kind, const Resource& object) {
  const std::optional<Fault> fault = Enter(Call::kUpdate, kind, NameOf(object));
  if (fault && !fault->after_effect) return fault->status;
  absl::MutexLock lock(&mu_);
  absl::StatusOr<Resource> updated = DoUpdate(kind, object, false);
  return fault ? fault->status : updated;
}

absl::StatusOr<Resource> FakeStore::UpdateStatus(const ResourceKind& kind, const Resource& object) {
  const std::optional<Fault> fault = Enter(Call::kUpdateStatus, kind, NameOf(object));
  if (fault && !fault->after_effect) return fault->status;
  absl::MutexLock lock(&mu_);
  absl::StatusOr<Resource> updated = DoUpdate(kind, object, true);
  return fault ? fault->status : updated;
}

absl::StatusOr<Resource> FakeStore::DoUpdate(const ResourceKind& kind, const Resource& object,
                                             bool status_only) {
  XPU_RETURN_IF_ERROR(CheckObject(kind, object));
  const Key key(Collection(kind), NameOf(object));
  const auto it = objects_.find(key);
  if (it == objects_.end()) return absl::NotFoundError(Say(kind, key.second) + " not found");
  const Resource before = it->second;
  if (!VersionOf(object).empty() && VersionOf(object) != VersionOf(before)) {
    return absl::AbortedError(Say(kind, key.second) + " has been changed since it was read: read it again");
  }
  if (!UidOf(object).empty() && UidOf(object) != UidOf(before)) {
    return absl::AbortedError(Say(kind, key.second) + " is another object of that name: read it again");
  }
  Resource after = status_only ? before : object;
  const Resource& status_from = status_only ? object : before;
  after.erase("status");
  if (status_from.contains("status")) after["status"] = status_from["status"];
  for (const char* field : {"uid", "creationTimestamp", "generation", "deletionTimestamp",
                            "deletionGracePeriodSeconds", "resourceVersion"}) {
    after["metadata"].erase(field);
    if (before["metadata"].contains(field)) after["metadata"][field] = before["metadata"][field];
  }
  if (IsBeingDeleted(before)) {
    for (const Resource& finalizer : after["metadata"].value("finalizers", Resource::array())) {
      if (finalizer.is_string() && HasFinalizer(before, finalizer.get<std::string>())) continue;
      return absl::InvalidArgumentError(
          "metadata.finalizers: none may be added while the object is being deleted");
    }
  }
  if (after == before) return before;
  if (validator_) XPU_RETURN_IF_ERROR(validator_(kind, after, &before));
  if (const auto owners = owners_.find(key); owners != owners_.end()) {
    owners->second.Updated(kind, before, after);
  }
  if (Desired(after) != Desired(before)) after["metadata"]["generation"] = GenerationOf(before) + 1;
  if (IsBeingDeleted(after) && after["metadata"].value("finalizers", Resource::array()).empty()) {
    return Commit(key, after, nullptr);
  }
  return Commit(key, before, std::move(after));
}

absl::StatusOr<Resource> FakeStore::Patch(const ResourceKind& kind, const ResourceName& name, PatchType type,
                                          const nlohmann::json& patch) {
  const std::optional<Fault> fault = Enter(Call::kPatch, kind, name);
  if (fault && !fault->after_effect) return fault->status;
  absl::MutexLock lock(&mu_);
  absl::StatusOr<Resource> patched = DoPatch(kind, name, type, patch);
  return fault ? fault->status : patched;
}

absl::StatusOr<Resource> FakeStore::DoPatch(const ResourceKind& kind, const ResourceName& name,
                                            PatchType type, const nlohmann::json& patch) {
  const auto it = objects_.find(Key(Collection(kind), name));
  if (it == objects_.end()) return absl::NotFoundError(Say(kind, name) + " not found");
  Resource object = it->second;
  try {
    if (type == PatchType::kMerge) {
      object.merge_patch(patch);
    } else {
      object = object.patch(patch);
    }
  } catch (const nlohmann::json::exception& e) {
    return absl::InvalidArgumentError(absl::StrCat("the patch cannot be applied: ", e.what()));
  }
  if (NameOf(object) != name) return absl::InvalidArgumentError("metadata.name: a patch may not change it");
  return DoUpdate(kind, object, false);
}

absl::StatusOr<Resource> FakeStore::Apply(const ResourceKind& kind, const Resource& object,
                                          const ApplyOptions& options) {
  const std::optional<Fault> fault = Enter(Call::kApply, kind, NameOf(object));
  if (fault && !fault->after_effect) return fault->status;
  absl::MutexLock lock(&mu_);
  absl::StatusOr<Resource> applied = DoApply(kind, object, options);
  return fault ? fault->status : applied;
}

absl::StatusOr<Resource> FakeStore::DoApply(const ResourceKind& kind, const Resource& object,
                                            const ApplyOptions& options) {
  if (options.field_manager.empty()) return absl::InvalidArgumentError("fieldManager: Required value");
  XPU_RETURN_IF_ERROR(CheckObject(kind, object));
  const Key key(Collection(kind), NameOf(object));
  const auto it = objects_.find(key);
  if (it == objects_.end()) {
    if (options.status) return absl::NotFoundError(Say(kind, key.second) + " not found");
    if (!UidOf(object).empty() || !VersionOf(object).empty()) {
      return absl::AbortedError(Say(kind, key.second) + " is not there any more");
    }
    FieldOwners owners;
    XPU_RETURN_IF_ERROR(owners.Apply(kind, MakeResource(kind, key.second), object, options).status());
    absl::StatusOr<Resource> made = DoCreate(kind, object);
    if (made.ok()) owners_.insert_or_assign(key, std::move(owners));
    return made;
  }
  const auto known = owners_.find(key);
  FieldOwners owners =
      known == owners_.end() ? FieldOwners::BeforeFirstApply(kind, it->second) : known->second;
  XPU_ASSIGN_OR_RETURN(Resource merged, owners.Apply(kind, it->second, object, options));
  for (const char* precondition : {"uid", "resourceVersion"}) {
    merged["metadata"].erase(precondition);
    if (object["metadata"].contains(precondition))
      merged["metadata"][precondition] = object["metadata"][precondition];
  }
  absl::StatusOr<Resource> written = DoUpdate(kind, merged, options.status);
  // After what the update would say of it.
  if (written.ok() && objects_.contains(key)) owners_.insert_or_assign(key, std::move(owners));
  return written;
}

absl::Status FakeStore::Delete(const ResourceKind& kind, const ResourceName& name,
                               const DeleteOptions& options) {
  const std::optional<Fault> fault = Enter(Call::kDelete, kind, name);
  if (fault && !fault->after_effect) return fault->status;
  absl::MutexLock lock(&mu_);
  const absl::Status done = DoDelete(kind, name, options);
  return fault ? fault->status : done;
}

absl::Status FakeStore::DoDelete(const ResourceKind& kind, const ResourceName& name,
                                 const DeleteOptions& options) {
  const Key key(Collection(kind), name);
  const auto it = objects_.find(key);
  if (it == objects_.end()) return absl::NotFoundError(Say(kind, name) + " not found");
  const Resource before = it->second;
  if ((!options.uid.empty() && options.uid != UidOf(before)) ||
      (!options.resource_version.empty() && options.resource_version != VersionOf(before))) {
    return absl::AbortedError(Say(kind, name) + " is not the object that was to be deleted: read it again");
  }
  if (before["metadata"].value("finalizers", Resource::array()).empty()) {
    Commit(key, before, nullptr);
    return absl::OkStatus();
  }
  if (IsBeingDeleted(before)) return absl::OkStatus();
  Resource after = before;
  after["metadata"]["deletionTimestamp"] = KubeTime(clock_.Now());
  after["metadata"]["deletionGracePeriodSeconds"] = 0;
  after["metadata"]["generation"] = GenerationOf(before) + 1;
  Commit(key, before, std::move(after));
  return absl::OkStatus();
}

Resource FakeStore::Commit(const Key& key, Resource before, Resource after) {
  ++version_;
  // A deletion has a version of its own, which the last state carries.
  Resource& shown = after.is_null() ? before : after;
  shown["metadata"]["resourceVersion"] = absl::StrCat(version_);
  const Resource result = shown;
  if (after.is_null()) {
    objects_.erase(key);
    owners_.erase(key);
  } else {
    objects_[key] = after;
  }
  history_.push_back({version_, key.first, std::move(before), std::move(after)});
  for (FakeWatcher* watcher : watchers_) watcher->Offer(history_.back());
  return result;
}

absl::StatusOr<std::unique_ptr<ResourceStore::Watcher>> FakeStore::Watch(const ResourceKind& kind,
                                                                         const std::string& ns,
                                                                         const std::string& resource_version,
                                                                         const ListOptions& options,
                                                                         WatchCallbacks callbacks) {
  if (const auto fault = Enter(Call::kWatch, kind, {ns, ""})) return fault->status;
  int64_t from = 0;
  if (!absl::SimpleAtoi(resource_version, &from)) {
    return absl::InvalidArgumentError("a watch needs the resourceVersion of a list to start from");
  }
  XPU_ASSIGN_OR_RETURN(api::Selector selector, SelectorOf(kind, options));
  auto watcher =
      std::make_unique<FakeWatcher>(*this, Collection(kind), ns, std::move(selector), std::move(callbacks));
  absl::MutexLock lock(&mu_);
  if (from < compacted_) {
    watcher->End(
        absl::OutOfRangeError(absl::StrCat("too old resource version: ", from, " (", compacted_, ")")));
  }
  for (const Change& change : history_) {
    if (change.version > from) watcher->Offer(change);
  }
  watchers_.push_back(watcher.get());
  watcher->Start();
  return watcher;
}

void FakeStore::FailNext(Call call, Fault fault, int times) {
  absl::MutexLock lock(&mu_);
  for (int i = 0; i < times; ++i) faults_[call].push_back(fault);
}

void FakeStore::SetFaultHook(FaultHook hook) {
  absl::MutexLock lock(&mu_);
  hook_ = std::move(hook);
}

void FakeStore::SetValidator(Validator validator) {
  absl::MutexLock lock(&mu_);
  validator_ = std::move(validator);
}

void FakeStore::GoAway() {
  absl::MutexLock lock(&mu_);
  away_ = true;
  for (FakeWatcher* watcher : watchers_) watcher->End(absl::UnavailableError("the connection was closed"));
}

void FakeStore::ComeBack() {
  absl::MutexLock lock(&mu_);
  away_ = false;
}

void FakeStore::PauseWatches() {
  absl::MutexLock lock(&mu_);
  paused_ = true;
}

void FakeStore::ResumeWatches() {
  absl::MutexLock lock(&mu_);
  paused_ = false;
}

void FakeStore::EndWatches(const absl::Status& status) {
  absl::MutexLock lock(&mu_);
  for (FakeWatcher* watcher : watchers_) watcher->End(status);
}

void FakeStore::SendBookmarks() {
  absl::MutexLock lock(&mu_);
  for (FakeWatcher* watcher : watchers_) watcher->OfferBookmark(absl::StrCat(version_));
}

void FakeStore::Compact() {
  absl::MutexLock lock(&mu_);
  // A version of its own, so that also a list that was just made is too old.
  compacted_ = ++version_;
  history_.clear();
}

void FakeStore::Erase(const ResourceKind& kind, const ResourceName& name) {
  absl::MutexLock lock(&mu_);
  const auto it = objects_.find(Key(Collection(kind), name));
  if (it != objects_.end()) Commit(Key(it->first), Resource(it->second), nullptr);
}

int FakeStore::calls(Call call) const {
  absl::MutexLock lock(&mu_);
  const auto it = calls_.find(call);
  return it == calls_.end() ? 0 : it->second;
}

int FakeStore::running_watches() const {
  absl::MutexLock lock(&mu_);
  return static_cast<int>(std::count_if(watchers_.begin(), watchers_.end(),
                                        [](const FakeWatcher* watcher) { return watcher->running(); }));
}

bool FakeStore::WaitForCalls(Call call, int count) const {
  const auto reached = [&]() ABSL_SHARED_LOCKS_REQUIRED(mu_) {
    const auto it = calls_.find(call);
    return (it == calls_.end() ? 0 : it->second) >= count;
  };
  absl::MutexLock lock(&mu_);
  return mu_.AwaitWithTimeout(absl::Condition(&reached), kWaitDeadline);
}

bool FakeStore::WaitForWatches(int count) const {
  const auto reached = [&]() ABSL_SHARED_LOCKS_REQUIRED(mu_) {
    return std::count_if(watchers_.begin(), watchers_.end(),
                         [](const FakeWatcher* watcher) { return watcher->running(); }) >= count;
  };
  absl::MutexLock lock(&mu_);
  return mu_.AwaitWithTimeout(absl::Condition(&reached), kWaitDeadline);
}

}  // namespace xpu
