#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <string>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/synchronization/mutex.h"
#include "common/base/clock.h"
#include "common/kube/resource_store.h"
#include "xpu-agent/controllers/network_gateway.h"
#include "xpu-agent/controllers/outcome.h"
#include "xpu-agent/controllers/vanished_objects.h"

namespace xpu {

class OpiClient;

// Network resource → LogicalBridge, its subnets and its gateway on one card. A gateway that cannot be does
// not keep the network from being there, and the condition says why. Reconcile() is called for one name at a
// time; the rest from any thread.
class NetworkController {
 public:
  struct Deps {
    ResourceStore* store = nullptr;
    OpiClient* opi = nullptr;
    Clock* clock = nullptr;
    // The object as the informer knows it.
    std::function<std::optional<Resource>(const ResourceName&)> get;
    TellReady tell_ready;
    // The network's bridge is there and is to get its prefixes next: from then on it gives addresses.
    // Optional.
    std::function<absl::Status(const ResourceName& network)> before_prefixes;
    // The network's bridge is there, or its subnets have changed: ports may be bound now.
    std::function<void(const ResourceName& network)> bridge_ready;
  };
  NetworkController(std::string card, Deps deps);

  absl::Status Reconcile(const ResourceName& name);
  // Whether a change calls for another Reconcile(): not one of what other cards say of themselves.
  bool IsNews(const Resource& before, const Resource& now) const;

  // The object went away; if the finalizer did not see to it, the next Reconcile() removes what is left.
  void Vanished(const ResourceName& name) { vanished_.Add(name); }
  // Its bridge is there and has its subnets, so that a port that is bound gets addresses.
  bool HasBridge(const ResourceName& name) const;
  // The OPI agent may have become another one: what is known of its bridges is void.
  void ForgetBridges();

  // "<namespace>.<name>".
  static std::string BridgeId(const ResourceName& name);

 private:
  absl::Status Realize(const ResourceName& name, Resource object);
  absl::Status Remove(const ResourceName& name, const Resource& object);
  absl::Status EnsureBridge(const ResourceName& name, uint32_t vni);
  absl::StatusOr<uint32_t> FreeVlan();
  // OK when it is gone, with its gateway; FailedPrecondition names the ports that are in it.
  absl::Status DeleteBridge(const ResourceName& name);
  absl::Status CheckNoPorts(const std::string& bridge);
  absl::Status WriteOutcome(const Resource& object, const absl::Status& outcome);

  const std::string card_;
  const std::string finalizer_;
  const Deps deps_;
  NetworkGateway gateway_;
  VanishedObjects vanished_;
  mutable absl::Mutex mu_;
  // The generation that the bridge's subnets were set for.
  std::map<ResourceName, int64_t> bridges_ ABSL_GUARDED_BY(mu_);
};

}  // namespace xpu
