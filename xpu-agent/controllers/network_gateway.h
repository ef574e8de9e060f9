#pragma once

#include <string>
#include <vector>

#include "absl/status/status.h"
#include "common/kube/resource_store.h"

namespace xpu {

namespace api::v1alpha1 {
class NetworkSpec;
}

class OpiClient;

// A Network's gateways as VRF and SVI of an OPI agent. The SVI has the id of the Network's bridge. Networks
// of a namespace that name the same routing domain share its VRF "vrf.<namespace>.<vrf>", which goes with the
// last of them; others have "network.<namespace>.<name>" for themselves. Not safe for two networks of one
// agent at a time.
class NetworkGateway {
 public:
  // `opi` is not owned.
  explicit NetworkGateway(OpiClient* opi) : opi_(opi) {}

  // The bridge is there. InvalidArgument for a gateway in none of the prefixes; AlreadyExists for a prefix
  // that another network of the domain has; otherwise what the agent says.
  absl::Status Ensure(const ResourceName& name, const api::v1alpha1::NetworkSpec& spec);
  // OK when there is none (any more).
  absl::Status Remove(const ResourceName& name);
  // Deletes the VRFs of networks that no SVI is in, also what was left when an agent died amid a change.
  absl::Status DeleteUnusedVrfs();

 private:
  OpiClient* const opi_;
};

}  // namespace xpu
