#pragma once

#include <functional>
#include <map>
#include <optional>
#include <string>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/synchronization/mutex.h"
#include "common/base/clock.h"
#include "common/kube/resource_store.h"
#include "xpu-agent/controllers/outcome.h"

namespace xpu {

class OpiClient;

namespace api::v1alpha1 {
class Netdev;
}  // namespace api::v1alpha1

// Netdev resource → bridge port, isolated or bound, under the Netdev's claim. The host agent asks for the
// same over OPI on its own, mostly earlier: then the calls here find all done, and only the status is left to
// write. Reconcile() may be called for different names at the same time.
//
// A port is released when its Netdev is deleted, which the finalizer sees. A Netdev that is gone without that
// was lost with its store, not deleted: a pod may still use the function, and the host agent writes it anew.
// One whose Network is not ready is reconciled again when that changes, and not before.
class NetdevController {
 public:
  struct Deps {
    ResourceStore* store = nullptr;
    OpiClient* opi = nullptr;
    Clock* clock = nullptr;
    // The object as the informer knows it.
    std::function<std::optional<Resource>(const ResourceName&)> get;
    // Whether ports of that network may be bound yet; when it turns true, its Netdevs are reconciled again.
    std::function<bool(const ResourceName& network)> has_bridge;
    // The Network resource as the informer knows it.
    std::function<std::optional<Resource>(const ResourceName& network)> get_network;
    TellReady tell_ready;
    // The ports in that network may have changed.
    std::function<void(const ResourceName& network)> ports_changed;
  };
  explicit NetdevController(Deps deps) : deps_(std::move(deps)) {}

  absl::Status Reconcile(const ResourceName& name);
  // Whether a change calls for another Reconcile(): not one that brings the status that the object was to
  // have.
  static bool IsNews(const Resource& before, const Resource& now);

  static constexpr char kFinalizer[] = "xpu.opiproject.org/port";

 private:
  struct Outcome;
  absl::Status Realize(Resource object);
  absl::Status Remove(const Resource& object);
  absl::Status Release(const Resource& object);
  Outcome Act(const Resource& object, const api::v1alpha1::Netdev& netdev);
  Outcome Isolate(const api::v1alpha1::Netdev& netdev);
  Outcome Bind(const Resource& object, const api::v1alpha1::Netdev& netdev);
  static void SetStatus(Resource* object, const Outcome& outcome);
  absl::Status WriteOutcome(const Resource& object, const Outcome& outcome);
  // What was said of the object is about `network` now.
  void TellNetworks(const ResourceName& name, const ResourceName& network);

  const Deps deps_;
  absl::Mutex mu_;
  // The network that each Netdev was last known to be in or to want.
  std::map<ResourceName, ResourceName> networks_ ABSL_GUARDED_BY(mu_);
};

}  // namespace xpu
