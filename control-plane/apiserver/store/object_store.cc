#include "control-plane/apiserver/store/object_store.h"

#include <algorithm>
#include <atomic>
#include <deque>
#include <utility>

#include "absl/random/random.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_join.h"
#include "common/api/api.h"
#include "common/api/structural_schema.h"
#include "common/base/status_macros.h"
#include "control-plane/apiserver/store/api_error.h"
#include "control-plane/apiserver/store/crd.h"
#include "control-plane/apiserver/store/managed_fields.h"
#include "control-plane/apiserver/store/object_rules.h"
#include "control-plane/apiserver/store/object_table.h"
#include "control-plane/apiserver/store/patching.h"
#include "control-plane/apiserver/store/transaction.h"
#include "spdlog/spdlog.h"

namespace xpu::apiserver {
namespace {

using api::KindInfo;
using nlohmann::json;

constexpr absl::string_view kDefaultNamespace = "default";
constexpr absl::string_view kCrds = "apiextensions.k8s.io/customresourcedefinitions";
// A name from generateName is tried so often; five random letters of 27 hardly ever collide.
constexpr int kNameTries = 8;

bool IsNamespace(const KindInfo& kind) { return kind.resource == NamespaceKind().resource; }

std::string Rfc3339(absl::Time time) {
  return absl::FormatTime("%Y-%m-%d%ET%H:%M:%SZ", time, absl::UTCTimeZone());
}

// As `options` has it with fields that the kind's schema does not name.
absl::Status DropUnknown(const KindInfo& kind, const WriteOptions& options, json* object) {
  const bool ours = kind.message != nullptr;
  if (kind.schema == nullptr || !object->is_object()) return absl::OkStatus();
  if (ours && options.unknown == UnknownFields::kAsKindSays) return absl::OkStatus();
  std::vector<std::string> unknown;
  for (const std::string& path : kind.schema->Prune(object)) {
    unknown.push_back(absl::StrCat("unknown field \"", path, "\""));
  }
  if (unknown.empty() || options.unknown == UnknownFields::kIgnore) return absl::OkStatus();
  if (options.unknown == UnknownFields::kStrict) {
    return BadRequest(absl::StrCat("strict decoding error: ", absl::StrJoin(unknown, ", ")));
  }
  if (options.warnings != nullptr) {
    options.warnings->insert(options.warnings->end(), unknown.begin(), unknown.end());
  }
  return absl::OkStatus();
}

// For what a dry run would have written; without any for an empty one.
ObjectPtr WithVersion(json object, const std::string& version) {
  if (version.empty()) {
    object["metadata"].erase("resourceVersion");
  } else {
    object["metadata"]["resourceVersion"] = version;
  }
  return std::make_shared<const json>(std::move(object));
}

// What a call returns that wrote `object`, in this transaction if `changes` says so. `version` is that of the
// object before, if there was one.
json Answer(ObjectPtr object, const std::string& version, const std::vector<Change>& changes,
            const WriteOptions& options) {
  // Of a dry run not the version that the object would have got, which no object has.
  if (options.dry_run) object = WithVersion(*object, version);
  if (options.text == nullptr) return *object;
  const bool written = changes.size() == 1 && changes.front().after == object;
  *options.text = written ? changes.front().text : ObjectText(*object);
  return nullptr;
}

absl::Status DiskLost() { return absl::UnavailableError("the disk has failed; see the server's log"); }

// What the server itself adds to an object that is about to be written.
absl::Status Complete(const KindInfo& kind, const KindTable& kinds, absl::Time now, json* object) {
  if (!IsCrd(kind)) return absl::OkStatus();
  api::FieldErrors errors;
  KindsOf(*object, kinds, &errors);
  if (!errors.empty()) return Invalid(kind.resource, MetadataText(*object, "name"), errors);
  FillInCrd(object, Rfc3339(now));
  return absl::OkStatus();
}

// RFC 4122, version 4.
std::string NewUid(absl::BitGen& random) {
  auto high = absl::Uniform<uint64_t>(random);
  auto low = absl::Uniform<uint64_t>(random);
  return absl::StrFormat("%08x-%04x-4%03x-%04x-%012x", high >> 32, (high >> 16) & 0xffff, high & 0xfff,
                         0x8000 | ((low >> 48) & 0x3fff), low & 0xffffffffffff);
}

// Kubernetes' letters for generated names: no vowels, so no words.
std::string NewSuffix(absl::BitGen& random) {
  constexpr absl::string_view kLetters = "bcdfghjklmnpqrstvwxz2456789";
  std::string suffix;
  for (int i = 0; i < 5; ++i) suffix.push_back(kLetters[absl::Uniform<size_t>(random, 0, kLetters.size())]);
  return suffix;
}

}  // namespace

std::string CollectionOf(const ResourceKind& kind) { return absl::StrCat(kind.group, "/", kind.plural); }

struct ObjectStore::State {
  std::unique_ptr<ObjectTable> table;
  ObjectMap objects;
  Clock& clock;
  const Options options;
  // Of the last change that was made, and of the last that others have been told of.
  int64_t version = 0;
  int64_t settled = 0;
  KindTable kinds = {};
  // Null: each call is committed alone.
  std::function<void()> group_begun = nullptr;
  // The group that is open.
  std::deque<Change> group = {};
  // The group that Save() writes, which may be on another thread: nobody else touches it until Settle().
  std::deque<Change> sealed = {};
  // The history that it forgets then.
  int64_t forget = 0;
  // The disk has failed. Set by any thread.
  std::atomic<bool> disk_lost = false;
  absl::BitGen random;
  std::vector<std::function<void(const Change&)>> on_change = {};
  std::vector<std::function<void(const absl::Status&)>> on_settled = {};
  std::vector<std::function<void()>> on_restore = {};
};

ObjectStore::ObjectStore(std::unique_ptr<State> state) : state_(std::move(state)) {}
ObjectStore::~ObjectStore() = default;

absl::StatusOr<std::unique_ptr<ObjectStore>> ObjectStore::Open(const Options& options, Clock& clock) {
  XPU_ASSIGN_OR_RETURN(std::unique_ptr<ObjectTable> table,
                       ObjectTable::Open(options.path, options.full_sync));
  XPU_ASSIGN_OR_RETURN(int64_t version, table->LastVersion());
  XPU_ASSIGN_OR_RETURN(ObjectMap objects, table->Load());
  std::unique_ptr<ObjectStore> store(new ObjectStore(std::unique_ptr<State>(
      new State{std::move(table), std::move(objects), clock, options, version, version})));
  absl::Status made =
      store
          ->Create(NamespaceKind(),
                   {{"apiVersion", "v1"}, {"kind", "Namespace"}, {"metadata", {{"name", kDefaultNamespace}}}})
          .status();
  if (!made.ok() && !absl::IsAlreadyExists(made)) return made;
  XPU_RETURN_IF_ERROR(store->ServeAllCrds());
  return store;
}

absl::Status ObjectStore::ServeAllCrds() {
  const KindPtr crds = kinds().FindKind("apiextensions.k8s.io/v1", "CustomResourceDefinition");
  XPU_ASSIGN_OR_RETURN(Listing declared, List(*crds, "", {}));
  for (json& crd : declared.items) {
    const absl::Status served = ServeCrd({0, CollectionOf(*crds), "", MetadataText(crd, "name"), nullptr,
                                          std::make_shared<const json>(std::move(crd))});
    // An earlier program took it. All other kinds are not to suffer for that, and it can be put right only
    // while the server runs.
    if (!served.ok()) {
      spdlog::error("{}; its objects stay, and are served again once the CustomResourceDefinition is changed",
                    std::string(served.message()));
    }
  }
  return absl::OkStatus();
}

absl::StatusOr<std::unique_ptr<DatabaseCopy>> ObjectStore::BackUp(const std::string& path) {
  return DatabaseCopy::Start(state_->table->database(), path);
}

absl::Status ObjectStore::Restore(const std::string& path) {
  XPU_RETURN_IF_ERROR(state_->table->Restore(path));
  XPU_RETURN_IF_ERROR(Sync());
  XPU_ASSIGN_OR_RETURN(state_->objects, state_->table->Load());
  XPU_ASSIGN_OR_RETURN(state_->version, state_->table->LastVersion());
  state_->settled = state_->version;
  state_->kinds.Clear();
  XPU_RETURN_IF_ERROR(ServeAllCrds());
  for (const auto& listener : state_->on_restore) listener();
  return absl::OkStatus();
}

void ObjectStore::OnRestore(std::function<void()> callback) {
  state_->on_restore.push_back(std::move(callback));
}

const KindTable& ObjectStore::kinds() const { return state_->kinds; }

absl::Status ObjectStore::ServeCrd(const Change& change) {
  if (change.after == nullptr) {
    state_->kinds.Withdraw(change.name);
    return absl::OkStatus();
  }
  // Its own names are no conflict with what it declared before.
  api::FieldErrors errors;
  std::vector<KindPtr> kinds = KindsOf(*change.after, state_->kinds, &errors);
  if (!errors.empty()) return api::ToStatus(errors, "CustomResourceDefinition " + change.name);
  state_->kinds.Serve(change.name, std::move(kinds));
  return absl::OkStatus();
}

void ObjectStore::Tell(const std::deque<Change>& changes) {
  for (const Change& change : changes) {
    if (change.collection != kCrds) continue;
    // Nothing is written that could not be served.
    if (absl::Status served = ServeCrd(change); !served.ok()) state_->kinds.Withdraw(change.name);
  }
  for (const Change& change : changes) {
    for (const auto& listener : state_->on_change) listener(change);
  }
}

absl::Status ObjectStore::Commit(bool dry_run, const std::function<absl::Status(Transaction&)>& work) {
  if (state_->disk_lost) return DiskLost();
  const size_t before = state_->objects.bytes();
  Transaction transaction(state_->objects, state_->kinds, state_->clock, state_->version);
  absl::Status made = work(transaction);
  if (made.ok()) made = transaction.CollectGarbage();
  if (made.ok()) made = CheckRoom(before);
  if (!made.ok() || dry_run || transaction.changes().empty()) {
    state_->objects.Revert(state_->version);
    return made;
  }
  state_->version = transaction.version();
  const bool begins = state_->group.empty();
  for (Change& change : transaction.TakeChanges()) state_->group.push_back(std::move(change));
  if (!state_->group_begun) return Flush();
  if (begins) state_->group_begun();
  return absl::OkStatus();
}

// What makes the objects smaller is never too much.
absl::Status ObjectStore::CheckRoom(size_t before) const {
  const size_t bytes = state_->objects.bytes();
  if (bytes <= before || bytes <= state_->options.most_bytes) return absl::OkStatus();
  return absl::ResourceExhaustedError(
      absl::StrCat("the objects would have ", bytes, " octets together, and the server holds ",
                   state_->options.most_bytes, "; delete some, or start it with a larger --object-bytes"));
}

void ObjectStore::Group(std::function<void()> begun) { state_->group_begun = std::move(begun); }
bool ObjectStore::has_group() const { return !state_->group.empty(); }
bool ObjectStore::has_failed() const { return state_->disk_lost; }
bool ObjectStore::is_unsettled() const { return !state_->group.empty() || !state_->sealed.empty(); }

absl::Status ObjectStore::Flush() {
  if (state_->disk_lost) return DiskLost();
  while (is_unsettled()) {
    if (state_->sealed.empty()) Seal();
    const absl::Status saved = Save();
    Settle(saved);
    XPU_RETURN_IF_ERROR(saved);
  }
  return absl::OkStatus();
}

int64_t ObjectStore::Seal() {
  state_->sealed = std::exchange(state_->group, {});
  // Now and then rather than each time: one statement for many rows.
  constexpr int64_t kTrimEvery = 64;
  const bool trim = state_->settled / kTrimEvery != state_->version / kTrimEvery;
  state_->forget = trim ? state_->version - state_->options.history : 0;
  return state_->version;
}

absl::Status ObjectStore::Save() {
  if (state_->disk_lost) return DiskLost();
  XPU_RETURN_IF_ERROR(state_->table->Write(state_->sealed, state_->forget));
  return Sync();
}

absl::Status ObjectStore::Sync() {
  absl::Status synced = state_->table->Sync();
  if (!synced.ok()) state_->disk_lost = true;
  return synced;
}

void ObjectStore::Settle(const absl::Status& saved) {
  const std::deque<Change> changes = std::exchange(state_->sealed, {});
  if (saved.ok()) {
    state_->settled = changes.back().version;
    state_->objects.Settle(state_->settled);
    Tell(changes);
  } else {
    // What is open was made on top of it.
    state_->group.clear();
    state_->version = state_->settled;
    state_->objects.Revert(state_->settled);
  }
  for (const auto& listener : state_->on_settled) listener(saved);
}

absl::StatusOr<ObjectPtr> ObjectStore::MakeIn(Transaction& transaction, const KindInfo& kind, json sent,
                                              const json* managed, const WriteOptions& options) {
  XPU_RETURN_IF_ERROR(DropUnknown(kind, options, &sent));
  XPU_ASSIGN_OR_RETURN(json fresh,
                       NewObject(kind, std::move(sent), NewUid(state_->random), transaction.Now()));
  const ObjectName name{MetadataText(fresh, "namespace"), MetadataText(fresh, "name")};
  XPU_RETURN_IF_ERROR(transaction.CheckPlace(kind, name));
  XPU_ASSIGN_OR_RETURN(const ObjectPtr there, transaction.Find(kind, name));
  if (there != nullptr) return AlreadyExists(kind.resource, name.name);
  XPU_RETURN_IF_ERROR(Complete(kind, state_->kinds, transaction.Now(), &fresh));
  if (options.admit) XPU_RETURN_IF_ERROR(options.admit(nullptr, &fresh));
  if (managed != nullptr) fresh["metadata"]["managedFields"] = *managed;
  return transaction.Write(kind, nullptr, std::move(fresh));
}

absl::StatusOr<json> ObjectStore::Create(const KindInfo& kind, const json& object,
                                         const WriteOptions& options) {
  bool generated = MetadataText(object, "name").empty() && !MetadataText(object, "generateName").empty();
  json made;
  absl::Status status;
  for (int i = 0; i < (generated ? kNameTries : 1); ++i) {
    json named = object;
    if (generated) {
      named["metadata"]["name"] =
          absl::StrCat(MetadataText(object, "generateName"), NewSuffix(state_->random));
    }
    status = Commit(options.dry_run, [&](Transaction& transaction) -> absl::Status {
      XPU_ASSIGN_OR_RETURN(ObjectPtr fresh, MakeIn(transaction, kind, std::move(named), nullptr, options));
      made = Answer(std::move(fresh), "", transaction.changes(), options);
      return absl::OkStatus();
    });
    if (!absl::IsAlreadyExists(status)) break;
  }
  if (!status.ok()) return status;
  return made;
}

absl::StatusOr<json> ObjectStore::Get(const KindInfo& kind, const ObjectName& name) {
  XPU_ASSIGN_OR_RETURN(
      const ObjectPtr object,
      Transaction(state_->objects, state_->kinds, state_->clock, state_->version).Read(kind, name));
  return *object;
}

absl::StatusOr<std::string> ObjectStore::GetText(const KindInfo& kind, const ObjectName& name) {
  if (kind.message != nullptr) {
    XPU_ASSIGN_OR_RETURN(const std::string* text,
                         state_->objects.Text(CollectionOf(kind.resource), name.ns, name.name));
    if (text == nullptr) return NotFound(kind.resource, name.name);
    return *text;
  }
  XPU_ASSIGN_OR_RETURN(const json object, Get(kind, name));
  return ObjectText(object);
}

absl::StatusOr<Listing> ObjectStore::List(const KindInfo& kind, const std::string& ns,
                                          const api::Selector& selector, const Page& page) {
  Listing listing;
  listing.version = state_->version;
  XPU_RETURN_IF_ERROR(state_->objects.Scan(
      CollectionOf(kind.resource), ns, page.after.ns, page.after.name,
      [&](const ObjectPtr& stored) -> absl::StatusOr<bool> {
        json object = *stored;
        StampVersion(kind, &object);
        if (!selector.Matches(object)) return true;
        if (page.limit != 0 && listing.items.size() == page.limit) {
          const json& last = listing.items.back();
          listing.more_after = ObjectName{MetadataText(last, "namespace"), MetadataText(last, "name")};
          return false;
        }
        listing.items.push_back(std::move(object));
        return true;
      }));
  return listing;
}

absl::StatusOr<ObjectPtr> ObjectStore::ReplaceIn(Transaction& transaction, const KindInfo& kind, Part part,
                                                 const ObjectPtr& old, json sent, const json* managed,
                                                 const WriteOptions& options) {
  XPU_RETURN_IF_ERROR(DropUnknown(kind, options, &sent));
  XPU_ASSIGN_OR_RETURN(json result, ChangedObject(kind, part, *old, std::move(sent)));
  XPU_RETURN_IF_ERROR(Complete(kind, state_->kinds, transaction.Now(), &result));
  if (options.admit) XPU_RETURN_IF_ERROR(options.admit(old.get(), &result));
  if (managed != nullptr) {
    result["metadata"]["managedFields"] = *managed;
  } else if (IsTracked(*old)) {
    TrackUpdate(kind, *old, {options.manager, part, Rfc3339(transaction.Now())}, &result);
  }
  if (result == *old) return old;
  if (transaction.CanGo(kind, result)) return transaction.Remove(kind, std::move(result));
  return transaction.Write(kind, old, std::move(result));
}

absl::StatusOr<json> ObjectStore::Update(const KindInfo& kind, const ObjectName& name, Part part, json object,
                                         const WriteOptions& options) {
  json result;
  XPU_RETURN_IF_ERROR(Commit(options.dry_run, [&](Transaction& transaction) -> absl::Status {
    XPU_ASSIGN_OR_RETURN(const ObjectPtr old, transaction.Read(kind, name));
    XPU_ASSIGN_OR_RETURN(ObjectPtr written,
                         ReplaceIn(transaction, kind, part, old, std::move(object), nullptr, options));
    result =
        Answer(std::move(written), MetadataText(*old, "resourceVersion"), transaction.changes(), options);
    return absl::OkStatus();
  }));
  return result;
}

absl::StatusOr<ObjectStore::Applied> ObjectStore::Apply(const KindInfo& kind, const ObjectName& name,
                                                        Part part, json applied, bool force,
                                                        const WriteOptions& options) {
  Applied out;
  XPU_RETURN_IF_ERROR(Commit(options.dry_run, [&](Transaction& transaction) -> absl::Status {
    const FieldManager manager{options.manager, part, Rfc3339(transaction.Now())};
    XPU_RETURN_IF_ERROR(DropUnknown(kind, options, &applied));
    XPU_ASSIGN_OR_RETURN(const ObjectPtr old, transaction.Find(kind, name));
    if (old == nullptr && part == Part::kStatus) return NotFound(kind.resource, name.name);
    // Whoever means one object makes no other, and changes none.
    const std::string meant = MetadataText(applied, "uid");
    if (!meant.empty() && (old == nullptr || meant != MetadataText(*old, "uid"))) {
      return Conflict(kind.resource, name.name, "the uid is not the one that was asked for");
    }
    out.created = old == nullptr;
    if (old == nullptr) {
      const json fresh = FirstApplied(kind, std::move(applied), manager);
      XPU_ASSIGN_OR_RETURN(ObjectPtr made,
                           MakeIn(transaction, kind, fresh, &fresh["metadata"]["managedFields"], options));
      out.object = Answer(std::move(made), "", transaction.changes(), options);
      return absl::OkStatus();
    }
    const std::string version = MetadataText(*old, "resourceVersion");
    // The merged object has the version of the one that is there; what was sent may say another.
    if (const std::string sent = MetadataText(applied, "resourceVersion"); !sent.empty() && sent != version) {
      return Conflict(kind.resource, name.name,
                      "the object has been modified; read the latest "
                      "version and try again");
    }
    XPU_ASSIGN_OR_RETURN(json merged, apiserver::Applied(kind, *old, applied, manager, force));
    const json managed = merged["metadata"]["managedFields"];
    XPU_ASSIGN_OR_RETURN(ObjectPtr written,
                         ReplaceIn(transaction, kind, part, old, std::move(merged), &managed, options));
    out.object = Answer(std::move(written), version, transaction.changes(), options);
    return absl::OkStatus();
  }));
  return out;
}

absl::StatusOr<json> ObjectStore::Patch(const KindInfo& kind, const ObjectName& name, Part part,
                                        PatchKind patch_kind, const json& patch,
                                        const WriteOptions& options) {
  XPU_ASSIGN_OR_RETURN(json old, Get(kind, name));
  XPU_ASSIGN_OR_RETURN(json patched, ApplyPatch(kind.resource, patch_kind, std::move(old), patch));
  return Update(kind, name, part, std::move(patched), options);
}

absl::StatusOr<Deleted> ObjectStore::Delete(const KindInfo& kind, const ObjectName& name,
                                            const Preconditions& preconditions, const WriteOptions& options,
                                            Propagation propagation) {
  Deleted deleted;
  XPU_RETURN_IF_ERROR(Commit(options.dry_run, [&](Transaction& transaction) -> absl::Status {
    XPU_ASSIGN_OR_RETURN(const ObjectPtr object, transaction.Read(kind, name));
    if (preconditions.uid && *preconditions.uid != MetadataText(*object, "uid")) {
      return Conflict(kind.resource, name.name, "the uid is not the one that was asked for");
    }
    if (preconditions.resource_version &&
        *preconditions.resource_version != MetadataText(*object, "resourceVersion")) {
      return Conflict(kind.resource, name.name, "the object has been modified; read it again");
    }
    if (IsNamespace(kind) && name.name == kDefaultNamespace) {
      return Forbidden(kind.resource, name.name, "this namespace may not be deleted");
    }
    XPU_ASSIGN_OR_RETURN(deleted, transaction.Delete(kind, object, propagation));
    return absl::OkStatus();
  }));
  return deleted;
}

int64_t ObjectStore::version() const { return state_->settled; }

absl::StatusOr<std::vector<Change>> ObjectStore::ChangesSince(const KindInfo& kind, const std::string& ns,
                                                              int64_t version, int limit) {
  XPU_ASSIGN_OR_RETURN(int64_t forgotten, state_->table->ForgottenVersion());
  if (version < forgotten) {
    return Expired(absl::StrCat("too old resource version: ", version, " (", forgotten, "); list again"));
  }
  if (version > state_->settled) {
    return Expired(absl::StrCat("too large resource version: ", version, ", current: ", state_->settled,
                                "; list again"));
  }
  return state_->table->History(CollectionOf(kind.resource), ns, version, state_->settled, limit);
}

absl::Status ObjectStore::Compact() { return state_->table->Forget(state_->settled); }

void ObjectStore::OnChange(std::function<void(const Change&)> callback) {
  state_->on_change.push_back(std::move(callback));
}

void ObjectStore::OnSettled(std::function<void(const absl::Status&)> callback) {
  state_->on_settled.push_back(std::move(callback));
}

}  // namespace xpu::apiserver
