#pragma once

#include <functional>
#include <memory>
#include <set>
#include <string>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "common/kube/resource_store.h"

namespace xpu {

// One client's way to a store, which can be cut and disturbed, while others go on. For tests. Safe from any
// thread.
class CutStore : public ResourceStore {
 public:
  enum class Disturbance {
    kNone,
    // The request does not arrive.
    kLost,
    // It does its work, and its answer is lost.
    kAnswerLost,
  };

  // `store` is not owned.
  explicit CutStore(ResourceStore& store) : store_(store) {}

  // Every call is Unavailable, and running watches end so, until Mend().
  void Cut();
  void Mend();
  // What happens to the next call; asked on the caller's thread. Watches are not disturbed.
  void Disturb(std::function<Disturbance()> next);
  // Called after each write that has arrived, on the caller's thread.
  void OnWrite(std::function<void()> written);

  absl::StatusOr<Resource> Create(const ResourceKind& kind, const Resource& object) override;
  absl::StatusOr<Resource> Get(const ResourceKind& kind, const ResourceName& name) override;
  absl::StatusOr<ResourceList> List(const ResourceKind& kind, const std::string& ns,
                                    const ListOptions& options) override;
  absl::StatusOr<Resource> Update(const ResourceKind& kind, const Resource& object) override;
  absl::StatusOr<Resource> UpdateStatus(const ResourceKind& kind, const Resource& object) override;
  absl::StatusOr<Resource> Patch(const ResourceKind& kind, const ResourceName& name, PatchType type,
                                 const nlohmann::json& patch) override;
  absl::StatusOr<Resource> Apply(const ResourceKind& kind, const Resource& object,
                                 const ApplyOptions& options) override;
  absl::Status Delete(const ResourceKind& kind, const ResourceName& name,
                      const DeleteOptions& options = {}) override;
  absl::StatusOr<std::unique_ptr<Watcher>> Watch(const ResourceKind& kind, const std::string& ns,
                                                 const std::string& version, const ListOptions& options,
                                                 WatchCallbacks callbacks) override;

 private:
  // One watch; outlives whoever of its two sides goes first.
  struct Line {
    absl::Mutex mu;
    bool over ABSL_GUARDED_BY(mu) = false;
    WatchCallbacks callbacks ABSL_GUARDED_BY(mu);

    void End(const absl::Status& status);
  };
  class CutWatcher;

  template <class F>
  auto Pass(bool is_write, const F& call) -> decltype(call());

  ResourceStore& store_;
  absl::Mutex mu_;
  bool cut_ ABSL_GUARDED_BY(mu_) = false;
  std::function<Disturbance()> next_ ABSL_GUARDED_BY(mu_);
  std::function<void()> written_ ABSL_GUARDED_BY(mu_);
  std::set<std::shared_ptr<Line>> lines_ ABSL_GUARDED_BY(mu_);
};

}  // namespace xpu
