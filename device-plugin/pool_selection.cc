#include "device-plugin/pool_selection.h"

#include <algorithm>
#include <map>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"

namespace xpu {
namespace {

bool Matches(const std::vector<std::string>& wanted, const std::string& value) {
  return wanted.empty() || std::find(wanted.begin(), wanted.end(), value) != wanted.end();
}

bool Matches(const std::vector<ParentSelector>& wanted, const std::string& parent, int index) {
  if (wanted.empty()) return true;
  // A function whose parent has no interface is selected by no name.
  if (parent.empty()) return false;
  return std::any_of(wanted.begin(), wanted.end(), [&](const ParentSelector& selector) {
    if (selector.parent != parent) return false;
    return selector.ranges.empty() ||
           std::any_of(selector.ranges.begin(), selector.ranges.end(), [&](const std::pair<int, int>& range) {
             return range.first <= index && index <= range.second;
           });
  });
}

// "sf" of "mlx5_core.sf.4".
std::string AuxiliaryType(const PluginFunction& function) {
  const std::vector<std::string> parts = absl::StrSplit(function.auxiliary_device, '.');
  return parts.size() == 3 ? parts[1] : std::string();
}

bool Matches(const PoolSelector& selector, const PluginFunction& function) {
  return Matches(selector.vendors, function.vendor) && Matches(selector.devices, function.device) &&
         Matches(selector.drivers, function.driver) && Matches(selector.pci_addresses, function.id) &&
         (selector.aux_types.empty() || Matches(selector.aux_types, AuxiliaryType(function))) &&
         Matches(selector.link_types, function.link_type) &&
         Matches(selector.pf_names, function.pf_name, function.index) &&
         Matches(selector.root_devices, function.pf_address, function.index) &&
         (!selector.is_rdma || !function.rdma_devices.empty());
}

bool Matches(PoolDeviceType type, PluginFunction::Kind kind) {
  switch (type) {
    case PoolDeviceType::kNetDevice:
      return kind == PluginFunction::Kind::kVf;
    case PoolDeviceType::kAuxNetDevice:
      return kind == PluginFunction::Kind::kSf;
    case PoolDeviceType::kAny:
      return true;
  }
  return false;
}

// Whether the pool selects it, and if so the member that it makes.
bool Select(const PoolConfig& pool, const PluginFunction& function, PoolMember& member) {
  if (!Matches(pool.device_type, function.kind)) return false;
  member.function = function;
  if (pool.selectors.empty()) return true;
  const auto selector = std::find_if(pool.selectors.begin(), pool.selectors.end(),
                                     [&](const PoolSelector& s) { return Matches(s, function); });
  if (selector == pool.selectors.end()) return false;
  member.share_rdma = selector->is_rdma;
  member.need_vhost_net = selector->need_vhost_net;
  return true;
}

struct Overlap {
  int functions = 0;
  std::string one;
};

}  // namespace

PoolAssignment AssignFunctions(const std::vector<PoolConfig>& pools, const PluginFunctions& functions) {
  PoolAssignment assignment;
  assignment.members.resize(pools.size());
  std::map<std::pair<size_t, size_t>, Overlap> overlaps;
  for (const PluginFunction& function : functions) {
    size_t first = pools.size();
    for (size_t i = 0; i < pools.size(); ++i) {
      PoolMember member;
      if (!Select(pools[i], function, member)) continue;
      if (first == pools.size()) {
        first = i;
        assignment.members[i].push_back(std::move(member));
      } else if (Overlap& overlap = overlaps[{first, i}]; overlap.functions++ == 0) {
        overlap.one = function.id;
      }
    }
  }
  for (const auto& [both, overlap] : overlaps) {
    assignment.overlaps.push_back(absl::StrCat(
        "resources ", pools[both.first].resource, " and ", pools[both.second].resource, " both select ",
        overlap.functions, overlap.functions == 1 ? " function (" : " functions (e.g. ", overlap.one,
        "); a function can be in one pool only: narrow the selectors of one of the two"));
  }
  return assignment;
}

}  // namespace xpu
