#include "control-plane/apiserver/store/event.h"

namespace xpu::apiserver {

std::optional<absl::string_view> ItemType(const Change& change, const api::Selector& selector) {
  bool was = change.before != nullptr && selector.Matches(*change.before);
  bool is = change.after != nullptr && selector.Matches(*change.after);
  if (is) return was ? "MODIFIED" : "ADDED";
  if (was) return "DELETED";
  return std::nullopt;
}

nlohmann::json ItemObject(const Change& change, absl::string_view type) {
  if (type != "DELETED") return *change.after;
  // The watcher is shown the last state that it could see, under the version of the change, where it goes on.
  nlohmann::json last = *change.before;
  last["metadata"]["resourceVersion"] = std::to_string(change.version);
  return last;
}

std::optional<WatchItem> Project(const Change& change, const api::Selector& selector) {
  const std::optional<absl::string_view> type = ItemType(change, selector);
  if (!type) return std::nullopt;
  return WatchItem{*type, ItemObject(change, *type)};
}

}  // namespace xpu::apiserver
