#pragma once

#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "common/base/backoff.h"
#include "common/base/event_loop.h"
#include "common/kube/resource_store.h"
#include "common/sys/devlink.h"
#include "common/sys/net_namespaces.h"
#include "common/sys/netlink.h"
#include "common/sys/pci_bus.h"
#include "host-agent/alloc/journal.h"
#include "host-agent/attach/host_side.h"
#include "host-agent/inventory/card.h"

namespace xpu {

class IpamRunner;
class OpiClient;
class PodResources;

struct HostAgentOptions {
  // Name of this host (node), as in Netdev.spec.host: a label of RFC 1123.
  std::string node;
  std::vector<CardConfig> cards;
  // What the cards call the namespaces of this host's cluster (CardSession::Options); empty: the same.
  std::map<std::string, std::string> namespaces;
  // Where to serve: "unix:/path".
  std::string listen;
  // Path of a socket on which openshift/dpu-operator's CNI plugin is served too; empty: it is not.
  std::string dpu_operator_socket;
  // Path of a socket on which its daemon is served too, as the host's side of its vendor plugin; empty: it is
  // not.
  std::string vendor_plugin_socket;
  // "IP:PORT" at which that daemon is told to find the one on the card; empty: Init is refused.
  std::string dpu_operator_endpoint;
  // Folder in which the kubelet writes its checkpoint; empty, or not there: its writes are not followed.
  std::string kubelet_devices;
  // How long a kubelet that lives may take from the answer to an Allocate to its books (ClaimAuditor).
  absl::Duration kubelet_booking = absl::Seconds(10);
  // How long calls may take that run when the agent is to stop; the rest is cut off.
  absl::Duration drain = absl::Seconds(20);
  // Delays before something is tried again: at a card, and at the API server.
  Backoff::Options card_backoff = {.initial = absl::Milliseconds(200), .max = absl::Seconds(30)};
  Backoff::Options api_backoff = {.initial = absl::Milliseconds(200), .max = absl::Seconds(30)};
  // And before a physical function that could not be set up is tried again.
  Backoff::Options setup_backoff = {.initial = absl::Milliseconds(500), .max = absl::Minutes(1)};
};

// What the agent stands on; nothing is owned, and all of it outlives the call.
struct HostAgentDeps {
  EventLoop& loop;
  PciBus& bus;
  NetlinkFactory& netlinks;
  NetNamespaces& namespaces;
  Journal& journal;
  Announce announce;
  // A client for an endpoint of a card; it need not be connected yet.
  std::function<absl::StatusOr<std::unique_ptr<OpiClient>>(const std::string& endpoint)> open_card;
  // Null: no subfunctions are made.
  Devlink* devlink = nullptr;
  // Null: a CNI configuration with an IPAM plugin is refused.
  IpamRunner* ipam = nullptr;
  // Null: claims are not compared with what the kubelet says that pods hold.
  PodResources* pod_resources = nullptr;
  // For a journal that may lack what pods hold: where to look for their namespaces, and what to call when all
  // that was found is in the journal. Null if it lacks nothing.
  std::function<std::vector<std::string>()> pod_namespaces;
  std::function<absl::Status()> journal_complete;
  // Null: no Netdev resources are written.
  ResourceStore* store = nullptr;
  // Called once the agent serves, on the loop, with what ends it well: no call is taken any more, those that
  // run come to their end, within HostAgentOptions::drain, and then the loop stops. To be called on the loop;
  // the second call does not wait for anybody.
  std::function<void(std::function<void()> drain)> ready;
};

// The host agent: reads the journal, takes up what a previous process left undone, gives the cards the
// functions that their setups ask for, serves HostAgentService and CniService, and runs `deps.loop` until
// somebody stops it. What was given to pods stays with them.
//
// Errors, before anything is served: InvalidArgument for options, those of the journal, the bus and the
// socket.
absl::Status RunHostAgent(const HostAgentOptions& options, const HostAgentDeps& deps);

}  // namespace xpu
