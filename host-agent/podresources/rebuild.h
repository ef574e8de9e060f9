#pragma once

#include <optional>
#include <string>
#include <vector>

#include "common/base/function_id.h"
#include "common/sys/netlink.h"
#include "host-agent/alloc/journal.h"
#include "host-agent/inventory/inventory.h"
#include "host-agent/podresources/claim_auditor.h"

namespace xpu {

// A function's interface as it was found in some network namespace.
struct FoundInterface {
  FunctionId function;
  // Path of the namespace; empty: the host's own.
  std::string netns;
  Link link;
  std::vector<InterfaceAddress> addresses;
  // Of its default routes.
  std::vector<IpAddress> gateways;
};

// Rows for functions that pods demonstrably have and the journal has no row of, so that none of them is given
// to another and a DEL gives them back:
//   - attached, if the interface is in a pod's namespace, with what can be seen there. The container is not
//     known, so it is UnknownContainer; neither is the network, so the card is left as it is until the DEL;
//   - claimed, if only the kubelet says that a pod has it.
// Claim numbers are for the journal to give. Pure.
std::vector<ClaimRow> Rebuild(const std::vector<HostFunction>& functions, const std::vector<ClaimRow>& rows,
                              const std::vector<FoundInterface>& interfaces, const Holders& holders);

}  // namespace xpu
