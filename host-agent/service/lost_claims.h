#pragma once

#include <string>
#include <vector>

#include "absl/status/status.h"
#include "host-agent/alloc/journal.h"
#include "host-agent/inventory/card.h"

namespace xpu {

class NetNamespaces;
class NetlinkFactory;
class PciBus;
class PodResources;

// Not owned.
struct LostClaimsSources {
  const std::vector<CardConfig>& cards;
  PciBus& bus;
  NetlinkFactory& netlinks;
  NetNamespaces& namespaces;
  // Paths at which pods' namespaces may be; several may be of one.
  std::vector<std::string> pod_namespaces;
  // May be null.
  PodResources* pods = nullptr;
};

// Adds to the journal what pods have by the word of kernel and kubelet (Rebuild), after a journal was lost
// and before anybody acts on the new one. Blocks for all of them. A namespace that cannot be looked into is
// said and left out. Errors of the journal and the bus.
absl::Status AddLostClaims(const LostClaimsSources& sources, Journal& journal);

// The paths of namespaces that container runtimes have bound, in /run/netns and /var/run/netns.
std::vector<std::string> BoundNamespaces();

}  // namespace xpu
