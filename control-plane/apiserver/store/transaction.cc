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

absl::StatusOr<ObjectPtr> Transaction::Read(const KindInfo& kind, const ObjectName& name) {
  XPU_ASSIGN_OR_RETURN(ObjectPtr object, Find(kind, name));
  if (object == nullptr) return NotFound(kind.resource, name.name);
  return object;
}

absl::StatusOr<ObjectPtr> Transaction::Find(const KindInfo& kind, const ObjectName& name) {
  XPU_ASSIGN_OR_RETURN(ObjectPtr object, objects_.Read(CollectionOf(kind.resource), name.ns, name.name));
  // Versions of the others have no objects of their own.
  if (object == nullptr || kind.message != nullptr) return object;
  json stamped = *object;
  StampVersion(kind, &stamped);
  return std::make_shared<const json>(std::move(stamped));
}

ObjectPtr Transaction::Write(const KindInfo& kind, ObjectPtr before, json after) {
  ++version_;
  after["metadata"]["resourceVersion"] = absl::StrCat(version_);
  auto written = std::make_shared<const json>(std::move(after));
  Apply(kind, std::move(before), written);
  return written;
}

absl::StatusOr<ObjectPtr> Transaction::Remove(const KindInfo& kind, json object) {
  ++version_;
  object["metadata"]["resourceVersion"] = absl::StrCat(version_);
  const auto last = std::make_shared<const json>(std::move(object));
  Apply(kind, last, nullptr);
  removed_.push_back(last);
  if (kind.namespaced) {
    XPU_RETURN_IF_ERROR(FinishContainer(NamespaceKind(), {"", MetadataText(*last, "namespace")}));
  }
  if (kind.message == nullptr) {
    const KindPtr crds = kinds_.FindKind("apiextensions.k8s.io/v1", "CustomResourceDefinition");
    XPU_RETURN_IF_ERROR(FinishContainer(*crds, {"", CrdName(kind)}));
  }
  return last;
}

