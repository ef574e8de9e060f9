#pragma once

#include <deque>
#include <functional>
#include <list>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "common/base/clock.h"
#include "common/kube/field_owners.h"
#include "common/kube/resource_store.h"

namespace xpu {

// A ResourceStore in memory, for tests: the API's semantics of versions, generations, finalizers, status,
// selectors and watches, and the means to make it fail. It takes objects of every kind and namespace, and
// does not validate unless told to. Each watch has a thread of its own that calls the callbacks.
class FakeStore : public ResourceStore {
 public:
  enum class Call { kCreate, kGet, kList, kUpdate, kUpdateStatus, kPatch, kApply, kDelete, kWatch };
  struct Fault {
    absl::Status status;
    // The call does its work and then fails, as when the answer is lost on the way.
    bool after_effect = false;
  };
  // May be called on any thread, and may call the store. Null: no fault.
  using FaultHook = std::function<std::optional<Fault>(Call, const ResourceKind&, const ResourceName&)>;
  // `old_object` is null for a create.
  using Validator =
      std::function<absl::Status(const ResourceKind&, const Resource& object, const Resource* old_object)>;

  explicit FakeStore(Clock& clock = Clock::Real()) : clock_(clock) {}
  ~FakeStore() override;

  absl::StatusOr<Resource> Create(const ResourceKind& kind, const Resource& object) override;
  absl::StatusOr<Resource> Get(const ResourceKind& kind, const ResourceName& name) override;
  absl::StatusOr<ResourceList> List(const ResourceKind& kind, const std::string& ns,
                                    const ListOptions& options = {}) override;
  absl::StatusOr<Resource> Update(const ResourceKind& kind, const Resource& object) override;
  absl::StatusOr<Resource> UpdateStatus(const ResourceKind& kind, const Resource& object) override;
  absl::StatusOr<Resource> Patch(const ResourceKind& kind, const ResourceName& name, PatchType type,
                                 const nlohmann::json& patch) override;
  absl::StatusOr<Resource> Apply(const ResourceKind& kind, const Resource& object,
                                 const ApplyOptions& options) override;
  absl::Status Delete(const ResourceKind& kind, const ResourceName& name,
                      const DeleteOptions& options = {}) override;
  // A watch must end before the store does.
  absl::StatusOr<std::unique_ptr<Watcher>> Watch(const ResourceKind& kind, const std::string& ns,
                                                 const std::string& resource_version,
                                                 const ListOptions& options,
                                                 WatchCallbacks callbacks) override;

  // The next `times` calls of that sort fail.
  void FailNext(Call call, Fault fault, int times = 1);
  void SetFaultHook(FaultHook hook);
  void SetValidator(Validator validator);
  // Every call is Unavailable, and running watches end so, until ComeBack().
  void GoAway();
  void ComeBack();
  // Running watches get no events until resumed; what happens meanwhile comes then.
  void PauseWatches();
  void ResumeWatches();
  // Ends running watches with this status.
  void EndWatches(const absl::Status& status);
  // Sends a bookmark with the current version on every running watch.
  void SendBookmarks();
  // Forgets all history: watches from a version before the current one are OutOfRange.
  void Compact();
  // Removes an object whatever its finalizers are.
  void Erase(const ResourceKind& kind, const ResourceName& name);

  // How many calls of that sort there were, failed ones included.
  int calls(Call call) const;
  int running_watches() const;
  // Waits until so many calls of that sort were made or watches are running; false after a generous deadline.
  bool WaitForCalls(Call call, int count) const;
  bool WaitForWatches(int count) const;

 private:
  class FakeWatcher;
  using Key = std::pair<std::string, ResourceName>;  // group/plural, name
  struct Change {
    int64_t version = 0;
    std::string collection;
    // Null where the object was not there before or is not there after.
    Resource before;
    Resource after;
  };

  std::optional<Fault> Enter(Call call, const ResourceKind& kind, const ResourceName& name);
  absl::StatusOr<Resource> DoCreate(const ResourceKind& kind, const Resource& object)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  absl::StatusOr<Resource> DoUpdate(const ResourceKind& kind, const Resource& object, bool status_only)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  absl::StatusOr<Resource> DoPatch(const ResourceKind& kind, const ResourceName& name, PatchType type,
                                   const nlohmann::json& patch) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  absl::StatusOr<Resource> DoApply(const ResourceKind& kind, const Resource& object,
                                   const ApplyOptions& options) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  absl::Status DoDelete(const ResourceKind& kind, const ResourceName& name, const DeleteOptions& options)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  // Writes `after` (null: removes it) under a new version, and tells the watches.
  Resource Commit(const Key& key, Resource before, Resource after) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);

  Clock& clock_;
  mutable absl::Mutex mu_;
  std::map<Key, Resource> objects_ ABSL_GUARDED_BY(mu_);
  // Of objects that were ever applied.
  std::map<Key, FieldOwners> owners_ ABSL_GUARDED_BY(mu_);
  int64_t version_ ABSL_GUARDED_BY(mu_) = 100;
  int64_t compacted_ ABSL_GUARDED_BY(mu_) = 0;
  int64_t next_uid_ ABSL_GUARDED_BY(mu_) = 1;
  std::deque<Change> history_ ABSL_GUARDED_BY(mu_);
  std::list<FakeWatcher*> watchers_ ABSL_GUARDED_BY(mu_);
  bool paused_ ABSL_GUARDED_BY(mu_) = false;
  bool away_ ABSL_GUARDED_BY(mu_) = false;
  FaultHook hook_ ABSL_GUARDED_BY(mu_);
  Validator validator_ ABSL_GUARDED_BY(mu_);
  std::map<Call, std::deque<Fault>> faults_ ABSL_GUARDED_BY(mu_);
  std::map<Call, int> calls_ ABSL_GUARDED_BY(mu_);
};

}  // namespace xpu
