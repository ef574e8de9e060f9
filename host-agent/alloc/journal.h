#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "common/base/bandwidth.h"
#include "common/base/function_id.h"
#include "common/base/ip_address.h"
#include "common/base/mac_address.h"
#include "common/sys/vf_settings.h"

namespace xpu {

// What a row of the journal says about a function. A function without a row is free.
enum class ClaimState {
  // Given to a container that has not started yet; its representor is isolated.
  kClaimed,
  // Being put into a pod, or in it.
  kAttached,
  // Being taken back: whatever is left of it on the host or the DPU has yet to go.
  kUndoing,
};
const char* ClaimStateName(ClaimState state);

// One attachment: which container, which interface in it. The key of CNI (specification 1.0.0, section 2).
struct Attachment {
  std::string container_id;
  std::string ifname;
  // Path of the namespace, as CNI_NETNS gave it.
  std::string netns;
  std::string pod_namespace;
  std::string pod_name;
  // Name of the network as the CNI configuration calls it, and the Network resource behind it.
  std::string cni_network;
  std::string network_namespace;
  std::string network;
  // Instead of a Network resource: the card's network of that VLAN, 0 for untagged.
  std::optional<uint16_t> vlan;
  // What the pod asks for; the card keeps it, or of a card without an xPU agent the physical function.
  Bandwidth bandwidth = {};
  friend bool operator==(const Attachment&, const Attachment&) = default;
};

// Addresses by a plugin of the CNI configuration ("ipam") and not by the Network.
struct IpamCall {
  // Name of the plugin: "host-local".
  std::string type;
  // CNI_PATH and CNI_ARGS of the ADD: where the plugin is looked for, and what it was told.
  std::string path;
  std::string args;
  // What it read on standard input.
  std::string config;
  friend bool operator==(const IpamCall&, const IpamCall&) = default;
};

// All that is needed to undo a claim with nothing else at hand.
struct ClaimRow {
  FunctionId function;
  ClaimState state = ClaimState::kClaimed;
  // Counts up with each claim of this function, for ever; Begin gives it.
  int64_t claim = 0;
  // Name of the card, and id of the bridge port at its xPU agent.
  std::string card;
  std::string port;
  // The interface as it was before it was moved.
  std::string host_ifname;
  MacAddress host_mac;
  uint32_t host_mtu = 0;
  // MAC in the pod and at the bridge port.
  MacAddress mac;
  // The interface does not say which PCI function it is of (emulated cards: a veth), so it is known by its
  // alias.
  bool known_by_alias = false;
  // Bound to vfio-pci: there is no interface to move, and the container uses the device.
  bool vfio = false;
  // What the physical function kept for it before the attachment, of all that was changed; to be put back.
  VfSettings settings_before;
  // Empty while only claimed.
  std::optional<Attachment> attachment;
  // The plugin that was asked for addresses and has to be told when they are free again.
  std::optional<IpamCall> ipam;
  // The attachment is complete; only from then on may the runtime have been told of it.
  bool confirmed = false;
  // Until confirmed: what was asked for, as single addresses. Then: what the card gave, with prefix lengths.
  std::vector<InterfaceAddress> addresses;
  std::vector<IpAddress> gateways;
  uint32_t mtu = 0;
  // While undoing: what is still to be done.
  bool host_pending = false;
  bool dpu_pending = false;
  bool ipam_pending = false;
  // JSON of the answer to the ADD as the newest specification has it, for the same ADD again and for CHECK;
  // empty until confirmed.
  std::string result;
  friend bool operator==(const ClaimRow&, const ClaimRow&) = default;
};

// Stands for the container of an attachment that was found in a namespace after the journal was lost; of the
// same namespace it is always the same, by whichever of its paths.
std::string UnknownContainer(const std::string& netns);
// Such an attachment's network is not known either: the card holds what it held.
bool IsOfUnknownContainer(const ClaimRow& row);

// Where claims are written before anything is done about them. Safe from any thread. When a call that changes
// something returns OK, the change outlives a kill -9 of the process.
//
// It need not outlive a loss of power, which takes the pods and their namespaces with it: at start, rows
// whose interface is not where they say are undone, and ports that the xPU agent holds for a claim that no
// row holds are released. Claim numbers must not come again even then, as the xPU agent refuses one that is
// over; so they follow the clock (milliseconds since 1970) unless the last one was higher.
//
// Errors: ResourceExhausted (disk full: nothing was changed), DataLoss (the file is damaged), Internal.
class Journal {
 public:
  virtual ~Journal() = default;

  // All rows, in the order of the addresses.
  virtual absl::StatusOr<std::vector<ClaimRow>> Load() = 0;
  // Starts a claim of a function that has no row: gives a claim number, writes and returns the row.
  // AlreadyExists if it has one. `row.claim` is ignored.
  virtual absl::StatusOr<ClaimRow> Begin(const ClaimRow& row) = 0;
  // Replaces the row of the same function and claim; NotFound if there is none.
  virtual absl::Status Write(const ClaimRow& row) = 0;
  // Ends the claim: the row goes, the claim number stays remembered. No row is OK.
  virtual absl::Status End(const FunctionId& function, int64_t claim) = 0;
};

}  // namespace xpu
