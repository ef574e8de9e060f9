#include "control-plane/apiserver/store/transaction.h"

#include <algorithm>

#include "absl/cleanup/cleanup.h"
#include "absl/strings/str_cat.h"
#include "common/base/status_macros.h"
#include "control-plane/apiserver/store/api_error.h"
#include "control-plane/apiserver/store/crd.h"
#include "control-plane/apiserver/store/object_rules.h"

namespace xpu::apiserver {
namespace {

using api::KindInfo;
using nlohmann::json;

constexpr int kMaxDepth = 64;

bool IsNamespace(const KindInfo& kind) { return kind.resource == NamespaceKind().resource; }

// "widgets.example.org", the name of the CRD of a collection.
std::string CrdName(const KindInfo& kind) {
  return absl::StrCat(kind.resource.plural, ".", kind.resource.group);
}

std::string Text(const json& object, const char* name) {
  const auto it = object.find(name);
  return it == object.end() || !it->is_string() ? "" : it->get<std::string>();
}

std::vector<json> Owners(const json& object) {
  std::vector<json> owners;
  for (const json& owner : object["metadata"].value("ownerReferences", json::array())) {
    if (owner.is_object()) owners.push_back(owner);
  }
  return owners;
}

json WithoutFinalizer(json object, const json& name) {
  json& finalizers = object["metadata"]["finalizers"];
  if (finalizers.is_array()) {
    finalizers.erase(std::remove(finalizers.begin(), finalizers.end(), name), finalizers.end());
  }
  if (finalizers.empty()) object["metadata"].erase("finalizers");
  return object;
}

bool HasFinalizer(const json& object, const json& name) {
  const json finalizers = object["metadata"].value("finalizers", json::array());
  return std::find(finalizers.begin(), finalizers.end(), name) != finalizers.end();
}

}  // namespace

const KindInfo& NamespaceKind() {
  static const KindInfo& kind = *api::FindKind("v1", "Namespace");
  return kind;
}

absl::StatusOr<json> Transaction::Read(const KindInfo& kind, const ObjectName& name) {
  XPU_ASSIGN_OR_RETURN(std::optional<json> object, Find(kind, name));
  if (!object) return NotFound(kind.resource, name.name);
  return *std::move(object);
}

absl::StatusOr<std::optional<json>> Transaction::Find(const KindInfo& kind, const ObjectName& name) {
  XPU_ASSIGN_OR_RETURN(std::optional<json> object,
                       objects_.Read(CollectionOf(kind.resource), name.ns, name.name));
  if (object) StampVersion(kind, &*object);
  return object;
}

absl::StatusOr<json> Transaction::Write(const KindInfo& kind, json before, json after) {
  ++version_;
  after["metadata"]["resourceVersion"] = absl::StrCat(version_);
  Apply(kind, std::move(before), after);
  return after;
}

absl::StatusOr<json> Transaction::Remove(const KindInfo& kind, json object) {
  ++version_;
  object["metadata"]["resourceVersion"] = absl::StrCat(version_);
  Apply(kind, object, nullptr);
  removed_.push_back(object);
  if (kind.namespaced) {
    XPU_RETURN_IF_ERROR(FinishContainer(NamespaceKind(), {"", MetadataText(object, "namespace")}));
  }
  if (kind.message == nullptr) {
    const KindPtr crds = kinds_.FindKind("apiextensions.k8s.io/v1", "CustomResourceDefinition");
    XPU_RETURN_IF_ERROR(FinishContainer(*crds, {"", CrdName(kind)}));
  }
  return object;
}

absl::StatusOr<bool> Transaction::CanGo(const KindInfo& kind, const json& object) {
  if (!MayGo(object)) return false;
  return Inside(kind, object).empty();
}

std::vector<ObjectMap::Key> Transaction::Inside(const KindInfo& kind, const json& object) {
  if (IsNamespace(kind)) return objects_.KeysIn(MetadataText(object, "name"));
  if (!IsCrd(kind)) return {};
  const json& spec = object["spec"];
  const std::string group = Text(spec, "group");
  const std::string plural = Text(spec["names"], "plural");
  // A CRD of a kind that the program serves itself takes nothing along.
  if (KindTable::IsBuiltIn(group, plural)) return {};
  return objects_.KeysOf(absl::StrCat(group, "/", plural));
}

absl::StatusOr<Deleted> Transaction::Delete(const KindInfo& kind, const json& object,
                                            Propagation propagation) {
  const std::string uid = MetadataText(object, "uid");
  json marked = MarkedForDeletion(kind, object, Now());
  // Who owns whom may be a long chain: what is far down goes later, in the background.
  if (depth_ >= kMaxDepth) propagation = Propagation::kBackground;
  ++depth_;
  const absl::Cleanup leave = [this] { --depth_; };
  if (propagation != Propagation::kBackground) {
    XPU_ASSIGN_OR_RETURN(const std::vector<json> dependents, Dependents(uid));
    for (const json& dependent : dependents) {
      if (propagation == Propagation::kOrphan) {
        XPU_RETURN_IF_ERROR(LetGo(dependent, uid));
      } else {
        XPU_RETURN_IF_ERROR(DeleteDependent(dependent, uid, propagation));
      }
    }
    XPU_ASSIGN_OR_RETURN(const bool blocked, IsBlocked(uid));
    if (propagation == Propagation::kForeground && blocked && !HasFinalizer(marked, kForegroundFinalizer)) {
      marked["metadata"]["finalizers"].push_back(kForegroundFinalizer);
    }
  }
  XPU_ASSIGN_OR_RETURN(bool can_go, CanGo(kind, marked));
  if (can_go) {
    XPU_ASSIGN_OR_RETURN(json last, Remove(kind, object));
    return Deleted{std::move(last), false};
  }
  if (marked == object) return Deleted{object, true};
  XPU_ASSIGN_OR_RETURN(json written, Write(kind, object, std::move(marked)));
  return Empty(kind, std::move(written));
}

void Transaction::Apply(const KindInfo& kind, json before, json after) {
  const json& named = after.is_null() ? before : after;
  Change change{version_,
                CollectionOf(kind.resource),
                MetadataText(named, "namespace"),
                MetadataText(named, "name"),
                std::move(before),
                std::move(after)};
  if (!change.after.is_null()) change.text = ObjectText(change.after);
  objects_.Apply(change);
  changes_.push_back(std::move(change));
}

absl::StatusOr<Deleted> Transaction::Empty(const KindInfo& kind, json object) {
  for (const ObjectMap::Key& key : Inside(kind, object)) {
    const KindPtr inner = kinds_.OfCollection(key.collection);
    // Of a kind that nobody serves any more; it has no finalizers that anybody could remove.
    if (inner == nullptr) continue;
    XPU_ASSIGN_OR_RETURN(const std::optional<json> inside, Find(*inner, {key.ns, key.name}));
    if (inside) XPU_RETURN_IF_ERROR(Delete(*inner, *inside, Propagation::kBackground).status());
  }
  // The last of them may have taken the container along.
  XPU_ASSIGN_OR_RETURN(std::optional<json> now,
                       Find(kind, {MetadataText(object, "namespace"), MetadataText(object, "name")}));
  return now ? Deleted{*std::move(now), true} : Deleted{std::move(object), false};
}

absl::Status Transaction::FinishContainer(const KindInfo& kind, const ObjectName& name) {
  XPU_ASSIGN_OR_RETURN(std::optional<json> object, Find(kind, name));
  if (!object) return absl::OkStatus();
  XPU_ASSIGN_OR_RETURN(bool can_go, CanGo(kind, *object));
  return can_go ? Remove(kind, *std::move(object)).status() : absl::OkStatus();
}

absl::Status Transaction::CheckPlace(const KindInfo& kind, const ObjectName& name) {
  if (kind.namespaced) {
    XPU_ASSIGN_OR_RETURN(json ns, Read(NamespaceKind(), {"", name.ns}));
    if (IsMarked(ns)) {
      return Forbidden(kind.resource, name.name,
                       absl::StrCat("namespace ", name.ns, " is being deleted; nothing can be added to it"));
    }
  }
  if (kind.message != nullptr) return absl::OkStatus();
  const KindPtr crds = kinds_.FindKind("apiextensions.k8s.io/v1", "CustomResourceDefinition");
  XPU_ASSIGN_OR_RETURN(const json crd, Read(*crds, {"", CrdName(kind)}));
  if (!IsMarked(crd)) return absl::OkStatus();
  return MethodNotAllowed("create not allowed while custom resource definition is terminating");
}

absl::StatusOr<std::vector<json>> Transaction::Dependents(const std::string& uid) {
  std::vector<json> dependents;
  for (const ObjectMap::Key& key : objects_.DependentsOf(uid)) {
    XPU_ASSIGN_OR_RETURN(std::optional<json> object, objects_.Read(key.collection, key.ns, key.name));
    if (object && kinds_.OfCollection(key.collection) != nullptr) dependents.push_back(*std::move(object));
  }
  return dependents;
}

absl::StatusOr<bool> Transaction::HasOtherOwner(const json& object, const std::string& uid) {
  for (const json& owner : Owners(object)) {
    if (Text(owner, "uid") == uid) continue;
    const KindPtr kind = kinds_.FindKind(Text(owner, "apiVersion"), Text(owner, "kind"));
    if (kind == nullptr) continue;
    const std::string ns = kind->namespaced ? MetadataText(object, "namespace") : "";
    XPU_ASSIGN_OR_RETURN(const std::optional<json> there, Find(*kind, {ns, Text(owner, "name")}));
    if (there && MetadataText(*there, "uid") == Text(owner, "uid") && !IsMarked(*there)) return true;
  }
  return false;
}

absl::Status Transaction::LetGo(const json& dependent, const std::string& uid) {
  const KindPtr kind = kinds_.FindKind(Text(dependent, "apiVersion"), Text(dependent, "kind"));
  if (kind == nullptr) return absl::OkStatus();
  json freed = dependent;
  json& owners = freed["metadata"]["ownerReferences"];
  owners.erase(
      std::remove_if(owners.begin(), owners.end(),
                     [&](const json& owner) { return owner.is_object() && Text(owner, "uid") == uid; }),
      owners.end());
  if (owners.empty()) freed["metadata"].erase("ownerReferences");
  return Write(*kind, dependent, std::move(freed)).status();
}

absl::Status Transaction::DeleteDependent(const json& dependent, const std::string& owner,
                                          Propagation propagation) {
  XPU_ASSIGN_OR_RETURN(const bool kept, HasOtherOwner(dependent, owner));
  if (kept) return LetGo(dependent, owner);
  if (IsMarked(dependent)) return absl::OkStatus();
  const KindPtr kind = kinds_.FindKind(Text(dependent, "apiVersion"), Text(dependent, "kind"));
  if (kind == nullptr) return absl::OkStatus();
  return Delete(*kind, dependent, propagation).status();
}

absl::StatusOr<bool> Transaction::IsBlocked(const std::string& uid) {
  XPU_ASSIGN_OR_RETURN(const std::vector<json> dependents, Dependents(uid));
  for (const json& dependent : dependents) {
    for (const json& owner : Owners(dependent)) {
      if (Text(owner, "uid") == uid && owner.value("blockOwnerDeletion", json()) == true) return true;
    }
  }
  return false;
}

absl::Status Transaction::FinishOwners(const json& object) {
  for (const json& reference : Owners(object)) {
    const KindPtr kind = kinds_.FindKind(Text(reference, "apiVersion"), Text(reference, "kind"));
    if (kind == nullptr) continue;
    const std::string ns = kind->namespaced ? MetadataText(object, "namespace") : "";
    XPU_ASSIGN_OR_RETURN(const std::optional<json> owner, Find(*kind, {ns, Text(reference, "name")}));
    if (!owner || MetadataText(*owner, "uid") != Text(reference, "uid")) continue;
    if (!IsMarked(*owner) || !HasFinalizer(*owner, kForegroundFinalizer)) continue;
    XPU_ASSIGN_OR_RETURN(const bool blocked, IsBlocked(MetadataText(*owner, "uid")));
    if (blocked) continue;
    json freed = WithoutFinalizer(*owner, kForegroundFinalizer);
    XPU_ASSIGN_OR_RETURN(const bool can_go, CanGo(*kind, freed));
    XPU_RETURN_IF_ERROR(can_go ? Remove(*kind, *owner).status()
                               : Write(*kind, *owner, std::move(freed)).status());
  }
  return absl::OkStatus();
}

absl::Status Transaction::CollectGarbage() {
  // A queue and no recursion: a chain of owners may be long.
  while (!removed_.empty()) {
    const json gone = std::move(removed_.front());
    removed_.pop_front();
    const std::string uid = MetadataText(gone, "uid");
    XPU_ASSIGN_OR_RETURN(const std::vector<json> dependents, Dependents(uid));
    for (const json& dependent : dependents) {
      XPU_RETURN_IF_ERROR(DeleteDependent(dependent, uid, Propagation::kBackground));
    }
    XPU_RETURN_IF_ERROR(FinishOwners(gone));
  }
  return absl::OkStatus();
}

}  // namespace xpu::apiserver
