#include "control-plane/apiserver/store/object_store.h"

#include "absl/random/random.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "common/api/api.h"
#include "common/base/status_macros.h"
#include "control-plane/apiserver/store/api_error.h"
#include "control-plane/apiserver/store/object_rules.h"
#include "control-plane/apiserver/store/object_table.h"
#include "control-plane/apiserver/store/patching.h"

namespace xpu::apiserver {
namespace {

using api::KindInfo;
using nlohmann::json;

constexpr absl::string_view kDefaultNamespace = "default";
// A name from generateName is tried so often; five random letters of 27 hardly ever collide.
constexpr int kNameTries = 8;

const KindInfo& NamespaceKind() {
  static const KindInfo& kind = *api::FindKind("v1", "Namespace");
  return kind;
}

bool IsNamespace(const KindInfo& kind) { return &kind == &NamespaceKind(); }

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
  Clock& clock;
  int64_t history_limit;
  int64_t version = 0;
  absl::BitGen random;
  std::function<void(const Change&)> on_change = [](const Change&) {};
};

// What one call changes: each change is written under the next version and told of after the commit.
class ObjectStore::Transaction {
 public:
  explicit Transaction(State& state) : state_(state), version_(state.version) {}

  const std::vector<Change>& changes() const { return changes_; }
  int64_t version() const { return version_; }
  absl::Time Now() { return state_.clock.Now(); }

  absl::StatusOr<json> Read(const KindInfo& kind, const ObjectName& name) {
    XPU_ASSIGN_OR_RETURN(std::optional<json> object, Find(kind, name));
    if (!object) return NotFound(kind.resource, name.name);
    return *std::move(object);
  }
  absl::StatusOr<std::optional<json>> Find(const KindInfo& kind, const ObjectName& name) {
    return state_.table->Read(CollectionOf(kind.resource), name.ns, name.name);
  }

  // `after` under a new version.
  absl::StatusOr<json> Write(const KindInfo& kind, json before, json after) {
    ++version_;
    after["metadata"]["resourceVersion"] = absl::StrCat(version_);
    XPU_RETURN_IF_ERROR(Apply(kind, std::move(before), after));
    return after;
  }

  // The last state, under the version of the deletion.
  absl::StatusOr<json> Remove(const KindInfo& kind, json object) {
    ++version_;
    object["metadata"]["resourceVersion"] = absl::StrCat(version_);
    XPU_RETURN_IF_ERROR(Apply(kind, object, nullptr));
    if (kind.namespaced) XPU_RETURN_IF_ERROR(FinishNamespace(MetadataText(object, "namespace")));
    return object;
  }

  // A namespace may only go once it is empty.
  absl::StatusOr<bool> CanGo(const KindInfo& kind, const json& object) {
    if (!MayGo(object)) return false;
    if (!IsNamespace(kind)) return true;
    XPU_ASSIGN_OR_RETURN(std::vector<ObjectTable::Key> keys,
                         state_.table->KeysIn(MetadataText(object, "name")));
    return keys.empty();
  }

  absl::StatusOr<Deleted> Delete(const KindInfo& kind, const json& object) {
    json marked = MarkedForDeletion(kind, object, Now());
    XPU_ASSIGN_OR_RETURN(bool can_go, CanGo(kind, marked));
    if (can_go) {
      XPU_ASSIGN_OR_RETURN(json last, Remove(kind, object));
      return Deleted{std::move(last), false};
    }
    if (marked == object) return Deleted{object, true};
    XPU_ASSIGN_OR_RETURN(json written, Write(kind, object, std::move(marked)));
    if (!IsNamespace(kind)) return Deleted{std::move(written), true};
    return EmptyNamespace(std::move(written));
  }

 private:
  absl::Status Apply(const KindInfo& kind, json before, json after) {
    const json& named = after.is_null() ? before : after;
    Change change{version_,
                  CollectionOf(kind.resource),
                  MetadataText(named, "namespace"),
                  MetadataText(named, "name"),
                  std::move(before),
                  std::move(after)};
    XPU_RETURN_IF_ERROR(state_.table->Apply(change));
    changes_.push_back(std::move(change));
    return absl::OkStatus();
  }

