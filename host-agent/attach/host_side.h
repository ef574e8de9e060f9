#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "common/base/function_id.h"
#include "common/sys/announce.h"
#include "common/sys/net_namespaces.h"
#include "common/sys/netlink.h"
#include "common/sys/pci_bus.h"
#include "host-agent/alloc/allocator.h"
#include "host-agent/attach/moves_under_way.h"
#include "host-agent/attach/pf_side.h"

namespace xpu {

// Announcer::Announce, or what stands for it in a test.
using Announce = std::function<absl::Status(const Announcement& announcement)>;

// What an interface is to have in its pod.
struct InterfaceSetup {
  std::vector<InterfaceAddress> addresses;
  // Bytes; 0: as it is.
  uint32_t mtu = 0;
  std::vector<Route> routes;
};

// What is done to a function's interface on the host, from its journal row alone: into a pod's namespace,
// configured there, and back as it was. Keeps only which interfaces are on their way; safe from any thread,
// for different functions at a time. Errors are CNI errors (host-agent/cni/cni_error.h) where CNI has a code
// for them.
class HostSide {
 public:
  // Not owned.
  HostSide(PciBus& bus, NetlinkFactory& netlinks, NetNamespaces& namespaces, Announce announce);

  PfSide& pf() { return pf_; }

  // The function's interface in the host's namespace. NotFound if it has none there.
  absl::StatusOr<Link> FindAtHome(const FunctionId& function);
  // The same for one that is claimed and not attached, whose interface was found when the claim was begun. If
  // that is still there under its name and with its MAC, this waits for nobody who moves another one, and
  // gives what Netlink::PeekLink tells.
  absl::StatusOr<Link> FindClaimed(const ClaimRow& claimed);
  // The namespace of a pod. Invalid environment, naming CNI_NETNS, if there is none at `path` or it is the
  // host's own.
  absl::StatusOr<std::shared_ptr<NetNamespace>> OpenPod(const std::string& path);

  // Into the pod's namespace, with name and MAC of the row, in one request to the kernel, as the move makes
  // it wait for all processors. `home` is the interface as FindAtHome gave it. Nothing is changed if it
  // fails. Comes back when the moves of others are over, too, that the kernel had been asked for by the time
  // it was done with this one: what follows would wait for them, and hold them up.
  absl::Status MoveIn(const ClaimRow& row, const Link& home, const std::shared_ptr<NetNamespace>& pod);
  // Addresses, MTU, up, routes; then tells the neighbours. A neighbour that cannot be told is no error. A
  // route is left out if the pod has one to the same destination already, as the reference plugins do: so of
  // several interfaces with a default route the first one counts. Gives the routes that were added.
  absl::StatusOr<std::vector<Route>> Configure(const ClaimRow& row, const InterfaceSetup& setup,
                                               const std::shared_ptr<NetNamespace>& pod);
  // Whether the interface is in its pod under its name, up, and has what `setup` says; FailedPrecondition,
  // saying what is different, if not. Of a function without an interface only the namespace can be looked at.
  absl::Status CheckInPod(const ClaimRow& row, const InterfaceSetup& setup);

  // The interface of an attached function in its pod's namespace, whatever it is called there; nothing if it
  // or the namespace is gone.
  absl::StatusOr<std::optional<Link>> FindInPod(const ClaimRow& row);
  // Whether an attached function is still with its pod; one without an interface is as long as the pod's
  // namespace is there.
  absl::StatusOr<bool> IsWithPod(const ClaimRow& row);
  // Home, with name, MAC and MTU as they were, and what its physical function keeps for it as well. False if
  // it is nowhere to be found: its namespace is gone and the kernel has not given it back yet, or somebody
  // has taken it elsewhere. As often as it is called.
  absl::StatusOr<bool> Restore(const ClaimRow& row);

 private:
  absl::StatusOr<std::optional<Link>> FindIn(Netlink& netlink, const ClaimRow& row);
  // Restore without what the physical function keeps.
  absl::StatusOr<bool> RestoreInterface(const ClaimRow& row);
  // Whether it is all as it was; if not, more may have to be done at home.
  absl::StatusOr<bool> BringHome(Netlink& pod, const Link& link, const ClaimRow& row);
  absl::Status TidyAtHome(const Link& link, const ClaimRow& row);

  PciBus& bus_;
  NetlinkFactory& netlinks_;
  NetNamespaces& namespaces_;
  const Announce announce_;
  PfSide pf_;
  MovesUnderWay moves_;
};

}  // namespace xpu
