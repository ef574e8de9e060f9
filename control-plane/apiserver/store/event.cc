#include "control-plane/apiserver/store/event.h"

namespace xpu::apiserver {

std::optional<WatchItem> Project(const Change& change, const api::Selector& selector) {
  bool was = !change.before.is_null() && selector.Matches(change.before);
  bool is = !change.after.is_null() && selector.Matches(change.after);
  if (!was && !is) return std::nullopt;
  if (is) return WatchItem{was ? "MODIFIED" : "ADDED", change.after};
  // The watcher is shown the last state that it could see, under the version of the change, where it goes on.
  nlohmann::json last = change.before;
  last["metadata"]["resourceVersion"] = std::to_string(change.version);
  return WatchItem{"DELETED", std::move(last)};
}

}  // namespace xpu::apiserver
