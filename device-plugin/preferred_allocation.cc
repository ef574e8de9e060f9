#include "device-plugin/preferred_allocation.h"

#include <algorithm>
#include <map>
#include <set>
#include <tuple>

#include "absl/strings/str_cat.h"

namespace xpu {
namespace {

// The devices of one card that are still to be had.
struct Card {
  int numa_node = -1;
  std::set<std::string> free;
};

}  // namespace

absl::StatusOr<std::vector<std::string>> PreferAllocation(const PluginDevices& devices,
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

  std::map<std::string, const PluginDevice*> known;
  for (const PluginDevice& device : devices) known.emplace(device.id, &device);
  std::map<std::string, Card> cards;
  std::set<std::string> used_cards;
  std::set<int> used_nodes;
  for (const std::string& id : free) {
    const auto found = known.find(id);
    // A device that has gone meanwhile can still be chosen, as the last: Allocate will say what is wrong with
    // it.
    const std::string name = found == known.end() ? std::string() : found->second->physical_function;
    Card& card = cards[name];
    if (found != known.end()) card.numa_node = found->second->numa_node;
    if (chosen.contains(id)) {
      used_cards.insert(name);
      used_nodes.insert(card.numa_node);
    } else {
      card.free.insert(id);
    }
  }

  while (chosen.size() < static_cast<size_t>(count)) {
    const size_t wanted = static_cast<size_t>(count) - chosen.size();
    const auto worth = [&](const auto& entry) {
      const auto& [name, card] = entry;
      return std::make_tuple(!card.free.empty(), used_cards.contains(name), !name.empty(),
                             card.free.size() >= wanted, used_nodes.contains(card.numa_node),
                             card.free.size());
    };
    const auto best = std::max_element(cards.begin(), cards.end(),
                                       [&](const auto& a, const auto& b) { return worth(a) < worth(b); });
    Card& card = best->second;
    used_cards.insert(best->first);
    used_nodes.insert(card.numa_node);
    while (chosen.size() < static_cast<size_t>(count) && !card.free.empty()) {
      chosen.insert(card.free.extract(card.free.begin()).value());
    }
  }
  return std::vector<std::string>(chosen.begin(), chosen.end());
}

}  // namespace xpu