bool Transaction::CanGo(const KindInfo& kind, const json& object) {
  return MayGo(object) && Inside(kind, object).empty();
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

absl::StatusOr<Deleted> Transaction::Delete(const KindInfo& kind, const ObjectPtr& object,
                                            Propagation propagation) {
  const std::string uid = MetadataText(*object, "uid");
  json marked = MarkedForDeletion(kind, *object, Now());
  // Who owns whom may be a long chain: what is far down goes later, in the background.
  if (depth_ >= kMaxDepth) propagation = Propagation::kBackground;
  ++depth_;
  const absl::Cleanup leave = [this] { --depth_; };
  if (propagation != Propagation::kBackground) {
    XPU_ASSIGN_OR_RETURN(const std::vector<ObjectPtr> dependents, Dependents(uid));
    for (const ObjectPtr& dependent : dependents) {
      if (propagation == Propagation::kOrphan) {
        LetGo(dependent, uid);
      } else {
        XPU_RETURN_IF_ERROR(DeleteDependent(dependent, uid, propagation));
      }
    }
    XPU_ASSIGN_OR_RETURN(const bool blocked, IsBlocked(uid));
    if (propagation == Propagation::kForeground && blocked && !HasFinalizer(marked, kForegroundFinalizer)) {
      marked["metadata"]["finalizers"].push_back(kForegroundFinalizer);
    }
  }
  if (CanGo(kind, marked)) {
    XPU_ASSIGN_OR_RETURN(const ObjectPtr last, Remove(kind, *object));
    return Deleted{*last, false};
  }
  if (marked == *object) return Deleted{*object, true};
  return Empty(kind, Write(kind, object, std::move(marked)));
}

void Transaction::Apply(const KindInfo& kind, ObjectPtr before, ObjectPtr after) {
  const json& named = after == nullptr ? *before : *after;
  Change change{version_,
                CollectionOf(kind.resource),
                MetadataText(named, "namespace"),
                MetadataText(named, "name"),
                std::move(before),
                std::move(after)};
  if (change.after != nullptr) change.text = ObjectText(*change.after);
  ObjectMap::Applied applied = objects_.Apply(change);
  change.may_have_owners = applied.has_owners;
  // What goes is told of under another version than it was written.
  if (change.after != nullptr) change.before_text = std::move(applied.before);
  changes_.push_back(std::move(change));
}

absl::StatusOr<Deleted> Transaction::Empty(const KindInfo& kind, const ObjectPtr& object) {
  for (const ObjectMap::Key& key : Inside(kind, *object)) {
    const KindPtr inner = kinds_.OfCollection(key.collection);
    // Of a kind that nobody serves any more; it has no finalizers that anybody could remove.
    if (inner == nullptr) continue;
    XPU_ASSIGN_OR_RETURN(const ObjectPtr inside, Find(*inner, {key.ns, key.name}));
    if (inside != nullptr) {
      XPU_RETURN_IF_ERROR(Delete(*inner, inside, Propagation::kBackground).status());
    }
  }
  // The last of them may have taken the container along.
  XPU_ASSIGN_OR_RETURN(const ObjectPtr now,
                       Find(kind, {MetadataText(*object, "namespace"), MetadataText(*object, "name")}));
  return now != nullptr ? Deleted{*now, true} : Deleted{*object, false};
}

absl::Status Transaction::FinishContainer(const KindInfo& kind, const ObjectName& name) {
  XPU_ASSIGN_OR_RETURN(const ObjectPtr object, Find(kind, name));
  if (object == nullptr || !CanGo(kind, *object)) return absl::OkStatus();
  return Remove(kind, *object).status();
}

absl::Status Transaction::CheckPlace(const KindInfo& kind, const ObjectName& name) {
  if (kind.namespaced) {
    XPU_ASSIGN_OR_RETURN(const ObjectPtr ns, Read(NamespaceKind(), {"", name.ns}));
    if (IsMarked(*ns)) {
      return Forbidden(kind.resource, name.name,
                       absl::StrCat("namespace ", name.ns, " is being deleted; nothing can be added to it"));
    }
  }
  if (kind.message != nullptr) return absl::OkStatus();
  const KindPtr crds = kinds_.FindKind("apiextensions.k8s.io/v1", "CustomResourceDefinition");
  XPU_ASSIGN_OR_RETURN(const ObjectPtr crd, Read(*crds, {"", CrdName(kind)}));
  if (!IsMarked(*crd)) return absl::OkStatus();
  return MethodNotAllowed("create not allowed while custom resource definition is terminating");
}

absl::StatusOr<std::vector<ObjectPtr>> Transaction::Dependents(const std::string& uid) {
  std::vector<ObjectPtr> dependents;
  for (const ObjectMap::Key& key : objects_.DependentsOf(uid)) {
    XPU_ASSIGN_OR_RETURN(ObjectPtr object, objects_.Read(key.collection, key.ns, key.name));
    if (object != nullptr && kinds_.OfCollection(key.collection) != nullptr) {
      dependents.push_back(std::move(object));
    }
  }
  return dependents;
}

absl::StatusOr<bool> Transaction::HasOtherOwner(const json& object, const std::string& uid) {
  for (const json& owner : Owners(object)) {
    if (Text(owner, "uid") == uid) continue;
    const KindPtr kind = kinds_.FindKind(Text(owner, "apiVersion"), Text(owner, "kind"));
    if (kind == nullptr) continue;
    const std::string ns = kind->namespaced ? MetadataText(object, "namespace") : "";
    XPU_ASSIGN_OR_RETURN(const ObjectPtr there, Find(*kind, {ns, Text(owner, "name")}));
    if (there != nullptr && MetadataText(*there, "uid") == Text(owner, "uid") && !IsMarked(*there))
      return true;
  }
  return false;
}

void Transaction::LetGo(const ObjectPtr& dependent, const std::string& uid) {
  const KindPtr kind = kinds_.FindKind(Text(*dependent, "apiVersion"), Text(*dependent, "kind"));
  if (kind == nullptr) return;
  json freed = *dependent;
  json& owners = freed["metadata"]["ownerReferences"];
  owners.erase(
      std::remove_if(owners.begin(), owners.end(),
                     [&](const json& owner) { return owner.is_object() && Text(owner, "uid") == uid; }),
      owners.end());
  if (owners.empty()) freed["metadata"].erase("ownerReferences");
  Write(*kind, dependent, std::move(freed));
}

absl::Status Transaction::DeleteDependent(const ObjectPtr& dependent, const std::string& owner,
                                          Propagation propagation) {
  XPU_ASSIGN_OR_RETURN(const bool kept, HasOtherOwner(*dependent, owner));
  if (kept) {
    LetGo(dependent, owner);
    return absl::OkStatus();
  }
  if (IsMarked(*dependent)) return absl::OkStatus();
  const KindPtr kind = kinds_.FindKind(Text(*dependent, "apiVersion"), Text(*dependent, "kind"));
  if (kind == nullptr) return absl::OkStatus();
  return Delete(*kind, dependent, propagation).status();
}

absl::StatusOr<bool> Transaction::IsBlocked(const std::string& uid) {
  XPU_ASSIGN_OR_RETURN(const std::vector<ObjectPtr> dependents, Dependents(uid));
  for (const ObjectPtr& dependent : dependents) {
    for (const json& owner : Owners(*dependent)) {
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
    XPU_ASSIGN_OR_RETURN(const ObjectPtr owner, Find(*kind, {ns, Text(reference, "name")}));
    if (owner == nullptr || MetadataText(*owner, "uid") != Text(reference, "uid")) continue;
    if (!IsMarked(*owner) || !HasFinalizer(*owner, kForegroundFinalizer)) continue;
    XPU_ASSIGN_OR_RETURN(const bool blocked, IsBlocked(MetadataText(*owner, "uid")));
    if (blocked) continue;
    json freed = WithoutFinalizer(*owner, kForegroundFinalizer);
    if (CanGo(*kind, freed)) {
      XPU_RETURN_IF_ERROR(Remove(*kind, *owner).status());
    } else {
      Write(*kind, owner, std::move(freed));
    }
  }
  return absl::OkStatus();
}

absl::Status Transaction::CollectGarbage() {
  // A queue and no recursion: a chain of owners may be long.
  while (!removed_.empty()) {
    const ObjectPtr gone = std::move(removed_.front());
    removed_.pop_front();
    const std::string uid = MetadataText(*gone, "uid");
    XPU_ASSIGN_OR_RETURN(const std::vector<ObjectPtr> dependents, Dependents(uid));
    for (const ObjectPtr& dependent : dependents) {
      XPU_RETURN_IF_ERROR(DeleteDependent(dependent, uid, Propagation::kBackground));
    }
    XPU_RETURN_IF_ERROR(FinishOwners(*gone));
  }
  return absl::OkStatus();
}

}  // namespace xpu::apiserver
