#pragma once

#include <string>

#include "absl/status/statusor.h"
#include "host-agent/alloc/journal.h"
#include "host-agent/attach/host_side.h"

namespace xpu {

// What a CHECK has to find in the pod: what the result of the ADD, `prev_result`, says of the interface of a
// confirmed row. Routes only as far as they are the row's own, as plugins that came later in a chain add and
// remove others. FailedPrecondition if the two contradict one another, InvalidArgument (with a CNI code) if
// `prev_result` is no result.
absl::StatusOr<InterfaceSetup> WhatToCheck(const ClaimRow& row, const std::string& prev_result);

// "network default/blue" or "VLAN 7", for messages.
std::string DescribeNetwork(const Attachment& attachment);

}  // namespace xpu