  absl::StatusOr<Deleted> EmptyNamespace(json object) {
    const std::string ns = MetadataText(object, "name");
    XPU_ASSIGN_OR_RETURN(std::vector<ObjectTable::Key> keys, state_.table->KeysIn(ns));
    for (const ObjectTable::Key& key : keys) {
      for (const KindInfo& kind : api::AllKinds()) {
        if (CollectionOf(kind.resource) != key.collection) continue;
        XPU_ASSIGN_OR_RETURN(json inside, Read(kind, {ns, key.name}));
        XPU_RETURN_IF_ERROR(Delete(kind, inside).status());
        break;
      }
    }
    // The last of them may have taken the namespace along.
    XPU_ASSIGN_OR_RETURN(std::optional<json> now, Find(NamespaceKind(), {"", ns}));
    return now ? Deleted{*std::move(now), true} : Deleted{std::move(object), false};
  }

  absl::Status FinishNamespace(const std::string& ns) {
    XPU_ASSIGN_OR_RETURN(std::optional<json> object, Find(NamespaceKind(), {"", ns}));
    if (!object) return absl::OkStatus();
    XPU_ASSIGN_OR_RETURN(bool can_go, CanGo(NamespaceKind(), *object));
    return can_go ? Remove(NamespaceKind(), *std::move(object)).status() : absl::OkStatus();
  }

