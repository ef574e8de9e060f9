#pragma once

#include <string>

#include "absl/strings/string_view.h"

namespace xpu {

// A flow's text without its numbers and addresses: "ip,nw_dst=# actions=output:#" of any flow that matches
// one destination and has one output. What the switch may refuse of a flow by itself (a field, an action, a
// table's or the datapath's ability) depends on its shape; what else there is depends on the table and is
// found at the commit. Several equal elements of a list in a row are one. Two flows that differ in more may
// have two shapes where one would do, never the other way round.
std::string FlowShape(absl::string_view text);

}  // namespace xpu
