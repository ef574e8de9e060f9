#include "device-plugin/preferred_allocation.h"

#include <algorithm>
#include <cstdint>
#include <map>
#include <set>
#include <tuple>
#include <utility>

#include "absl/strings/str_cat.h"

namespace xpu {
namespace {

// What is still to be had of one physical function, and how many of the container's devices come from it.
struct Parent {
  std::set<std::string> free;
  size_t used = 0;
};

// The same of one NUMA node.
struct Node {
  // By address. Devices that have gone meanwhile have no parent that is known; Allocate will say what is
  // wrong with them.
  std::map<std::string, Parent> parents;
  size_t free = 0;
  size_t used = 0;
};

// What is better is greater: something used already, something that suffices, and of these what the policy
// says. Of what does not suffice the largest.
std::tuple<bool, bool, bool, int64_t> Worth(size_t free, size_t used, size_t wanted, AllocatePolicy policy) {
  const bool suffices = free >= wanted;
  const bool fewest = suffices && policy == AllocatePolicy::kPacked;
  const auto count = static_cast<int64_t>(free);
  return {free > 0, used > 0, suffices, fewest ? -count : count};
}

// Takes `count` of what a node has free, which is at least as much.
void TakeFrom(Node& node, size_t count, AllocatePolicy policy, std::set<std::string>& chosen) {
  for (; count > 0; --count) {
    const auto worth = [&](const Parent& parent) {
      if (policy == AllocatePolicy::kPacked) return Worth(parent.free.size(), parent.used, count, policy);
      // In turns.
      return std::make_tuple(
          !parent.free.empty(), true, true,
          static_cast<int64_t>(parent.free.size()) - (static_cast<int64_t>(parent.used) << 32));
    };
    auto best = node.parents.begin();
    for (auto it = node.parents.begin(); it != node.parents.end(); ++it) {
      // What is not known comes last.
      const auto with_known = [&](const auto& entry) {
        const auto value = worth(entry.second);
        return std::make_tuple(std::get<0>(value), !entry.first.empty(), value);
      };
      if (with_known(*it) > with_known(*best)) best = it;
    }
    Parent& parent = best->second;
    chosen.insert(parent.free.extract(parent.free.begin()).value());
    ++parent.used;
    --node.free;
    ++node.used;
  }
}

}  // namespace

absl::StatusOr<std::vector<std::string>> PreferAllocation(const PoolMembers& members, AllocatePolicy policy,
                                                          const std::vector<std::string>& available,
                                                          const std::vector<std::string>& must_include,
                                                          int count) {
  const std::set<std::string> free(available.begin(), available.end());
  std::set<std::string> chosen(must_include.begin(), must_include.end());
  if (count < 0 || free.size() < static_cast<size_t>(count)) {
    return absl::InvalidArgumentError(
        absl::StrCat("asked to prefer ", count, " devices of ", free.size(), " that are available"));
  }
  if (chosen.size() > static_cast<size_t>(count)) {
    return absl::InvalidArgumentError(
        absl::StrCat("asked to prefer ", count, " devices and to include ", chosen.size()));
  }
  for (const std::string& id : chosen) {
    if (!free.contains(id)) {
      return absl::InvalidArgumentError(absl::StrCat("asked to include ", id, ", which is not available"));
    }
  }

  std::map<std::string, const PluginFunction*> known;
  for (const PoolMember& member : members) known.emplace(member.function.id, &member.function);
  // By number; what is not known is on a node of its own, which is tried last.
  std::map<std::pair<bool, int>, Node> nodes;
  for (const std::string& id : free) {
    const auto found = known.find(id);
    const bool gone = found == known.end();
    Node& node = nodes[{gone, gone ? -1 : found->second->numa_node}];
    Parent& parent = node.parents[gone ? std::string() : found->second->pf_address];
    if (chosen.contains(id)) {
      ++parent.used;
      ++node.used;
    } else {
      parent.free.insert(id);
      ++node.free;
    }
  }

  while (chosen.size() < static_cast<size_t>(count)) {
    const size_t wanted = static_cast<size_t>(count) - chosen.size();
    const auto worth = [&](const auto& entry) {
      const auto& [key, node] = entry;
      return std::make_tuple(node.free > 0, !key.first, Worth(node.free, node.used, wanted, policy));
    };
    auto best = nodes.begin();
    for (auto it = nodes.begin(); it != nodes.end(); ++it) {
      if (worth(*it) > worth(*best)) best = it;
    }
    TakeFrom(best->second, std::min(wanted, best->second.free), policy, chosen);
  }
  return std::vector<std::string>(chosen.begin(), chosen.end());
}

}  // namespace xpu