  State& state_;
  int64_t version_;
  std::vector<Change> changes_;
};

ObjectStore::ObjectStore(std::unique_ptr<State> state) : state_(std::move(state)) {}
ObjectStore::~ObjectStore() = default;

absl::StatusOr<std::unique_ptr<ObjectStore>> ObjectStore::Open(const Options& options, Clock& clock) {
  XPU_ASSIGN_OR_RETURN(std::unique_ptr<ObjectTable> table,
                       ObjectTable::Open(options.path, options.full_sync));
  XPU_ASSIGN_OR_RETURN(int64_t version, table->LastVersion());
  std::unique_ptr<ObjectStore> store(
      new ObjectStore(std::unique_ptr<State>(new State{std::move(table), clock, options.history, version})));
  absl::Status made =
      store
          ->Create(NamespaceKind(),
                   {{"apiVersion", "v1"}, {"kind", "Namespace"}, {"metadata", {{"name", kDefaultNamespace}}}})
          .status();
  if (!made.ok() && !absl::IsAlreadyExists(made)) return made;
  return store;
}

absl::Status ObjectStore::Commit(const std::function<absl::Status(Transaction&)>& work) {
  Transaction transaction(*state_);
  XPU_RETURN_IF_ERROR(state_->table->database().Transaction([&]() -> absl::Status {
    XPU_RETURN_IF_ERROR(work(transaction));
    if (transaction.changes().empty()) return absl::OkStatus();
    // Now and then rather than each time: one statement for many rows.
    constexpr int64_t kTrimEvery = 64;
    bool trim = state_->version / kTrimEvery != transaction.version() / kTrimEvery;
    if (!trim || transaction.version() <= state_->history_limit) return absl::OkStatus();
    return state_->table->Forget(transaction.version() - state_->history_limit);
  }));
  state_->version = transaction.version();
  for (const Change& change : transaction.changes()) state_->on_change(change);
  return absl::OkStatus();
}

absl::StatusOr<json> ObjectStore::Create(const KindInfo& kind, const json& object) {
  bool generated = MetadataText(object, "name").empty() && !MetadataText(object, "generateName").empty();
  json made;
  absl::Status status;
  for (int i = 0; i < (generated ? kNameTries : 1); ++i) {
    json named = object;
    if (generated) {
      named["metadata"]["name"] =
          absl::StrCat(MetadataText(object, "generateName"), NewSuffix(state_->random));
    }
    status = Commit([&](Transaction& transaction) -> absl::Status {
      XPU_ASSIGN_OR_RETURN(json fresh,
                           NewObject(kind, std::move(named), NewUid(state_->random), transaction.Now()));
      ObjectName name{MetadataText(fresh, "namespace"), MetadataText(fresh, "name")};
      if (kind.namespaced) {
        XPU_ASSIGN_OR_RETURN(json ns, transaction.Read(NamespaceKind(), {"", name.ns}));
        if (IsMarked(ns)) {
          return Forbidden(
              kind.resource, name.name,
              absl::StrCat("namespace ", name.ns, " is being deleted; nothing can be added to it"));
        }
      }
      XPU_ASSIGN_OR_RETURN(std::optional<json> there, transaction.Find(kind, name));
      if (there) return AlreadyExists(kind.resource, name.name);
      XPU_ASSIGN_OR_RETURN(made, transaction.Write(kind, nullptr, std::move(fresh)));
      return absl::OkStatus();
    });
    if (!absl::IsAlreadyExists(status)) break;
  }
  if (!status.ok()) return status;
  return made;
}

absl::StatusOr<json> ObjectStore::Get(const KindInfo& kind, const ObjectName& name) {
  return Transaction(*state_).Read(kind, name);
}

absl::StatusOr<Listing> ObjectStore::List(const KindInfo& kind, const std::string& ns,
                                          const api::Selector& selector, const Page& page) {
  Listing listing;
  listing.version = state_->version;
  XPU_RETURN_IF_ERROR(state_->table->Scan(
      CollectionOf(kind.resource), ns, page.after.ns, page.after.name,
      [&](json object) -> absl::StatusOr<bool> {
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

absl::StatusOr<json> ObjectStore::Update(const KindInfo& kind, const ObjectName& name, Part part,
                                         json object) {
  json result;
  XPU_RETURN_IF_ERROR(Commit([&](Transaction& transaction) -> absl::Status {
    XPU_ASSIGN_OR_RETURN(json old, transaction.Read(kind, name));
    XPU_ASSIGN_OR_RETURN(result, ChangedObject(kind, part, old, std::move(object)));
    if (result == old) return absl::OkStatus();
    XPU_ASSIGN_OR_RETURN(bool can_go, transaction.CanGo(kind, result));
    if (can_go) {
      XPU_ASSIGN_OR_RETURN(result, transaction.Remove(kind, std::move(result)));
    } else {
      XPU_ASSIGN_OR_RETURN(result, transaction.Write(kind, std::move(old), std::move(result)));
    }
    return absl::OkStatus();
  }));
  return result;
}

absl::StatusOr<json> ObjectStore::Patch(const KindInfo& kind, const ObjectName& name, Part part,
                                        PatchKind patch_kind, const json& patch) {
  XPU_ASSIGN_OR_RETURN(json old, Get(kind, name));
  XPU_ASSIGN_OR_RETURN(json patched, ApplyPatch(kind.resource, patch_kind, std::move(old), patch));
  return Update(kind, name, part, std::move(patched));
}

absl::StatusOr<Deleted> ObjectStore::Delete(const KindInfo& kind, const ObjectName& name,
                                            const Preconditions& preconditions) {
  Deleted deleted;
  XPU_RETURN_IF_ERROR(Commit([&](Transaction& transaction) -> absl::Status {
    XPU_ASSIGN_OR_RETURN(json object, transaction.Read(kind, name));
    if (preconditions.uid && *preconditions.uid != MetadataText(object, "uid")) {
      return Conflict(kind.resource, name.name, "the uid is not the one that was asked for");
    }
    if (preconditions.resource_version &&
        *preconditions.resource_version != MetadataText(object, "resourceVersion")) {
      return Conflict(kind.resource, name.name, "the object has been modified; read it again");
    }
    if (IsNamespace(kind) && name.name == kDefaultNamespace) {
      return Forbidden(kind.resource, name.name, "this namespace may not be deleted");
    }
    XPU_ASSIGN_OR_RETURN(deleted, transaction.Delete(kind, object));
    return absl::OkStatus();
  }));
  return deleted;
}

int64_t ObjectStore::version() const { return state_->version; }

absl::StatusOr<std::vector<Change>> ObjectStore::ChangesSince(const KindInfo& kind, const std::string& ns,
                                                              int64_t version, int limit) {
  XPU_ASSIGN_OR_RETURN(int64_t forgotten, state_->table->ForgottenVersion());
  if (version < forgotten) {
    return Expired(absl::StrCat("too old resource version: ", version, " (", forgotten, "); list again"));
  }
  if (version > state_->version) {
    return Expired(absl::StrCat("too large resource version: ", version, ", current: ", state_->version,
                                "; list again"));
  }
  return state_->table->History(CollectionOf(kind.resource), ns, version, limit);
}

absl::Status ObjectStore::Compact() {
  return state_->table->database().Transaction([&] { return state_->table->Forget(state_->version); });
}

void ObjectStore::OnChange(std::function<void(const Change&)> callback) {
  state_->on_change = std::move(callback);
}

}  // namespace xpu::apiserver
