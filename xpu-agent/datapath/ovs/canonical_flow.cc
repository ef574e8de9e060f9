#include "xpu-agent/datapath/ovs/canonical_flow.h"

#include <algorithm>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "xpu-agent/datapath/ovs/ovs_c.h"

namespace xpu {

std::string FlowToText(const FlowKey& key) {
  return absl::StrCat("table=", key.table, ",priority=", key.priority, key.match.empty() ? "" : ",",
                      key.match);
}

std::string FlowToText(const FlowKey& key, absl::string_view actions) {
  return absl::StrCat(FlowToText(key), " actions=", actions);
}

absl::StatusOr<std::pair<FlowKey, std::string>> CanonicalFlow(absl::string_view text) {
  const std::string copy(text);
  if (std::any_of(copy.begin(), copy.end(), [](unsigned char c) { return absl::ascii_iscntrl(c); })) {
    return absl::InvalidArgumentError("a flow is one line of printable text");
  }
  xpu_ovs_init();
  ofpbuf* message = nullptr;
  xpu_ovs_flow flow = {};
  char* error = xpu_ovs_flow_mod(copy.c_str(), true, kFlowCookie, 0, &message, &flow);
  if (error != nullptr) {
    const std::string why = error;
    xpu_ovs_free(error);
    return absl::InvalidArgumentError(absl::StrCat("flow '", copy, "': ", why));
  }
  xpu_ovs_message_free(message);
  std::pair<FlowKey, std::string> result{{flow.table, flow.priority, flow.match}, flow.actions};
  xpu_ovs_flow_clear(&flow);
  return result;
}

}  // namespace xpu
