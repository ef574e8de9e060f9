#pragma once

#include <deque>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "common/base/clock.h"
#include "control-plane/apiserver/store/kind_table.h"
#include "control-plane/apiserver/store/object_map.h"
#include "control-plane/apiserver/store/object_store.h"

namespace xpu::apiserver {

// What one call of the store changes: each change is made at once under the next version, and stays unless
// the store takes it back (ObjectMap::Revert). Also what follows from it: what a namespace or a
// CustomResourceDefinition takes along, and what nobody owns any more (Kubernetes, "Garbage Collection").
class Transaction {
 public:
  // `version` is the last one that there is. All must outlive it.
  Transaction(ObjectMap& objects, const KindTable& kinds, Clock& clock, int64_t version)
      : objects_(objects), kinds_(kinds), clock_(clock), version_(version) {}

  const std::vector<Change>& changes() const { return changes_; }
  std::vector<Change> TakeChanges() { return std::move(changes_); }
  int64_t version() const { return version_; }
  absl::Time Now() { return clock_.Now(); }

  // NotFound, or null, if it is not there.
  absl::StatusOr<ObjectPtr> Read(const api::KindInfo& kind, const ObjectName& name);
  absl::StatusOr<ObjectPtr> Find(const api::KindInfo& kind, const ObjectName& name);
  // `after` under a new version. `before` is null for a new object.
  ObjectPtr Write(const api::KindInfo& kind, ObjectPtr before, nlohmann::json after);
  // The last state, under the version of the deletion.
  absl::StatusOr<ObjectPtr> Remove(const api::KindInfo& kind, nlohmann::json object);
  // It is to be deleted, and neither finalizers nor what is in it keep it.
  bool CanGo(const api::KindInfo& kind, const nlohmann::json& object);
  absl::StatusOr<Deleted> Delete(const api::KindInfo& kind, const ObjectPtr& object, Propagation propagation);
  // Does what follows from the removals so far; the last of all changes.
  absl::Status CollectGarbage();
  // Forbidden, or MethodNotAllowed, if nothing can be added to where an object of `kind` belongs.
  absl::Status CheckPlace(const api::KindInfo& kind, const ObjectName& name);

 private:
  void Apply(const api::KindInfo& kind, ObjectPtr before, ObjectPtr after);
  // What a namespace or a CRD holds.
  std::vector<ObjectMap::Key> Inside(const api::KindInfo& kind, const nlohmann::json& object);
  absl::StatusOr<Deleted> Empty(const api::KindInfo& kind, const ObjectPtr& object);
  // The last one inside may take the container along.
  absl::Status FinishContainer(const api::KindInfo& kind, const ObjectName& name);

  absl::StatusOr<std::vector<ObjectPtr>> Dependents(const std::string& uid);
  absl::StatusOr<bool> HasOtherOwner(const nlohmann::json& object, const std::string& uid);
  void LetGo(const ObjectPtr& dependent, const std::string& uid);
  absl::Status DeleteDependent(const ObjectPtr& dependent, const std::string& owner, Propagation propagation);
  // Whether dependents are left that a deletion in the foreground waits for.
  absl::StatusOr<bool> IsBlocked(const std::string& uid);
  // What waits for its dependents may go when this one, which has gone, was the last.
  absl::Status FinishOwners(const nlohmann::json& object);

  ObjectMap& objects_;
  const KindTable& kinds_;
  Clock& clock_;
  int64_t version_;
  std::vector<Change> changes_;
  std::deque<ObjectPtr> removed_;
  // How deep a deletion in the foreground is in dependents of dependents.
  int depth_ = 0;
};

const api::KindInfo& NamespaceKind();

}  // namespace xpu::apiserver
