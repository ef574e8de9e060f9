#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "absl/status/status.h"
#include "common/base/function_id.h"
#include "common/base/ip_address.h"
#include "common/base/mac_address.h"
#include "common/sys/vf_settings.h"
#include "host-agent/alloc/journal.h"
#include "host-agent/cni/cni_result.h"
#include "host-agent/ipam/ipam.h"

namespace xpu {

// What an ADD asks for.
struct AttachRequest {
  FunctionId function;
  // With `vlan`: the card's network of that VLAN, and no Network. Its bandwidth is for the physical function
  // to keep only if the card has no agent, and then only what the function sends can be limited.
  Attachment attachment;
  // Without: the function's own. The physical function is told if it takes it.
  std::optional<MacAddress> mac;
  // Of the Network; at most one of each family. An IPAM plugin has been told by its configuration, so with
  // `ipam` these do not count, and without a Network there is nothing that they could be of.
  std::vector<IpAddress> addresses;
  // What the physical function is to keep for it; `mac` above comes first. It is refused if there is none
  // that takes them. The VLAN is for it to tag only if the card has no agent: one that there is tags alone,
  // at the representor, and knows neither priority nor protocol.
  VfSettings settings;
  // Without: the Network gives the addresses.
  std::optional<IpamCall> ipam;
  // Bytes of layer 3; without, the network's. It may not be more than that.
  std::optional<uint32_t> mtu;
  // Beside those of the IPAM plugin, or the default route through the Network's gateways. One without gateway
  // goes through the gateway of its family, if there is one.
  std::vector<CniRoute> routes;
  // If it says nothing, what the IPAM plugin said.
  CniDns dns;
};

// Who puts the tag of a VLAN on what a function sends, and keeps the bandwidth that its pod asks for. Only
// one may put a tag, or frames would leave the card with two.
enum class Tagger {
  // The xPU agent of its card, at the representor, wherever there is one.
  kCard,
  // A card that is no DPU has nobody else.
  kPhysicalFunction,
};

// A plugin that needs the interface is asked for, and the function has none: a CNI error that says so.
absl::Status CheckPluginHasInterface(const AttachRequest& request, const ClaimRow& row);

// What cannot be before anything is tried, as a CNI error. `ipam` is null if no plugins are run.
absl::Status CheckRequest(const AttachRequest& request, const IpamRunner* ipam, Tagger tagger);

// What the physical function is to keep for the attachment that `row` is to be.
VfSettings WantedOfPf(const AttachRequest& request, const ClaimRow& row, Tagger tagger);

}  // namespace xpu
