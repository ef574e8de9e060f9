#pragma once

#include <functional>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "common/base/clock.h"
#include "common/kube/resource_store.h"
#include "xpu-agent/controllers/outcome.h"
#include "xpu-agent/controllers/vanished_objects.h"

namespace xpu {

class OpiClient;

// ServiceChain resource → the network functions of one chain on one card (docs/design/chains.md). The agent
// is told which ports are meant whether or not it has them, so that nothing passes by the chain from when it
// is known; what this class does later only says which ports they are now. Reconcile() is called for one name
// at a time; the rest from any thread.
class ServiceChainController {
 public:
  struct Deps {
    ResourceStore* store = nullptr;
    OpiClient* opi = nullptr;
    Clock* clock = nullptr;
    // The object as the informer knows it.
    std::function<std::optional<Resource>(const ResourceName&)> get;
    TellReady tell_ready;
    // Netdevs of this card in a Network.
    std::function<std::vector<Resource>(const ResourceName& network)> netdevs_in;
  };
  ServiceChainController(std::string card, Deps deps);

  absl::Status Reconcile(const ResourceName& name);
  // Whether a change calls for another Reconcile().
  bool IsNews(const Resource& before, const Resource& now) const;
  // The object went away; if the finalizer did not see to it, the next Reconcile() removes what is left.
  void Vanished(const ResourceName& name) { vanished_.Add(name); }

  // Names of the Networks that the chain has to do with: its own, and those of its functions. Takes any
  // object.
  static std::set<std::string> NetworksOf(const Resource& chain);

 private:
  struct Outcome;
  // What becomes of a function of the spec: which Netdevs are its ports, or why there are none.
  struct Placed;

  absl::Status Realize(const ResourceName& name, Resource object);
  Outcome Act(const ResourceName& name, const Resource& object);
  // A bridge of another vendor, which knows no chains, has none.
  absl::Status RemoveFunctions(const ResourceName& name);
  absl::Status Remove(const ResourceName& name, const Resource& object);
  absl::Status WriteOutcome(const Resource& object, const Outcome& outcome);

  const std::string card_;
  const std::string finalizer_;
  const Deps deps_;
  VanishedObjects vanished_;
};

}  // namespace xpu
