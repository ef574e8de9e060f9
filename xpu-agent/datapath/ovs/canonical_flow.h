#pragma once

#include <string>
#include <utility>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "xpu-agent/datapath/switch.h"

namespace xpu {

// Every flow of ours carries this cookie; the mask says which of its bits tell ours from others' ("xpu" in
// ASCII and a zero octet).
inline constexpr uint64_t kFlowCookie = 0x7870750000000000;
inline constexpr uint64_t kFlowCookieMask = 0xffffffff00000000;

// "table=10,priority=100,arp,reg0=0x1", for ovs-ofctl(8) and for messages. With `actions`, followed by
// " actions=...".
std::string FlowToText(const FlowKey& key);
std::string FlowToText(const FlowKey& key, absl::string_view actions);

// What the switch would print for a flow in the syntax of ovs-ofctl(8), e.g.
// "table=10,priority=100,arp,actions=drop". Table 0 and priority 32768 if there is none. InvalidArgument says
// what is wrong. Safe from any thread.
absl::StatusOr<std::pair<FlowKey, std::string>> CanonicalFlow(absl::string_view text);

}  // namespace xpu
