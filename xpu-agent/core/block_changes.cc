#include "xpu-agent/core/block_changes.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "common/opi/opi_names.h"

namespace xpu {
namespace {

bool IsIn(const std::vector<IpPrefix>& blocks, const IpAddress& address) {
  return std::any_of(blocks.begin(), blocks.end(),
                     [&](const IpPrefix& block) { return block.Contains(address); });
}

}  // namespace

absl::Status SetAddressBlocks(AgentState& state, const std::string& bridge_id, std::vector<IpPrefix> blocks) {
  const auto bridge = state.model.bridges.find(bridge_id);
  if (bridge == state.model.bridges.end()) {
    return absl::NotFoundError(absl::StrCat("logical_bridge: there is no ", LogicalBridgeName(bridge_id)));
  }
  std::sort(blocks.begin(), blocks.end());
  blocks.erase(std::unique(blocks.begin(), blocks.end()), blocks.end());
  const std::optional<std::vector<IpPrefix>>& before = bridge->second.blocks;
  if (before == blocks) return absl::OkStatus();
  for (const auto& [id, port] : state.model.ports) {
    if (!port.bound || port.logical_bridges != std::vector<std::string>{bridge_id}) continue;
    for (const InterfaceAddress& address : port.addresses) {
      // One from before there were blocks, or from a block that was lost, stays as it is.
      const bool was_in = before.has_value() && IsIn(*before, address.address);
      if (!was_in || IsIn(blocks, address.address)) continue;
      return absl::FailedPreconditionError(absl::StrCat(
          "blocks: ", address.address.ToString(), " is that of ", BridgePortName(id), "; unbind that first"));
    }
  }
  state.model.bridges.at(bridge_id).blocks = std::move(blocks);
  return absl::OkStatus();
}

}  // namespace xpu
